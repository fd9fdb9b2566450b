//! Where turns go: straight to the made-up provider, or through a proxy of our own making.

use std::fs::File;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::daemon::{Instance, Probe, StateDir};
use crate::environment::Environment;

/// How long a proxy may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a proxy does with the turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Through {
    /// Carries them, every filter off.
    Carried,
    /// What the settings and hooks of this folder say.
    Settings,
}

/// Where turns go.
pub(super) enum Target {
    Direct(SocketAddr),
    Proxy(Proxy),
}

/// A child; it ends with this value, and what it wrote with it.
pub(super) struct Proxy {
    through: Through,
    child: Child,
    listen: SocketAddr,
    state: StateDir,
}

impl Target {
    pub(super) fn direct(address: SocketAddr) -> Self {
        Self::Direct(address)
    }

    /// Starts a proxy in front of `upstream` and waits until it is healthy.
    pub(super) fn start(
        through: Through,
        env: &Environment,
        upstream: &str,
        token: Option<&str>,
    ) -> anyhow::Result<Self> {
        let folder = format!("codex-plus-bench-{}-{through:?}", std::process::id());
        let state = StateDir::resolve(Some(&std::env::temp_dir().join(folder)), env)?;
        state.ensure()?;
        let said = state.folder().join("said");
        let stderr = File::create(&said).context("cannot write to the temporary folder")?;
        let program = std::env::current_exe().context("cannot find our own program file")?;
        let mut command = Command::new(&program);
        command
            .args(["start", "--detached", "--listen", "127.0.0.1:0"])
            .args(["--upstream", upstream, "--state-dir"])
            .arg(state.folder())
            .current_dir(&env.cwd)
            // Made-up turns are nothing for a team's collector.
            .env("OTEL_SDK_DISABLED", "true")
            // Nor for the history of the user's conversations.
            .env("CODEX_PLUS_KEEP_HISTORY", "false")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr);
        if through == Through::Carried {
            command.arg("--passthrough");
        }
        let child = command
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let mut proxy = Proxy {
            through,
            child,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            state,
        };
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if proxy.child.try_wait()?.is_some() {
                let said = std::fs::read_to_string(&said).unwrap_or_default();
                bail!("the proxy to measure did not start: {}", said.trim());
            }
            let instance = Instance::last(&proxy.state);
            if let Some(instance) = instance.filter(|it| it.pid == proxy.child.id())
                && Probe::new(instance.listen, token).is_healthy()
            {
                proxy.listen = instance.listen;
                return Ok(Self::Proxy(proxy));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!(
            "the proxy to measure was not healthy after {} s",
            PATIENCE.as_secs()
        )
    }

    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::Direct(address) => *address,
            Self::Proxy(proxy) => proxy.listen,
        }
    }

    /// The name in JSON.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Direct(_) => "direct",
            Self::Proxy(proxy) if proxy.through == Through::Carried => "carried",
            Self::Proxy(_) => "settings",
        }
    }

    /// What it is, for people.
    pub(super) fn title(&self) -> &'static str {
        match self {
            Self::Direct(_) => "direct, no proxy",
            Self::Proxy(proxy) if proxy.through == Through::Carried => "carried only",
            Self::Proxy(_) => "your settings and hooks",
        }
    }

    /// Processor time of the proxy so far; where the system does not tell, none.
    pub(super) fn cpu(&self) -> Option<Duration> {
        let Self::Proxy(proxy) = self else {
            return None;
        };
        // Linux tells nanoseconds for each thread; its threads stay as long as it does.
        let threads = std::fs::read_dir(format!("/proc/{}/task", proxy.child.id())).ok()?;
        let nanos = threads.filter_map(|thread| {
            let path = thread.ok()?.path().join("schedstat");
            let text = std::fs::read_to_string(path).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Some(Duration::from_nanos(nanos.sum()))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The hooks' workers notice that it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(self.state.folder());
    }
}
