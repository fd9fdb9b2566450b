//! The line: carries an exchange from a client to its upstream and back.
//!
//! Read in this order to follow one prompt from socket to socket: `listener`, `carry`,
//! `guard`, `admin`, `chain`, `inspect`, `http` or `websocket`, `upstream`, `observe`.

mod admin;
mod answers;
mod body;
mod carry;
mod chain;
pub mod config;
mod error;
mod exchange;
pub mod filters;
mod guard;
mod headers;
pub mod history;
mod http;
mod inspect;
mod inspection;
mod joint;
mod line;
mod listener;
mod listeners;
pub mod metrics;
mod observe;
mod reply;
mod status_page;
mod thread;
mod timing;
mod turn;
mod upstream;
mod websocket;
mod workers;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use codex_plus_hooks::engine::Engine;
use codex_plus_project::status_line::StatusLines;
use tokio::sync::{Semaphore, watch};

pub use chain::{Filter, Interest, Reads, Verdict};
pub use config::Config;
pub use inspection::{AmendError, Inspection};
pub use listeners::{Again, AnswerEnd, BoxFuture, Event, EventFilter, EventVerdict};
pub use observe::{ExchangeRecord, FilterTime, Observer, Outcome, Timings, Transport, Unobserved};
pub use reply::Reply;
pub use upstream::{TlsError, UpstreamError, tls_client_config};

use chain::Chain;
use exchange::Ledger;
use guard::Guard;
use line::Line;
use metrics::{DialCounts, Metrics};
use status_page::StatusLinePage;
use upstream::{Route, Upstream};
use workers::Workers;

/// Facts that the binary adds to `/codex-plus/status`.
pub type Facts = serde_json::Map<String, serde_json::Value>;

/// A proxy that holds its port but has not begun to serve.
pub struct Proxy {
    listener: std::net::TcpListener,
    line: Line,
    workers: Workers,
    stop: watch::Sender<bool>,
}

/// Why the proxy could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address could not be bound.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// The address asked for.
        listen: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Anyone on the network could use the user's login.
    #[error(
        "listening on {0}, beyond this machine, needs `guard.token`: set one, and let clients send it as `x-codex-plus-token`"
    )]
    Token(SocketAddr),
    /// The upstream cannot be used.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The system gave no thread, or no descriptor for its events.
    #[error("cannot start the threads that serve connections: {0}")]
    Workers(#[source] io::Error),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What was left when the drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections still busy at the drain limit, and closed then.
    pub cut: usize,
}

impl Proxy {
    /// Checks the configuration, binds the listener and sets up the line.
    ///
    /// `filters` run in the given order. `facts` are shown by `/codex-plus/status`.
    pub fn bind(
        config: &Config,
        observer: Arc<dyn Observer>,
        filters: Vec<Arc<dyn Filter>>,
        facts: Facts,
    ) -> Result<Self, StartError> {
        if !config.listen.ip().is_loopback()
            && config.guard.token.as_deref().unwrap_or("").is_empty()
        {
            return Err(StartError::Token(config.listen));
        }
        let failed = |source| StartError::Listen {
            listen: config.listen,
            source,
        };
        let listener = std::net::TcpListener::bind(config.listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        // The standard library asks for a queue of 128: too short for a burst of a thousand.
        rustix::net::listen(&listener, listener::BACKLOG).map_err(|error| failed(error.into()))?;
        let listen = listener.local_addr().map_err(failed)?;
        let route = Route::new(&config.upstream, listen, config.tls.allow_plain_http)?;
        let (stop, stopping) = watch::channel(false);
        let connections = Arc::new(Semaphore::new(config.limits.connections.get() as usize));
        let dials = Arc::<DialCounts>::default();
        let ledger = Ledger::new(observer, config.server_timing);
        let metrics = Metrics::new(ledger.counts(), dials.clone(), connections.clone());
        let line = Line {
            config: config.clone(),
            listen,
            started: Instant::now(),
            guard: Guard::new(&config.guard, listen),
            chain: Chain::new(filters),
            upstream: Upstream::new(config, route, dials)?,
            ledger: Arc::new(ledger),
            metrics,
            seen: turn::SeenPrompts::default(),
            threads: thread::Threads::default(),
            history: Arc::new(history::History::new(config.limits.history.get())),
            hooks: None,
            page: None,
            connections,
            stopping,
            facts,
        };
        Ok(Self {
            listener,
            line,
            workers: Workers::start().map_err(StartError::Workers)?,
            stop,
        })
    }

    /// Keeps what was changed in conversations in a file of this folder, the user's own, and begins
    /// with what is there. Blocking file I/O.
    #[must_use]
    pub fn with_history_in(mut self, folder: &Path) -> Self {
        let limit = self.line.config.limits.history.get();
        self.line.history = Arc::new(history::History::kept_in(folder, limit));
        self
    }

    /// Shows these hooks at `/codex-plus/hooks`. The filter that runs them is one of the filters.
    #[must_use]
    pub fn with_hooks(mut self, engine: Arc<Engine>) -> Self {
        self.line.hooks = Some(engine);
        self
    }

    /// Tells these status lines at `/codex-plus/status-line`; `start` is the directory that is meant
    /// when none is named. The filter that shows them is one of the filters.
    #[must_use]
    pub fn with_status_lines(mut self, lines: StatusLines, start: PathBuf) -> Self {
        self.line.page = Some(StatusLinePage { lines, start });
        self
    }

    /// The address that was bound, with the port the system chose when 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.line.listen
    }

    /// What is counted; it may be read, and added to, while the proxy runs.
    pub fn metrics(&self) -> Metrics {
        self.line.metrics.clone()
    }

    /// Serves until `shutdown` is done, then lets live exchanges finish within the drain limit.
    ///
    /// # Errors
    /// When the listener cannot be handed to the runtime.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<Drained> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        self.line.metrics.running(self.workers.runtimes());
        let line = Arc::new(self.line);
        listener::accept(&line, &listener, &self.workers, shutdown).await;
        drop(listener);
        // The receiver lives in the line, so this cannot fail.
        let _ = self.stop.send(true);
        let idle = line
            .connections
            .acquire_many(line.config.limits.connections.get());
        let drained = tokio::time::timeout(line.config.timeouts.drain.get(), idle).await;
        let cut = if drained.is_ok() {
            0
        } else {
            line.open_connections()
        };
        self.workers.end();
        Ok(Drained { cut })
    }
}
