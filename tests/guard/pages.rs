//! Web pages: a browser on this machine reaches the port, its pages must not.

use codex_plus_stand_in::{Config, StandIn};
use serde_json::Value;

use crate::support::peer::{Head, ask};
use crate::support::proxy::Proxy;

async fn line(settings: &str) -> (StandIn, Proxy) {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::configured(stand_in.base_url(), settings);
    (stand_in, proxy)
}

/// Asks with these header lines; the answer's head and its error code.
async fn with(proxy: &Proxy, path: &str, fields: &str) -> (Head, String) {
    let request = format!("POST {path} HTTP/1.1\r\n{fields}content-length: 2\r\n\r\n{{}}");
    let (head, body) = ask(proxy.address, request).await;
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let code = body["error"]["code"].as_str().unwrap_or_default();
    (head, code.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_host_is_dns_rebinding() {
    let (stand_in, proxy) = line("").await;
    for host in [
        "evil.example",
        "evil.example:10000",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "192.168.1.1",
        "[fe80::1]",
        "localhost@evil.example",
        "",
    ] {
        // Not even the proxy's own endpoints tell such a page anything.
        for path in ["/v1/responses", "/health", "/codex-plus/status"] {
            let (head, _) = with(&proxy, path, &format!("host: {host}\r\n")).await;
            assert!(matches!(head.status(), 400 | 403), "{host} {path}");
        }
    }
    for fields in ["", "host: localhost\r\nhost: evil.example\r\n"] {
        let (head, code) = with(&proxy, "/v1/responses", fields).await;
        assert_eq!((head.status(), code.as_str()), (400, "host_count"));
    }
    assert_eq!(stand_in.received_count(), 0);
    let port = proxy.address.port();
    for host in ["localhost", "127.0.0.1", "[::1]", "LocalHost"] {
        let host = format!("host: {host}:{port}\r\n");
        assert_eq!(with(&proxy, "/v1/responses", &host).await.0.status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_origin_is_a_page_posting_to_localhost() {
    let (stand_in, proxy) = line("").await;
    let port = proxy.address.port();
    for origin in [
        "https://evil.example",
        "null",
        "http://localhost",
        "http://localhost:1",
        "https://localhost",
        "file://",
        "",
    ] {
        for path in ["/v1/responses", "/health"] {
            let fields = format!("host: localhost:{port}\r\norigin: {origin}\r\n");
            let (head, code) = with(&proxy, path, &fields).await;
            assert_eq!((head.status(), code.as_str()), (403, "origin_refused"));
            assert_eq!(head.get("access-control-allow-origin"), None);
        }
    }
    for site in ["cross-site", "same-site", "anything"] {
        let fields = format!("host: localhost\r\nsec-fetch-site: {site}\r\n");
        let (head, code) = with(&proxy, "/v1/responses", &fields).await;
        assert_eq!((head.status(), code.as_str()), (403, "origin_refused"));
    }
    let two = "host: localhost\r\norigin: http://localhost:1\r\norigin: https://evil.example\r\n";
    assert_eq!(with(&proxy, "/x", two).await.0.status(), 403);
    assert_eq!(stand_in.received_count(), 0);
    for fields in [
        format!("origin: http://localhost:{port}\r\n"),
        format!("origin: http://127.0.0.1:{port}\r\n"),
        "sec-fetch-site: none\r\n".to_owned(),
        "sec-fetch-site: same-origin\r\n".to_owned(),
    ] {
        let fields = format!("host: localhost\r\n{fields}");
        assert_eq!(with(&proxy, "/v1/responses", &fields).await.0.status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_is_refused_too() {
    let (stand_in, proxy) = line("").await;
    let request = "OPTIONS /v1/responses HTTP/1.1\r\nhost: localhost\r\norigin: https://evil.example\r\n\
         access-control-request-method: POST\r\n\r\n";
    let (head, _) = ask(proxy.address, request).await;
    assert_eq!(head.status(), 403);
    assert_eq!(head.get("access-control-allow-origin"), None);
    assert_eq!(stand_in.received_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_and_origins_can_be_allowed() {
    let settings =
        "[guard]\nallowed_hosts = ['Box.lan']\nallowed_origins = ['http://localhost:3000/']\n";
    let (stand_in, proxy) = line(settings).await;
    for (fields, status) in [
        ("host: box.lan:10000\r\n", 200),
        ("host: other.lan\r\n", 403),
        ("host: localhost\r\norigin: http://localhost:3000\r\n", 200),
        ("host: localhost\r\norigin: http://localhost:3001\r\n", 403),
    ] {
        let (head, _) = with(&proxy, "/v1/responses", fields).await;
        assert_eq!(head.status(), status, "{fields}");
    }
    assert_eq!(stand_in.received_count(), 2);
}
