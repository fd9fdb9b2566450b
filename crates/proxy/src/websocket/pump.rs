//! The two directions of a relayed connection: carried as they come, or message by message when
//! a filter is interested.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use codex_plus_wire::event::EventKind;
use codex_plus_wire::frame::{FrameError, Message, MessageAssembler, Opcode};
use codex_plus_wire::request::RequestBody;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::ReadHalf;

use super::link::{Link, is_request};
use super::side::{PING_PAYLOAD, Side, Unwritable};
use super::split::{Piece, Splitter};
use crate::inspect::{Reviewed, review};
use crate::joint::Joined;
use crate::listeners::{Event, EventVerdict, STILL_HERE};
use crate::scratch;

/// Why a direction ended without an error of the socket.
#[derive(Debug, thiserror::Error)]
pub(super) enum PumpError {
    #[error("{0}")]
    Read(#[from] io::Error),
    #[error("{0}")]
    Write(#[from] Unwritable),
    #[error("{0}{hint}", hint = hint(*.0))]
    Frame(#[from] FrameError),
}

fn hint(error: FrameError) -> &'static str {
    match error {
        FrameError::TooLarge { .. } => {
            "; `limits.websocket_message` sets how long a message filters read"
        }
        _ => "",
    }
}

/// Reads from one side; holds nothing while it waits.
pub(super) struct Source<'a> {
    io: ReadHalf<TokioIo<Upgraded>>,
    side: &'a Side,
    buffer: BytesMut,
}

impl<'a> Source<'a> {
    pub(super) fn new(io: ReadHalf<TokioIo<Upgraded>>, side: &'a Side) -> Self {
        Self {
            io,
            side,
            buffer: BytesMut::new(),
        }
    }

    /// Reads on; false at the end of the stream.
    async fn read(&mut self) -> io::Result<bool> {
        self.side.hear(true);
        let (io, buffer) = (&mut self.io, &mut self.buffer);
        let count = poll_fn(|cx| scratch::poll_read(Pin::new(&mut *io), cx, buffer)).await?;
        if count > 0 {
            self.side.hear(false);
        }
        Ok(count > 0)
    }

