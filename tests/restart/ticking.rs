//! An upstream whose streams tick until they are told to end, and clients that watch them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use codex_plus_wire::frame::Opcode;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::home::Home;
use crate::support::peer::{Peer, post};
use crate::support::socket::{accept, bare, masked, open};
use crate::support::upstream::upstream;
use crate::support::{until, within};

const TICK: Duration = Duration::from_millis(20);
const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

fn tick(number: usize) -> String {
    format!("{{\"type\":\"response.output_text.delta\",\"delta\":\"{number}\"}}")
}

const LAST: &str = "{\"type\":\"response.completed\",\"response\":{\"id\":\"r\"}}";

/// Its address, and what ends its streams.
pub(crate) async fn ticking() -> (SocketAddr, watch::Sender<bool>) {
    let (end, ended) = watch::channel(false);
    let address = upstream(move |peer| serve(peer, ended.clone())).await;
    (address, end)
}

async fn serve(mut peer: Peer, mut ended: watch::Receiver<bool>) {
    if peek(&mut peer).await.starts_with(b"GET /v1/responses") {
        accept(&mut peer, "").await;
        peer.frame().await;
        let mut number = 0;
        while !wait(&mut ended).await {
            peer.send(bare(Opcode::Text, tick(number).as_bytes())).await;
            number += 1;
        }
        peer.send(bare(Opcode::Text, LAST.as_bytes())).await;
        let _ = peer.rest().await;
        return;
    }
    while let Ok(Some(head)) = peer.try_head().await {
        peer.body(&head).await;
        if head.line.starts_with("GET ") {
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                .await;
            continue;
        }
        peer.send(HEAD).await;
        let mut number = 0;
        while !wait(&mut ended).await {
            peer.send_chunk(format!("data: {}\n\n", tick(number))).await;
            number += 1;
        }
        peer.send_chunk(format!("data: {LAST}\n\n")).await;
        peer.send("0\r\n\r\n").await;
    }
}

/// The first bytes of a request, left where they are.
async fn peek(peer: &mut Peer) -> Vec<u8> {
    let mut bytes = [0; 17];
    let read = within(peer.stream.peek(&mut bytes)).await.unwrap_or(0);
    bytes[..read].to_vec()
}

async fn wait(ended: &mut watch::Receiver<bool>) -> bool {
    tokio::time::timeout(TICK, ended.wait_for(|ended| *ended))
        .await
        .is_ok()
}

/// A stream that is read to its end; every tick has to come, in order.
pub(crate) struct Stream {
    reading: JoinHandle<usize>,
    seen: Arc<AtomicUsize>,
}

impl Stream {
    /// Over HTTP; live when this returns.
    pub(crate) async fn sse(address: SocketAddr) -> Self {
        let mut client = Peer::connect(address).await;
        client
            .send(post("/v1/responses", "", br#"{"stream":true}"#))
            .await;
        assert_eq!(client.head().await.status(), 200);
        let seen = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&seen);
        let reading = tokio::spawn(async move {
            let mut number = 0;
            loop {
                let chunk = client.chunk().await;
                if chunk == format!("data: {LAST}\n\n").as_bytes() {
                    break;
                }
                assert_eq!(chunk, format!("data: {}\n\n", tick(number)).as_bytes());
                number += 1;
                counter.store(number, Ordering::Relaxed);
            }
            assert!(client.try_chunk().await.unwrap().is_none(), "a clean end");
            number
        });
        Self { reading, seen }
    }

    /// Over WebSocket; live when this returns, for without a request it is a connection at rest.
    pub(crate) async fn websocket(address: SocketAddr) -> Self {
        let mut client = open(address).await;
        let request = br#"{"type":"response.create","input":[]}"#;
        client.send(masked(Opcode::Text, request)).await;
        assert_eq!(client.next(Opcode::Text).await, tick(0).as_bytes());
        let seen = Arc::new(AtomicUsize::new(1));
        let counter = Arc::clone(&seen);
        let reading = tokio::spawn(async move {
            let mut number = 1;
            loop {
                let frame = client.frame().await;
                if frame.payload == LAST.as_bytes() {
                    return number;
                }
                assert_eq!(frame.payload, tick(number).as_bytes(), "{frame:?}");
                number += 1;
                counter.store(number, Ordering::Relaxed);
            }
        });
        Self { reading, seen }
    }

    pub(crate) fn ticks(&self) -> usize {
        self.seen.load(Ordering::Relaxed)
    }

    /// Waits for one more tick.
    pub(crate) async fn ticks_on(&self) {
        let before = self.ticks();
        until("another tick", || {
            self.ticks() > before || self.reading.is_finished()
        })
        .await;
    }

    /// Its number of ticks, once it has ended as it should.
    pub(crate) async fn end(self) -> usize {
        within(self.reading).await.unwrap()
    }
}

/// A client that asks all the time, on a new connection or on a kept one, and counts.
pub(crate) struct Asking {
    task: JoinHandle<()>,
    answers: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Asking {
    pub(crate) fn begin(address: SocketAddr, keeps: bool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answers = Arc::new(AtomicUsize::new(0));
        let (end, count) = (Arc::clone(&stop), Arc::clone(&answers));
        let task = tokio::spawn(async move {
            let mut kept: Option<Peer> = None;
            while !end.load(Ordering::Relaxed) {
                let mut peer = match kept.take() {
                    Some(peer) => peer,
                    None => Peer::connect(address).await,
                };
                let (head, body) = peer
                    .ask("GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n")
                    .await;
                assert_eq!((head.status(), body), (200, b"ok".to_vec()));
                count.fetch_add(1, Ordering::Relaxed);
                // A server that says so may close, and only then.
                if keeps && head.get("connection") != Some("close") {
                    kept = Some(peer);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        Self {
            task,
            answers,
            stop,
        }
    }

    /// Ends once it had so many answers; all of them were good.
    pub(crate) async fn end_after(self, answers: usize) {
        let enough = || self.answers.load(Ordering::Relaxed) >= answers;
        until("its answers", || enough() || self.task.is_finished()).await;
        self.stop.store(true, Ordering::Relaxed);
        within(self.task).await.unwrap();
    }
}

/// A background proxy in front of `upstream`.
pub(crate) fn started(upstream: SocketAddr) -> (Home, SocketAddr) {
    let home = Home::new();
    home.ok(&["start", "--upstream", &format!("http://{upstream}/v1")]);
    let address = home.listen.parse().unwrap();
    (home, address)
}
