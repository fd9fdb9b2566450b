//! The ordered list of filters, and what a filter is.
//!
//! A filter states its interest up front, from the request's head alone. What no filter of an
//! exchange is interested in is not decoded, parsed or held back.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use codex_plus_wire::event::{EventKind, EventKinds};
use http::request::Parts;

use crate::exchange::Exchange;
use crate::inspection::Inspection;
use crate::reply::Reply;
use crate::timing::{FilterClock, Stage};

/// A future in a box, as async methods of trait objects return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How much of a request a filter reads; each step includes the ones before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reads {
    /// Nothing: the request passes the filter by.
    #[default]
    Nothing,
    /// Method, path and headers.
    Head,
    /// The decoded body and what turn it is.
    Body,
}

/// What a filter wants to see of an exchange.
#[derive(Debug, Clone, Copy, Default)]
pub struct Interest {
    /// How much of the request.
    pub request: Reads,
    /// Which events of the answer.
    pub events: EventKinds,
}

/// What a filter decides about a request.
#[derive(Debug)]
pub enum Verdict {
    /// On to the next filter, with whatever was edited.
    Continue,
    /// The client is answered now; the upstream never hears of the request.
    Reply(Reply),
}

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
}

/// A step on the line.
pub trait Filter: Send + Sync + 'static {
    /// The name in log lines and metric labels.
    fn name(&self) -> &'static str;

    /// What it wants to see, told from the head alone. Asked once an exchange, so it is cheap.
    fn interest(&self, head: &Parts) -> Interest;

    /// Looks at a request, and may edit its body or answer it.
    fn request<'a>(&'a self, _request: &'a mut Inspection<'_>) -> BoxFuture<'a, Verdict> {
        Box::pin(std::future::ready(Verdict::Continue))
    }

    /// Begins to listen to the answer's events. Called after every filter has seen the request.
    fn events(&self, _request: &Inspection<'_>) -> Option<Box<dyn EventFilter>> {
        None
    }
}

/// A filter listening to one answer.
pub trait EventFilter: Send {
    /// Decides about one event; those behind it wait until it has.
    fn event<'a>(&'a mut self, event: &'a Event) -> BoxFuture<'a, EventVerdict>;
}

/// Every filter, in order.
#[derive(Clone, Default)]
pub(crate) struct Chain(Vec<Arc<dyn Filter>>);

impl Chain {
    pub(crate) fn new(filters: Vec<Arc<dyn Filter>>) -> Self {
        Self(filters)
    }

    /// Which filters take part in an exchange, and what they need.
    pub(crate) fn plan(&self, head: &Parts) -> Plan {
        let mut plan = Plan::default();
        for filter in &self.0 {
            let interest = filter.interest(head);
            if interest.request == Reads::Nothing && interest.events.is_empty() {
                continue;
            }
            plan.reads = plan.reads.max(interest.request);
            plan.events = plan.events.union(interest.events);
            plan.filters.push((Arc::clone(filter), interest));
        }
        plan
    }
}

/// The filters of one exchange.
#[derive(Clone, Default)]
pub(crate) struct Plan {
    filters: Vec<(Arc<dyn Filter>, Interest)>,
    pub(crate) reads: Reads,
    pub(crate) events: EventKinds,
    /// Something was done to items that may come back in this request.
    pub(crate) repeats: bool,
}

impl Plan {
    /// Whether the exchange is only carried.
    pub(crate) fn is_empty(&self) -> bool {
        self.filters.is_empty() && !self.repeats
    }

    /// Whether the body has to be read.
    pub(crate) fn reads_body(&self) -> bool {
        self.reads >= Reads::Body || self.repeats
    }

    /// Shows the request to each filter in turn, until one answers it.
    pub(crate) async fn review(
        &self,
        request: &mut Inspection<'_>,
        exchange: &mut Exchange,
    ) -> Option<Reply> {
        for (filter, interest) in &self.filters {
            if interest.request == Reads::Nothing
                || (interest.request == Reads::Body && request.body.is_none())
            {
                continue;
            }
            request.settle();
            exchange.enter(Stage::Filter(filter.name()));
            let verdict = filter.request(request).await;
            exchange.enter(Stage::Own);
            if let Verdict::Reply(reply) = verdict {
                return Some(reply);
            }
        }
        None
    }

    /// The filters that listen to this answer.
    pub(crate) fn listen(&self, request: &Inspection<'_>) -> Option<Listeners> {
        let mut listeners = Listeners {
            filters: Vec::new(),
            events: EventKinds::default(),
            spent: FilterClock::default(),
        };
        for (filter, interest) in &self.filters {
            if interest.events.is_empty() {
                continue;
            }
            if let Some(listener) = filter.events(request) {
                listeners.events = listeners.events.union(interest.events);
                let name = filter.name();
                listeners.filters.push((name, interest.events, listener));
            }
        }
        (!listeners.filters.is_empty()).then_some(listeners)
    }
}

/// The event filters of one answer, in order.
pub(crate) struct Listeners {
    filters: Vec<(&'static str, EventKinds, Box<dyn EventFilter>)>,
    events: EventKinds,
    /// What each of them took and the exchange does not know of yet.
    pub(crate) spent: FilterClock,
}

impl Listeners {
    /// Whether any of them wants events of this kind.
    pub(crate) fn want(&self, kind: EventKind) -> bool {
        self.events.contains(kind)
    }

    /// Shows an event to each filter in turn; what one makes of it is what the next one sees.
    pub(crate) async fn hear(&mut self, event: Event) -> EventVerdict {
        let mut current = vec![event];
        let mut changed = false;
        for (name, kinds, filter) in &mut self.filters {
            let mut next = Vec::with_capacity(current.len());
            for event in current {
                if !kinds.contains(event.kind) {
                    next.push(event);
                    continue;
                }
                let began = Instant::now();
                let verdict = filter.event(&event).await;
                self.spent.add(name, began);
                match verdict {
                    EventVerdict::Pass => next.push(event),
                    EventVerdict::Replace(data) => {
                        changed = true;
                        next.extend(data.into_iter().map(|data| Event {
                            kind: EventKind::peek(&data),
                            data,
                        }));
                    }
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
}
