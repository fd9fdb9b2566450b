//! The handshake: agreed end to end, refused so that the client knows what to do.

use codex_plus_stand_in::{Config, StandIn, WebSocketMode};
use serde_json::Value;

use crate::support::peer::{Peer, ask};
use crate::support::proxy::Proxy;
use crate::support::socket::{KEY, accept, offer};
use crate::support::upstream::{nobody, upstream};

#[tokio::test(flavor = "multi_thread")]
async fn offer_and_answer_cross_as_they_are() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let address = upstream(move |mut peer| {
        let tell = tell.clone();
        async move {
            let answer = "sec-websocket-protocol: two\r\n\
                 sec-websocket-extensions: permessage-deflate; server_no_context_takeover\r\n\
                 x-codex-turn-state: abc\r\nset-cookie: a\r\nset-cookie: b\r\n";
            tell.send(accept(&mut peer, answer).await).unwrap();
            peer.rest().await.unwrap();
        }
    })
    .await;
    // What a filter reads is not compressed; here none does.
    let upstream = format!("http://{address}/v1");
    let proxy = Proxy::configured(upstream, "commands.enabled = false\nhooks.enabled = false");
    let mut client = Peer::connect(proxy.address).await;
    client
        .send(offer(
            "sec-websocket-protocol: one, two\r\n\
             sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n\
             openai-beta: responses_websockets=2026-02-06\r\nauthorization: Bearer x\r\n\
             x-codex-turn-metadata: {}\r\nproxy-authorization: no\r\nx-forwarded-for: 10.0.0.1\r\n",
        ))
        .await;
    let head = client.head().await;
    assert_eq!(head.line, "HTTP/1.1 101 Switching Protocols");
    for (name, value) in [
        ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("sec-websocket-protocol", "two"),
        (
            "sec-websocket-extensions",
            "permessage-deflate; server_no_context_takeover",
        ),
        ("x-codex-turn-state", "abc"),
        ("upgrade", "websocket"),
    ] {
        assert_eq!(head.get(name), Some(value));
    }
    assert_eq!(head.all("set-cookie"), ["a", "b"]);
    let asked = told.recv().await.unwrap();
    assert_eq!(asked.line, "GET /v1/responses HTTP/1.1");
    for (name, value) in [
        ("sec-websocket-key", KEY),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "one, two"),
        (
            "sec-websocket-extensions",
            "permessage-deflate; client_max_window_bits",
        ),
        ("openai-beta", "responses_websockets=2026-02-06"),
        ("authorization", "Bearer x"),
        ("x-codex-turn-metadata", "{}"),
        ("host", &address.to_string()),
    ] {
        assert_eq!(asked.get(name), Some(value));
    }
    for name in ["proxy-authorization", "x-forwarded-for"] {
        assert_eq!(asked.get(name), None);
    }
}

async fn refused_with(status: u16) -> (u16, Value) {
    let config = Config {
        websocket: WebSocketMode::Refuse(status),
        ..Config::default()
    };
    let stand_in = StandIn::start(config).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    let (head, body) = ask(proxy.address, offer("")).await;
    assert_eq!(stand_in.received_count(), 1, "a refusal is not tried again");
    (head.status(), serde_json::from_slice(&body).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_without_websocket_sends_the_client_to_post() {
    for status in [400, 404, 405, 426, 429, 501] {
        let (answered, body) = refused_with(status).await;
        assert_eq!(answered, 426, "{status}");
        assert_eq!(body["error"]["code"], "websocket_unavailable");
        let message = body["error"]["message"].as_str().unwrap();
        assert!(message.contains(&status.to_string()), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_would_hold_for_post_as_well_is_passed_on() {
    for status in [401, 403, 500, 503] {
        let (answered, body) = refused_with(status).await;
        assert_eq!(answered, status);
        assert_eq!(body["error"]["code"], "websocket_refused");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_knows_no_upgrades_sends_the_client_to_post() {
    let address = upstream(|mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
            .await;
    })
    .await;
    let proxy = Proxy::before(format!("http://{address}"));
    assert_eq!(ask(proxy.address, offer("")).await.0.status(), 426);
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_can_be_switched_off() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::configured(stand_in.base_url(), "websocket = false\n");
    let (head, _) = ask(proxy.address, offer("")).await;
    assert_eq!(head.status(), 426);
    assert!(head.get("upgrade").is_some(), "RFC 9110, 15.5.22");
    assert_eq!(stand_in.received_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_or_silent_upstream_is_named() {
    let address = nobody();
    let proxy = Proxy::before(format!("http://{address}"));
    let (head, body) = ask(proxy.address, offer("")).await;
    assert_eq!(head.status(), 502);
    assert!(
        String::from_utf8(body)
            .unwrap()
            .contains(&address.to_string())
    );

    let address = upstream(|mut peer| async move {
        peer.rest().await.unwrap();
    })
    .await;
    let settings = "[timeouts]\nstream_idle = '300ms'\n";
    let proxy = Proxy::configured(format!("http://{address}"), settings);
    let (head, body) = ask(proxy.address, offer("")).await;
    assert_eq!(head.status(), 504);
    assert!(
        String::from_utf8(body)
            .unwrap()
            .contains("timeouts.stream_idle")
    );
}

/// The guard stands before WebSocket as before anything else: a browser sends no preflight here.
#[tokio::test(flavor = "multi_thread")]
async fn a_web_page_cannot_open_one() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    let (head, _) = ask(proxy.address, offer("origin: https://evil.example\r\n")).await;
    assert_eq!(head.status(), 403);
    assert_eq!(stand_in.received_count(), 0);
}
