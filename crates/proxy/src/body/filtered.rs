//! An answer's server-sent events, shown to filters on their way to the client.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use codex_plus_wire::event::EventKind;
use codex_plus_wire::sse::{SseFrame, SseFramer};
use http_body::Frame;
use tokio::time::Sleep;

use super::source::Source;
use crate::exchange::Exchange;
use crate::joint::{Joined, Joint};
use crate::listeners::{Again, AnswerEnd, BoxFuture, Event, EventVerdict, Listeners, STILL_HERE};
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
    joint: Joint,
    ask: Option<AskAgain>,
    longest_event: usize,
    waiting: Duration,
    /// When the client that waits for a filter is to hear of it next.
    sign_of_life: Option<Pin<Box<Sleep>>>,
}

/// Asks the upstream once more; the body of its answer, if it gives one that can be read.
pub(crate) type AskAgain = Box<dyn FnMut(&Again) -> BoxFuture<'static, Option<Source>> + Send>;

enum State {
    Listening(Listeners),
    /// A filter is deciding about a frame; the listeners come back with its verdict.
    Deciding(SseFrame, BoxFuture<'static, (Listeners, EventVerdict)>),
    /// The upstream is asked once more, instead of ending the answer with a frame.
    Asking(
        SseFrame,
        Listeners,
        Again,
        BoxFuture<'static, Option<Source>>,
    ),
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
        ask: Option<AskAgain>,
        waiting: Duration,
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
            joint: Joint::default(),
            ask,
            longest_event,
            waiting,
            sign_of_life: None,
        }
    }

    /// The answer is over; its listeners are told.
    fn end(&mut self, end: AnswerEnd) {
        if let State::Listening(listeners) = &mut self.state {
            listeners.end(end);
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
                if self.keeps_waiting(cx) {
                    continue;
                }
                return Poll::Pending;
            }
            self.sign_of_life = None;
            if self.next_event() {
                continue;
            }
            if self.ended {
                if self.drain() {
                    continue;
                }
                self.end(AnswerEnd::Completed);
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
                    self.end(AnswerEnd::Cut);
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

    /// Tells a client that waits for long that the answer goes on.
    fn keeps_waiting(&mut self, cx: &mut Context<'_>) -> bool {
        let due = self
            .sign_of_life
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(self.waiting)));
        if due.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.sign_of_life = None;
        self.out.push_back(Frame::data(encode(STILL_HERE)));
        true
    }

    /// Waits for the filter that is deciding, or the upstream that is asked once more.
    fn decided(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let State::Deciding(_, deciding) = &mut self.state {
            let (mut listeners, verdict) = ready!(deciding.as_mut().poll(cx));
            self.exchange.filtered(&mut listeners.spent);
            let next = State::Listening(listeners);
            if let State::Deciding(frame, ..) = std::mem::replace(&mut self.state, next) {
                self.carry_out(frame, verdict);
            }
        }
        if let State::Asking(.., asking) = &mut self.state {
            let answer = ready!(asking.as_mut().poll(cx));
            if let State::Asking(frame, listeners, again, _) =
                std::mem::replace(&mut self.state, State::Moving)
            {
                self.state = State::Listening(listeners);
                self.answered_again(&frame, &again, answer);
            }
        }
        Poll::Ready(())
    }

    fn carry_out(&mut self, frame: SseFrame, verdict: EventVerdict) {
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
            EventVerdict::Again(again) => {
                let state = std::mem::replace(&mut self.state, State::Moving);
                match (&mut self.ask, state) {
                    (Some(ask), State::Listening(listeners)) => {
                        let asking = ask(&again);
                        self.state = State::Asking(frame, listeners, again, asking);
                    }
                    (_, state) => {
                        self.state = state;
                        self.pass(frame.raw);
                    }
                }
            }
        }
    }

    fn answered_again(&mut self, frame: &SseFrame, again: &Again, answer: Option<Source>) {
        let Some(source) = answer else {
            // The answer ends as it would have.
            return self.pass(frame.raw.clone());
        };
        self.joint.follow(again, &frame.data().unwrap_or_default());
        self.source = source;
        self.framer = SseFramer::new(self.longest_event);
        self.ended = false;
    }

    /// Takes one event out of the framer; false when it needs more bytes.
    fn next_event(&mut self) -> bool {
        let Some(mut frame) = self.framer.next_frame() else {
            self.flush_run();
            return !self.out.is_empty();
        };
        if self.joint.follows() {
            let joined = frame.data().map(|data| self.joint.join(&data));
            match joined.unwrap_or(Joined::Same) {
                Joined::Same => {}
                Joined::Changed(data) => frame = frame.replaced(&data),
                Joined::Dropped => return true,
            }
        }
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
