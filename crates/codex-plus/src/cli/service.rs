//! The words of `service` and `uninstall`.
#![allow(
    clippy::doc_markdown,
    reason = "the doc comments are the help text users read"
)]

use clap::{Args, Subcommand};

use super::{LineArgs, StateArgs};
use crate::service::Kind;

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ServiceCommand {
    /// Write the service's files and put them in force
    Install(ServiceInstallArgs),
    /// End the service and remove its files
    Uninstall(ServiceArgs),
    /// Tell whether the service is installed, and which files it has
    Status(ServiceArgs),
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  codex-plus service install
  codex-plus service install --listen 127.0.0.1:10001 --upstream http://127.0.0.1:11434/v1

The service gets these flags, and of the environment what codex-plus reads, PATH, and the way to a
web proxy. Secrets are left out: a token belongs into config.toml. To change any of it, install
again. A file that somebody edited is never overwritten.")]
pub(crate) struct ServiceInstallArgs {
    #[command(flatten)]
    pub(crate) line: LineArgs,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ServiceArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// The service manager, in place of this system's
    #[arg(long, hide = true, value_enum)]
    pub(crate) manager: Option<Kind>,
}

impl ServiceArgs {
    /// Whose service it is.
    pub(crate) fn kind(&self) -> Kind {
        self.manager.unwrap_or(Kind::of_system())
    }
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  codex-plus uninstall            say what would go and what would stay, and ask
  codex-plus uninstall --yes      without asking

Codex's files, your hooks, commands and projects, and this program's file stay in any case.")]
pub(crate) struct UninstallArgs {
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    /// Remove your settings file as well
    #[arg(long)]
    pub(crate) purge: bool,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}
