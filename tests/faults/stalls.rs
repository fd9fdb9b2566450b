//! Either side slow or silent, in the middle of something.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use crate::support::peer::{Peer, post};
use crate::support::proxy::Proxy;
use crate::support::upstream::upstream;
use crate::support::{until, within};

/// Cut inside its head, inside an event's name and inside its data, with and without a filter that
/// reads events: what came whole arrives, and the end is no clean one.
#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_stops_within_something_is_given_up() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
    let stream = format!("{head}transfer-encoding: chunked\r\n\r\n");
    let whole = "data: {\"type\":\"response.created\"}\n\n";
    let first = format!("{:x}\r\n{whole}\r\n", whole.len());
    let cases = [
        (504, head.to_owned()),
        (200, stream.clone()),
        (200, format!("{stream}{first}4\r\neven\r\n")),
        (200, format!("{stream}{first}f\r\ndata: {{\"type\":\"\r\n")),
        (200, format!("{stream}{first}40\r\ndata: {{\"ty")),
    ];
    let hooks =
        r#"{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "echo heard"}]}]}}"#;
    for hooks in ["{}", hooks] {
        let (answers, next) = (cases.clone(), Arc::new(AtomicUsize::new(0)));
        let address = upstream(move |mut peer| {
            let (_, answer) = answers[next.fetch_add(1, Ordering::Relaxed) % answers.len()].clone();
            async move {
                peer.request().await;
                peer.send(answer).await;
                let _ = peer.rest().await;
            }
        })
        .await;
        let settings = "[timeouts]\nstream_idle = '400ms'\n";
        let proxy = Proxy::started(format!("http://{address}"), settings, |home, _| {
            home.write("home/.codexplus/settings.json", hooks);
        });
        let mut before = None;
        // The first time round, files are opened that stay open.
        for (number, (status, _)) in cases.iter().chain(&cases).enumerate() {
            let mut client = Peer::connect(proxy.address).await;
            client
                .send(post("/v1/responses", "", b"{\"stream\":true,\"input\":[]}"))
                .await;
            let head = client.head().await;
            assert_eq!(head.status(), *status);
            if *status == 200 {
                let mut arrived = Vec::new();
                let end = loop {
                    match client.try_chunk().await {
                        Ok(Some(chunk)) => arrived.extend(chunk),
                        end => break end,
                    }
                };
                assert!(end.is_err(), "looks like an end");
                assert!(arrived.is_empty() || arrived.starts_with(whole.as_bytes()));
            }
            drop(client);
            let told = proxy.logged(number + 1).await.pop().unwrap();
            let reason = told["reason"].as_str().unwrap();
            assert!(reason.contains("timeouts.stream_idle"), "{told}");
            if number + 1 == cases.len() {
                before = Some(proxy.descriptors());
            }
        }
        until("the descriptors", || {
            before.is_some_and(|before| proxy.descriptors() <= before)
        })
        .await;
        proxy.idle().await;
    }
}

/// A client that sends its body in dribs and drabs: each has reached the upstream before the next
/// is sent, so nothing waits for the end. (What filters read has to be whole first.)
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_comes_slowly_goes_on_as_it_comes() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let address = upstream(move |mut peer| {
        let tell = tell.clone();
        async move {
            let head = peer.head().await;
            while let Ok(Some(piece)) = peer.try_chunk().await {
                tell.send(piece).unwrap();
            }
            drop(head);
            peer.fields().await.unwrap();
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                .await;
        }
    })
    .await;
    // Longer in all than the body may be silent, and than the upstream may be.
    let settings = "[timeouts]\nbody_idle = '2s'\nstream_idle = '2s'\n";
    let proxy = Proxy::configured(format!("http://{address}"), settings);
    let mut client = Peer::connect(proxy.address).await;
    client
        .send("POST /v1/files HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    for number in 0..12 {
        let piece = format!("piece {number}");
        client.send_chunk(&piece).await;
        assert_eq!(within(told.recv()).await.unwrap(), piece.as_bytes());
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    client.send("0\r\n\r\n").await;
    let head = client.head().await;
    assert_eq!(head.status(), 200);
    assert_eq!(client.body(&head).await, b"ok");
}
