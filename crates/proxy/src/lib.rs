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
mod control;
mod descriptors;
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
mod phase;
mod protocol;
mod reply;
mod scratch;
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
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use codex_plus_hooks::engine::Engine;
use codex_plus_project::status_line::StatusLines;
use tokio::sync::{Semaphore, watch};

pub use chain::{Filter, Interest, Reads, Verdict};
pub use config::Config;
pub use control::Control;
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
use phase::Phase;
use status_page::StatusLinePage;
use upstream::{Route, Upstream};
use workers::Workers;

/// Facts that the binary adds to `/codex-plus/status`.
pub type Facts = serde_json::Map<String, serde_json::Value>;

/// A proxy that holds its port but has not begun to serve.
pub struct Proxy {
    listener: std::net::TcpListener,
    line: Arc<Line>,
    workers: Workers,
    control: Control,
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
    /// Another process had taken over, and goes on with the clients' sessions.
    pub handed_over: bool,
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
        Self::on(None, config, observer, filters, facts)
    }

    /// As [`bind`](Self::bind), on a listening socket made by someone else: the process before
    /// this one, or a service manager. It counts in place of `config.listen`.
    pub fn on(
        socket: Option<OwnedFd>,
        config: &Config,
        observer: Arc<dyn Observer>,
        filters: Vec<Arc<dyn Filter>>,
        facts: Facts,
    ) -> Result<Self, StartError> {
        let wanted = config.listen;
        let failed = |source| StartError::Listen {
            listen: wanted,
            source,
        };
        let listener = match socket {
            Some(socket) => std::net::TcpListener::from(socket),
            None => listener::bind(config).map_err(failed)?,
        };
        let listen = listener.local_addr().map_err(failed)?;
        if !listen.ip().is_loopback() && config.guard.token.as_deref().unwrap_or("").is_empty() {
            return Err(StartError::Token(listen));
        }
        listener.set_nonblocking(true).map_err(failed)?;
        // The standard library asks for a queue of 128: too short for a burst of a thousand.
        rustix::net::listen(&listener, listener::BACKLOG).map_err(|error| failed(error.into()))?;
        let route = Route::new(&config.upstream, listen, config.tls.allow_plain_http)?;
        let (phase, phases) = watch::channel(Phase::Serving);
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
            upstream: Arc::new(Upstream::new(config, route, dials)?),
            ledger: Arc::new(ledger),
            metrics,
            seen: Arc::default(),
            threads: Arc::default(),
            history: Arc::new(history::History::new(config.limits.history.get())),
            hooks: None,
            page: None,
            connections,
            phases,
            facts,
        };
        let line = Arc::new(line);
        let control = Control {
            phase,
            line: Arc::new(ArcSwap::from(Arc::clone(&line))),
        };
        Ok(Self {
            listener,
            line,
            workers: Workers::start().map_err(StartError::Workers)?,
            control,
        })
    }

    /// Keeps what was changed in conversations in a file of this folder, the user's own, and begins
    /// with what is there. Blocking file I/O.
    #[must_use]
    pub fn with_history_in(self, folder: &Path) -> Self {
        let limit = self.line.config.limits.history.get();
        let history = Arc::new(history::History::kept_in(folder, limit));
        self.with(|line| line.history = history)
    }

    fn with(mut self, change: impl FnOnce(&mut Line)) -> Self {
        let mut line = Line::clone(&self.line);
        change(&mut line);
        self.line = Arc::new(line);
        self.control.line.store(Arc::clone(&self.line));
        self
    }

    /// Shows these hooks at `/codex-plus/hooks`. The filter that runs them is one of the filters.
    #[must_use]
    pub fn with_hooks(self, engine: Arc<Engine>) -> Self {
        self.with(|line| line.hooks = Some(engine))
    }

    /// Tells these status lines at `/codex-plus/status-line`; `start` is the directory that is meant
    /// when none is named. The filter that shows them is one of the filters.
    #[must_use]
    pub fn with_status_lines(self, lines: StatusLines, start: PathBuf) -> Self {
        self.with(|line| line.page = Some(StatusLinePage { lines, start }))
    }

    /// The address that was bound, with the port the system chose when 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.line.listen
    }

    /// What is counted; it may be read, and added to, while the proxy runs.
    pub fn metrics(&self) -> Metrics {
        self.line.metrics.clone()
    }

    /// A handle to steer it with while it runs.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// A second descriptor of the listening socket, for a successor.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn socket(&self) -> io::Result<OwnedFd> {
        self.listener.try_clone().map(OwnedFd::from)
    }

    /// Serves until `shutdown` is done, or until its [`Control`] ends it; then lets what is here
    /// finish, within the limit that goes with the way it ended.
    ///
    /// # Errors
    /// When the listener cannot be handed to the runtime.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<Drained> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let Self {
            line,
            control,
            workers,
            ..
        } = self;
        line.metrics.running(workers.runtimes());
        let mut shutdown = pin!(shutdown);
        tokio::select! {
            () = listener::accept(&control.line, &listener, &workers) => {}
            () = &mut shutdown => control.stop(),
        }
        drop(listener);
        let idle = line
            .connections
            .acquire_many(line.config.limits.connections.get());
        let drained = tokio::select! {
            _ = idle => true,
            () = control.limit() => false,
            () = async {
                shutdown.await;
                control.stop();
                control.limit().await;
            }, if *control.phase.borrow() < Phase::Stopping => false,
        };
        let cut = if drained { 0 } else { line.open_connections() };
        let handed_over = *control.phase.borrow() == Phase::HandedOver;
        workers.end();
        control.keep_history().await;
        Ok(Drained { cut, handed_over })
    }
}
