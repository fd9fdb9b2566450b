//! Filters that listen to an answer: what they are shown, and what they may do about it.

use std::future::Future;
use std::pin::Pin;
use std::time::Instant;

use bytes::Bytes;
use codex_plus_wire::event::{EventKind, EventKinds};
use http::StatusCode;
use http::response;

use crate::timing::FilterClock;

/// A future in a box, as async methods of trait objects return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An event of the answer. The three transports differ in framing only, so this is all a filter
/// sees; an answer that is one JSON document comes as a single `response.completed`.
#[derive(Debug, Clone)]
pub struct Event {
    /// Which kind it is.
    pub kind: EventKind,
    /// Its JSON.
    pub data: Bytes,
}

/// What a filter decides about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventVerdict {
    /// It goes on as it is.
    Pass,
    /// These events' JSON goes on instead; none drops it.
    Replace(Vec<Bytes>),
    /// The answer does not end here, though this event says so: the upstream is asked once more,
    /// and what it says then goes on in the same answer.
    Again(Again),
}

/// What the upstream is asked once more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Again {
    /// The items of the answer so far, as JSON.
    pub output: Vec<Bytes>,
    /// What is said to them, as JSON items.
    pub input: Vec<Bytes>,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerEnd {
    /// Its last byte was passed on.
    Completed,
    /// The upstream answered with an error status.
    Refused(StatusCode),
    /// The upstream could not be reached, broke off or fell silent.
    Cut,
    /// The client went away first, or nobody waits for the end.
    Left,
}

/// Tells a client that waits for a filter that the answer goes on; clients pass over types that
/// they do not know.
pub(crate) const STILL_HERE: &[u8] = br#"{"type":"codex_plus.waiting"}"#;

/// A filter listening to one answer.
pub trait EventFilter: Send {
    /// Which of the events that its filter asked for it wants for this answer.
    fn listens_to(&self) -> EventKinds {
        EventKinds::ALL
    }

    /// Whether it may say [`EventVerdict::Again`]; the request is then kept until the end.
    fn may_ask_again(&self) -> bool {
        false
    }

    /// Looks at the answer's head before its first byte goes on, and may change its headers; also
    /// at the whole answer when that is one JSON document, and may give another. Not on WebSocket,
    /// where answers have no head.
    fn head<'a>(
        &'a mut self,
        _head: &'a mut response::Parts,
        _document: Option<&'a Bytes>,
    ) -> BoxFuture<'a, Option<Bytes>> {
        Box::pin(std::future::ready(None))
    }

    /// Decides about one event; those behind it wait until it has.
    fn event<'a>(&'a mut self, event: &'a Event) -> BoxFuture<'a, EventVerdict>;

    /// The answer is over. Called once, and not waited for.
    fn ended(&mut self, _end: AnswerEnd) {}
}

struct Listener {
    name: &'static str,
    kinds: EventKinds,
    filter: Box<dyn EventFilter>,
}

/// The event filters of one answer, in order.
#[derive(Default)]
pub(crate) struct Listeners {
    filters: Vec<Listener>,
    events: EventKinds,
    /// What each of them took and the exchange does not know of yet.
    pub(crate) spent: FilterClock,
    over: bool,
}

impl Listeners {
    pub(crate) fn add(
        &mut self,
        name: &'static str,
        asked: EventKinds,
        filter: Box<dyn EventFilter>,
    ) {
        let kinds = asked.intersection(filter.listens_to());
        self.events = self.events.union(kinds);
        self.filters.push(Listener {
            name,
            kinds,
            filter,
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// Whether any of them wants events of this kind.
    pub(crate) fn want(&self, kind: EventKind) -> bool {
        self.events.contains(kind)
    }

    /// Whether any of them may ask the upstream once more.
    pub(crate) fn may_ask_again(&self) -> bool {
        self.filters.iter().any(|one| one.filter.may_ask_again())
    }

    /// Shows them the answer's head, and the whole answer when it is one document; what they make
    /// of that.
    pub(crate) async fn head(
        &mut self,
        head: &mut response::Parts,
        document: Option<Bytes>,
    ) -> Option<Bytes> {
        let mut document = document;
        for one in &mut self.filters {
            let began = Instant::now();
            if let Some(changed) = one.filter.head(head, document.as_ref()).await {
                document = document.map(|_| changed);
            }
            self.spent.add(one.name, began);
        }
        document
    }

    /// Shows an event to each filter in turn; what one makes of it is what the next one sees.
    pub(crate) async fn hear(&mut self, event: Event) -> EventVerdict {
        let mut current = vec![event];
        let mut changed = false;
        for one in &mut self.filters {
            let mut next = Vec::with_capacity(current.len());
            for event in current {
                if !one.kinds.contains(event.kind) {
                    next.push(event);
                    continue;
                }
                let began = Instant::now();
                let verdict = one.filter.event(&event).await;
                self.spent.add(one.name, began);
                match verdict {
                    EventVerdict::Pass => next.push(event),
                    EventVerdict::Replace(data) => {
                        changed = true;
                        next.extend(data.into_iter().map(|data| Event {
                            kind: EventKind::peek(&data),
                            data,
                        }));
                    }
                    again @ EventVerdict::Again(_) => return again,
                }
            }
            current = next;
        }
        if changed {
            EventVerdict::Replace(current.into_iter().map(|event| event.data).collect())
        } else {
            EventVerdict::Pass
        }
    }

    /// The answer is over.
    pub(crate) fn end(&mut self, end: AnswerEnd) {
        if !std::mem::replace(&mut self.over, true) {
            for one in &mut self.filters {
                one.filter.ended(end);
            }
        }
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.end(AnswerEnd::Left);
    }
}
