//! Sends the events of every stream on time: one timer for all of them, and streams spread evenly
//! over its ticks, so that ten thousand streams do not speak at once.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use codex_plus_bench::event;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;

/// A stream whose reader stopped reading is given up with this many bytes waiting.
const MOST_WAITING: usize = 1 << 20;

/// How events travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    ServerSent,
    WebSocket,
}

/// A stream under way.
pub(crate) struct Stream {
    pub(crate) socket: Arc<TcpStream>,
    pub(crate) framing: Framing,
    pub(crate) left: u64,
    pub(crate) sent: u64,
    pub(crate) waiting: Vec<u8>,
    /// Is told of the end; gone when the client left.
    pub(crate) done: oneshot::Sender<()>,
}

/// Streams by the milliseconds between two of their events.
#[derive(Default)]
pub(crate) struct Conductor(Mutex<HashMap<u64, Wheel>>);

#[derive(Default)]
struct Wheel {
    slots: Vec<Vec<Stream>>,
    next: usize,
}

impl Conductor {
    /// Takes a stream in; its next event comes within `every` milliseconds.
    pub(crate) fn add(self: &Arc<Self>, every: u64, stream: Stream) {
        let mut wheels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wheel = wheels.entry(every).or_insert_with(|| {
            tokio::spawn(Arc::clone(self).run(every));
            let slots = usize::try_from(every).unwrap_or(1);
            Wheel {
                slots: (0..slots).map(|_| Vec::new()).collect(),
                next: 0,
            }
        });
        let slot = wheel.next;
        wheel.next = (slot + 1) % wheel.slots.len();
        wheel.slots[slot].push(stream);
    }

    async fn run(self: Arc<Self>, every: u64) {
        let mut ticks = tokio::time::interval(Duration::from_millis(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut at = 0;
        loop {
            ticks.tick().await;
            let mut wheels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(wheel) = wheels.get_mut(&every) else {
                return;
            };
            at = (at + 1) % wheel.slots.len();
            let due = std::mem::take(&mut wheel.slots[at]);
            wheel.slots[at] = due.into_iter().filter_map(advance).collect();
        }
    }
}

/// Sends a stream's next event; none when it is over.
fn advance(mut stream: Stream) -> Option<Stream> {
    if stream.done.is_closed() {
        return None;
    }
    let last = stream.left == 0;
    let (framing, sent) = (stream.framing, stream.sent);
    write_event(framing, sent, last, &mut stream.waiting);
    stream.sent += 1;
    stream.left = stream.left.saturating_sub(1);
    match stream.socket.try_write(&stream.waiting) {
        Ok(written) => drop(stream.waiting.drain(..written)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Err(_) => return None,
    }
    if last && stream.waiting.is_empty() {
        // Whoever waits for it may be gone.
        let _ = stream.done.send(());
        return None;
    }
    (stream.waiting.len() < MOST_WAITING).then_some(stream)
}

/// Appends an event in its frame: one chunk of a server-sent event, or one text frame.
pub(crate) fn write_event(framing: Framing, sequence: u64, last: bool, out: &mut Vec<u8>) {
    let (name, data) = if last {
        ("response.completed", event::completed(sequence))
    } else {
        ("response.output_text.delta", event::delta(sequence))
    };
    match framing {
        Framing::ServerSent => {
            let text = format!("event: {name}\ndata: {data}\n\n");
            out.extend(format!("{:x}\r\n{text}\r\n", text.len()).into_bytes());
            if last {
                out.extend_from_slice(b"0\r\n\r\n");
            }
        }
        Framing::WebSocket => {
            out.push(0x81);
            match u16::try_from(data.len()) {
                Ok(length) if length < 126 => out.extend_from_slice(&length.to_be_bytes()[1..]),
                Ok(length) => {
                    out.push(126);
                    out.extend_from_slice(&length.to_be_bytes());
                }
                // No event of ours is that long.
                Err(_) => return,
            }
            out.extend(data.into_bytes());
        }
    }
}
