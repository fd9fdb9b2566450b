//! The proxy in this process: settings, log, lock, listener and signals wired together.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use codex_plus_hooks::engine::Engine;
use codex_plus_proxy::filters::hooks::Hooks;
use codex_plus_proxy::{Control, Drained, Facts, Filter, Observer, Proxy, Unobserved};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::daemon::{self, Door, Instance, Leash, Lock, Locked, StateDir, Taken};
use crate::environment::Environment;
use crate::hook_metrics::HookMetrics;
use crate::log::{self, ExchangeLog, Pipe, Rotating, Sinks, SlowLimit};
use crate::otlp::{self, Beside, Otlp};
use crate::output::{self, Exit, Paint};
use crate::project;
use crate::reload::{Join, Load, Reload};
use crate::settings::{Loaded, Settings};
use crate::signals::{self, Signals};
use crate::starting::{explain, facts};

/// How long a start waits for the hooks of its folder.
const WARM_UP: Duration = Duration::from_millis(100);

/// How the proxy comes to serve.
pub(crate) struct Launch {
    /// The flags, as words, for a later `restart`.
    pub(crate) flags: Vec<String>,
    /// It is the background child.
    pub(crate) detached: bool,
    /// It takes the place of the one that runs.
    pub(crate) succeeds: bool,
    /// A service manager started it, and may have passed it a socket.
    pub(crate) service: bool,
    /// Reads the settings again.
    pub(crate) load: Load,
}

/// Serves until a signal, or until another process has taken its place and nothing is left to do.
pub(crate) fn serve(
    env: &Environment,
    state: &StateDir,
    loaded: Loaded,
    launch: Launch,
) -> anyhow::Result<Exit> {
    state.ensure()?;
    // Changes the environment, so before there are threads.
    let passed = if launch.service {
        daemon::activated(env)?
    } else {
        None
    };
    // Accepts and looks after the rest; the line's workers have threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    {
        let _entered = runtime.enter();
        signals::outlive_file_limit().context("cannot listen for SIGXFSZ")?;
    }
    let place = if launch.succeeds {
        let taken = runtime.block_on(daemon::take(state));
        Place::Taken(taken.context("the running proxy did not hand over")?)
    } else {
        let Locked::Ours(lock) = Lock::take(state)
            .with_context(|| format!("cannot lock {}", state.lock_file().display()))?
        else {
            if launch.service {
                anyhow::bail!(
                    "a codex-plus that is not the service uses {}; end it with `codex-plus stop`",
                    state.folder().display()
                );
            }
            output::note("codex-plus was started by someone else at the same moment");
            return Ok(Exit::Success);
        };
        // Ours now, so whatever pid file is here is stale.
        daemon::remove_pid_file(state);
        Place::Free(lock, passed)
    };
    raise_file_limit();

    let (pipe, log_guard) = open_log(state, &loaded, launch.detached)?;
    let level = log::install(&pipe, &loaded.settings.log, env);
    for ignored in &loaded.ignored {
        tracing::warn!(target: "settings", "{ignored}");
    }
    let drained = runtime.block_on(run(env, state, loaded, launch, place, (pipe, level)));
    daemon::sign_off(state);
    // A stream that outlived the drain must not hold up the end.
    runtime.shutdown_background();
    drop(log_guard);
    drained.map(|_| Exit::Success)
}

/// Where a new process stands.
enum Place {
    /// Nobody was there; the lock is ours, and so is a socket that a service manager passed.
    Free(Lock, Option<OwnedFd>),
    /// The running proxy gave up its own.
    Taken(Taken),
}

