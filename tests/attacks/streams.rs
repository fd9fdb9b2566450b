//! Streams of an upstream, and WebSocket frames of either side, that are made to pile up.

use codex_plus_wire::frame::{FrameHeader, Opcode};

use crate::bodies::{ROOM, is_well, peak, reading};
use crate::support::peer::{Peer, post};
use crate::support::proxy::Proxy;
use crate::support::socket::{accept, bare, frame, masked, open};
use crate::support::upstream::upstream;

const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

/// A stream of nonsense comes out as it went in, whatever lines it is made of.
#[tokio::test(flavor = "multi_thread")]
async fn streams_without_events_flow_through() {
    const TIMES: usize = 96;
    for piece in [
        &b"\n"[..],
        b"\r",
        b"\0",
        b"data: x\r",
        b"data: x\n",
        b"data: {\"type\":\"response.output_item.added\"}\r\r",
        b"id: \0\nretry: 99999999999999999999\n",
    ] {
        let block = piece.repeat((512 << 10) / piece.len());
        let whole = block.len() * TIMES;
        let sent = block.clone();
        let address = upstream(move |mut peer| {
            let block = sent.clone();
            async move {
                peer.request().await;
                peer.send(HEAD).await;
                for _ in 0..TIMES {
                    if peer.try_send(&block).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await;
        let proxy = reading(format!("http://{address}"), "");
        let before = peak(&proxy);
        let mut client = Peer::connect(proxy.address).await;
        client
            .send(post("/v1/responses", "", br#"{"stream":true}"#))
            .await;
        assert_eq!(client.head().await.status(), 200);
        let (mut bytes, mut odd) = (0, false);
        while let Ok(Some(chunk)) = client.try_chunk().await {
            odd |= chunk.iter().any(|byte| !piece.contains(byte));
            bytes += chunk.len();
        }
        assert_eq!((bytes, odd), (whole, false), "{}", piece.escape_ascii());
        let grown = peak(&proxy) - before;
        assert!(grown < ROOM / 3, "{}: {grown} KiB", piece.escape_ascii());
        is_well(&proxy).await;
    }
}

fn header(opcode: Opcode) -> FrameHeader {
    FrameHeader::new(opcode, Some([1, 2, 3, 4]), 0)
}

/// A frame's beginning that promises this much.
fn promise(opcode: Opcode, payload_len: u64, mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    FrameHeader::new(opcode, mask, payload_len).encode(&mut bytes);
    bytes
}

/// Frames that no peer may send: (name, bytes).
fn bad_frames() -> Vec<(&'static str, Vec<u8>)> {
    let mask = Some([1, 2, 3, 4]);
    let part = FrameHeader {
        fin: false,
        ..header(Opcode::Text)
    };
    let go_on = FrameHeader {
        fin: false,
        ..header(Opcode::Continuation)
    };
    let mut negative = vec![0x81, 0xff];
    negative.extend(u64::MAX.to_be_bytes());
    negative.extend([0; 4]);
    vec![
        ("2^63 - 1 bytes", promise(Opcode::Text, (1 << 63) - 1, mask)),
        (
            "2^40 bytes, some of them",
            [promise(Opcode::Binary, 1 << 40, mask), vec![0; 1 << 20]].concat(),
        ),
        ("a length with its first bit", negative),
        ("no mask", bare(Opcode::Text, b"{}")),
        (
            "reserved bits",
            frame(
                FrameHeader {
                    rsv2: true,
                    rsv3: true,
                    ..header(Opcode::Text)
                },
                b"{}",
            ),
        ),
        (
            "compressed though nobody agreed",
            frame(
                FrameHeader {
                    rsv1: true,
                    ..header(Opcode::Text)
                },
                b"{}",
            ),
        ),
        ("reserved opcode 3", vec![0x83, 0x80, 0, 0, 0, 0]),
        ("reserved opcode 15", vec![0x8f, 0x80, 0, 0, 0, 0]),
        (
            "a ping in parts",
            frame(
                FrameHeader {
                    fin: false,
                    ..header(Opcode::Ping)
                },
                b"x",
            ),
        ),
        ("a long ping", frame(header(Opcode::Ping), &[0; 126])),
        ("a ping of 2^40 bytes", promise(Opcode::Ping, 1 << 40, mask)),
        (
            "goes on with nothing",
            frame(header(Opcode::Continuation), b"x"),
        ),
        (
            "begins anew within a message",
            [frame(part, b"x"), frame(header(Opcode::Text), b"y")].concat(),
        ),
        (
            "parts without an end",
            [frame(part, b""), frame(go_on, b"").repeat(200_000)].concat(),
        ),
        (
            "parts that add up",
            [
                frame(part, b""),
                frame(go_on, &vec![b' '; 1 << 20]).repeat(100),
            ]
            .concat(),
        ),
        ("a close of one byte", frame(header(Opcode::Close), b"x")),
        ("a close with code 0", frame(header(Opcode::Close), &[0, 0])),
        (
            "a text that is none",
            frame(header(Opcode::Text), b"\xff\xfe"),
        ),
    ]
}

/// Either side sends what it must not, to a proxy that reads along and to one that does not: the
/// memory stays bounded, the other connections go on.
#[tokio::test(flavor = "multi_thread")]
async fn bad_frames_pile_up_nowhere() {
    let both = [true, false];
    for (reads, by_client) in both
        .iter()
        .flat_map(|reads| both.map(|side| (*reads, side)))
    {
        let address = upstream(move |mut peer| async move {
            accept(&mut peer, "").await;
            if !by_client {
                let number = peer.next(Opcode::Text).await;
                let number: usize = String::from_utf8(number).unwrap().parse().unwrap();
                let _ = peer.try_send(&bad_frames()[number].1).await;
            }
            // Takes whatever comes, to the end.
            while matches!(peer.more().await, Ok(true)) {
                peer.taken();
            }
        })
        .await;
        let settings = if reads {
            "websocket_message = '8MiB'\n"
        } else {
            "websocket_message = '8MiB'\n[commands]\nenabled = false\n[hooks]\nenabled = false\n"
        };
        let proxy: Proxy = reading(format!("http://{address}"), settings);
        let before = peak(&proxy);
        for (number, (name, bytes)) in bad_frames().into_iter().enumerate() {
            let mut client = open(proxy.address).await;
            if by_client {
                let _ = client.try_send(&bytes).await;
            } else {
                client
                    .send(masked(Opcode::Text, number.to_string().as_bytes()))
                    .await;
            }
            // What came through, or what became of it, for a moment.
            let _ = tokio::time::timeout(std::time::Duration::from_millis(100), async {
                while matches!(client.more().await, Ok(true)) {
                    client.taken();
                }
            })
            .await;
            let grown = peak(&proxy) - before;
            assert!(grown < ROOM, "{name} {reads} {by_client}: {grown} KiB");
        }
        is_well(&proxy).await;
    }
}

/// Pings by the hundred thousand, from a client that never reads what comes back.
#[tokio::test(flavor = "multi_thread")]
async fn floods_of_pings_pile_up_nowhere() {
    let address = upstream(|mut peer| async move {
        accept(&mut peer, "").await;
        // Answers each, as it must, for as long as somebody takes the answers.
        while let Ok(ping) = peer.try_frame().await {
            if peer
                .try_send(bare(Opcode::Pong, &ping.payload))
                .await
                .is_err()
            {
                return;
            }
        }
    })
    .await;
    let proxy = reading(format!("http://{address}"), "");
    let before = peak(&proxy);
    let mut client = open(proxy.address).await;
    let flood = masked(Opcode::Ping, &[b'x'; 125]).repeat(1_000);
    // Until the line is full: nobody takes any more.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(3), async {
        for _ in 0..1_000 {
            if client.try_send(&flood).await.is_err() {
                return;
            }
        }
    })
    .await;
    let grown = peak(&proxy) - before;
    assert!(grown < ROOM, "{grown} KiB");
    is_well(&proxy).await;
}
