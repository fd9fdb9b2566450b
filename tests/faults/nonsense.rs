//! Upstreams that speak nonsense: the client is told or sees a broken end, nothing is left behind,
//! and the next request works.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::peer::{Peer, get, post};
use crate::support::proxy::Proxy;
use crate::support::until;
use crate::support::upstream::upstream;

/// Answers with each of these in turn, a connection each, and then well.
async fn saying(answers: Vec<Vec<u8>>) -> std::net::SocketAddr {
    let (answers, next) = (Arc::new(answers), Arc::new(AtomicUsize::new(0)));
    upstream(move |mut peer| {
        let (answers, next) = (Arc::clone(&answers), Arc::clone(&next));
        async move {
            peer.request().await;
            let good = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec();
            let answer = answers.get(next.fetch_add(1, Ordering::Relaxed));
            // The proxy may have hung up on it before its end.
            let _ = peer.try_send(answer.unwrap_or(&good)).await;
        }
    })
    .await
}

async fn assert_recovers(proxy: &Proxy, before: usize) {
    let (head, body) = get(proxy.address, "/v1/models").await;
    assert_eq!((head.status(), body.as_slice()), (200, &b"ok"[..]));
    until("the descriptors", || proxy.descriptors() <= before + 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_none_is_a_502() {
    let huge = format!("HTTP/1.1 200 OK\r\nx-huge: {}\r\n\r\n", "x".repeat(2 << 20));
    let answers: Vec<Vec<u8>> = vec![
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc garbage\r\n\r\n".to_vec(),
        b"HTTP/9.9 200 OK\r\n\r\n".to_vec(),
        b"HTTP/1.1 abc OK\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 7\r\n\r\nhello".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello".to_vec(),
        huge.into_bytes(),
    ];
    let number = answers.len();
    let proxy = Proxy::before(format!("http://{}", saying(answers).await));
    let before = proxy.descriptors();
    for at in 0..number {
        let (head, body) = get(proxy.address, "/v1/models").await;
        let told = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(head.status(), 502, "{at}: {told}");
        assert!(told.contains("upstream_broken"), "{at}: {told}");
    }
    assert_recovers(&proxy, before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_chunks_are_no_clean_end() {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let ends = [
        "zz\r\n",
        "-1\r\n",
        "fffffffffffffffff\r\n",
        "9\r\ndata: 2\n\nno line end",
    ];
    let answers = ends.map(|end| format!("{head}9\r\ndata: 1\n\n\r\n{end}").into_bytes());
    let proxy = Proxy::before(format!("http://{}", saying(answers.to_vec()).await));
    let before = proxy.descriptors();
    for end in ends {
        let mut client = Peer::connect(proxy.address).await;
        client
            .send(post("/v1/responses", "", b"{\"stream\":true}"))
            .await;
        assert_eq!(client.head().await.status(), 200, "{end:?}");
        let mut seen = Vec::new();
        let ended = loop {
            match client.try_chunk().await {
                Ok(Some(chunk)) => seen.extend(chunk),
                end => break end,
            }
        };
        assert!(ended.is_err(), "{end:?} looks like an end");
        assert!(seen.starts_with(b"data: 1\n\n"), "{end:?}");
    }
    assert_recovers(&proxy, before).await;
}

/// The very first chunk is broken, in the packet of the head: the client has the head all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_chunk_that_is_none_still_shows_the_head() {
    let head = "HTTP/1.1 200 OK\r\nx-request-id: r-1\r\ncontent-type: text/event-stream\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let ends = ["zz\r\n", "9\r\n", "9\r\ndat", ""];
    let answers = ends.map(|end| format!("{head}{end}").into_bytes());
    // The second time round filters read it.
    for hook in [false, true] {
        let address = saying(answers.to_vec()).await;
        let proxy = Proxy::started(format!("http://{address}"), "", |home, _| {
            if hook {
                home.write(
                    "home/.codexplus/settings.json",
                    r#"{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "true"}]}]}}"#,
                );
            }
        });
        for end in ends {
            let mut client = Peer::connect(proxy.address).await;
            let ask = post("/v1/responses", "", b"{\"stream\":true,\"input\":[]}");
            client.send(ask).await;
            let head = client.try_head().await.ok().flatten();
            let head = head.unwrap_or_else(|| panic!("no head: {end:?} {hook}"));
            assert_eq!(head.status(), 200, "{end:?} {hook}");
            assert_eq!(head.get("x-request-id"), Some("r-1"));
            assert!(client.chunks().await.is_err(), "{end:?} looks like an end");
        }
        let (head, _) = get(proxy.address, "/v1/models").await;
        assert_eq!(head.status(), 200);
        for told in &proxy.logged(ends.len()).await[..ends.len()] {
            assert_eq!(told["outcome"], "upstream_cut", "{told}");
        }
    }
}

/// What cannot be unpacked is the client's to make out: it passes as it came.
#[tokio::test(flavor = "multi_thread")]
async fn broken_compression_passes_as_it_is() {
    let body = b"\x1f\x8b\x08\x00 this is no gzip";
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let answer = [head.as_bytes(), body].concat();
    let proxy = Proxy::before(format!("http://{}", saying(vec![answer]).await));
    let before = proxy.descriptors();
    let mut client = Peer::connect(proxy.address).await;
    let (head, got) = client
        .ask(post("/v1/responses", "", b"{\"stream\":false}"))
        .await;
    assert_eq!(head.get("content-encoding"), Some("gzip"));
    assert_eq!(got, body);
    drop(client);
    assert_recovers(&proxy, before).await;
}

/// The folder that a proxy was started in may go at any time.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_working_directory_stops_nothing() {
    let address = saying(Vec::new()).await;
    let folder = tempfile::tempdir().unwrap();
    let started_in = folder.path().join("gone");
    std::fs::create_dir(&started_in).unwrap();
    let there = started_in.clone();
    let proxy = Proxy::started(format!("http://{address}"), "", move |_, command| {
        command.current_dir(there);
    });
    std::fs::remove_dir(&started_in).unwrap();
    let (head, _) = get(proxy.address, "/v1/models").await;
    assert_eq!(head.status(), 200);
    let mut client = Peer::connect(proxy.address).await;
    let (head, body) = client
        .ask(post("/v1/responses", "", b"{\"input\":\"hi\"}"))
        .await;
    assert_eq!((head.status(), body.as_slice()), (200, &b"ok"[..]));
    for path in [
        "/codex-plus/hooks",
        "/codex-plus/status-line",
        "/codex-plus/status",
    ] {
        let (head, _) = get(proxy.address, path).await;
        assert_eq!(head.status(), 200, "{path}");
    }
}
