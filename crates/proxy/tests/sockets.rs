//! What only raw sockets can ask: odd requests, odd upstreams, and ends in the middle of things.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use codex_plus_proxy::config::TimeSpan;
use codex_plus_proxy::{Config, Facts, Proxy, Unobserved};
use codex_plus_wire::frame::{CloseCode, Opcode, encode_frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::sleep;

const HANDSHAKE: &[u8] = b"GET /v1/responses HTTP/1.1\r\nHost: localhost\r\n\
    Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const FINE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// The line in front of an upstream that the test plays itself.
struct Way {
    upstream: TcpListener,
    proxy: SocketAddr,
    stop: oneshot::Sender<()>,
}

async fn way(change: impl FnOnce(&mut Config)) -> Way {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        upstream: format!("http://{}", upstream.local_addr().unwrap()),
        ..Config::default()
    };
    change(&mut config);
    let proxy = Proxy::bind(&config, Arc::new(Unobserved), Vec::new(), Facts::new()).unwrap();
    let address = proxy.local_addr();
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(proxy.run(async {
        let _ = stopped.await;
    }));
    Way {
        upstream,
        proxy: address,
        stop,
    }
}

impl Way {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.proxy).await.unwrap()
    }

    async fn accept(&self) -> TcpStream {
        self.upstream.accept().await.unwrap().0
    }

    /// A WebSocket connection, as its two ends.
    async fn websocket(&self) -> (TcpStream, TcpStream) {
        let mut client = self.connect().await;
        client.write_all(HANDSHAKE).await.unwrap();
        let mut upstream = self.accept().await;
        until(&mut upstream, b"\r\n\r\n").await;
        upstream.write_all(SWITCHING).await.unwrap();
        until(&mut client, b"\r\n\r\n").await;
        (client, upstream)
    }
}

