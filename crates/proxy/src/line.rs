//! What every exchange shares: configuration, rules, filters, the way upstream, the counts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use codex_plus_hooks::engine::Engine;
use http_body::Body;
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::body::{BodyFault, OutBody, Tap};
use crate::chain::{Chain, Plan};
use crate::config::Config;
use crate::exchange::{Exchange, Ledger};
use crate::guard::Guard;
use crate::history::History;
use crate::metrics::Metrics;
use crate::phase::Phase;
use crate::status_page::StatusLinePage;
use crate::thread::Threads;
use crate::turn::SeenPrompts;
use crate::upstream::Upstream;
use crate::workers::Seat;

/// The line as it is set up; a reload makes another one that shares the counts.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) config: Config,
    pub(crate) listen: SocketAddr,
    pub(crate) started: Instant,
    pub(crate) guard: Guard,
    pub(crate) chain: Chain,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) metrics: Metrics,
    pub(crate) seen: Arc<SeenPrompts>,
    pub(crate) threads: Arc<Threads>,
    pub(crate) history: Arc<History>,
    /// The user's hooks, to be told of at the proxy's own endpoints.
    pub(crate) hooks: Option<Arc<Engine>>,
    /// The status lines, to be told at the proxy's own endpoint.
    pub(crate) page: Option<StatusLinePage>,
    /// One permit a connection, WebSocket ones included.
    pub(crate) connections: Arc<Semaphore>,
    /// How far the proxy is in its life.
    pub(crate) phases: watch::Receiver<Phase>,
    /// What the binary adds to the status document.
    pub(crate) facts: serde_json::Map<String, serde_json::Value>,
}

/// What a connection occupies for as long as it lasts, a WebSocket one beyond its handshake.
pub(crate) struct Place {
    pub(crate) _permit: OwnedSemaphorePermit,
    pub(crate) _seat: Seat,
}

impl Line {
    /// Which filters take part in an exchange; none of them in passthrough mode.
    pub(crate) fn plan(&self, head: &http::request::Parts) -> Plan {
        if self.config.passthrough {
            Plan::default()
        } else {
            let mut plan = self.chain.plan(head);
            plan.repeats = !self.history.is_empty();
            plan
        }
    }

    /// Waits until filters are to see more of a connection than they do.
    pub(crate) async fn outgrown(&self, plan: &Plan, head: &http::request::Parts) {
        let Some(engine) = self.hooks.as_ref().filter(|_| !self.config.passthrough) else {
            return std::future::pending().await;
        };
        let mut changes = engine.changes();
        // Hooks may have come since the handshake.
        changes.mark_changed();
        loop {
            if changes.changed().await.is_err() {
                return std::future::pending().await;
            }
            if !plan.covers(&self.chain.plan(head)) {
                return;
            }
        }
    }

    /// The client's body, to be passed on as it arrives.
    pub(crate) fn carry_body(
        &self,
        body: Incoming,
        exchange: &mut Exchange,
        tap: Option<Tap>,
    ) -> (OutBody, Option<Arc<BodyFault>>) {
        if body.is_end_stream() {
            return (OutBody::Empty, None);
        }
        let limits = &self.config;
        let (body, fault) = OutBody::carry(
            body,
            limits.limits.body.get(),
            limits.timeouts.body_idle.get(),
            exchange.inflow(),
            tap,
        );
        (body, Some(fault))
    }

    /// Waits until the proxy takes no more connections, for whatever reason.
    pub(crate) async fn leaves(&self) {
        self.reaches(Phase::HandedOver).await;
    }

    /// Waits until the proxy is to stop.
    pub(crate) async fn stopped(&self) {
        self.reaches(Phase::Stopping).await;
    }

    async fn reaches(&self, wanted: Phase) {
        // An error means that the sender is gone, which it is only after the end.
        let _ = self.phases.clone().wait_for(|phase| *phase >= wanted).await;
    }

    /// How far the proxy is in its life.
    pub(crate) fn phase(&self) -> Phase {
        *self.phases.borrow()
    }

    /// Connections open now.
    pub(crate) fn open_connections(&self) -> usize {
        let limit = self.config.limits.connections.get() as usize;
        limit.saturating_sub(self.connections.available_permits())
    }
}
