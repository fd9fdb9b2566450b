//! The exchanges under way on one connection. The provider answers one after the other.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use codex_plus_wire::event::EventKind;
use codex_plus_wire::frame::{Message, MessageAssembler, Opcode};
use tokio::sync::Notify;

use crate::chain::Listeners;
use crate::exchange::Exchange;
use crate::observe::Outcome;

/// One `response.create` and what is listening to its answer.
struct Entry {
    exchange: Exchange,
    listeners: Option<Listeners>,
}

/// The exchanges of a connection that have not ended, oldest first.
#[derive(Default)]
pub(super) struct Live {
    entries: Mutex<VecDeque<Entry>>,
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

    pub(super) fn begin(&self, exchange: Exchange, listeners: Option<Listeners>) {
        self.entries().push_back(Entry {
            exchange,
            listeners,
        });
    }

    /// The listeners of the answer that is arriving; to be given back.
    pub(super) fn take_listeners(&self) -> Option<Listeners> {
        self.entries().front_mut()?.listeners.take()
    }

    pub(super) fn give_back(&self, listeners: Listeners) {
        if let Some(entry) = self.entries().front_mut() {
            entry.listeners = Some(listeners);
        }
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
            entry.exchange.end(Outcome::Completed, None);
            self.ended.notify_one();
        }
    }

    /// The connection is over, and with it whatever was under way.
    pub(super) fn end_all(&self, outcome: Outcome, reason: &str) {
        for entry in self.entries().drain(..) {
            entry.exchange.end(outcome, Some(reason.to_owned()));
        }
    }
}

/// Reads along on a direction that is only carried, after the bytes have gone on.
///
/// Compressed connections and messages over the limit are not read: it then stays silent.
pub(super) struct Tap(Option<MessageAssembler>);

impl Tap {
    pub(super) fn new(enabled: bool, limit: usize) -> Self {
        Self(enabled.then(|| MessageAssembler::new(limit)))
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
