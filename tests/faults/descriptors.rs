//! Too few descriptors: what runs goes on, what cannot is told so, and nothing is left behind.

use codex_plus_stand_in::{Config, StandIn};
use serde_json::Value;
use tokio::sync::watch;

use crate::support::peer::{Peer, ask, get, post};
use crate::support::proxy::Proxy;
use crate::support::upstream::upstream;
use crate::support::{until, within};

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
const GET: &str = "GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// Streams an event at once and one when the gate opens; says `ok` to a GET.
async fn gated() -> (Proxy, watch::Sender<bool>) {
    let (gate, opened) = watch::channel(false);
    let address = upstream(move |mut peer| {
        let mut opened = opened.clone();
        async move {
            let (head, _) = peer.request().await;
            if head.line.starts_with("GET") {
                peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                    .await;
                return;
            }
            peer.send(HEAD).await;
            peer.send_chunk("data: 1\n\n").await;
            within(opened.wait_for(|open| *open)).await.unwrap();
            peer.send_chunk("data: 2\n\n").await;
            peer.send("0\r\n\r\n").await;
        }
    })
    .await;
    (Proxy::before(format!("http://{address}")), gate)
}

#[tokio::test(flavor = "multi_thread")]
async fn more_clients_than_descriptors_wait_and_are_served() {
    let (proxy, gate) = gated().await;
    let mut live = Peer::connect(proxy.address).await;
    live.send(post("/v1/responses", "", b"{\"stream\":true}"))
        .await;
    assert_eq!(live.head().await.status(), 200);
    assert_eq!(live.chunk().await, b"data: 1\n\n");
    let before = proxy.descriptors();
    proxy.leave_descriptors(2);

    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = Peer::connect(proxy.address).await;
        client.send(GET).await;
        clients.push(client);
    }
    let told = || {
        proxy
            .log()
            .matches("no descriptors are left; they wait")
            .count()
    };
    until("the log", || told() > 0).await;
    // Waiting for descriptors is no work: a loop would take every tick of these.
    let ticks = proxy.processor_ticks();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let ticks = proxy.processor_ticks() - ticks;
    assert!(ticks < 60, "{ticks} of 200 ticks were spent on waiting");
    assert_eq!(told(), 1, "{}", proxy.log());
    assert!(proxy.log().contains("ulimit -n"), "{}", proxy.log());

    // What was under way is carried to its end.
    gate.send_replace(true);
    assert_eq!(live.chunk().await, b"data: 2\n\n");
    assert!(live.try_chunk().await.unwrap().is_none());
    drop(live);
    drop(clients);
    let (head, body) = get(proxy.address, "/v1/models").await;
    assert_eq!((head.status(), body.as_slice()), (200, &b"ok"[..]));
    // Told once it has been well for a while.
    for _ in 0..600 {
        if proxy.log().contains("connections are accepted again") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        get(proxy.address, "/health").await;
    }
    assert!(
        proxy.log().contains("connections are accepted again"),
        "{}",
        proxy.log()
    );
    until("the descriptors", || proxy.descriptors() <= before).await;
    proxy.idle().await;
}

/// A connection was accepted with the last descriptor, so there is none for the way upstream.
#[tokio::test(flavor = "multi_thread")]
async fn no_descriptor_for_the_way_upstream_is_a_503_that_says_so() {
    let (proxy, _gate) = gated().await;
    let mut client = Peer::connect(proxy.address).await;
    // What is read at the start has been read, so that no descriptor of that comes free.
    for path in ["hooks", "status-line"] {
        let request = format!("GET /codex-plus/{path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        assert_eq!(client.ask(request).await.0.status(), 200);
    }
    proxy.leave_descriptors(0);
    let (head, body) = client.ask(GET).await;
    let error: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(head.status(), 503, "{error}");
    assert_eq!(error["error"]["code"], "out_of_descriptors");
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains("ulimit -n"), "{message}");
    let told = proxy.logged(1).await.remove(0);
    assert_eq!(
        (&told["outcome"], &told["level"]),
        (&"upstream_failed".into(), &"WARN".into())
    );
    // The same connection works when there are descriptors again.
    proxy.limit("nofile", 1_024);
    let (head, body) = client.ask(GET).await;
    assert_eq!((head.status(), body.as_slice()), (200, &b"ok"[..]));
}

/// Hooks fail open, also when their process cannot be started.
#[tokio::test(flavor = "multi_thread")]
async fn hooks_that_cannot_be_started_are_passed_over() {
    let python = "---\nname: tag\ninput: prompt\n---\nfrom codex_plus.hooks import Hook\n\
        class Tag(Hook):\n    async def pre_input(self, request, body):\n        body['prompt'] += ' tagged'\n";
    let command = r#"{"hooks": {"UserPromptSubmit": [{"hooks": [{"type": "command", "command": "echo context"}]}]}}"#;
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::started(stand_in.base_url(), "", |home, _| {
        home.write("home/.codexplus/hooks/tag.py", python);
        home.write("home/.codexplus/settings.json", command);
    });
    let prompt = |id: &str| {
        format!(
            r#"{{"model":"m","input":[{{"type":"message","role":"user","id":"{id}","content":[{{"type":"input_text","text":"hello"}}]}}]}}"#
        )
    };
    // The hooks have been read by now; two descriptors are left for the exchange.
    get(proxy.address, "/codex-plus/hooks").await;
    proxy.leave_descriptors(3);
    let (head, _) = ask(
        proxy.address,
        post("/v1/responses", "", prompt("p1").as_bytes()),
    )
    .await;
    assert_eq!(head.status(), 200);
    let sent = stand_in.received().pop().unwrap().json.unwrap().to_string();
    assert!(
        !sent.contains("tagged") && !sent.contains("context"),
        "{sent}"
    );
    until("the log", || {
        let log = proxy.log();
        log.matches("a hook failed").count() >= 2 && log.matches("Too many open files").count() >= 2
    })
    .await;
    proxy.limit("nofile", 1_024);
    // A start that failed is not tried again at once.
    let mut number = 1;
    let sent = loop {
        number += 1;
        assert!(number < 100, "{}", proxy.log());
        let request = post(
            "/v1/responses",
            "",
            prompt(&format!("p{number}")).as_bytes(),
        );
        assert_eq!(ask(proxy.address, request).await.0.status(), 200);
        let sent = stand_in.received().pop().unwrap().json.unwrap().to_string();
        if sent.contains("tagged") {
            break sent;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    assert!(sent.contains("context"), "{sent}");
}
