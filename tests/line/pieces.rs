//! How bodies are cut and when their pieces move: as they came.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::support::peer::{Peer, ask, post};
use crate::support::proxy::Proxy;
use crate::support::upstream::upstream;
use crate::support::within;

const STREAM: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// Cut at the worst places: inside a line end, a field name, a character, an event.
const PIECES: [&[u8]; 12] = [
    b"event: response.created\r",
    b"\n",
    b"data: {\"type\":\"response.created\"}\r\n\r",
    b"\n",
    b": a comment\n\n",
    b"da",
    b"ta: \xf0\x9f",
    b"\x98\x80\n",
    b"\ndata: one\n\ndata: two\n\nid: 3\n",
    b"data: three\n\n",
    b"\n\n\n",
    b"data: no end",
];

#[tokio::test(flavor = "multi_thread")]
async fn chunks_stay_as_they_were_cut() {
    let address = upstream(|mut peer| async move {
        peer.request().await;
        let mut all = STREAM.to_vec();
        for piece in PIECES {
            all.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            all.extend_from_slice(piece);
            all.extend_from_slice(b"\r\n");
        }
        all.extend_from_slice(b"0\r\n\r\n");
        // In one write, so that only the chunks tell where the cuts are.
        peer.send(all).await;
        peer.rest().await.unwrap();
    })
    .await;
    let proxy = Proxy::before(format!("http://{address}"));
    let mut client = Peer::connect(proxy.address).await;
    client.send(post("/responses", "", b"{}")).await;
    assert!(client.head().await.is_chunked());
    assert_eq!(client.chunks().await.unwrap(), PIECES);
}

/// Each piece is sent only after the client has the one before: nothing is held back.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_sent_alone_arrives_alone() {
    let arrived = Arc::new(Notify::new());
    let told = Arc::clone(&arrived);
    let address = upstream(move |mut peer| {
        let told = Arc::clone(&told);
        async move {
            peer.request().await;
            peer.send(STREAM).await;
            for piece in PIECES {
                within(told.notified()).await;
                peer.send_chunk(piece).await;
            }
            within(told.notified()).await;
            peer.send("0\r\n\r\n").await;
            peer.rest().await.unwrap();
        }
    })
    .await;
    let proxy = Proxy::before(format!("http://{address}"));
    let mut client = Peer::connect(proxy.address).await;
    client.send(post("/responses", "", b"{}")).await;
    // The head comes before any event.
    assert_eq!(client.head().await.status(), 200);
    for piece in PIECES {
        arrived.notify_one();
        assert_eq!(client.chunk().await, piece);
    }
    arrived.notify_one();
    assert_eq!(client.try_chunk().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_streams_too_and_the_answer_may_begin_before_its_end() {
    let address = upstream(|mut peer| async move {
        assert!(peer.head().await.is_chunked());
        peer.send(STREAM).await;
        // Each chunk is answered before the next one is sent.
        while let Some(chunk) = peer.try_chunk().await.unwrap() {
            peer.send_chunk(chunk).await;
        }
        peer.fields().await.unwrap();
        peer.send("0\r\n\r\n").await;
        peer.rest().await.unwrap();
    })
    .await;
    let proxy = Proxy::before(format!("http://{address}"));
    let mut client = Peer::connect(proxy.address).await;
    client
        .send("POST /x HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    assert_eq!(client.head().await.status(), 200);
    for piece in PIECES {
        client.send_chunk(piece).await;
        assert_eq!(client.chunk().await, piece);
    }
    client.send("0\r\n\r\n").await;
    assert!(client.chunks().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_framing_of_an_answer_is_kept() {
    let answers = [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        // Ended by the end of the connection, as HTTP/1.0 servers do.
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    ];
    let address = upstream(move |mut peer| async move {
        let (head, _) = peer.request().await;
        let number: usize = head.target()[1..].parse().unwrap();
        peer.send(answers[number]).await;
    })
    .await;
    let proxy = Proxy::before(format!("http://{address}"));
    for (number, answer) in answers.iter().enumerate() {
        let (head, body) = ask(proxy.address, post(&format!("/{number}"), "", b"")).await;
        assert_eq!(head.status(), 200);
        let expected = if number == 4 { "" } else { "hello" };
        assert_eq!(body, expected.as_bytes(), "{answer}");
        let length = answer.contains("content-length");
        assert_eq!(head.get("content-length").is_some(), length, "{answer}");
        assert_eq!(head.is_chunked(), !length, "{answer}");
    }
}
