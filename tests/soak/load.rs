//! The clients: each does its share of a round over one kept connection, and looks at every answer.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::TcpStream;

use crate::Plan;
use crate::provider::{EVENTS, LAST, SMALL, document, event};
use crate::support::peer::{Head, Peer, post};

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
}

/// Does a share. `number` is this client's in the whole run.
pub(crate) async fn client(address: SocketAddr, share: Share, number: usize, errors: Arc<Errors>) {
    let mut kept = None;
    for (place, work) in share.work(number).into_iter().enumerate() {
        let id = format!("msg_{number}_{place}");
        match one(address, kept.take(), work, &id).await {
            Ok(peer) => kept = peer,
            Err(error) => errors.add(&work, &error.to_string()),
        }
    }
}

/// One exchange; the connection comes back unless the proxy says it closes.
async fn one(
    address: SocketAddr,
    kept: Option<Peer>,
    work: Work,
    id: &str,
) -> io::Result<Option<Peer>> {
    let mut peer = match kept {
        Some(peer) => peer,
        None => Peer::new(TcpStream::connect(address).await?),
    };
    let sent = request(work, id);
    peer.try_send(&sent).await?;
    drop(sent);
    let Some(head) = peer.try_head().await? else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    let body = peer.try_body(&head).await?;
    check(work, &head, &body)?;
    Ok((head.get("connection") != Some("close")).then_some(peer))
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
