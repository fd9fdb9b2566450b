//! What a daemon writes about itself, for the commands that look for it later.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use codex_plus_proxy::Proxy;
use serde::{Deserialize, Serialize};

use super::state::{read_private, write_private};
use super::{Lock, StateDir};
use crate::environment::Environment;
use crate::settings::Loaded;

/// One run of the daemon. Holds no secret: flags cannot carry one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Instance {
    pub(crate) pid: u32,
    /// The address it listens on, with the real port.
    pub(crate) listen: SocketAddr,
    pub(crate) upstream: String,
    pub(crate) version: String,
    /// RFC 3339, UTC.
    pub(crate) started: String,
    /// The working directory it was started in: decides which project file was read.
    pub(crate) cwd: PathBuf,
    /// The flags it was started with, for `restart`.
    pub(crate) flags: Vec<String>,
    /// How long it lets live streams finish, in milliseconds.
    pub(crate) drain_ms: u64,
    /// The settings files it read.
    pub(crate) files: Vec<PathBuf>,
    /// What a project file said and was not believed.
    pub(crate) ignored: Vec<String>,
    /// A service manager started it, and looks after it.
    #[serde(default)]
    pub(crate) service: bool,
}

impl Instance {
    /// This process, which is about to serve.
    pub(crate) fn of(
        proxy: &Proxy,
        env: &Environment,
        loaded: &Loaded,
        flags: Vec<String>,
        service: bool,
    ) -> Self {
        let now = jiff::Timestamp::try_from(SystemTime::now());
        let bare = Self {
            pid: std::process::id(),
            listen: proxy.local_addr(),
            upstream: String::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: now.map(|now| format!("{now:.0}")).unwrap_or_default(),
            cwd: env.cwd.clone(),
            flags,
            drain_ms: 0,
            files: Vec::new(),
            ignored: Vec::new(),
            service,
        };
        bare.with(loaded)
    }

    /// The same run with other settings in force.
    pub(crate) fn with(&self, loaded: &Loaded) -> Self {
        let proxy = &loaded.settings.proxy;
        let drain = proxy.timeouts.drain.get().as_millis();
        Self {
            upstream: proxy.upstream.clone(),
            drain_ms: u64::try_from(drain).unwrap_or(u64::MAX),
            files: loaded.files.clone(),
            ignored: loaded.ignored.iter().map(ToString::to_string).collect(),
            ..self.clone()
        }
    }

    /// Writes `proxy.json` and `proxy.pid`.
    pub(crate) fn write(&self, state: &StateDir) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        write_private(&state.instance_file(), &text)
            .and_then(|()| write_private(&state.pid_file(), &format!("{}\n", self.pid)))
            .with_context(|| {
                format!(
                    "cannot write to the state folder {}; check its owner and free space",
                    state.folder().display()
                )
            })
    }

    /// The last run's description, whether it still runs or not.
    pub(crate) fn last(state: &StateDir) -> Option<Self> {
        let text = read_private(&state.instance_file()).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Whether all that it writes about itself is there: the pid file is written last, and may still
    /// be the predecessor's.
    pub(crate) fn is_written(&self, state: &StateDir) -> bool {
        written_pid(state) == Some(self.pid)
    }

    /// The daemon running with this state folder. Waits a little for one that is just starting.
    pub(crate) fn running(state: &StateDir) -> anyhow::Result<Option<Self>> {
        for _ in 0..300 {
            let held = Lock::is_held(state)
                .with_context(|| format!("cannot read {}", state.lock_file().display()))?;
            if !held {
                return Ok(None);
            }
            // The pid file is written last and removed first.
            if state.pid_file().exists()
                && let Some(instance) = Self::last(state)
            {
                return Ok(Some(instance));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        anyhow::bail!(
            "a codex-plus holds {} but does not say who it is; look for it with `ps` and end it",
            state.lock_file().display()
        )
    }

    /// The URL clients use.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", reachable(self.listen))
    }
}

/// An address a client on this machine can connect to: `0.0.0.0` stands for every address.
pub(crate) fn reachable(listen: SocketAddr) -> SocketAddr {
    use std::net::{Ipv4Addr, Ipv6Addr};
    let mut address = listen;
    if listen.ip().is_unspecified() {
        address.set_ip(match listen {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Removes the file that says a daemon runs; `proxy.json` stays, for `restart`.
pub(crate) fn remove_pid_file(state: &StateDir) {
    let _ = std::fs::remove_file(state.pid_file());
}

/// What the pid file says.
fn written_pid(state: &StateDir) -> Option<u32> {
    read_private(&state.pid_file()).ok()?.trim().parse().ok()
}

/// Removes what this process wrote, unless a successor has written its own since.
pub(crate) fn sign_off(state: &StateDir) {
    if written_pid(state) == Some(std::process::id()) {
        remove_pid_file(state);
        let _ = std::fs::remove_file(state.control_socket());
    }
}
