//! Many streams at once, and clients that leave in the middle of one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod support;

use std::sync::Arc;

use codex_plus_stand_in::{Answer, Config, Ending, Reply, StandIn};
use support::peer::{Peer, get, post};
use support::proxy::Proxy;
use support::upstream::upstream;
use support::{until, within};
use tokio::sync::{Barrier, watch};

/// The proxy keeps this many idle connections to its upstream.
const IDLE_POOL: usize = 32;
const REQUEST: &[u8] = br#"{"stream":true}"#;
const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

fn event(number: usize) -> String {
    format!("data: {{\"type\":\"response.x\",\"n\":{number}}}\n\n")
}

/// An upstream that sends the first event at once and the rest when the gate opens.
async fn gated(events: usize) -> (Proxy, watch::Sender<bool>) {
    let (gate, opened) = watch::channel(false);
    let address = upstream(move |mut peer| {
        let mut opened = opened.clone();
        async move {
            peer.request().await;
            peer.send(HEAD).await;
            peer.send_chunk(event(0)).await;
            within(opened.wait_for(|open| *open)).await.unwrap();
            for number in 1..events {
                peer.send_chunk(event(number)).await;
            }
            peer.send("0\r\n\r\n").await;
            peer.rest().await.unwrap();
        }
    })
    .await;
    (Proxy::before(format!("http://{address}")), gate)
}

/// Opens a stream and takes its first event.
async fn begin(proxy: &Proxy) -> Peer {
    let mut client = Peer::connect(proxy.address).await;
    client.send(post("/v1/responses", "", REQUEST)).await;
    assert_eq!(client.head().await.status(), 200);
    assert_eq!(client.chunk().await, event(0).into_bytes());
    client
}

/// Opens `count` streams at the same time and returns them all live.
async fn begin_all(proxy: &Arc<Proxy>, count: usize) -> Vec<Peer> {
    let barrier = Arc::new(Barrier::new(count));
    let mut tasks = Vec::new();
    for _ in 0..count {
        let (proxy, barrier) = (Arc::clone(proxy), Arc::clone(&barrier));
        tasks.push(tokio::spawn(async move {
            barrier.wait().await;
            begin(&proxy).await
        }));
    }
    let mut clients = Vec::new();
    for task in tasks {
        clients.push(within(task).await.unwrap());
    }
    clients
}

async fn live(proxy: &Proxy) -> u64 {
    let (head, body) = get(proxy.address, "/codex-plus/status").await;
    assert_eq!(head.status(), 200);
    let status: serde_json::Value = serde_json::from_slice(&body).unwrap();
    status["exchanges"]["live"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_streams_run_at_once_and_all_complete() {
    const STREAMS: usize = 1_000;
    const EVENTS: usize = 20;
    let (proxy, gate) = gated(EVENTS).await;
    let proxy = Arc::new(proxy);
    let before = proxy.descriptors();
    let clients = begin_all(&proxy, STREAMS).await;
    assert_eq!(live(&proxy).await, STREAMS as u64);
    gate.send_replace(true);
    let expected: Vec<Vec<u8>> = (1..EVENTS).map(|n| event(n).into_bytes()).collect();
    for mut client in clients {
        assert_eq!(client.chunks().await.unwrap(), expected);
    }
    until("descriptors to go back", || {
        proxy.descriptors() <= before + IDLE_POOL
    })
    .await;
    let told = proxy.logged(STREAMS).await;
    assert_eq!(told.len(), STREAMS);
    assert!(told.iter().all(|told| told["outcome"] == "completed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn health_answers_while_streams_run() {
    let (proxy, gate) = gated(2).await;
    let proxy = Arc::new(proxy);
    let clients = begin_all(&proxy, 200).await;
    for _ in 0..20 {
        let (head, body) = get(proxy.address, "/health").await;
        assert_eq!(head.status(), 200);
        assert_eq!(body, br#"{"status":"healthy"}"#);
    }
    assert_eq!(live(&proxy).await, 200);
    gate.send_replace(true);
    for mut client in clients {
        assert_eq!(client.chunks().await.unwrap(), [event(1).into_bytes()]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_leave_free_the_upstream_and_every_descriptor() {
    let stand_in = StandIn::start(Config {
        default_answer: Answer {
            reply: Reply::Filler {
                events: 10,
                size: 10,
            },
            ending: Ending::Hang { after: 3 },
            ..Answer::default()
        },
        ..Config::default()
    })
    .await
    .unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    let before = proxy.descriptors();
    let mut clients = Vec::new();
    for _ in 0..100 {
        let mut client = Peer::connect(proxy.address).await;
        client.send(post("/v1/responses", "", REQUEST)).await;
        assert_eq!(client.head().await.status(), 200);
        client.chunk().await;
        clients.push(client);
    }
    assert_eq!(stand_in.live_streams(), 100);
    // Half close, half are torn off by a reset.
    for (number, client) in clients.into_iter().enumerate() {
        if number % 2 == 0 {
            client.stream.set_zero_linger().unwrap();
        }
    }
    until("the upstream to hear", || stand_in.cancelled() == 100).await;
    assert_eq!(stand_in.live_streams(), 0);
    until("its connections' end", || stand_in.open_connections() == 0).await;
    until("descriptors to go back", || proxy.descriptors() <= before).await;
    let told = proxy.logged(100).await;
    assert!(told.iter().all(|told| told["outcome"] == "client_left"));
}

/// Before there is an answer, too: a client that gives up does not keep the provider working.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_before_the_answer_frees_the_upstream() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let address = upstream(move |mut peer| {
        let tell = tell.clone();
        async move {
            peer.request().await;
            tell.send("asked").unwrap();
            // Ends only when the proxy ends the connection.
            let _ = peer.rest().await;
            tell.send("left").unwrap();
        }
    })
    .await;
    let proxy = Proxy::before(format!("http://{address}"));
    let mut client = Peer::connect(proxy.address).await;
    client.send(post("/v1/responses", "", REQUEST)).await;
    assert_eq!(within(told.recv()).await, Some("asked"));
    drop(client);
    assert_eq!(within(told.recv()).await, Some("left"));
    let told = proxy.logged(1).await.remove(0);
    assert_eq!(told["outcome"], "client_left");
    assert!(told["status"].is_null());
}

/// A client that reads slowly holds back its own stream: nothing piles up in between.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_holds_back_its_upstream() {
    const CHUNK: usize = 64 << 10;
    const CHUNKS: usize = 2_000;
    let sent = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let address = upstream(move |mut peer| {
        let counter = Arc::clone(&counter);
        async move {
            peer.request().await;
            peer.send(HEAD).await;
            for _ in 0..CHUNKS {
                peer.send_chunk(vec![b'x'; CHUNK]).await;
                counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
            peer.send("0\r\n\r\n").await;
            peer.rest().await.unwrap();
        }
    })
    .await;
    let proxy = Proxy::before(format!("http://{address}"));
    let mut client = Peer::connect(proxy.address).await;
    client.send(post("/v1/responses", "", REQUEST)).await;
    assert_eq!(client.head().await.status(), 200);
    // Wait until the upstream gets no further.
    let mut last = usize::MAX;
    let count = || sent.load(std::sync::atomic::Ordering::Relaxed);
    while last != count() {
        last = count();
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    assert!(last < CHUNKS / 2, "{last} of {CHUNKS} chunks were taken in");
    let bytes: usize = client.chunks().await.unwrap().iter().map(Vec::len).sum();
    assert_eq!(bytes, CHUNKS * CHUNK);
}
