//! `codex-plus hooks`: what is loaded, what ran, and one tried out.

mod list;
mod sample;
mod test;

use crate::cli::{HooksArgs, HooksCommand};
use crate::environment::Environment;
use crate::output::Exit;

pub(crate) fn hooks(env: &Environment, args: &HooksArgs) -> anyhow::Result<Exit> {
    match &args.command {
        None => list::list(env, args),
        Some(HooksCommand::Test(test)) => test::test(env, test, args),
    }
}
