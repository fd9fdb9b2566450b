//! The command line. Its help text is the manual.
#![allow(
    clippy::doc_markdown,
    reason = "the doc comments are the help text users read"
)]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

mod hooks;
mod service;

pub(crate) use hooks::{HooksArgs, HooksCommand, HooksTestArgs};
pub(crate) use service::{ServiceArgs, ServiceCommand, ServiceInstallArgs, UninstallArgs};

/// A local proxy between a coding agent and its model provider.
///
/// codex-plus stands between the OpenAI Codex CLI (or any client of the OpenAI Responses API)
/// and its provider, on 127.0.0.1:10000, and carries every exchange byte for byte: HTTP with
/// server-sent events, HTTP with JSON, and WebSocket. It never edits Codex's configuration.
#[derive(Debug, Parser)]
#[command(
    name = "codex-plus",
    version,
    propagate_version = false,
    arg_required_else_help = true,
    after_help = "Run `codex-plus --help` for examples, settings, variables and exit codes.",
    after_long_help = after_long_help()
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

fn after_long_help() -> String {
    format!(
        "\
Examples:
  codex-plus codex                        start Codex through the proxy
  codex-plus codex exec \"fix the test\"    the same, with Codex's own arguments
  eval \"$(codex-plus shell-init bash)\"    from now on `codex` goes through the proxy
  codex-plus start                        start the proxy in the background
  codex-plus start --listen 127.0.0.1:0   on a port the system chooses
  codex-plus logs -f                      watch the exchanges
  codex-plus demo                         see it work, without account or network

Settings, strongest first:
  1. flags
  2. CODEX_PLUS_* variables
  3. .codexplus/config.toml, the nearest at or above the working directory (up to the git
     root). It may set only harmless keys, unless your own settings file lists the folder in
     `trusted_projects`.
  4. $XDG_CONFIG_HOME/codex-plus/config.toml
  5. defaults
  `codex-plus config show --origin` shows every key, its value and where it was set.

{}
Exit codes:
  0  done, or nothing to do
  1  failed
  2  wrong command line or settings
  `codex-plus codex` ends with Codex's own code.",
        crate::environment::help()
    )
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the proxy (in the background, unless told otherwise)
    Start(StartArgs),
    /// Stop the proxy, letting live streams finish first
    Stop(StateArgs),
    /// Start the proxy anew without ending a stream, with the same flags unless new ones are given
    ///
    /// The new process takes over the listening socket; the old one finishes what it carries,
    /// within `timeouts.handover`, and ends. A new process that cannot start changes nothing.
    Restart(RestartArgs),
    /// Tell whether the proxy runs, where, and with which settings
    Status(StatusArgs),
    /// Trust the hooks of a project, as they are now
    ///
    /// A project's hooks run only once you looked at them: this pins the content of every file and
    /// command that would run. What changes afterwards is off until it was trusted again.
    Trust(TrustArgs),
    /// List the hooks of a project, or try one out
    Hooks(HooksArgs),
    /// Print the status line of a directory
    ///
    /// The line is that of `statusLine` in settings.json, when that is set and trusted, else
    /// what git says of the directory. Outside of repositories nothing is printed.
    StatusLine(StatusLineArgs),
    /// List slash commands, or show what one of them would send
    ///
    /// Commands are markdown files below .codexplus/commands and .claude/commands, of the project
    /// and then of the home folder; git/sync.md is called /git:sync.
    Commands(SlashArgs),
    /// Let the system start the proxy: a systemd user unit with socket activation, or a launchd agent
    #[command(subcommand)]
    Service(ServiceCommand),
    /// Stop the proxy and remove everything it wrote
    Uninstall(UninstallArgs),
    /// Show the log
    Logs(LogsArgs),
    /// Check this machine, and say what to do about what is wrong
    Doctor(DoctorArgs),
    /// Show the settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script for a shell
    ///
    /// Example: codex-plus completions bash > ~/.local/share/bash-completion/completions/codex-plus
    Completions {
        /// The shell to complete in
        shell: Shell,
    },
    /// Run Codex through the proxy, starting the proxy if needed
    ///
    /// Everything after `codex` goes to Codex as it is; so do its exit code and the terminal.
    /// Codex is told of the proxy by `-c openai_base_url=...`; its configuration is not touched.
    #[command(disable_help_flag = true)]
    Codex {
        /// Codex's arguments
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "ARGS"
        )]
        args: Vec<std::ffi::OsString>,
    },
    /// Print a shell function that sends a plain `codex` through the proxy
    ///
    /// Put it in the shell's start-up file:
    ///   bash, zsh: eval "$(codex-plus shell-init bash)"
    ///   fish:      codex-plus shell-init fish | source
    #[command(verbatim_doc_comment)]
    ShellInit {
        /// The shell
        shell: InitShell,
    },
    /// Serve a made-up provider with scripted answers, for trying things out
    StandIn(StandInArgs),
    /// Show one Codex-shaped turn through the proxy; needs no account and no network
    Demo,
    /// Measure what the proxy and your hooks add on this machine
    Bench(BenchArgs),
}

