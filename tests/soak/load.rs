//! The clients: each does its share of a round over one kept connection, and looks at every answer.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use codex_plus_wire::frame::Opcode;
use tokio::net::TcpStream;

use crate::Plan;
use crate::provider::{EVENTS, LAST, SMALL, data, document, event};
use crate::support::peer::{Head, Peer, post};
use crate::support::socket::{masked, offer};

/// Requests on a WebSocket connection, and each of them.
const MESSAGES: usize = 10;
const CREATE: &str = r#"{"type":"response.create","model":"m","input":[{"type":"function_call_output","call_id":"c","output":"ok"}]}"#;
/// The close code of a server that restarts.
const RESTARTS: u16 = 1012;
const SIZES: [usize; 4] = [1 << 10, 64 << 10, 1 << 20, 10 << 20];

/// What went wrong.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    count: AtomicUsize,
    first: Mutex<Vec<String>>,
}

impl Errors {
    fn add(&self, what: &Work, error: &str) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let mut first = self.first.lock().unwrap();
        if first.len() < 20 {
            first.push(format!("{what:?}: {error}"));
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(crate) fn first(&self) -> Vec<String> {
        self.first.lock().unwrap().clone()
    }
}

/// What one client does in one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    small: usize,
    streams: usize,
    hooks: usize,
    payloads: usize,
    sockets: usize,
}

impl Share {
    /// An equal part; what cannot be divided is done on top, so a run is never smaller than planned.
    pub(crate) fn of(plan: &Plan, clients: usize) -> Self {
        let part = |total: usize| total.div_ceil(plan.rounds * clients);
        Self {
            small: part(plan.small),
            streams: part(plan.streams),
            hooks: part(plan.hooks),
            payloads: part(plan.payloads),
            sockets: part(plan.sockets),
        }
    }

    /// All of it, the kinds mixed.
    fn work(self, client: usize) -> Vec<Work> {
        let mut work: Vec<(usize, Work)> = Vec::new();
        for (count, kind) in [
            (self.small, Work::Small),
            (self.streams, Work::Stream),
            (self.hooks, Work::Hooks),
            (self.payloads, Work::Payload(0)),
            (self.sockets, Work::Socket),
        ] {
            for number in 0..count {
                let kind = match kind {
                    Work::Payload(_) => Work::Payload(SIZES[(client + number) % SIZES.len()]),
                    other => other,
                };
                work.push((number * 1_000_000 / count, kind));
            }
        }
        work.sort_by_key(|(place, _)| *place);
        work.into_iter().map(|(_, kind)| kind).collect()
    }
}

#[derive(Debug, Clone, Copy)]
enum Work {
    Small,
    Stream,
    Hooks,
    Payload(usize),
    /// A connection with [`MESSAGES`] requests, one after the other.
    Socket,
}

/// One client in one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) share: Share,
    /// Its number in the whole run.
    pub(crate) number: usize,
    /// The proxy is restarted meanwhile: connections may end between two exchanges.
    pub(crate) restarting: bool,
}

impl Client {
    /// Does its share.
    pub(crate) async fn run(self, errors: Arc<Errors>) {
        let mut kept = None;
        for (place, work) in self.share.work(self.number).into_iter().enumerate() {
            let id = format!("msg_{}_{place}", self.number);
            match self.one(kept.take(), work, &id).await {
                Ok(peer) => kept = peer,
                Err(error) => errors.add(&work, &error.to_string()),
            }
        }
    }

