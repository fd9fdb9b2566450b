//! Errors of our own: in the provider's shape, with what to do next.

use codex_plus_stand_in::{Answer, Config, Reply, StandIn};
use serde_json::Value;

use crate::support::peer::{Head, Peer, ask, get, post};
use crate::support::proxy::Proxy;
use crate::support::text;
use crate::support::upstream::{nobody, upstream};

/// The error's code and message, after a look at its shape.
fn error(head: &Head, body: &[u8]) -> (String, String) {
    assert_eq!(head.get("content-type"), Some("application/json"));
    let body: Value = serde_json::from_slice(body).unwrap();
    let field = |name: &str| body["error"][name].as_str().unwrap().to_owned();
    assert!(!field("type").is_empty());
    (field("code"), field("message"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_refuses_is_a_502_with_a_hint() {
    let address = nobody();
    let proxy = Proxy::before(format!("http://{address}/v1"));
    let (head, body) = ask(proxy.address, post("/v1/responses", "", b"{}")).await;
    assert_eq!(head.status(), 502);
    let (code, message) = error(&head, &body);
    assert_eq!(code, "upstream_unreachable");
    assert!(message.contains(&format!("http://{address}")), "{message}");
    assert!(message.contains("refused"), "{message}");
    assert!(message.contains("`upstream`"), "{message}");
    let told = proxy.logged(1).await.remove(0);
    assert_eq!(
        (&told["outcome"], &told["level"]),
        (&"upstream_failed".into(), &"WARN".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_hangs_up_is_a_502() {
    for words in ["", "HTTP/1.1 200 OK\r\nconte", "SSH-2.0-OpenSSH\r\n"] {
        let address = upstream(move |mut peer| async move {
            peer.request().await;
            peer.send(words).await;
        })
        .await;
        let proxy = Proxy::before(format!("http://{address}"));
        let (head, body) = ask(proxy.address, post("/v1/responses", "", b"{}")).await;
        assert_eq!(head.status(), 502, "{words}");
        let (code, message) = error(&head, &body);
        assert_eq!(code, "upstream_broken");
        assert!(message.contains(&address.to_string()), "{message}");
    }
}

/// What was sent once is not sent again: the provider may have begun to work on it.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_never_sent_twice() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let address = upstream(move |mut peer| {
        let tell = tell.clone();
        async move {
            while let Ok(Some(head)) = peer.try_head().await {
                peer.body(&head).await;
                tell.send(head.target().to_owned()).unwrap();
                if head.target() == "/last" {
                    return;
                }
                peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    .await;
            }
        }
    })
    .await;
    let proxy = Proxy::before(format!("http://{address}"));
    // The second goes out on the pooled connection of the first, where a retry would be tempting.
    assert_eq!(
        ask(proxy.address, post("/first", "", b"{}"))
            .await
            .0
            .status(),
        200
    );
    assert_eq!(
        ask(proxy.address, post("/last", "", b"{}"))
            .await
            .0
            .status(),
        502
    );
    assert_eq!(
        ask(proxy.address, post("/first", "", b"{}"))
            .await
            .0
            .status(),
        200
    );
    drop(proxy);
    let mut seen = Vec::new();
    while let Ok(target) = told.try_recv() {
        seen.push(target);
    }
    assert_eq!(seen, ["/first", "/last", "/first"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_upstream_is_a_504_that_names_the_setting() {
    let address = upstream(|mut peer| async move {
        let _ = peer.rest().await;
    })
    .await;
    let settings = "[timeouts]\nstream_idle = '300ms'\n";
    let proxy = Proxy::configured(format!("http://{address}"), settings);
    let (head, body) = ask(proxy.address, post("/v1/responses", "", b"{}")).await;
    assert_eq!(head.status(), 504);
    let (code, message) = error(&head, &body);
    assert_eq!(code, "upstream_timeout");
    assert!(message.contains("`timeouts.stream_idle`"), "{message}");
    assert!(message.contains(&address.to_string()), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_a_413_that_names_the_setting() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::configured(stand_in.base_url(), "[limits]\nbody = '64KiB'\n");
    let fits = text(64 << 10);
    let (head, _) = ask(proxy.address, post("/echo-body", "", &fits)).await;
    assert_eq!(head.status(), 200);
    let mut client = Peer::connect(proxy.address).await;
    let _ = client
        .try_send(post("/echo-body", "", &text((64 << 10) + 1)))
        .await;
    let head = client.head().await;
    assert_eq!(head.status(), 413);
    let body = client.body(&head).await;
    let (code, message) = error(&head, &body);
    assert_eq!(code, "body_too_large");
    assert!(
        message.contains("`limits.body`") && message.contains("65536"),
        "{message}"
    );

    // Without a length it shows only on the way.
    let mut client = Peer::connect(proxy.address).await;
    client
        .send("POST /echo-body HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    for _ in 0..5 {
        client.send_chunk(text(16 << 10)).await;
    }
    let head = client.head().await;
    assert_eq!(head.status(), 413);
    let body = client.body(&head).await;
    assert_eq!(error(&head, &body).0, "body_too_large");
    // To the upstream it was no whole request.
    let whole = stand_in
        .received()
        .iter()
        .filter(|r| r.body_error.is_none())
        .count();
    assert_eq!(whole, 1);
    for told in &proxy.logged(3).await[1..] {
        assert_eq!(told["outcome"], "refused");
    }
}

/// The client's own stumble: said so, and never taken for a whole request upstream.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stops_arriving_is_given_up() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let settings = "[timeouts]\nbody_idle = '300ms'\n";
    let proxy = Proxy::configured(stand_in.base_url(), settings);
    let mut client = Peer::connect(proxy.address).await;
    client
        .send("POST /echo-body HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nhalf")
        .await;
    let head = client.head().await;
    assert_eq!(head.status(), 400);
    let body = client.body(&head).await;
    assert_eq!(error(&head, &body).0, "body_incomplete");
    assert!(stand_in.received().iter().all(|r| r.body_error.is_some()));
}

/// The provider's errors are the provider's: status, body and headers as they came.
#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_upstream_pass_as_they_are() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    for status in [400, 401, 403, 404, 422, 429, 500, 502, 503, 504, 529] {
        let said = format!("{{\"error\": {{\"message\":\"told by {status}\"}} }}");
        stand_in.push(Answer {
            reply: Reply::Status {
                status,
                body: said.clone(),
            },
            headers: vec![("retry-after".into(), "7".into())],
            ..Answer::default()
        });
        let (head, body) = ask(proxy.address, post("/v1/responses", "", b"{}")).await;
        assert_eq!((head.status(), body), (status, said.into_bytes()));
        assert_eq!(head.get("retry-after"), Some("7"));
    }
    assert_eq!(stand_in.received_count(), 11, "nothing is tried again");
}

/// An upstream that comes back is used again, without a restart.
#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_recovers_with_its_upstream() {
    let address = nobody();
    let proxy = Proxy::before(format!("http://{address}"));
    assert_eq!(get(proxy.address, "/models").await.0.status(), 502);
    let config = Config {
        listen: address,
        ..Config::default()
    };
    let stand_in = StandIn::start(config.clone()).await.unwrap();
    assert_eq!(get(proxy.address, "/models").await.0.status(), 200);
    stand_in.stop().await;
    assert_eq!(get(proxy.address, "/models").await.0.status(), 502);
    let _stand_in = StandIn::start(config).await.unwrap();
    assert_eq!(get(proxy.address, "/models").await.0.status(), 200);
}
