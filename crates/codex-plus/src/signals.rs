//! What the system's signals mean to a running proxy.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::reload::Reload;

/// Signals that are ours from now on.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Takes them, before anyone can know our pid.
    pub(crate) fn take() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?,
            hang_up: signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?,
        })
    }

    /// Done at the first SIGTERM or SIGINT; a second one ends the process at once. SIGHUP reloads
    /// the settings, unless it says that our terminal is gone, which ends us like the others.
    pub(crate) fn attend(self, reload: Arc<Reload>, on_terminal: bool) -> impl Future<Output = ()> {
        let Self {
            mut terminate,
            mut interrupt,
            mut hang_up,
        } = self;
        let (asked, is_asked) = oneshot::channel();
        tokio::spawn(async move {
            let mut once = async || {
                loop {
                    tokio::select! {
                        _ = terminate.recv() => return "SIGTERM",
                        _ = interrupt.recv() => return "SIGINT",
                        _ = hang_up.recv() => if on_terminal {
                            return "SIGHUP";
                        }
                    }
                    let reload = Arc::clone(&reload);
                    // Files are read: not on a thread that carries exchanges.
                    if let Err(error) = tokio::task::spawn_blocking(move || reload.run()).await {
                        tracing::error!(target: "settings", %error, "the reload broke off");
                    }
                }
            };
            let name = once().await;
            tracing::info!(target: "codex-plus", signal = name, "stopping; live streams may finish");
            let _ = asked.send(());
            once().await;
            // 128 + 15, as a shell reports a process that a signal ended.
            std::process::exit(143);
        });
        async move {
            let _ = is_asked.await;
        }
    }
}
