//! The proxy in this process: settings, log, lock, listener and signals wired together.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use codex_plus_hooks::engine::Engine;
use codex_plus_proxy::filters::hooks::Hooks;
use codex_plus_proxy::{Drained, Facts, Filter, Observer, Proxy, StartError, Unobserved};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::daemon::{self, Instance, Lock, Locked, StateDir};
use crate::environment::Environment;
use crate::log::{self, ExchangeLog, Pipe, Rotating, Sinks};
use crate::otlp::{self, Beside, Otlp};
use crate::output::{self, Exit, Paint};
use crate::project;
use crate::settings::{Loaded, Settings, SettingsError};

/// How long a start waits for the hooks of its folder.
const WARM_UP: Duration = Duration::from_millis(100);

/// Serves until a signal. `detached` is the background child.
pub(crate) fn serve(
    env: &Environment,
    state: &StateDir,
    loaded: &Loaded,
    flags: Vec<String>,
    detached: bool,
) -> anyhow::Result<Exit> {
    state.ensure()?;
    let Locked::Ours(lock) = Lock::take(state)
        .with_context(|| format!("cannot lock {}", state.lock_file().display()))?
    else {
        output::note("codex-plus was started by someone else at the same moment");
        return Ok(Exit::Success);
    };
    // Ours now, so whatever pid file is here is stale.
    daemon::remove_pid_file(state);
    raise_file_limit();

    let (pipe, log_guard) = open_log(state, loaded, detached)?;
    log::install(&pipe, &loaded.settings.log, env);
    for ignored in &loaded.ignored {
        tracing::warn!(target: "settings", "{ignored}");
    }
    // Accepts and looks after the rest; the line's workers have threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    let drained = runtime.block_on(run(env, state, loaded, flags, detached, pipe));
    daemon::remove_pid_file(state);
    // A stream that outlived the drain must not hold up the end.
    runtime.shutdown_background();
    drop(log_guard);
    drop(lock);
    drained.map(|_| Exit::Success)
}

async fn run(
    env: &Environment,
    state: &StateDir,
    loaded: &Loaded,
    flags: Vec<String>,
    detached: bool,
    pipe: Pipe,
) -> anyhow::Result<Drained> {
    let settings = &loaded.settings;
    let log = ExchangeLog::new(pipe.clone(), settings.log.slow.get());
    let otlp = otlp::set_up(settings, env)?;
    let observer: Arc<dyn Observer> = match &otlp {
        Some((otlp, _)) => Arc::new(Beside(log, otlp.clone())),
        None => Arc::new(log),
    };
    let facts = facts(state, loaded);
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
    let proxy = Proxy::bind(&settings.proxy, observer, filters, facts)
        .map_err(|error| explain(&error, loaded))?
        .with_hooks(Arc::clone(&engine))
        .with_status_lines(lines, env.cwd.clone());
    let proxy = keep_history(proxy, settings, env, state);
    let upkeep = tokio::spawn(Arc::clone(&engine).keep());
    warm_up(&engine).await;
    proxy.metrics().add(Arc::new(pipe));
    let _last_export = export(otlp, &proxy)?;
    let listen = proxy.local_addr();
    let instance = Instance {
        pid: std::process::id(),
        listen,
        upstream: settings.proxy.upstream.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: jiff::Timestamp::try_from(SystemTime::now())
            .map(|now| format!("{now:.0}"))
            .unwrap_or_default(),
        cwd: env.cwd.clone(),
        flags,
        drain_ms: u64::try_from(settings.proxy.timeouts.drain.get().as_millis())
            .unwrap_or(u64::MAX),
        files: loaded.files.clone(),
        ignored: loaded.ignored.iter().map(ToString::to_string).collect(),
    };
    // Signals are ours before anyone can know our pid.
    let shutdown = shutdown_signal(detached)?;
    instance.write(state)?;
    tracing::info!(
        target: "codex-plus",
        version = instance.version,
        %listen,
        upstream = instance.upstream,
        pid = instance.pid,
        "listening"
    );
    if detached {
        // Whoever started us reads our last word as the pipe's end. The folder we were started
        // in may be removed or unmounted while we run.
        daemon::let_go_of_stderr().context("cannot let go of standard error")?;
        std::env::set_current_dir(state.folder()).context("cannot enter the state folder")?;
    }
    let drained = proxy.run(shutdown).await.context("the listener failed")?;
    upkeep.abort();
    engine.stop().await;
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

/// Done at the first SIGTERM or SIGINT; a second one ends the process at once. SIGHUP means that
/// the terminal is gone: the end of a foreground proxy, and nothing to a background one.
fn shutdown_signal(detached: bool) -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut hang_up = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let (asked, is_asked) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut once = async || {
            tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
                _ = hang_up.recv(), if !detached => "SIGHUP",
            }
        };
        let name = once().await;
        tracing::info!(target: "codex-plus", signal = name, "stopping; live streams may finish");
        let _ = asked.send(());
        once().await;
        // 128 + 15, as a shell reports a process that a signal ended.
        std::process::exit(143);
    });
    Ok(async move {
        let _ = is_asked.await;
    })
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

/// What `/codex-plus/status` tells beside what the line itself knows.
fn facts(state: &StateDir, loaded: &Loaded) -> Facts {
    let ignored: Vec<String> = loaded.ignored.iter().map(ToString::to_string).collect();
    let facts = [
        ("state_dir", json!(state.folder())),
        ("log_file", json!(state.log_file())),
        ("settings_files", json!(loaded.files)),
        ("ignored", json!(ignored)),
    ];
    facts
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect()
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

/// A start error with what to do next.
fn explain(error: &StartError, loaded: &Loaded) -> anyhow::Error {
    let (listen, source) = match error {
        StartError::Listen { listen, source } => (listen, source),
        StartError::Workers(_) => {
            return anyhow::anyhow!("{error}; raise the limit on open files or threads");
        }
        // These are the settings' fault, and say what to do themselves.
        StartError::Token(_) => return blame("listen", error, loaded),
        StartError::Upstream(_) => return blame("upstream", error, loaded),
        StartError::Tls(_) => return blame("tls.ca_files", error, loaded),
    };
    let taken = source.kind() == std::io::ErrorKind::AddrInUse;
    let holder = taken.then(|| daemon::owner(*listen)).flatten();
    let holder = holder.map(|owner| format!(", held by {owner}"));
    let next = match source.kind() {
        std::io::ErrorKind::PermissionDenied => "choose a port above 1023 with --listen",
        std::io::ErrorKind::AddrNotAvailable => "choose an address of this machine with --listen",
        _ => "end that program, or choose another port with --listen",
    };
    anyhow::anyhow!("{error}{}; {next}", holder.unwrap_or_default())
}

/// Puts the error where the key was set; without such a place it stays as it is.
fn blame(key: &str, error: &StartError, loaded: &Loaded) -> anyhow::Error {
    match loaded.assignments.get(key) {
        Some(assignment) => SettingsError {
            origin: assignment.origin.clone(),
            problem: error.to_string(),
        }
        .into(),
        None => anyhow::anyhow!("{error}"),
    }
}
