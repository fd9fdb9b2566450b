//! Frames as they are: cut, marked and interleaved as the sender chose.

use codex_plus_wire::frame::{FrameHeader, Opcode};

use crate::support::peer::Peer;
use crate::support::proxy::Proxy;
use crate::support::socket::{Frame, accept, bare, frame, masked, open};
use crate::support::text;
use crate::support::upstream::upstream;

fn header(opcode: Opcode, fin: bool, rsv1: bool) -> FrameHeader {
    FrameHeader {
        fin,
        rsv1,
        ..FrameHeader::new(opcode, None, 0)
    }
}

/// Fragments with control frames between them, compressed and plain, empty and large.
fn conversation() -> Vec<(FrameHeader, Vec<u8>)> {
    vec![
        (header(Opcode::Text, true, false), b"whole".to_vec()),
        (header(Opcode::Text, false, false), b"frag".to_vec()),
        (header(Opcode::Ping, true, false), b"are you there".to_vec()),
        (header(Opcode::Continuation, false, false), Vec::new()),
        (header(Opcode::Pong, true, false), b"unasked".to_vec()),
        (header(Opcode::Continuation, true, false), text(70_000)),
        (
            header(Opcode::Binary, true, true),
            b"\x2a\x01\x02\x00".to_vec(),
        ),
        (header(Opcode::Text, false, true), b"\xca\x48".to_vec()),
        (header(Opcode::Ping, true, false), Vec::new()),
        (
            header(Opcode::Continuation, true, false),
            b"\xcd\x07\x00".to_vec(),
        ),
        (header(Opcode::Binary, true, false), text(200_000)),
        (header(Opcode::Close, true, false), b"\x0f\xa1bye".to_vec()),
    ]
}

fn received(frames: &[Frame]) -> Vec<(FrameHeader, Vec<u8>)> {
    let mut all = Vec::new();
    for frame in frames {
        let header = FrameHeader {
            mask: None,
            payload_len: 0,
            ..frame.header
        };
        all.push((header, frame.payload.clone()));
    }
    all
}

async fn take(peer: &mut Peer, count: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    for _ in 0..count {
        frames.push(peer.frame().await);
    }
    frames
}

#[tokio::test(flavor = "multi_thread")]
async fn every_frame_crosses_as_it_was_cut() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let address = upstream(move |mut peer| {
        let tell = tell.clone();
        async move {
            accept(&mut peer, "").await;
            tell.send(take(&mut peer, conversation().len()).await)
                .unwrap();
            for (header, payload) in conversation() {
                peer.send(frame(header, &payload)).await;
            }
            assert!(peer.rest().await.unwrap().is_empty());
        }
    })
    .await;
    // What a filter reads crosses by the message; here none does.
    let upstream = format!("http://{address}");
    let proxy = Proxy::configured(upstream, "commands.enabled = false\nhooks.enabled = false");
    let mut client = open(proxy.address).await;
    // Each frame under a mask of its own, in writes that end nowhere near a frame.
    let mut bytes = Vec::new();
    for (number, (header, payload)) in (0_u8..).zip(conversation()) {
        let mask = Some([number, 0xff, 3, 0]);
        bytes.extend(frame(FrameHeader { mask, ..header }, &payload));
    }
    for piece in bytes.chunks(1_021) {
        client.send(piece).await;
    }
    let there = told.recv().await.unwrap();
    assert!(there.iter().all(|frame| frame.header.mask.is_some()));
    assert_eq!(received(&there), conversation());
    let back = take(&mut client, conversation().len()).await;
    assert!(back.iter().all(|frame| frame.header.mask.is_none()));
    assert_eq!(received(&back), conversation());
    // The very bytes, not only what they mean: a mask is the sender's.
    let masks: Vec<_> = there.iter().filter_map(|frame| frame.header.mask).collect();
    assert!(masks.iter().zip(0_u8..).all(|(mask, n)| mask[0] == n));
}

