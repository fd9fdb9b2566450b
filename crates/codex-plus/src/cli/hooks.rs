//! The words of `hooks`.
#![allow(
    clippy::doc_markdown,
    reason = "the doc comments are the help text users read"
)]

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::StateArgs;

#[derive(Debug, Clone, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  codex-plus hooks                                   what is loaded, what ran, what does not and why
  codex-plus hooks test .codexplus/hooks/tag.py      run one on a sample and show what it changes
  codex-plus hooks test check.sh --event PreToolUse"
)]
pub(crate) struct HooksArgs {
    #[command(subcommand)]
    pub(crate) command: Option<HooksCommand>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// The project; the working directory without it
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(crate) cwd: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum HooksCommand {
    /// Run one hook on a sample, and show what it says and changes
    Test(HooksTestArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct HooksTestArgs {
    /// A Python hook file, or a command hook's script
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// The event a script is told of
    #[arg(long, value_name = "EVENT", default_value = "UserPromptSubmit")]
    pub(crate) event: String,
    /// A request body to run it on, as JSON; a sample without it
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) body: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
