//! An answer's server-sent events, shown to filters on their way to the client.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use codex_plus_wire::event::EventKind;
use codex_plus_wire::sse::{SseFrame, SseFramer};
use http_body::Frame;

use super::source::Source;
use crate::chain::{BoxFuture, Event, EventVerdict, Listeners};
use crate::exchange::Exchange;
use crate::observe::Outcome;

/// Frames in, frames out. Events nobody listens to leave as the very bytes they came as, and in
/// the same pieces as far as whole events allow.
pub(crate) struct FilteredBody {
    source: Source,
    exchange: Exchange,
    framer: SseFramer,
    state: State,
    passing: Passing,
    out: VecDeque<Frame<Bytes>>,
    trailers: Option<Frame<Bytes>>,
    ended: bool,
}

enum State {
    Listening(Listeners),
    /// A filter is deciding about a frame; the listeners come back with its verdict.
    Deciding(SseFrame, BoxFuture<'static, (Listeners, EventVerdict)>),
    /// Only while the listeners change hands.
    Moving,
}

/// Neighbouring frames of one piece that go out as they are.
#[derive(Default)]
struct Passing {
    piece: Bytes,
    run: Range<usize>,
}

impl FilteredBody {
    pub(crate) fn new(
        source: Source,
        exchange: Exchange,
        listeners: Listeners,
        longest_event: usize,
    ) -> Self {
        Self {
            source,
            exchange,
            framer: SseFramer::new(longest_event),
            state: State::Listening(listeners),
            passing: Passing::default(),
            out: VecDeque::new(),
            trailers: None,
            ended: false,
        }
    }

    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if let Some(frame) = self.out.pop_front() {
                self.exchange.passed(frame.data_ref().map_or(0, Bytes::len));
                return Poll::Ready(Some(Ok(frame)));
            }
            if self.decided(cx).is_pending() {
                return Poll::Pending;
            }
            if self.next_event() {
                continue;
            }
            if self.ended {
                if self.drain() {
                    continue;
                }
                self.exchange.conclude(Outcome::Completed, None);
                return Poll::Ready(None);
            }
            match ready!(self.source.poll(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) => {
                        self.passing.begin(piece.clone());
                        self.framer.push(piece);
                    }
                    Err(trailers) => self.trailers = Some(trailers),
                },
                Some(Err(error)) => {
                    self.exchange
                        .conclude(Outcome::UpstreamCut, Some(error.to_string()));
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.ended = true;
                    self.framer.end();
                }
            }
        }
    }

    /// Waits for the filter that is deciding, if one is.
    fn decided(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let State::Deciding(_, deciding) = &mut self.state else {
            return Poll::Ready(());
        };
        let (mut listeners, verdict) = ready!(deciding.as_mut().poll(cx));
        self.exchange.filtered(&mut listeners.spent);
        let State::Deciding(frame, ..) =
            std::mem::replace(&mut self.state, State::Listening(listeners))
        else {
            return Poll::Ready(());
        };
        match verdict {
            EventVerdict::Pass => self.pass(frame.raw),
            EventVerdict::Replace(events) => {
                self.flush_run();
                let kind = frame.data().map(|data| EventKind::peek(&data));
                let rewritten = match events.as_slice() {
                    // The same event with other data keeps its id, retry and comment lines.
                    [data] if Some(EventKind::peek(data)) == kind => vec![frame.with_data(data)],
                    _ => events.iter().map(|data| encode(data)).collect(),
                };
                self.out.extend(rewritten.into_iter().map(Frame::data));
            }
        }
        Poll::Ready(())
    }

    /// Takes one event out of the framer; false when it needs more bytes.
    fn next_event(&mut self) -> bool {
        let Some(frame) = self.framer.next_frame() else {
            self.flush_run();
            return !self.out.is_empty();
        };
        let State::Listening(listeners) = &self.state else {
            return true;
        };
        let wanted = frame.data().and_then(|data| {
            let kind = EventKind::peek(&data);
            listeners.want(kind).then(|| Event {
                kind,
                data: Bytes::copy_from_slice(&data),
            })
        });
        let Some(event) = wanted else {
            self.pass(frame.raw);
            return true;
        };
        self.flush_run();
        if let State::Listening(mut listeners) = std::mem::replace(&mut self.state, State::Moving) {
            let deciding = Box::pin(async move {
                let verdict = listeners.hear(event).await;
                (listeners, verdict)
            });
            self.state = State::Deciding(frame, deciding);
        }
        true
    }

    fn pass(&mut self, raw: Bytes) {
        if !self.passing.extend(&raw) {
            self.flush_run();
            if !self.passing.extend(&raw) {
                self.out.push_back(Frame::data(raw));
            }
        }
    }

    fn flush_run(&mut self) {
        if let Some(run) = self.passing.take() {
            self.out.push_back(Frame::data(run));
        }
    }

    /// What is left when the stream ends in the middle of an event goes out as it is.
    fn drain(&mut self) -> bool {
        self.out.extend(self.framer.finish().map(Frame::data));
        self.out.extend(self.trailers.take());
        !self.out.is_empty()
    }
}

/// A frame for an event's JSON, named by its type as the provider does.
fn encode(data: &[u8]) -> Bytes {
    #[derive(serde::Deserialize)]
    struct Typed<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<Cow<'a, str>>,
    }
    let name = serde_json::from_slice::<Typed<'_>>(data)
        .ok()
        .and_then(|typed| typed.kind);
    SseFrame::encode(name.as_deref(), data)
}

impl Passing {
    fn begin(&mut self, piece: Bytes) {
        *self = Self { piece, run: 0..0 };
    }

    /// Adds a frame when it lies right behind the run, in the same piece of memory.
    fn extend(&mut self, raw: &Bytes) -> bool {
        let base = self.piece.as_ptr() as usize;
        let Some(start) = (raw.as_ptr() as usize).checked_sub(base) else {
            return false;
        };
        let end = start + raw.len();
        if end > self.piece.len() || (!self.run.is_empty() && self.run.end != start) {
            return false;
        }
        if self.run.is_empty() {
            self.run.start = start;
        }
        self.run.end = end;
        true
    }

    fn take(&mut self) -> Option<Bytes> {
        let run = std::mem::replace(&mut self.run, 0..0);
        (!run.is_empty()).then(|| self.piece.slice(run))
    }
}