/// A long frame moves on while it arrives, like anything else.
#[tokio::test(flavor = "multi_thread")]
async fn a_frame_is_not_held_until_it_is_whole() {
    let address = upstream(|mut peer| async move {
        accept(&mut peer, "").await;
        // Echoes every byte as it comes, whatever frame it belongs to.
        loop {
            let byte = peer.exactly(1).await;
            let Ok(byte) = byte else { return };
            peer.send(byte).await;
        }
    })
    .await;
    let proxy = Proxy::before(format!("http://{address}"));
    let mut client = open(proxy.address).await;
    let whole = masked(Opcode::Binary, &text(300));
    // The header comes as one; from there on each byte is sent when its forerunner is back.
    let (head, payload) = whole.split_at(8);
    client.send(head).await;
    assert_eq!(client.exactly(8).await.unwrap(), head);
    for byte in payload.chunks(1) {
        client.send(byte).await;
        assert_eq!(client.exactly(1).await.unwrap(), byte);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_sides_are_pinged_and_their_pongs_kept_to_ourselves() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let address = upstream(move |mut peer| {
        let tell = tell.clone();
        async move {
            accept(&mut peer, "").await;
            let ours = peer.next(Opcode::Ping).await;
            peer.send(bare(Opcode::Pong, &ours)).await;
            peer.send(bare(Opcode::Pong, b"unasked")).await;
            peer.send(bare(Opcode::Text, b"after")).await;
            // Everything from the client but the proxy's pings.
            while let Ok(frame) = peer.try_frame().await {
                if frame.header.opcode != Opcode::Ping {
                    tell.send(frame.payload).unwrap();
                }
            }
        }
    })
    .await;
    let proxy = Proxy::configured(format!("http://{address}"), "[timeouts]\nping = '300ms'\n");
    let mut client = open(proxy.address).await;
    let mut seen = Vec::new();
    while seen.last().is_none_or(|payload| payload != b"after") {
        let frame = client.frame().await;
        match frame.header.opcode {
            Opcode::Ping => {
                client.send(masked(Opcode::Pong, &frame.payload)).await;
                client.send(masked(Opcode::Pong, b"mine")).await;
            }
            _ => seen.push(frame.payload),
        }
    }
    // The pong that answered us is not among them, the other one is.
    assert_eq!(seen, [b"unasked".to_vec(), b"after".to_vec()]);
    client.send(masked(Opcode::Pong, b"last")).await;
    let mut upstream_saw = told.recv().await.unwrap();
    while upstream_saw == b"mine" {
        upstream_saw = told.recv().await.unwrap();
    }
    assert_eq!(upstream_saw, b"last");
}

/// A side that answers no ping for a while is gone, whatever TCP says.
#[tokio::test(flavor = "multi_thread")]
async fn a_side_that_answers_no_ping_is_let_go() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let address = upstream(move |mut peer| {
        let tell = tell.clone();
        async move {
            accept(&mut peer, "").await;
            while let Ok(frame) = peer.try_frame().await {
                peer.send(bare(Opcode::Pong, &frame.payload)).await;
            }
            tell.send(()).unwrap();
        }
    })
    .await;
    let settings = "[timeouts]\nping = '200ms'\n";
    let proxy = Proxy::configured(format!("http://{address}"), settings);
    // Connected, and silent from now on.
    let client = open(proxy.address).await;
    crate::support::within(told.recv()).await.unwrap();
    let told = proxy.logged(1).await.remove(0);
    assert_eq!(told["outcome"], "client_left");
    assert!(told["reason"].as_str().unwrap().contains("timeouts.ping"));
    drop(client);
}

/// Pings go on for as long as they are answered.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_lives_on() {
    let address = upstream(|mut peer| async move {
        accept(&mut peer, "").await;
        let mut pings = 0;
        while let Ok(frame) = peer.try_frame().await {
            if frame.header.opcode == Opcode::Ping {
                pings += 1;
                peer.send(bare(Opcode::Pong, &frame.payload)).await;
            }
            if pings == 20 {
                // Five times the patience with a silent side.
                peer.send(bare(Opcode::Text, b"still here")).await;
            }
        }
    })
    .await;
    let settings = "[timeouts]\nping = '300ms'\n";
    let proxy = Proxy::configured(format!("http://{address}"), settings);
    let mut client = open(proxy.address).await;
    loop {
        let frame = client.frame().await;
        if frame.header.opcode == Opcode::Text {
            assert_eq!(frame.payload, b"still here");
            break;
        }
        client.send(masked(Opcode::Pong, &frame.payload)).await;
    }
}
