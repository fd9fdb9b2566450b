//! Clients that are gone at every stage of an exchange, with an end and with a reset: the upstream
//! is let go, nothing is kept of them, and the next request works.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use codex_plus_wire::frame::Opcode;
use tokio::io::AsyncWriteExt as _;

use crate::support::peer::{Peer, get, post};
use crate::support::proxy::Proxy;
use crate::support::socket::{accept, masked, offer};
use crate::support::until;
use crate::support::upstream::upstream;

const STREAM: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// Counted down when an upstream's connection ends.
struct Held(Arc<AtomicUsize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An upstream that answers as far as the path says and then waits for the end.
async fn waiting() -> (Proxy, Arc<AtomicUsize>) {
    let held = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&held);
    let address = upstream(move |mut peer| {
        count.fetch_add(1, Ordering::Relaxed);
        let held = Held(Arc::clone(&count));
        async move {
            let _held = held;
            if let Ok(Some(head)) = peer.try_head().await {
                let key = head.get("sec-websocket-key").map(str::to_owned);
                match (head.target(), key) {
                    ("/v1/ok", _) => peer
                        .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
                        .await,
                    ("/v1/stream", _) => {
                        let _ = peer.try_body(&head).await;
                        peer.send(STREAM).await;
                        peer.send_chunk("data: 1\n\n").await;
                    }
                    ("/v1/responses", Some(key)) => {
                        let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(
                            key.as_bytes(),
                        );
                        peer.send(format!(
                            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\n\r\n"
                        ))
                        .await;
                    }
                    _ => {}
                }
            }
            let _ = peer.rest().await;
        }
    })
    .await;
    (Proxy::before(format!("http://{address}/v1")), held)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Silent,
    InHead,
    InBody,
    InChunk,
    Waiting,
    InStream,
    InHandshake,
    Open,
    InFrame,
    Asked,
}

impl Stage {
    const ALL: [Self; 10] = [
        Self::Silent,
        Self::InHead,
        Self::InBody,
        Self::InChunk,
        Self::Waiting,
        Self::InStream,
        Self::InHandshake,
        Self::Open,
        Self::InFrame,
        Self::Asked,
    ];

    /// How far a client comes before it leaves.
    async fn reach(self, proxy: &Proxy, held: &AtomicUsize) -> Peer {
        let mut client = Peer::connect(proxy.address).await;
        let start = "POST /v1/wait HTTP/1.1\r\nhost: localhost\r\n";
        match self {
            Self::Silent => {}
            Self::InHead => client.send(&start[..40]).await,
            Self::InBody => {
                let request = format!("{start}content-length: 100\r\n\r\n{{\"half\":");
                client.send(request).await;
            }
            Self::InChunk => {
                let request = format!("{start}transfer-encoding: chunked\r\n\r\n40\r\n{{\"half\":");
                client.send(request).await;
            }
            Self::Waiting => client.send(post("/v1/wait", "", b"{}")).await,
            Self::InStream => {
                client.send(post("/v1/stream", "", b"{}")).await;
                assert_eq!(client.head().await.status(), 200);
                assert_eq!(client.chunk().await, b"data: 1\n\n");
            }
            Self::InHandshake => {
                let offer = offer("").replace("/v1/responses", "/v1/responses?wait");
                client.send(offer).await;
            }
            Self::Open | Self::InFrame | Self::Asked => {
                client.send(offer("")).await;
                assert_eq!(client.head().await.status(), 101);
                let create = masked(Opcode::Text, br#"{"type":"response.create","input":[]}"#);
                match self {
                    Self::InFrame => client.send(&create[..20]).await,
                    Self::Asked => client.send(&create).await,
                    _ => {}
                }
            }
        }
        if !matches!(self, Self::Silent | Self::InHead) {
            until("the upstream", || held.load(Ordering::Relaxed) > 0).await;
        }
        client
    }

    /// What the log says of its exchanges.
    fn outcomes(self) -> &'static [&'static str] {
        match self {
            Self::Silent | Self::InHead => &[],
            Self::Open | Self::InFrame => &["completed"],
            Self::Asked => &["client_left", "client_left"],
            _ => &["client_left"],
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_gone_at_any_stage_leaves_nothing_behind() {
    let (proxy, held) = waiting().await;
    get(proxy.address, "/v1/ok").await;
    let (descriptors, threads) = (proxy.descriptors(), proxy.threads());
    let mut told = 1;
    for stage in Stage::ALL {
        for reset in [false, true] {
            let client = stage.reach(&proxy, &held).await;
            if reset {
                client.stream.set_zero_linger().unwrap();
            }
            drop(client);
            until(&format!("the upstream after {stage:?}"), || {
                held.load(Ordering::Relaxed) == 0
            })
            .await;
            let (answer, body) = get(proxy.address, "/v1/ok").await;
            assert_eq!((answer.status(), body.as_slice()), (200, &b"ok"[..]));
            told += stage.outcomes().len() + 1;
            let log = proxy.logged(told).await;
            assert_eq!(log.len(), told, "{stage:?}");
            let mut outcomes: Vec<_> = log[told - stage.outcomes().len() - 1..]
                .iter()
                .filter(|told| told["path"] != "/v1/ok")
                .map(|told| told["outcome"].as_str().unwrap())
                .collect();
            outcomes.sort_unstable();
            assert_eq!(
                outcomes,
                stage.outcomes(),
                "{stage:?} reset: {reset} {log:#?}"
            );
        }
    }
    until("the descriptors", || proxy.descriptors() <= descriptors).await;
    until("the threads", || proxy.threads() <= threads).await;
    proxy.idle().await;
}

/// TCP cannot tell a client that only stops sending from one that is gone, and a provider must not
/// work on for nobody: both are taken to be gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_half_closes_is_taken_to_be_gone() {
    let (proxy, held) = waiting().await;
    for path in ["/v1/wait", "/v1/stream"] {
        let mut client = Peer::connect(proxy.address).await;
        client.send(post(path, "", b"{}")).await;
        if path == "/v1/stream" {
            client.head().await;
            client.chunk().await;
        }
        until("the upstream", || held.load(Ordering::Relaxed) == 1).await;
        client.stream.shutdown().await.unwrap();
        until("the upstream to be let go", || {
            held.load(Ordering::Relaxed) == 0
        })
        .await;
    }
    let log = proxy.logged(2).await;
    assert!(log.iter().all(|told| told["outcome"] == "client_left"));
}

/// An upstream that has said all it has to say may stop sending before it stops reading.
#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_half_closes_has_ended_its_answer() {
    let address = upstream(|mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.1 200 OK\r\n\r\nall of it").await;
        peer.stream.shutdown().await.unwrap();
        let _ = peer.rest().await;
    })
    .await;
    let proxy = Proxy::before(format!("http://{address}"));
    let before = proxy.descriptors();
    for _ in 0..3 {
        let (head, body) = get(proxy.address, "/v1/models").await;
        assert_eq!((head.status(), body.as_slice()), (200, &b"all of it"[..]));
    }
    until("the descriptors", || proxy.descriptors() <= before).await;
    // So has one of a WebSocket connection.
    let address = upstream(|mut peer| async move {
        accept(&mut peer, "").await;
        peer.stream.shutdown().await.unwrap();
        let _ = peer.rest().await;
    })
    .await;
    let proxy = Proxy::before(format!("http://{address}"));
    let before = proxy.descriptors();
    let mut client = crate::support::socket::open(proxy.address).await;
    assert!(client.rest().await.unwrap().is_empty());
    drop(client);
    until("the descriptors", || proxy.descriptors() <= before).await;
}