async fn run(
    env: &Environment,
    state: &StateDir,
    loaded: Loaded,
    launch: Launch,
    place: Place,
    (pipe, level): (Pipe, log::LevelHandle),
) -> anyhow::Result<Drained> {
    let settings = &loaded.settings;
    let slow = SlowLimit::new(settings.log.slow.get());
    let log = ExchangeLog::new(pipe.clone(), slow.clone());
    let otlp = otlp::set_up(settings, env)?;
    let observer: Arc<dyn Observer> = match &otlp {
        Some((otlp, _)) => Arc::new(Beside(log, otlp.clone())),
        None => Arc::new(log),
    };
    let (socket, lock, leash) = match place {
        Place::Free(lock, passed) => (passed, lock, None),
        Place::Taken(taken) => {
            let same = is_same_place(settings.proxy.listen, taken.listen);
            tracing::info!(target: "codex-plus", predecessor = taken.pid, "taking over");
            (same.then_some(taken.socket), taken.lock, Some(taken.leash))
        }
    };
    let facts = facts(state, &loaded);
    let engine = Arc::new(crate::hooks::engine(&settings.hooks, env, state));
    let lines = project::status_lines(settings, env, state);
    let commands = project::commands(settings, env, state);
    // Asked for now, so that it is known when the first exchange comes.
    lines.line_for(&env.cwd);
    let filters: Vec<Arc<dyn Filter>> = vec![
        // A command is expanded before hooks see the prompt, as its text is what is sent.
        Arc::new(project::slash_filter(
            commands,
            &lines,
            Arc::clone(&engine),
            state,
        )),
        Arc::new(Hooks::new(Arc::clone(&engine))),
        Arc::new(project::status_line_filter(&lines)),
    ];
    let proxy = Proxy::on(socket, &settings.proxy, observer, filters, facts)
        .map_err(|error| explain(&error, &loaded))?
        .with_hooks(Arc::clone(&engine))
        .with_status_lines(lines, env.cwd.clone());
    let proxy = keep_history(proxy, settings, env, state);
    let upkeep = tokio::spawn(Arc::clone(&engine).keep());
    warm_up(&engine).await;
    proxy.metrics().add(Arc::new(pipe));
    proxy
        .metrics()
        .add(Arc::new(HookMetrics(Arc::clone(&engine))));
    let _last_export = export(otlp, &proxy)?;
    let instance = Instance::of(&proxy, env, &loaded, launch.flags, launch.service);
    // Signals are ours before anyone can know our pid.
    let signals = Signals::take()?;
    let reload = Reload {
        load: launch.load,
        control: proxy.control(),
        level,
        slow,
        state: state.clone(),
        instance: instance.clone(),
        joined: vec![rereads_hooks(&engine)],
        now: Mutex::new(Arc::new(loaded)),
    };
    let on_terminal = !launch.detached && std::io::stderr().is_terminal();
    let shutdown = signals.attend(Arc::new(reload), on_terminal);
    instance.write(state)?;
    let announce = || {
        tracing::info!(
            target: "codex-plus",
            version = instance.version,
            listen = %instance.listen,
            upstream = instance.upstream,
            pid = instance.pid,
            "listening"
        );
        if launch.detached {
            // Whoever started us reads our last word as the pipe's end. The folder we were started
            // in may be removed or unmounted while we run.
            daemon::let_go_of_stderr().context("cannot let go of standard error")?;
            std::env::set_current_dir(state.folder()).context("cannot enter the state folder")?;
        }
        Ok(())
    };
    let drained = succession(proxy, state, lock, leash, announce, shutdown).await?;
    upkeep.abort();
    if drained.handed_over {
        // The sessions go on in the process that took over.
        engine.close();
    } else {
        engine.stop().await;
    }
    tracing::info!(target: "codex-plus", cut = drained.cut, "stopped");
    Ok(drained)
}

/// What was changed in conversations outlives this process, unless the user wants no trace of it.
fn keep_history(proxy: Proxy, settings: &Settings, env: &Environment, state: &StateDir) -> Proxy {
    if !settings.proxy.keep_history {
        return proxy;
    }
    let folder = state.of_user(env);
    match folder.ensure() {
        Ok(()) => proxy.with_history_in(folder.folder()),
        Err(error) => {
            tracing::warn!(target: "codex-plus", "edits are not kept over a restart: {error:#}");
            proxy
        }
    }
}

/// Reads the start folder's hooks before the first request needs them, unless its disk is slow.
async fn warm_up(engine: &Arc<Engine>) {
    let engine = Arc::clone(engine);
    let reading = tokio::spawn(async move { engine.book(None).await });
    let _ = tokio::time::timeout(WARM_UP, reading).await;
}

