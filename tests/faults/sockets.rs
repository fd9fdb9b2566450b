//! Upstreams that stall or break WebSocket: what a client may see of it, and that both sides are
//! let go.

use codex_plus_wire::frame::{FrameHeader, Opcode};

use crate::support::peer::Peer;
use crate::support::proxy::Proxy;
use crate::support::socket::{accept, bare, frame, masked, offer, open};
use crate::support::until;
use crate::support::upstream::upstream;

const CREATE: &[u8] = br#"{"type":"response.create","input":[]}"#;
const EVENT: &[u8] = br#"{"type":"response.created","response":{}}"#;
const LISTENING: &str =
    r#"{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "echo heard"}]}]}}"#;

/// An upstream that takes one message, answers with these bytes and then is as `after` says.
async fn saying(answer: Vec<u8>, leaves: bool, settings: &str, hooks: &str) -> Proxy {
    let address = upstream(move |mut peer| {
        let answer = answer.clone();
        async move {
            accept(&mut peer, "").await;
            peer.frame().await;
            peer.send(answer).await;
            if !leaves {
                let _ = peer.rest().await;
            }
        }
    })
    .await;
    Proxy::started(format!("http://{address}"), settings, |home, _| {
        home.write("home/.codexplus/settings.json", hooks);
    })
}

fn broken() -> Vec<(&'static str, Vec<u8>)> {
    let mut in_pieces = FrameHeader::new(Opcode::Ping, None, 0);
    in_pieces.fin = false;
    vec![
        ("a reserved opcode", vec![0x83, 0x01, b'x']),
        ("a reserved control opcode", vec![0x8b, 0x00]),
        ("a control frame in pieces", frame(in_pieces, b"x")),
        (
            "a control frame over 125 bytes",
            bare(Opcode::Ping, &[b'x'; 126]),
        ),
        (
            "a length over 2^63",
            [&[0x81, 0x7f][..], &u64::MAX.to_be_bytes()].concat(),
        ),
        ("a continuation of nothing", vec![0x80, 0x01, b'x']),
        (
            "a message inside another",
            [&[0x01, 0x01, b'x', 0x81, 0x01, b'y'][..]].concat(),
        ),
    ]
}

/// With a filter that reads messages the proxy has to make sense of frames: it says that it
/// cannot. Without one the bytes are the client's to judge.
#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_none_end_a_connection_that_filters_read() {
    for (what, bytes) in broken() {
        let answer = [bare(Opcode::Text, EVENT), bytes].concat();
        let proxy = saying(answer, false, "", LISTENING).await;
        let before = proxy.descriptors();
        let mut client = open(proxy.address).await;
        client.send(masked(Opcode::Text, CREATE)).await;
        assert_eq!(client.next(Opcode::Text).await, EVENT, "{what}");
        let close = client.next(Opcode::Close).await;
        assert_eq!(close[..2], 1002_u16.to_be_bytes(), "{what}");
        assert!(client.rest().await.unwrap().is_empty(), "{what}");
        drop(client);
        for told in proxy.logged(2).await {
            assert_eq!(told["outcome"], "upstream_cut", "{what} {told}");
            let reason = told["reason"].as_str().unwrap();
            assert!(reason.contains("WebSocket"), "{what} {told}");
        }
        until("the descriptors", || proxy.descriptors() <= before).await;
        proxy.idle().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_none_pass_where_nobody_reads_them() {
    for (what, bytes) in broken() {
        let answer = [bare(Opcode::Text, EVENT), bytes.clone()].concat();
        let proxy = saying(answer, true, "", "{}").await;
        let before = proxy.descriptors();
        let mut client = open(proxy.address).await;
        client.send(masked(Opcode::Text, CREATE)).await;
        assert_eq!(client.next(Opcode::Text).await, EVENT, "{what}");
        assert_eq!(client.rest().await.unwrap(), bytes, "{what}");
        drop(client);
        until("the descriptors", || proxy.descriptors() <= before).await;
        proxy.idle().await;
    }
}

/// Half a frame and then the end, or silence: no client may take that for a whole one.
#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_stops_within_a_frame_is_no_clean_end() {
    for hooks in ["{}", LISTENING] {
        for leaves in [true, false] {
            let half = bare(Opcode::Text, &[b'x'; 100])[..50].to_vec();
            let answer = [bare(Opcode::Text, EVENT), half].concat();
            let proxy = saying(answer, leaves, "[timeouts]\nping = '200ms'\n", hooks).await;
            let before = proxy.descriptors();
            let mut client = open(proxy.address).await;
            client.send(masked(Opcode::Text, CREATE)).await;
            assert_eq!(client.next(Opcode::Text).await, EVENT);
            // A client that answers pings: it is the upstream that does not.
            loop {
                match client.try_frame().await {
                    Ok(frame) if frame.header.opcode == Opcode::Ping => {
                        let pong = masked(Opcode::Pong, &frame.payload);
                        let _ = client.try_send(pong).await;
                    }
                    Ok(frame) => panic!("{frame:?}"),
                    Err(_) => break,
                }
            }
            drop(client);
            for told in proxy.logged(2).await {
                assert_eq!(told["outcome"], "upstream_cut", "{told}");
            }
            until("the descriptors", || proxy.descriptors() <= before).await;
            proxy.idle().await;
        }
    }
}

/// The handshake is the request of this transport: silence in it is told like any other.
#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_stalls_within_the_handshake_is_given_up() {
    for start in ["", "HTTP/1.1 101 Switching Protocols\r\nupgrade: webs"] {
        let address = upstream(move |mut peer| async move {
            peer.head().await;
            peer.send(start).await;
            let _ = peer.rest().await;
        })
        .await;
        let settings = "[timeouts]\nstream_idle = '300ms'\n";
        let proxy = Proxy::configured(format!("http://{address}"), settings);
        let before = proxy.descriptors();
        let mut client = Peer::connect(proxy.address).await;
        let (head, body) = client.ask(offer("")).await;
        assert_eq!(head.status(), 504);
        let body = String::from_utf8_lossy(&body);
        assert!(body.contains("`timeouts.stream_idle`"), "{body}");
        drop(client);
        until("the descriptors", || proxy.descriptors() <= before).await;
        proxy.idle().await;
    }
}
