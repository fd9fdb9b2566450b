//! Request targets: a path must mean upstream what it means here.

use codex_plus_stand_in::{Config, StandIn};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use crate::support::peer::{Peer, ask};
use crate::support::proxy::Proxy;
use crate::support::until;

/// The status and error code of a request with this first line.
async fn begin(proxy: &Proxy, line: &[u8]) -> (u16, String) {
    let request = [line, b" HTTP/1.1\r\nhost: localhost\r\n\r\n"].concat();
    let (head, body) = ask(proxy.address, request).await;
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let code = body["error"]["code"].as_str().unwrap_or_default();
    (head.status(), code.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_that_are_no_plain_path_are_refused() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    for (line, code) in [
        ("CONNECT api.openai.com:443", "connect_refused"),
        ("CONNECT localhost:1", "connect_refused"),
        ("GET http://localhost/v1/models", "absolute_form_refused"),
        (
            "POST https://api.openai.com/v1/responses",
            "absolute_form_refused",
        ),
        ("OPTIONS *", "path_refused"),
    ] {
        let told = begin(&proxy, line.as_bytes()).await;
        assert_eq!(told, (400, code.to_owned()), "{line}");
    }
    for path in [
        "/..",
        "/.",
        "/../etc",
        "/v1/../admin",
        "/v1/./responses",
        "/v1/responses/..",
        "/%2e%2e/x",
        "/.%2e/x",
        "/%2E%2E",
        "/v1/%2e/x",
        "/a%2f..%2fb",
        "/a%5c..%5cb",
        "/a\\..\\b",
        "/codex-plus/../v1/responses",
        "/%00",
        "/a%0ab",
        "/a%0d%0aHost:%20evil",
        "/a%09",
        "/a%7f",
        "/a%1b[2J",
    ] {
        let told = begin(&proxy, format!("GET {path}").as_bytes()).await;
        assert_eq!(told, (400, "path_refused".to_owned()), "{path}");
        // A query is the upstream's to read.
        let query = path.replace('\\', "/");
        let told = begin(&proxy, format!("GET /v1/echo?{query}").as_bytes()).await;
        assert_eq!(told.0, 200, "{path}");
    }
}

/// Raw control characters are no HTTP at all.
#[tokio::test(flavor = "multi_thread")]
async fn control_characters_are_refused() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    for byte in [0x00, 0x01, 0x07, 0x08, 0x0b, 0x0c, 0x1b, 0x1f, 0x7f] {
        let (status, _) = begin(&proxy, &[b"GET /a", &[byte][..], b"b"].concat()).await;
        assert_eq!(status, 400, "{byte} in the path");
        let (status, _) = begin(&proxy, &[b"GE", &[byte][..], b"T /"].concat()).await;
        assert_eq!(status, 400, "{byte} in the method");
        for field in [
            [b"x-a: 1", &[byte][..], b"2\r\n"].concat(),
            [b"x-", &[byte][..], b"a: 1\r\n"].concat(),
        ] {
            let head = b"GET /a HTTP/1.1\r\nhost: localhost\r\n".to_vec();
            let (head, _) = ask(proxy.address, [head, field, b"\r\n".to_vec()].concat()).await;
            assert_eq!(head.status(), 400, "{byte} in a header");
        }
    }
    assert_eq!(stand_in.received_count(), 0);
}

/// What is refused leaves one line in the log, which no path can break.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_logged_on_one_line() {
    let proxy = Proxy::started("http://127.0.0.1:9", "", |_, command| {
        command.env("CODEX_PLUS_LOG_FORMAT", "text");
    });
    let long = format!("GET /..{}", "/x".repeat(20_000));
    begin(&proxy, long.as_bytes()).await;
    begin(&proxy, "GET /../\u{2028}\u{202e}\u{9b}2J".as_bytes()).await;
    let lines = || proxy.log().matches("outcome=refused").count();
    until("the log", || lines() == 2).await;
    let told = proxy.log();
    assert_eq!(told.lines().count(), 3, "{told}");
    assert!(told.lines().all(|line| line.len() < 20_000));
    assert!(!told.contains(['\u{202e}', '\u{9b}', '\u{2028}']));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_http_gets_an_answer_or_an_end() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\r\n\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/3.0\r\nhost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        let mut client = Peer::connect(proxy.address).await;
        client.send(bytes).await;
        client.stream.shutdown().await.unwrap();
        // A reset is an end, too.
        let answer = client.rest().await.unwrap_or_default();
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{bytes:?}");
    }
    let (head, _) = ask(
        proxy.address,
        "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n",
    )
    .await;
    assert_eq!(head.status(), 200);
    assert_eq!(stand_in.received_count(), 0);
}