/// Where the daemon keeps its files.
#[derive(Debug, Clone, Args)]
pub(crate) struct StateArgs {
    /// Folder for proxy.pid, proxy.log and the lock [env: CODEX_PLUS_STATE_DIR]
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(crate) state_dir: Option<PathBuf>,
}

/// Settings as flags.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct LineArgs {
    /// Address and port to listen on, such as 127.0.0.1:10000 [env: CODEX_PLUS_LISTEN]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Where exchanges go: `auto`, or one base URL [env: CODEX_PLUS_UPSTREAM]
    #[arg(long, value_name = "URL", value_hint = clap::ValueHint::Url)]
    pub(crate) upstream: Option<String>,
    /// Switch every filter off: nothing is read, only carried [env: CODEX_PLUS_PASSTHROUGH]
    #[arg(long)]
    pub(crate) passthrough: bool,
}

#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  codex-plus start
  codex-plus start --foreground --upstream http://127.0.0.1:11434/v1

Already running is not an error: it says so and exits with 0.")]
pub(crate) struct StartArgs {
    /// Stay in the foreground; log to the terminal as well
    #[arg(long)]
    pub(crate) foreground: bool,
    /// The background child (internal)
    #[arg(long, hide = true)]
    pub(crate) detached: bool,
    /// It takes the place of the proxy that runs (internal)
    #[arg(long, hide = true)]
    pub(crate) succeeds: bool,
    /// Started by a service manager (internal)
    #[arg(long, hide = true)]
    pub(crate) service: bool,
    #[command(flatten)]
    pub(crate) line: LineArgs,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RestartArgs {
    #[command(flatten)]
    pub(crate) line: LineArgs,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  codex-plus trust --show      look at what would run here
  codex-plus trust             trust it, as it is now
  codex-plus trust --forget    trust nothing here any more")]
pub(crate) struct TrustArgs {
    /// Show what would run and how it stands, and trust nothing
    #[arg(long)]
    pub(crate) show: bool,
    /// Forget the project: none of its hooks run any more
    #[arg(long, conflicts_with = "show")]
    pub(crate) forget: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// The project; the working directory without it
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(crate) directory: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  codex-plus status-line
  codex-plus status-line --cwd ~/code/project --json")]
pub(crate) struct StatusLineArgs {
    /// The directory, in place of the working directory
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(crate) cwd: Option<PathBuf>,
    /// Print JSON: the line, its mode, and every fact it is made of
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  codex-plus commands
  codex-plus commands expand \"/review 12 'very high'\"

In the Codex TUI put a space before the slash, or write :name."
)]
pub(crate) struct SlashArgs {
    #[command(subcommand)]
    pub(crate) command: Option<SlashCommand>,
    /// The directory, in place of the working directory
    #[arg(long, global = true, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(crate) cwd: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum SlashCommand {
    /// Print exactly what would be sent for a prompt; shell lines that may run do run
    Expand {
        /// The prompt, such as "/review 12"
        prompt: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct LogsArgs {
    /// Keep showing new lines, across rotation, until Ctrl-C
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// How many of the last lines to show first
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    pub(crate) lines: usize,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DoctorArgs {
    /// Also try to reach the provider (the only check that uses the network)
    #[arg(long)]
    pub(crate) online: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show every key and its value; secrets are masked
    Show {
        /// Also show where each value was set
        #[arg(long)]
        origin: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON schema of the settings file
    Schema,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum InitShell {
    Bash,
    Zsh,
    Fish,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Turns shaped like Codex's go to a made-up provider on this machine, which answers at once:
straight, through a proxy that only carries, and through one with your settings. They go one at
a time and in alternation, so compare within one run only. The hooks of this folder run for real,
once a turn: what they write or send, they write and send. Needs no account and no network; a
proxy that already runs is not touched.

Examples:
  codex-plus bench
  codex-plus bench --json | jq '.turns[] | {kind, added: .targets[1].added_p50_us}'")]
pub(crate) struct BenchArgs {
    /// How long to measure, in seconds
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub(crate) seconds: u16,
    /// Leave your settings and hooks out: only the carrying is measured
    #[arg(long)]
    pub(crate) no_hooks: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  codex-plus stand-in --listen 127.0.0.1:9999
  codex-plus start --upstream http://127.0.0.1:9999/v1")]
pub(crate) struct StandInArgs {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) listen: std::net::SocketAddr,
    /// JSON file with the answers to give, in order (a list; see docs)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) script: Option<PathBuf>,
    /// Answer WebSocket upgrades with 426, so that Codex uses POST
    #[arg(long)]
    pub(crate) no_websocket: bool,
}
