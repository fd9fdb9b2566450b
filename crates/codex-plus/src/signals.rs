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

/// Lets a write beyond the limit on file sizes fail like any other. Left alone its signal would end
/// the process, and with it every stream, for a line of the log. Needs a runtime, from before the
/// first file is written.
pub(crate) fn outlive_file_limit() -> std::io::Result<()> {
    let exceeded = rustix::process::Signal::XFSZ.as_raw();
    // Once taken it stays taken, though nobody waits for it.
    signal(SignalKind::from_raw(exceeded)).map(drop)
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
