//! The ordered list of filters, and what a filter is.
//!
//! A filter states its interest up front, from the request's head alone. What no filter of an
//! exchange is interested in is not decoded, parsed or held back.

use std::sync::Arc;

use codex_plus_wire::event::EventKinds;
use http::request::Parts;

use crate::exchange::Exchange;
use crate::inspection::Inspection;
use crate::listeners::{BoxFuture, EventFilter, Listeners};
use crate::reply::Reply;
use crate::timing::Stage;

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

    /// Whether a connection with this plan shows filters everything that `other` would.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let interests = self.filters.iter();
        other.filters.iter().all(|(filter, wanted)| {
            interests.clone().any(|(known, interest)| {
                known.name() == filter.name()
                    && interest.request >= wanted.request
                    && interest.events.union(wanted.events) == interest.events
            })
        })
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
        let mut listeners = Listeners::default();
        for (filter, interest) in &self.filters {
            if interest.events.is_empty() {
                continue;
            }
            if let Some(listener) = filter.events(request) {
                listeners.add(filter.name(), interest.events, listener);
            }
        }
        (!listeners.is_empty()).then_some(listeners)
    }
}