    /// One exchange; the connection comes back unless the proxy says it closes.
    async fn one(self, kept: Option<Peer>, work: Work, id: &str) -> io::Result<Option<Peer>> {
        if matches!(work, Work::Socket) {
            return self.socket().await.map(|()| kept);
        }
        let sent = request(work, id);
        let was_kept = kept.is_some();
        let peer = match kept {
            Some(peer) => peer,
            None => self.connect().await?,
        };
        let (mut peer, head) = match asked(peer, &sent).await {
            // A kept connection may end just when a client asks again: a client that was held up
            // for longer than the proxy's last call asks anew, as every HTTP client does.
            Err(_) if was_kept && self.restarting => asked(self.connect().await?, &sent).await?,
            answered => answered?,
        };
        drop(sent);
        let body = peer.try_body(&head).await?;
        check(work, &head, &body)?;
        Ok((head.get("connection") != Some("close")).then_some(peer))
    }

    async fn connect(self) -> io::Result<Peer> {
        Ok(Peer::new(TcpStream::connect(self.address).await?))
    }

    /// A WebSocket connection from handshake to close.
    async fn socket(self) -> io::Result<()> {
        let (mut peer, head) = asked(self.connect().await?, offer("").as_bytes()).await?;
        if head.status() != 101 {
            return Err(io::Error::other(head.line));
        }
        let events: Vec<String> = (0..EVENTS).map(event).chain([LAST.to_owned()]).collect();
        for _ in 0..MESSAGES {
            peer.try_send(masked(Opcode::Text, CREATE.as_bytes()))
                .await?;
            for (place, event) in events.iter().enumerate() {
                let frame = peer.try_frame().await?;
                let restarts = frame.header.opcode == Opcode::Close
                    && frame.payload.starts_with(&RESTARTS.to_be_bytes());
                // Between two exchanges, and with the code that says so.
                if restarts && place == 0 && self.restarting {
                    return Ok(());
                }
                if frame.payload != data(event).as_bytes() {
                    let said = String::from_utf8_lossy(&frame.payload).into_owned();
                    return Err(io::Error::other(format!("{:?} {said}", frame.header)));
                }
            }
        }
        peer.try_send(masked(Opcode::Close, &1000_u16.to_be_bytes()))
            .await?;
        while peer.try_frame().await?.header.opcode != Opcode::Close {}
        Ok(())
    }
}

/// Sends a request and waits for the head of its answer.
async fn asked(mut peer: Peer, request: &[u8]) -> io::Result<(Peer, Head)> {
    peer.try_send(request).await?;
    let head = peer.try_head().await?;
    Ok((peer, head.ok_or(io::ErrorKind::UnexpectedEof)?))
}

fn request(work: Work, id: &str) -> Vec<u8> {
    let responses = |kind: &str, stream: bool, item: String| {
        let body = format!("{{\"model\":\"m\",\"stream\":{stream},\"input\":[{item}]}}");
        let fields = format!("content-type: application/json\r\nx-soak: {kind}\r\n");
        post("/v1/responses", &fields, body.as_bytes())
    };
    let output = |text: &str| {
        format!("{{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"{text}\"}}")
    };
    match work {
        Work::Socket => offer("").into_bytes(),
        Work::Small => b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(),
        Work::Stream => responses("stream", true, output("ok")),
        Work::Payload(len) => responses("echo", false, output(&"B".repeat(len))),
        Work::Hooks => responses(
            "hooks",
            true,
            format!(
                "{{\"type\":\"message\",\"role\":\"user\",\"id\":\"{id}\",\
                 \"content\":[{{\"type\":\"input_text\",\"text\":\"hello\"}}]}}"
            ),
        ),
    }
}

fn check(work: Work, head: &Head, body: &[u8]) -> io::Result<()> {
    let right = head.status() == 200
        && match work {
            Work::Socket => false,
            Work::Small => body == SMALL.as_bytes(),
            Work::Stream | Work::Hooks => {
                let events: String = (0..EVENTS).map(event).collect();
                body == format!("{events}{LAST}").as_bytes()
            }
            // The provider answers with as many letters as came.
            Work::Payload(len) => body == document(len).as_bytes(),
        };
    if right {
        return Ok(());
    }
    let start = String::from_utf8_lossy(&body[..body.len().min(200)]);
    Err(io::Error::other(format!("{}: {start}", head.line)))
}