/// Watching may miss a change, on a network's file system for one; a reload looks for itself.
fn rereads_hooks(engine: &Arc<Engine>) -> Join {
    let engine = Arc::clone(engine);
    Box::new(move |_| engine.refresh_all())
}

/// Starts the export to a collector, when there is one to be.
fn export(otlp: Option<(Otlp, otlp::Ready)>, proxy: &Proxy) -> anyhow::Result<Option<otlp::Guard>> {
    let Some((otlp, ready)) = otlp else {
        return Ok(None);
    };
    let metrics = proxy.metrics();
    metrics.add(Arc::new(otlp.clone()));
    let guard = ready
        .start(&otlp, metrics, proxy.local_addr())
        .context("cannot start the export to otlp.endpoint")?;
    Ok(Some(guard))
}

/// Serves between the process before this one and the one after it. Announced when there is a door:
/// a `restart` right after a `start` must find one.
async fn succession(
    proxy: Proxy,
    state: &StateDir,
    lock: Lock,
    leash: Option<Leash>,
    announce: impl FnOnce() -> anyhow::Result<()>,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<Drained> {
    let control = proxy.control();
    let socket = proxy.socket().context("no descriptors are left")?;
    let serving = async {
        let drained = proxy.run(shutdown).await;
        drained.context("the listener failed")
    };
    // Whoever comes first in the line ends first, so that a stop reaches all of it.
    let (drained, _kept) = tokio::try_join!(serving, async {
        if let Some(leash) = &leash {
            leash.serving().await;
        }
        let kept = match Door::open(state, control.local_addr(), socket, lock) {
            Ok(door) => {
                tokio::spawn(door.attend(control.clone()));
                None
            }
            Err((error, lock)) => {
                tracing::warn!(target: "codex-plus", %error, "there is no door for a successor, so a restart will end streams");
                Some(lock)
            }
        };
        announce()?;
        if let Some(leash) = &leash {
            outlive(leash, &control).await;
        }
        Ok(kept)
    })?;
    Ok(drained)
}

/// Waits for the predecessor's end, and asks for it when ours is.
async fn outlive(leash: &Leash, control: &Control) {
    tokio::select! {
        () = leash.ended() => return,
        () = control.stopping() => leash.stop().await,
    }
    leash.ended().await;
}

/// Whether a socket at `there` is what settings that say `wanted` ask for.
fn is_same_place(wanted: SocketAddr, there: SocketAddr) -> bool {
    wanted.ip() == there.ip() && [0, there.port()].contains(&wanted.port())
}

fn open_log(
    state: &StateDir,
    loaded: &Loaded,
    detached: bool,
) -> anyhow::Result<(Pipe, log::Guard)> {
    let settings = &loaded.settings.log;
    let limit = settings.rotate.get() as u64;
    let file = Rotating::open(state.log_file(), limit, settings.keep);
    // A foreground proxy talks to whoever started it: a terminal, or a service manager.
    let colour = std::io::stderr().is_terminal() && Paint::for_stderr().is_on();
    let sinks = Sinks {
        file: Some(file),
        terminal: (!detached).then_some(colour),
        format: settings.format,
    };
    Pipe::start(sinks).context("cannot start the log thread")
}

/// Each stream needs two descriptors; the usual soft limit of 1,024 is soon reached.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Not being allowed is no reason not to start; doctor shows the limit.
    let _ = setrlimit(Resource::Nofile, raised);
}

/// Whether the proxy would start with these settings, its port aside. For `restart`, which must
/// not end a working proxy for one that cannot start.
pub(crate) fn check(loaded: &Loaded) -> anyhow::Result<()> {
    let mut config = loaded.settings.proxy.clone();
    config.listen.set_port(0);
    match Proxy::bind(&config, Arc::new(Unobserved), Vec::new(), Facts::new()) {
        Err(error) => Err(explain(&error, loaded)),
        Ok(_) => Ok(()),
    }
}