    /// Reads to the end and forgets what it reads.
    pub(super) async fn discard(&mut self) {
        while matches!(self.read().await, Ok(true)) {
            self.buffer.clear();
        }
    }
}

/// Passes everything on as it comes; `tap` is told afterwards.
pub(super) async fn carry(
    from: &mut Source<'_>,
    to: &Side,
    mut tap: impl FnMut(&Bytes),
) -> Result<(), PumpError> {
    let mut splitter = Splitter::default();
    while from.read().await? {
        while let Some(piece) = splitter.next(&mut from.buffer) {
            match piece {
                Piece::Control {
                    opcode: Opcode::Pong,
                    payload,
                    ..
                } if payload == PING_PAYLOAD => {}
                Piece::Control { raw, .. } => to.pass(&[raw], true).await?,
                Piece::Data(data) => {
                    to.pass(std::slice::from_ref(&data), splitter.at_boundary())
                        .await?;
                    tap(&data);
                }
            }
        }
    }
    // A stream that ends inside a header still ends with the bytes it had.
    if !from.buffer.is_empty() {
        to.pass(&[from.buffer.split().freeze()], false).await?;
    }
    Ok(())
}

/// The next message of a direction that filters read; none at its end. Pongs to our own pings
/// are kept back, other control frames are messages too.
async fn next_message(
    from: &mut Source<'_>,
    assembler: &mut MessageAssembler,
) -> Result<Option<Message>, PumpError> {
    loop {
        match assembler.next_message()? {
            Some(message) if message.opcode == Opcode::Pong && message.payload == PING_PAYLOAD => {}
            Some(message) => return Ok(Some(message)),
            None => {
                if !from.read().await? {
                    return Ok(None);
                }
                assembler.push(from.buffer.split().freeze());
            }
        }
    }
}

/// Client to upstream: each `response.create` is an exchange of its own.
pub(super) async fn requests(
    link: &Link,
    from: &mut Source<'_>,
    to: &Side,
    back: &Side,
) -> Result<(), PumpError> {
    let mut assembler = MessageAssembler::new(link.message_limit());
    while let Some(message) = next_message(from, &mut assembler).await? {
        let began = Instant::now();
        let readable = message.opcode == Opcode::Text && !message.compressed;
        let request = readable
            .then(|| RequestBody::parse(message.payload.clone()).ok())
            .flatten();
        if !request.is_some_and(|body| is_request(&body)) {
            to.pass(&message.raw, true).await?;
            continue;
        }
        let mut exchange = link.open_exchange(message.payload.len(), began);
        let payload = Some(message.payload.clone());
        match review(&link.line, &link.plan, &link.head, payload, &mut exchange).await {
            Reviewed::Reply { reply, .. } => {
                let events = reply.events(exchange.id());
                let frames: Vec<Bytes> = events
                    .iter()
                    .map(|event| event.to_string().into())
                    .collect();
                exchange.passed(frames.iter().map(Bytes::len).sum());
                back.say(Opcode::Text, &frames).await?;
                exchange.end(crate::observe::Outcome::Answered, None);
            }
            Reviewed::Forward {
                edited,
                kept,
                listeners,
            } => {
                exchange.sending();
                link.live.begin(exchange, listeners, kept);
                match edited {
                    None => to.pass(&message.raw, true).await?,
                    Some(chunks) => {
                        let frame = to.frame(Opcode::Text, &chunks.concat());
                        to.pass(&[frame], true).await?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Upstream to client: events are shown to whoever listens to the exchange they answer. `back` is
/// the upstream, which a listener may have asked once more.
pub(super) async fn events(
    link: &Link,
    from: &mut Source<'_>,
    to: &Side,
    back: &Side,
) -> Result<(), PumpError> {
    let mut assembler = MessageAssembler::new(link.message_limit());
    while let Some(message) = next_message(from, &mut assembler).await? {
        if message.opcode != Opcode::Text || message.compressed {
            to.pass(&message.raw, true).await?;
            continue;
        }
        let joined = match link.live.join(&message.payload) {
            Joined::Same => None,
            Joined::Changed(data) => Some(data),
            Joined::Dropped => continue,
        };
        let is_changed = joined.is_some();
        let data = joined.unwrap_or_else(|| message.payload.clone());
        let kind = EventKind::peek(&data);
        match heard(link, to, kind, &data).await? {
            EventVerdict::Pass if !is_changed => {
                to.pass(&message.raw, true).await?;
                link.live.passed(kind, data.len());
            }
            EventVerdict::Pass => say(link, to, kind, &[data]).await?,
            EventVerdict::Replace(events) => say(link, to, kind, &events).await?,
            EventVerdict::Again(again) => match link.live.again(&again, &data) {
                Some(request) => {
                    let frame = back.frame(Opcode::Text, &request);
                    back.pass(&[frame], true).await?;
                }
                None => say(link, to, kind, &[data]).await?,
            },
        }
    }
    Ok(())
}

/// What the listeners of the answer that is arriving make of an event.
async fn heard(
    link: &Link,
    to: &Side,
    kind: EventKind,
    data: &Bytes,
) -> Result<EventVerdict, PumpError> {
    let Some(mut listeners) = link.live.take_listeners() else {
        return Ok(EventVerdict::Pass);
    };
    let mut verdict = EventVerdict::Pass;
    if listeners.want(kind) {
        let data = data.clone();
        let hearing = listeners.hear(Event { kind, data });
        tokio::pin!(hearing);
        let waiting = link.line.config.timeouts.waiting.get();
        verdict = loop {
            match tokio::time::timeout(waiting, hearing.as_mut()).await {
                Ok(verdict) => break verdict,
                Err(_) => to.pass(&[to.frame(Opcode::Text, STILL_HERE)], true).await?,
            }
        };
    }
    link.live.give_back(listeners);
    Ok(verdict)
}

/// Passes events on that are not the upstream's own.
async fn say(link: &Link, to: &Side, kind: EventKind, events: &[Bytes]) -> Result<(), PumpError> {
    let frames: Vec<Bytes> = events
        .iter()
        .map(|data| to.frame(Opcode::Text, data))
        .collect();
    to.pass(&frames, true).await?;
    link.live.passed(kind, events.iter().map(Bytes::len).sum());
    Ok(())
}
