//! The hook engine of this user, for the proxy and for commands.

use codex_plus_hooks::config::Config;
use codex_plus_hooks::engine::{Engine, Places};

use crate::daemon::{Instance, Probe, StateDir};
use crate::environment::Environment;
use crate::output;
use crate::settings::Loaded;

/// An engine for the working directory, the home folder and what the user trusted.
pub(crate) fn engine(config: &Config, env: &Environment, state: &StateDir) -> Engine {
    let places = Places {
        // Trust is the user's, whichever folder a daemon keeps its pid and log in.
        state: state.of_user(env).folder().to_owned(),
        home: env.home(),
        start: Some(env.cwd.clone()),
    };
    Engine::new(config.clone(), places)
}

/// Who starts the proxy in a folder trusts what that folder's hooks are now.
pub(crate) fn trust_start(env: &Environment, state: &StateDir, loaded: &Loaded) {
    let trusted = state.of_user(env).ensure().and_then(|()| {
        let engine = engine(&loaded.settings.hooks, env, state);
        Ok(engine.trust_start()?)
    });
    if let Err(error) = trusted {
        output::warning(format!("the hooks of this folder do not run: {error:#}"));
    }
}

/// A running proxy to ask: the one of the state folder, else the one on the configured port.
pub(crate) fn running(state: &StateDir, loaded: &Loaded) -> Option<Probe> {
    let proxy = &loaded.settings.proxy;
    let ours = Instance::running(state).ok().flatten();
    let listen = ours.map_or(proxy.listen, |instance| instance.listen);
    let probe = Probe::new(listen, proxy.guard.token.as_deref());
    let is_ours = matches!(probe.ask(), crate::daemon::Health::CodexPlus(_));
    is_ours.then_some(probe)
}
