//! Heads that are too large, and clients that do not come to the point.

use codex_plus_stand_in::{Config, StandIn};

use crate::support::peer::{Peer, ask};
use crate::support::proxy::Proxy;

/// Sends a head that may be refused before it is all sent; the status of the answer.
async fn status(proxy: &Proxy, head: String) -> u16 {
    let mut client = Peer::connect(proxy.address).await;
    // The refusal may come, and the connection end, before the last byte is taken.
    let _ = client.try_send(head).await;
    client.head().await.status()
}

fn with(fields: &str) -> String {
    format!("GET /v1/models HTTP/1.1\r\nhost: localhost\r\n{fields}\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_have_a_limit() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    let long = |len: usize| with(&format!("x-long: {}\r\n", "a".repeat(len)));
    // Turn metadata grows with the workspaces: heads of 200 KiB are the user's business.
    assert_eq!(status(&proxy, long(200 << 10)).await, 200);
    assert_eq!(status(&proxy, long(300 << 10)).await, 431);
    // More than is read at once.
    assert_eq!(status(&proxy, long(600 << 10)).await, 431);
    let many = |count: usize| {
        let fields: Vec<String> = (0..count).map(|n| format!("x-{n}: 1\r\n")).collect();
        with(&fields.concat())
    };
    assert_eq!(status(&proxy, many(90)).await, 200);
    assert_eq!(status(&proxy, many(1_000)).await, 431);
    let path = |len: usize| {
        let path = "a".repeat(len);
        format!("GET /v1/models?{path} HTTP/1.1\r\nhost: localhost\r\n\r\n")
    };
    assert_eq!(status(&proxy, path(8_000)).await, 200);
    assert_eq!(status(&proxy, path(100_000)).await, 414);
    assert_eq!(stand_in.received_count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_heads_can_be_set() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::configured(stand_in.base_url(), "[limits]\nhead = '16KiB'\n");
    let long = |len: usize| with(&format!("x-long: {}\r\n", "a".repeat(len)));
    assert_eq!(status(&proxy, long(10 << 10)).await, 200);
    assert_eq!(status(&proxy, long(40 << 10)).await, 431);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_finishes_its_head_is_let_go() {
    let settings = "[timeouts]\nhead = '1s'\n";
    let proxy = Proxy::configured("http://127.0.0.1:9", settings);
    let mut client = Peer::connect(proxy.address).await;
    client.send("GET /v1/models HTTP/1.1\r\nhost: loc").await;
    // Ends by itself, with an error or without a word.
    let answer = client.rest().await.unwrap_or_default();
    assert!(!answer.starts_with(b"HTTP/1.1 2"));
    // So does one that stays silent from the beginning.
    let mut client = Peer::connect(proxy.address).await;
    assert!(client.rest().await.unwrap_or_default().is_empty());
    let (head, _) = ask(
        proxy.address,
        "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n",
    )
    .await;
    assert_eq!(head.status(), 200);
}
