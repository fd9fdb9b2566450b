//! WebSocket from where it must not come, and peers that take for ever.

use codex_plus_stand_in::{Config, StandIn};

use crate::support::peer::{Peer, get, post};
use crate::support::proxy::Proxy;
use crate::support::socket::offer;
use crate::support::until;
use crate::support::upstream::upstream;

/// Browsers let any page open a WebSocket to any port; only the server can refuse it.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_cannot_open_a_websocket() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    let port = proxy.address.port();
    for fields in [
        "origin: https://evil.example\r\n".to_owned(),
        "origin: null\r\n".to_owned(),
        "origin: http://localhost:1\r\n".to_owned(),
        format!("origin: https://localhost:{port}\r\n"),
        "sec-fetch-site: cross-site\r\nsec-fetch-mode: websocket\r\n".to_owned(),
    ] {
        let mut client = Peer::connect(proxy.address).await;
        let (head, _) = client.ask(offer(&fields)).await;
        assert_eq!(head.status(), 403, "{fields}");
    }
    let rebound = offer("").replace("host: localhost", "host: evil.example");
    let (head, _) = Peer::connect(proxy.address).await.ask(rebound).await;
    assert_eq!(head.status(), 403);
    assert_eq!(stand_in.received_count(), 0);
}

/// Two hundred clients that send a byte now and then hold nobody up, and are let go.
#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_hold_nobody_up() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let settings = "[timeouts]\nhead = '1s'\nbody_idle = '1s'\n";
    let proxy = Proxy::configured(stand_in.base_url(), settings);
    let before = proxy.descriptors();
    let mut clients = Vec::new();
    for number in 0..200 {
        let mut client = Peer::connect(proxy.address).await;
        let start = match number % 3 {
            0 => "P",
            1 => "POST /v1/responses HTTP/1.1\r\nhost: localhost\r\nx-slow: ",
            _ => "POST /v1/responses HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{",
        };
        client.send(start).await;
        clients.push(client);
    }
    let (head, _) = Peer::connect(proxy.address)
        .await
        .ask(post("/v1/responses", "", b"{}"))
        .await;
    assert_eq!(head.status(), 200);
    until("the slow ones to be let go", || {
        proxy.descriptors() <= before + 4
    })
    .await;
    drop(clients);
}

/// An upstream that sends its head a byte at a time, for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_upstream_is_given_up() {
    let address = upstream(|mut peer| async move {
        peer.request().await;
        for byte in b"HTTP/1.1 200 OK\r\nx-slow: "
            .iter()
            .chain(std::iter::repeat(&b'a'))
        {
            if peer.try_send([*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
    let settings = "[timeouts]\nstream_idle = '1s'\n";
    let proxy = Proxy::configured(format!("http://{address}"), settings);
    let (head, _) = Peer::connect(proxy.address)
        .await
        .ask(post("/v1/responses", "", b"{}"))
        .await;
    assert_eq!(head.status(), 504);
    assert_eq!(get(proxy.address, "/health").await.0.status(), 200);
}
