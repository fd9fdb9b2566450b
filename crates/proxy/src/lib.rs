//! The line: carries an exchange from a client to its upstream and back.

pub mod config;
mod observe;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

pub use config::Config;
pub use observe::{ExchangeRecord, Observer, Outcome, Timings, Transport, Unobserved};

/// A proxy that holds its port but has not begun to serve.
#[derive(Debug)]
pub struct Proxy {
    listener: std::net::TcpListener,
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
        source: std::io::Error,
    },
}

/// What was left when the drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections still busy at the drain limit, and closed then.
    pub cut: usize,
}

impl Proxy {
    /// Checks the configuration and binds the listener.
    pub fn bind(config: &Config, _observer: Arc<dyn Observer>) -> Result<Self, StartError> {
        let listener =
            std::net::TcpListener::bind(config.listen).map_err(|source| StartError::Listen {
                listen: config.listen,
                source,
            })?;
        Ok(Self { listener })
    }

    /// The address that was bound, with the port the system chose when 0 was asked for.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown` is done, then lets live exchanges finish within the drain limit.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Drained {
        shutdown.await;
        Drained { cut: 0 }
    }
}