/// Reads until `end` has come.
async fn until(stream: &mut TcpStream, end: &[u8]) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end) {
        let byte = tokio::time::timeout(Duration::from_secs(30), stream.read_u8());
        read.push(byte.await.unwrap().unwrap());
    }
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn a_get_keeps_its_body_of_unknown_length() {
    let way = way(|_| {}).await;
    let mut client = way.connect().await;
    let request = b"GET /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    client.write_all(request).await.unwrap();
    let mut upstream = way.accept().await;
    until(&mut upstream, b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n").await;
    upstream.write_all(FINE).await.unwrap();
    until(&mut client, b"hi").await;
}

#[tokio::test]
async fn a_post_that_names_an_upgrade_keeps_its_body() {
    let way = way(|_| {}).await;
    let mut client = way.connect().await;
    let request = b"POST /a HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello";
    client.write_all(request).await.unwrap();
    let mut upstream = way.accept().await;
    until(&mut upstream, b"\r\n\r\nhello").await;
    upstream.write_all(FINE).await.unwrap();
    until(&mut client, b"hi").await;
}

#[tokio::test]
async fn a_switch_of_protocols_nobody_asked_for_is_no_answer() {
    let way = way(|_| {}).await;
    let mut client = way.connect().await;
    let request = b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n";
    client.write_all(request).await.unwrap();
    let mut upstream = way.accept().await;
    until(&mut upstream, b"\r\n\r\n").await;
    upstream.write_all(SWITCHING).await.unwrap();
    let head = until(&mut client, b"\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
}

#[tokio::test]
async fn a_body_on_its_way_is_no_silence_of_the_upstream() {
    let idle = TimeSpan::milliseconds(400);
    let way = way(|config| config.timeouts.stream_idle = idle).await;
    let mut client = way.connect().await;
    let head = b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n";
    client.write_all(head).await.unwrap();
    let mut upstream = way.accept().await;
    for _ in 0..20 {
        client.write_all(b"x").await.unwrap();
        sleep(idle.get() / 8).await;
    }
    until(&mut upstream, &[b'x'; 20]).await;
    upstream.write_all(FINE).await.unwrap();
    let answer = until(&mut client, b"hi").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_client_that_is_not_read_is_not_lost() {
    let ping = TimeSpan::milliseconds(100);
    let way = way(|config| config.timeouts.ping = ping).await;
    let (client, mut upstream) = way.websocket().await;
    let (mut from_proxy, mut to_proxy) = client.into_split();
    // More than all buffers on the way hold, so that the client is stuck in the middle of it.
    let message = encode_frame(Opcode::Binary, &vec![0; 32 << 20], Some([0; 4]));
    let length = message.len();
    let uploading = tokio::spawn(async move { to_proxy.write_all(&message).await });
    let event = encode_frame(Opcode::Text, b"{}", None);
    // Longer than silent sides are waited for: four pings.
    for _ in 0..60 {
        upstream.write_all(&event).await.unwrap();
        // The proxy's own pings may stand between the events.
        loop {
            let mut header = [0; 2];
            from_proxy.read_exact(&mut header).await.unwrap();
            let mut payload = vec![0; usize::from(header[1])];
            from_proxy.read_exact(&mut payload).await.unwrap();
            if header[0] == 0x81 {
                break;
            }
        }
        sleep(ping.get() / 5).await;
    }
    let mut taken = vec![0; length];
    upstream.read_exact(&mut taken).await.unwrap();
    uploading.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_talks_to_the_end_still_gets_the_last_bytes() {
    let way = way(|_| {}).await;
    let (client, mut upstream) = way.websocket().await;
    let (mut from_proxy, mut to_proxy) = client.into_split();
    let mut last = encode_frame(Opcode::Binary, &vec![7; 6 << 20], None).to_vec();
    let close = CloseCode::NORMAL.0.to_be_bytes();
    last.extend_from_slice(&encode_frame(Opcode::Close, &close, None));
    let talking = tokio::spawn(async move {
        let pong = encode_frame(Opcode::Pong, b"x", Some([0; 4]));
        while to_proxy.write_all(&pong).await.is_ok() {
            sleep(Duration::from_millis(5)).await;
        }
    });
    let expected = last.len();
    let sending = tokio::spawn(async move {
        upstream.write_all(&last).await.unwrap();
        upstream.shutdown().await.unwrap();
        upstream
    });
    // The upstream is done before the client begins to read.
    sleep(Duration::from_millis(500)).await;
    let mut got = 0;
    let mut piece = vec![0; 64 << 10];
    while got < expected {
        let count = from_proxy.read(&mut piece).await.unwrap();
        assert!(count > 0, "{got} of {expected} bytes came");
        got += count;
        sleep(Duration::from_millis(1)).await;
    }
    drop(sending.await.unwrap());
    talking.abort();
}

/// A stop lets the answer under way finish when its messages are not, or cannot be, read.
async fn drains(passthrough: bool, first_byte: u8) {
    let way = way(|config| config.passthrough = passthrough).await;
    let (mut client, mut upstream) = way.websocket().await;
    let request = encode_frame(Opcode::Text, br#"{"type":"response.create"}"#, Some([0; 4]));
    client.write_all(&request).await.unwrap();
    upstream
        .read_exact(&mut vec![0; request.len()])
        .await
        .unwrap();
    way.stop.send(()).unwrap();
    let mut event = encode_frame(Opcode::Text, b"not JSON, or compressed", None).to_vec();
    event[0] = first_byte;
    for _ in 0..8 {
        sleep(Duration::from_millis(100)).await;
        upstream.write_all(&event).await.unwrap();
        let mut got = vec![0; event.len()];
        client.read_exact(&mut got).await.unwrap();
        assert_eq!(got, event);
    }
    // Then it ends by itself, with the code of a restart.
    let mut close = [0; 4];
    client.read_exact(&mut close).await.unwrap();
    assert_eq!(close[0], 0x88);
    assert_eq!(close[2..], CloseCode::RESTART.0.to_be_bytes());
}

#[tokio::test]
async fn a_stop_waits_for_answers_in_passthrough_mode() {
    drains(true, 0x81).await;
}

#[tokio::test]
async fn a_stop_waits_for_compressed_answers() {
    drains(false, 0xc1).await;
}
