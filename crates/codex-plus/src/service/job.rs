//! What the service is to run: the program, its flags, and the part of the environment it needs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::environment::{self, Environment};

/// Added to the drain limit before the service manager kills what does not end.
const GRACE: Duration = Duration::from_secs(10);

/// The proxy, as a service manager starts it.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// The program and its arguments.
    pub(crate) command: Vec<String>,
    /// Where the service manager listens on our behalf.
    pub(crate) listen: SocketAddr,
    /// Its working directory: the home folder, for a service belongs to no project.
    pub(crate) folder: String,
    pub(crate) variables: Vec<(String, String)>,
    /// How long a stop may take.
    pub(crate) stop: Duration,
}

impl Job {
    /// The job of a program with these flags, in this environment.
    pub(crate) fn new(
        env: &Environment,
        program: PathBuf,
        flags: Vec<String>,
        listen: SocketAddr,
        drain: Duration,
    ) -> anyhow::Result<Self> {
        if listen.port() == 0 {
            bail!("a service needs a port that stays; set one with --listen 127.0.0.1:PORT");
        }
        let home = env.home().context("HOME is not set; set it")?;
        let text = |path: PathBuf| {
            path.into_os_string()
                .into_string()
                .map_err(|path| anyhow::anyhow!("{} is not valid UTF-8; move it", path.display()))
        };
        let mut command = vec![text(program)?, "start".into(), "--service".into()];
        command.extend(flags);
        let mut variables = Vec::new();
        for name in environment::carried() {
            let Some(value) = env.get(name) else { continue };
            // The service starts in another folder than this one.
            let value = if environment::is_path(name) {
                env.cwd.join(value).into_os_string()
            } else {
                value.clone()
            };
            variables.push((name.to_owned(), text(value.into())?));
        }
        Ok(Self {
            command,
            listen,
            folder: text(home)?,
            variables,
            stop: drain.saturating_add(GRACE),
        })
    }
}
