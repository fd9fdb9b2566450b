//! The proxy's own endpoints, which no upstream ever hears of.

use codex_plus_stand_in::{Config, StandIn};
use serde_json::Value;

use crate::support::peer::{Peer, ask, get};
use crate::support::proxy::Proxy;

#[tokio::test(flavor = "multi_thread")]
async fn health_answers_get_head_and_post() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    for method in ["GET", "POST"] {
        let request =
            format!("{method} /health HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n");
        let (head, body) = ask(proxy.address, request).await;
        assert_eq!(head.status(), 200);
        assert_eq!(head.get("content-type"), Some("application/json"));
        assert_eq!(body, br#"{"status":"healthy"}"#);
    }
    let mut client = Peer::connect(proxy.address).await;
    client
        .send("HEAD /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    let head = client.head().await;
    assert_eq!(
        (head.status(), head.get("content-length")),
        (200, Some("20"))
    );
    // No body came with it: the next answer follows at once.
    let (head, _) = client
        .ask("PUT /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    assert_eq!(head.status(), 405);
    assert_eq!(stand_in.received_count(), 0);
    // Probes are not exchanges, and fill no log.
    assert_eq!(proxy.exchanges().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn status_and_version_tell_about_this_very_proxy() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    get(proxy.address, "/v1/models").await;
    proxy.idle().await;
    let (head, body) = get(proxy.address, "/codex-plus/status").await;
    assert_eq!(head.status(), 200);
    let status: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(status["pid"], proxy.pid());
    assert_eq!(status["listen"], proxy.address.to_string());
    assert_eq!(status["upstream"], stand_in.base_url());
    assert_eq!(status["exchanges"]["total"], 1);
    assert_eq!(status["exchanges"]["live"], 0);
    let (_, body) = get(proxy.address, "/codex-plus/version").await;
    let version: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(version["name"], "codex-plus");
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    let (head, body) = get(proxy.address, "/codex-plus/unknown").await;
    assert_eq!(head.status(), 404);
    let error: Value = serde_json::from_slice(&body).unwrap();
    assert!(
        error["error"]["message"]
            .as_str()
            .unwrap()
            .contains("/codex-plus/status")
    );
    assert_eq!(stand_in.received_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_has_one_line_an_exchange() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    let metadata = r#"{"request_kind":"compaction","thread_source":"user"}"#;
    let request = format!(
        "POST /v1/responses?key=secret HTTP/1.1\r\nhost: localhost\r\nsession-id: s-1\r\nthread-id: t-1\r\n\
         x-codex-turn-metadata: {metadata}\r\ncontent-length: 15\r\n\r\n{{\"stream\":true}}"
    );
    let (_, body) = ask(proxy.address, request).await;
    get(proxy.address, "/v1/nothing").await;
    let told = proxy.logged(2).await;
    let first = &told[0];
    for (key, expected) in [
        ("transport", "http"),
        ("session", "s-1"),
        ("thread", "t-1"),
        ("turn", "compaction"),
        ("method", "POST"),
        ("path", "/v1/responses"),
        ("outcome", "completed"),
    ] {
        assert_eq!(first[key], expected, "{key} in {first}");
    }
    assert_eq!(
        (&first["status"], &first["bytes_in"]),
        (&200.into(), &15.into())
    );
    assert_eq!(first["bytes_out"], body.len());
    for key in ["total_ms", "upstream_first_byte_ms", "added_ms"] {
        assert!(first[key].is_f64(), "{key} in {first}");
    }
    assert_eq!(
        (&told[1]["status"], &told[1]["turn"]),
        (&404.into(), &Value::Null)
    );
    assert_eq!(told.len(), 2);
}
