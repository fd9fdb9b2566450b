//! Upstreams that answer before they have taken the request, and take no more of it: the client
//! gets that answer.

use std::time::Duration;

use crate::support::peer::{Peer, get};
use crate::support::proxy::Proxy;
use crate::support::upstream::upstream;
use crate::support::{text, until};

/// More than fits on the way.
const LENGTH: usize = 16 << 20;
const REFUSAL: &str = "{\"error\":{\"message\":\"too large for me\"}}";

/// What becomes of the connection after the early answer.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// Closed on what has arrived, which resets it.
    Closes,
    /// Left alone for a while, unread.
    Waits,
    /// The whole request is still read.
    Reads,
}

async fn refusing(then: Then, wait_for: usize, length: usize) -> std::net::SocketAddr {
    upstream(move |mut peer| async move {
        let Ok(Some(head)) = peer.try_head().await else {
            return;
        };
        if head.line.starts_with("GET") {
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
                .await;
        } else {
            let _ = peer.exactly(wait_for).await;
            let status = if wait_for == 0 { 401 } else { 413 };
            // What is read to its end could be kept for the next, and then be told from no leak.
            let close = if matches!(then, Then::Reads) {
                "connection: close\r\n"
            } else {
                ""
            };
            let answer = format!(
                "HTTP/1.1 {status} No\r\n{close}content-length: {}\r\n\r\n{REFUSAL}",
                REFUSAL.len()
            );
            let _ = peer.try_send(answer).await;
            match then {
                Then::Closes => {}
                Then::Waits => tokio::time::sleep(Duration::from_millis(100)).await,
                Then::Reads => drop(peer.exactly(length - wait_for).await),
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let body = text(LENGTH);
    for then in [Then::Closes, Then::Waits, Then::Reads] {
        // 1 MiB is within what is on its way; the other is sent while the rest is not even read.
        for wait_for in [0, 1 << 20] {
            // What filters read is held and sent in one go, the other as it comes.
            for path in ["/v1/responses", "/v1/files"] {
                let address = refusing(then, wait_for, LENGTH).await;
                let proxy = Proxy::before(format!("http://{address}/v1"));
                // The start opens some late, and so does the first exchange.
                assert_eq!(get(proxy.address, "/v1/models").await.0.status(), 200);
                let before = proxy.descriptors();
                for round in 0..5 {
                    let told = format!("{then:?} {wait_for} {path} {round}");
                    let client = Peer::connect(proxy.address).await;
                    let (mut read, mut write) = client.stream.into_split();
                    let head = format!(
                        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
                        body.len()
                    );
                    let all = [head.as_bytes(), &body].concat();
                    let sending = tokio::spawn(async move {
                        // The proxy may have let go of it by its answer.
                        let _ = tokio::io::AsyncWriteExt::write_all(&mut write, &all).await;
                        write
                    });
                    let mut said = Vec::new();
                    let whole = |said: &[u8]| {
                        let text = String::from_utf8_lossy(said);
                        text.contains("\r\n\r\n") && text.contains("too large for me\"}}")
                            || text.contains("upstream_")
                    };
                    while !whole(&said) {
                        let reading = tokio::io::AsyncReadExt::read_buf(&mut read, &mut said);
                        let waited = Duration::from_secs(30);
                        match tokio::time::timeout(waited, reading).await {
                            Ok(Ok(1..)) => {}
                            Ok(_) => break,
                            Err(error) => panic!("{told}: {error}; {}", proxy.log()),
                        }
                    }
                    let text = String::from_utf8_lossy(&said);
                    let status = if wait_for == 0 { "401" } else { "413" };
                    assert!(
                        text.starts_with(&format!("HTTP/1.1 {status}")) && text.ends_with(REFUSAL),
                        "{told}: {text}"
                    );
                    drop(read);
                    drop(crate::support::within(sending).await.unwrap());
                }
                let (head, _) = get(proxy.address, "/v1/models").await;
                assert_eq!(head.status(), 200);
                until("the descriptors", || proxy.descriptors() <= before + 2).await;
                proxy.idle().await;
            }
        }
    }
}
