//! The proxy as a service of the user's own service manager: what is written for it, and where.
//!
//! `job` says what is to run, `systemd` and `launchd` put it into files, `stamped` writes those
//! files and takes them back, `control` speaks with the running manager.

mod control;
mod job;
mod launchd;
mod stamped;
mod systemd;

use std::path::PathBuf;

use anyhow::Context as _;

use crate::environment::Environment;

pub(crate) use control::{Control, Failed};
pub(crate) use job::Job;
pub(crate) use stamped::{Note, Standing, remove, remove_empty, remove_link, write};

/// Whose service it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// A user unit of systemd, started by the first connection to its socket.
    Systemd,
    /// An agent of launchd, started at login.
    Launchd,
}

impl Kind {
    /// The service manager of this system.
    pub(crate) const fn of_system() -> Self {
        if cfg!(target_os = "macos") {
            Self::Launchd
        } else {
            Self::Systemd
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Launchd => "launchd",
        }
    }

    /// Where the service's files are, or would be.
    pub(crate) fn paths(self, env: &Environment) -> anyhow::Result<Vec<PathBuf>> {
        let unknown = "no folder for the service's files: HOME is not set; set it";
        Ok(match self {
            Self::Systemd => {
                let folder = env.config_home().context(unknown)?.join("systemd/user");
                vec![folder.join(systemd::SOCKET), folder.join(systemd::SERVICE)]
            }
            Self::Launchd => {
                let folder = env.home().context(unknown)?.join("Library/LaunchAgents");
                vec![folder.join(launchd::FILE)]
            }
        })
    }

    /// What the files say for this job, in the order of [`paths`](Self::paths).
    pub(crate) fn texts(self, job: &Job) -> Vec<String> {
        match self {
            Self::Systemd => vec![systemd::socket(job), systemd::service(job)],
            Self::Launchd => vec![launchd::agent(job)],
        }
    }
}
