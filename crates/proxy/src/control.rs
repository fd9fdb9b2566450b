//! Steers a running proxy from outside: new settings, a successor, the end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::config::Config;
use crate::guard::Guard;
use crate::line::Line;
use crate::phase::Phase;
use crate::upstream::{Route, Upstream};
use crate::{Facts, StartError};

/// A handle on a running proxy; cheap to clone.
#[derive(Clone)]
pub struct Control {
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) line: Arc<ArcSwap<Line>>,
}

impl Control {
    /// Puts into its file what was changed in conversations and waits to be written: a successor is
    /// about to read it.
    pub async fn keep_history(&self) {
        let history = Arc::clone(&self.line.load().history);
        // It only fails when the runtime ends.
        let _ = tokio::task::spawn_blocking(move || history.flush()).await;
    }

    /// Stops accepting, for another process does from now on, and lets what is here finish within
    /// `timeouts.handover`.
    pub fn hand_over(&self) {
        self.advance(Phase::HandedOver);
    }

    /// Stops accepting and lets what is here finish within `timeouts.drain`.
    pub fn stop(&self) {
        self.advance(Phase::Stopping);
    }

    /// Done when the proxy is to stop.
    pub async fn stopping(&self) {
        let line = self.line.load_full();
        line.stopped().await;
    }

    /// The address the proxy listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.line.load().listen
    }

    /// Puts other settings in force: each request that comes from now on is held to them. Returns
    /// the keys that differ and take a restart.
    ///
    /// # Errors
    /// When the settings cannot be used; those in force then stay.
    pub fn reload(&self, config: &Config, facts: Facts) -> Result<Vec<&'static str>, StartError> {
        let now = self.line.load();
        let mut config = config.clone();
        let mut fixed = Vec::new();
        // Port 0 is answered by the port that is there.
        let same_place = config.listen.ip() == now.config.listen.ip()
            && [0, now.config.listen.port(), now.listen.port()].contains(&config.listen.port());
        if !same_place {
            fixed.push("listen");
        }
        if config.limits.connections != now.config.limits.connections {
            fixed.push("limits.connections");
        }
        if config.server_timing != now.config.server_timing {
            fixed.push("server_timing");
        }
        config.listen = now.config.listen;
        config.limits.connections = now.config.limits.connections;
        if !now.listen.ip().is_loopback() && config.guard.token.as_deref().unwrap_or("").is_empty()
        {
            return Err(StartError::Token(now.listen));
        }
        let mut line = Line::clone(&now);
        let route = Route::new(&config.upstream, now.listen, config.tls.allow_plain_http)?;
        // Its kept connections are worth more than a second reading of equal settings.
        if config.upstream != now.config.upstream
            || config.tls != now.config.tls
            || config.timeouts != now.config.timeouts
        {
            line.upstream = Arc::new(Upstream::new(&config, route, line.metrics.dials())?);
        }
        line.guard = Guard::new(&config.guard, now.listen);
        line.config = config;
        line.facts = facts;
        self.line.store(Arc::new(line));
        Ok(fixed)
    }

    /// Done when what is left has had its time.
    pub(crate) async fn limit(&self) {
        let mut phases = self.phase.subscribe();
        loop {
            let phase = *phases.borrow_and_update();
            let timeouts = self.line.load().config.timeouts.clone();
            let limit = match phase {
                Phase::Serving => Duration::MAX,
                Phase::HandedOver => timeouts.handover.get(),
                Phase::Stopping => timeouts.drain.get(),
            };
            tokio::select! {
                () = tokio::time::sleep(limit) => return,
                // A stop comes with a limit of its own.
                _ = phases.changed() => {}
            }
        }
    }

    /// A phase never goes back.
    fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let onward = *phase < to;
            *phase = to.max(*phase);
            onward
        });
    }
}
