//! The listening socket that a service manager passes to a process it starts: descriptor 3, told by
//! `LISTEN_PID` and `LISTEN_FDS` (`sd_listen_fds(3)`).

use std::os::fd::OwnedFd;

use anyhow::{Context as _, bail};
use listenfd::ListenFd;

use crate::environment::Environment;

/// The socket passed to this process, if one was. The variables are taken away, so that a hook does
/// not take itself for the one they mean.
pub(crate) fn activated(env: &Environment) -> anyhow::Result<Option<OwnedFd>> {
    let meant = env.get("LISTEN_PID").and_then(|pid| pid.to_str());
    if meant.and_then(|pid| pid.parse().ok()) != Some(std::process::id()) {
        return Ok(None);
    }
    let mut passed = ListenFd::from_env();
    if passed.len() > 1 {
        bail!(
            "the service manager passed {} sockets; one is served, so leave one ListenStream",
            passed.len()
        );
    }
    let socket = passed
        .take_tcp_listener(0)
        .context("what the service manager passed cannot be served")?;
    Ok(socket.map(OwnedFd::from))
}
