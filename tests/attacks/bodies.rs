//! Bodies made to exhaust whoever reads them.

use std::io::Write as _;

use codex_plus_stand_in::{Config, StandIn};

use crate::support::peer::{Peer, get, post};
use crate::support::proxy::Proxy;
use crate::support::upstream::upstream;
use crate::support::{gzip, zstd};

const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
/// What the proxy may take on while it meets an attack, in KiB; far below what the attack asks for.
pub(crate) const ROOM: u64 = 96 << 10;

/// A hook that reads every request and every event, so that the proxy has to as well.
pub(crate) fn reading(upstream: impl std::fmt::Display, settings: &str) -> Proxy {
    let settings = format!("[limits]\ndecoded = '8MiB'\nevent = '1MiB'\n{settings}");
    Proxy::started(upstream, &settings, |home, _| {
        home.write(
            "home/.codexplus/settings.json",
            r#"{"hooks": {"UserPromptSubmit": [{"hooks": [{"type": "command", "command": "true"}]}],
                "PreToolUse": [{"hooks": [{"type": "command", "command": "true"}]}]}}"#,
        );
    })
}

/// The most memory the process ever held, in KiB.
pub(crate) fn peak(proxy: &Proxy) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

pub(crate) async fn is_well(proxy: &Proxy) {
    assert_eq!(get(proxy.address, "/health").await.0.status(), 200);
}

/// A prompt that unpacks to 200 MB from a few hundred kilobytes, in one layer and in two.
#[tokio::test(flavor = "multi_thread")]
async fn decompression_bombs_stop_at_the_limit() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = reading(stand_in.base_url(), "");
    let zeros = vec![b' '; 200 << 20];
    let (gzipped, zipped) = (gzip(&zeros), zstd(&zeros));
    drop(zeros);
    let before = peak(&proxy);
    for (coding, body) in [
        ("gzip", gzipped.clone()),
        ("zstd", zipped.clone()),
        ("gzip, gzip", gzip(&gzipped)),
        ("zstd, gzip", gzip(&zipped)),
    ] {
        let fields = format!("content-type: application/json\r\ncontent-encoding: {coding}\r\n");
        let mut client = Peer::connect(proxy.address).await;
        let _ = client.try_send(post("/v1/responses", &fields, &body)).await;
        // Refused or passed on unread, and never unpacked beyond the limit.
        let status = client.head().await.status();
        assert!(matches!(status, 200..500), "{coding}: {status}");
    }
    let grown = peak(&proxy) - before;
    assert!(grown < ROOM, "{grown} KiB");
    is_well(&proxy).await;
}

/// Nesting that would overflow a careless parser's stack, and keys that two parsers would read
/// differently: they pass as they are, or are refused, and nobody falls over.
#[tokio::test(flavor = "multi_thread")]
async fn nested_and_repeated_json_is_survived() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = reading(stand_in.base_url(), "");
    let deep = |open: &str, close: &str, depth: usize| {
        let (open, close) = (open.repeat(depth), close.repeat(depth));
        format!("{{\"input\":{open}1{close}}}").into_bytes()
    };
    for body in [
        deep("[", "]", 1_000_000),
        deep("{\"a\":", "}", 500_000),
        b"[".repeat(1_000_000),
        br#"{"input":"a","input":"b","stream":false,"stream":false}"#.to_vec(),
        br#"{"type":"response.create","type":"x","input":[{"role":"user","role":"system","content":"a","content":"b"}]}"#.to_vec(),
        b"{\"input\":\"\\ud800\"}".to_vec(),
        b"{\"input\":\"\xff\xfe\"}".to_vec(),
        b"{\"input\":1e999999,\"model\":-0}".to_vec(),
    ] {
        let mut client = Peer::connect(proxy.address).await;
        client.send(post("/v1/responses", "content-type: application/json\r\n", &body)).await;
        let head = client.head().await;
        assert!((200..500).contains(&head.status()), "{}", head.line);
        client.body(&head).await;
        // What passed, passed as it was.
        let last = stand_in.received().pop();
        if let Some(last) = last.filter(|_| head.status() == 200) {
            assert_eq!(last.body_sha256, crate::support::sha256(&body));
        }
    }
    is_well(&proxy).await;
}

/// A line without an end from an upstream, 1 GiB of it: it flows through, and nothing piles up.
#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_without_a_line_end_flows_through() {
    const PIECE: usize = 1 << 20;
    const PIECES: usize = 1_024;
    let address = upstream(|mut peer| async move {
        peer.request().await;
        peer.send(HEAD).await;
        peer.send_chunk("data: ").await;
        let piece = vec![b'x'; PIECE];
        for _ in 0..PIECES {
            if peer.try_send(format!("{PIECE:x}\r\n")).await.is_err()
                || peer.try_send(&piece).await.is_err()
                || peer.try_send("\r\n").await.is_err()
            {
                return;
            }
        }
        let _ = peer.try_send("4\r\n\n\n\n\n\r\n0\r\n\r\n").await;
    })
    .await;
    let proxy = reading(format!("http://{address}"), "");
    let before = peak(&proxy);
    let mut client = Peer::connect(proxy.address).await;
    client
        .send(post("/v1/responses", "", br#"{"stream":true}"#))
        .await;
    assert_eq!(client.head().await.status(), 200);
    let mut bytes = 0;
    while let Some(chunk) = client.try_chunk().await.unwrap() {
        bytes += chunk.len();
    }
    assert_eq!(bytes, 6 + PIECE * PIECES + 4);
    let grown = peak(&proxy) - before;
    assert!(grown < ROOM, "{grown} KiB");
    is_well(&proxy).await;
}

/// An answer that says it is gzip and is a bomb: bytes pass as they came.
#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_in_an_answer_passes_as_it_came() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..400 {
        encoder.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    let sent = bomb.clone();
    let address = upstream(move |mut peer| {
        let sent = sent.clone();
        async move {
            peer.request().await;
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n\
                 content-length: {}\r\n\r\n",
                sent.len()
            );
            peer.send(head).await;
            peer.send(sent).await;
        }
    })
    .await;
    let proxy = reading(format!("http://{address}"), "");
    let before = peak(&proxy);
    let mut client = Peer::connect(proxy.address).await;
    let (head, body) = client.ask(post("/v1/responses", "", b"{}")).await;
    assert_eq!((head.status(), body == bomb), (200, true));
    let grown = peak(&proxy) - before;
    assert!(grown < ROOM, "{grown} KiB");
}
