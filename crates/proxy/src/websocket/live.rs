//! The exchanges under way on one connection. The provider answers one after the other.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use codex_plus_wire::event::{EventKind, ResponseEvent};
use codex_plus_wire::frame::{Message, MessageAssembler, Opcode};
use codex_plus_wire::patch::{self, Patch};
use tokio::sync::Notify;

use crate::exchange::Exchange;
use crate::joint::{Joined, Joint};
use crate::listeners::{Again, AnswerEnd, Listeners};
use crate::observe::Outcome;

/// One `response.create` and what is listening to its answer.
struct Entry {
    exchange: Exchange,
    listeners: Option<Listeners>,
    /// The request as it was sent, when it may be sent once more.
    plain: Option<Bytes>,
    joint: Joint,
}

/// More unanswered exchanges than any client has; the oldest are then given up.
const MOST: usize = 1_024;
/// An answer that pauses longer than this counts as over, when its end cannot be read.
const PAUSE: Duration = Duration::from_secs(1);

/// What is known of a connection whose messages are not read: when data last passed.
#[derive(Default)]
struct Unread {
    is_so: bool,
    asked: Option<Instant>,
    answered: Option<Instant>,
}

/// The exchanges of a connection that have not ended, oldest first.
#[derive(Default)]
pub(super) struct Live {
    entries: Mutex<VecDeque<Entry>>,
    unread: Mutex<Unread>,
    /// Told whenever an exchange ends.
    pub(super) ended: Notify,
}

impl Live {
    fn entries(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.entries().is_empty()
    }

    /// Whether nothing is under way, as far as that can be told.
    pub(super) fn is_settled(&self) -> bool {
        let unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        if unread.is_so {
            unread.asked <= unread.answered
                && unread.answered.is_none_or(|last| last.elapsed() > PAUSE)
        } else {
            self.is_idle()
        }
    }

    /// Data went upstream; `deaf` when it cannot be read.
    pub(super) fn asked(&self, deaf: bool) {
        let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        unread.is_so |= deaf;
        unread.asked = Some(Instant::now());
    }

    /// Data went to the client; `deaf` when it cannot be read.
    pub(super) fn answered(&self, deaf: bool) {
        let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        unread.is_so |= deaf;
        unread.answered = Some(Instant::now());
    }

    pub(super) fn begin(
        &self,
        exchange: Exchange,
        listeners: Option<Listeners>,
        plain: Option<Bytes>,
    ) {
        let mut entries = self.entries();
        entries.push_back(Entry {
            exchange,
            listeners,
            plain,
            joint: Joint::default(),
        });
        if entries.len() > MOST
            && let Some(oldest) = entries.pop_front()
        {
            drop(entries);
            let reason = "too many requests were sent behind it".to_owned();
            oldest.exchange.end(Outcome::UpstreamCut, Some(reason));
        }
    }

    /// The listeners of the answer that is arriving; to be given back.
    pub(super) fn take_listeners(&self) -> Option<Listeners> {
        self.entries().front_mut()?.listeners.take()
    }

    pub(super) fn give_back(&self, mut listeners: Listeners) {
        if let Some(entry) = self.entries().front_mut() {
            entry.exchange.filtered(&mut listeners.spent);
            entry.listeners = Some(listeners);
        }
    }

    /// How an event reads in the answer that is arriving.
    pub(super) fn join(&self, data: &[u8]) -> Joined {
        let entries = self.entries();
        entries
            .front()
            .map_or(Joined::Same, |entry| entry.joint.join(data))
    }

    /// The answer is to go on behind the event `last`: the message that asks for it.
    pub(super) fn again(&self, again: &Again, last: &[u8]) -> Option<Bytes> {
        let mut entries = self.entries();
        let entry = entries.front_mut()?;
        let message = further(entry.plain.as_ref()?, again, last)?;
        entry.joint.follow(again, last);
        Some(message)
    }

    /// An event of `bytes` passed to the client.
    pub(super) fn passed(&self, kind: EventKind, bytes: usize) {
        let mut entries = self.entries();
        let Some(entry) = entries.front_mut() else {
            return;
        };
        entry.exchange.passed(bytes);
        if kind.is_terminal()
            && let Some(entry) = entries.pop_front()
        {
            drop(entries);
            if let Some(mut listeners) = entry.listeners {
                listeners.end(AnswerEnd::Completed);
            }
            entry.exchange.end(Outcome::Completed, None);
            self.ended.notify_one();
        }
    }

    /// The connection is over, and with it whatever was under way.
    pub(super) fn end_all(&self, outcome: Outcome, reason: &str) {
        for entry in self.entries().drain(..) {
            if let Some(mut listeners) = entry.listeners {
                listeners.end(match outcome {
                    Outcome::ClientLeft => AnswerEnd::Left,
                    _ => AnswerEnd::Cut,
                });
            }
            entry.exchange.end(outcome, Some(reason.to_owned()));
        }
    }
}

/// A request behind an answer: the provider knows what was said up to it.
fn further(plain: &Bytes, again: &Again, last: &[u8]) -> Option<Bytes> {
    let ResponseEvent::Completed(last) = ResponseEvent::parse(last).ok()? else {
        return None;
    };
    let input = again.input.iter().map(Bytes::as_ref);
    let input = [&b"["[..], &input.collect::<Vec<_>>().join(&b","[..]), b"]"].concat();
    let edits = [
        Patch::set(vec!["input".into()], input),
        Patch::set_text(vec!["previous_response_id".into()], &last.response_id?),
    ];
    patch::apply(plain, &edits).ok()
}

/// Reads along on a direction that is only carried, after the bytes have gone on.
///
/// Compressed connections and messages over the limit are not read: it then stays silent.
pub(super) struct Tap(Option<MessageAssembler>);

impl Tap {
    pub(super) fn new(enabled: bool, limit: usize) -> Self {
        Self(enabled.then(|| MessageAssembler::new(limit)))
    }

    /// Whether it cannot read along, or not any more.
    pub(super) fn is_deaf(&self) -> bool {
        self.0.is_none()
    }

    /// Reads along on a piece; the text messages that are complete with it.
    pub(super) fn hear(&mut self, piece: &Bytes) -> Vec<Message> {
        let mut messages = Vec::new();
        let Some(assembler) = &mut self.0 else {
            return messages;
        };
        assembler.push(piece.clone());
        loop {
            match assembler.next_message() {
                Ok(Some(message)) if message.compressed => self.0 = None,
                Ok(Some(message)) => {
                    if message.opcode == Opcode::Text {
                        messages.push(message);
                    }
                    continue;
                }
                Ok(None) => {}
                Err(_) => self.0 = None,
            }
            return messages;
        }
    }
}
