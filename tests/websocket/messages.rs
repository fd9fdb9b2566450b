//! Whole messages between ordinary clients and servers, of any size.

use bytes::Bytes;
use codex_plus_stand_in::{Answer, Config, Reply, StandIn};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::support::proxy::Proxy;
use crate::support::secure::secure;
use crate::support::{sha256, text, within};

const SIZES: [usize; 5] = [0, 1 << 10, 100 << 10, 1 << 20, 20 << 20];

async fn connect(proxy: &Proxy) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let limits = WebSocketConfig::default()
        .max_message_size(None)
        .max_frame_size(None);
    let url = format!("ws://{}/v1/responses", proxy.address);
    let (socket, _) = tokio_tungstenite::client_async_with_config(url, stream, Some(limits))
        .await
        .unwrap();
    socket
}

async fn next(socket: &mut WebSocketStream<TcpStream>) -> Message {
    within(socket.next()).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn text_of_any_size_crosses_both_ways() {
    // Read by filters on the way, and only carried.
    for settings in ["", "passthrough = true"] {
        text_both_ways(settings).await;
    }
}

async fn text_both_ways(settings: &str) {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::configured(stand_in.base_url(), settings);
    let mut socket = connect(&proxy).await;
    for (number, size) in SIZES.into_iter().enumerate() {
        let (there, back) = (text(size), text(size + 1));
        stand_in.push(Answer {
            reply: Reply::Chunks(vec![Bytes::from(back.clone())]),
            ..Answer::default()
        });
        let message = Message::text(String::from_utf8(there.clone()).unwrap());
        within(socket.send(message)).await.unwrap();
        let Message::Text(answer) = next(&mut socket).await else {
            panic!("not text");
        };
        assert_eq!(sha256(answer.as_bytes()), sha256(&back), "back, {size}");
        // The first record is the handshake.
        let received = stand_in.received().remove(number + 1);
        assert_eq!(received.body_sha256, sha256(&there), "there, {size}");
        assert!(!received.binary);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_of_any_size_crosses_both_ways() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    let mut socket = connect(&proxy).await;
    for (number, size) in SIZES.into_iter().enumerate() {
        let body: Vec<u8> = text(size).iter().map(|byte| byte ^ 0x9c).collect();
        within(socket.send(Message::binary(body.clone())))
            .await
            .unwrap();
        let Message::Binary(echo) = next(&mut socket).await else {
            panic!("not binary");
        };
        assert_eq!(sha256(&echo), sha256(&body), "back, {size}");
        let received = stand_in.received().remove(number + 1);
        assert_eq!(received.body_sha256, sha256(&body), "there, {size}");
        assert!(received.binary);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_in_order_as_the_upstream_sent_them() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    let mut socket = connect(&proxy).await;
    let events: Vec<String> = (0..500)
        .map(|n| format!("{{\"type\":\"response.x\", \"n\":{n},  \"text\":\"\u{e9}\u{1f600}\"}}"))
        .collect();
    stand_in.push(Answer {
        reply: Reply::Chunks(events.iter().map(|e| Bytes::from(e.clone())).collect()),
        ..Answer::default()
    });
    let request = r#"{"type":"response.create","input":[]}"#;
    within(socket.send(Message::text(request))).await.unwrap();
    for event in events {
        assert_eq!(next(&mut socket).await, Message::text(event));
    }
}

/// Codex itself offers no ALPN for WebSocket (seen with 0.169.0), and HTTP/2 could not carry it.
#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_behind_tls_is_reached_without_alpn() {
    let secure = secure(&["localhost"], &["h2", "http/1.1"]).await;
    let proxy = secure.proxy(&format!("localhost:{}", secure.port), &[]);
    let mut socket = connect(&proxy).await;
    let body = text(1 << 20);
    within(socket.send(Message::binary(body.clone())))
        .await
        .unwrap();
    assert_eq!(next(&mut socket).await, Message::binary(body));
    assert_eq!(*secure.agreed.lock().unwrap(), ["none"]);
}
