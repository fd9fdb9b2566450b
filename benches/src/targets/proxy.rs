//! The proxy, started in the background as its users do, and with what they may have set up.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, bail};

use super::{Ground, Running, Target, free_port, with};
use crate::process::Processes;

/// A prompt that is a call of the command below.
pub(crate) const CALL: &str = "/say hello to everyone who reads this";
/// What the command turns it into, in part.
pub(crate) const EXPANDED: &str = "and say nothing else";

/// A file of the proxy's home folder.
pub(crate) type File<'a> = (&'a str, &'a str);

/// What is set up besides the target's name: files, and variables of the environment.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct SetUp<'a> {
    pub(crate) files: &'a [File<'a>],
    pub(crate) variables: &'a [(&'a str, &'a str)],
}

impl Target {
    /// The files that make the target what its name says.
    fn files(self) -> &'static [File<'static>] {
        match self {
            Self::Edited => &[
                ("config.toml", "[status_line]\nmode = \"response\"\n"),
                (
                    ".codexplus/commands/say.md",
                    "Write in British English: $ARGUMENTS, and say nothing else.\n",
                ),
            ],
            Self::Listening => &[(
                ".codexplus/settings.json",
                r#"{"hooks":{"PreToolUse":[{"matcher":"Bash","hooks":[{"type":"command","command":"true"}]}]}}"#,
            )],
            _ => &[],
        }
    }
}

impl Ground {
    /// Starts the proxy with more than the target's name says.
    pub(crate) fn start_with(&self, target: Target, more: SetUp<'_>) -> anyhow::Result<Running> {
        let address = free_port()?;
        let folder = self.folder_of(target, address)?;
        self.daemon(target, &folder, address, more)
    }

    pub(super) fn daemon(
        &self,
        target: Target,
        folder: &Path,
        address: SocketAddr,
        more: SetUp<'_>,
    ) -> anyhow::Result<Running> {
        fs::write(folder.join("config.toml"), "")?;
        for (name, text) in target.files().iter().chain(more.files) {
            let file = folder.join(name);
            fs::create_dir_all(file.parent().unwrap_or(folder))?;
            fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        }
        let mut command = with(
            self.programs.join("codex-plus"),
            &[
                "start",
                "--listen",
                &address.to_string(),
                "--upstream",
                &format!("http://{}", self.upstream),
            ],
        );
        if target == Target::Passthrough {
            command.arg("--passthrough");
        }
        let began = Instant::now();
        let said = command
            .current_dir(folder)
            .env("HOME", folder)
            .env("CODEX_PLUS_STATE_DIR", folder)
            .env("CODEX_PLUS_CONFIG", folder.join("config.toml"))
            .envs(more.variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .context("cannot start codex-plus; run ./bench.sh, which builds it")?;
        let start = began.elapsed();
        if !said.status.success() {
            bail!(
                "codex-plus did not start: {}",
                String::from_utf8_lossy(&said.stderr)
            );
        }
        let pid = fs::read_to_string(folder.join("proxy.pid")).context("proxy.pid")?;
        let pid = pid.trim().parse().context("proxy.pid holds no number")?;
        Ok(Running {
            target,
            address,
            processes: Processes::tree(pid),
            start,
            child: None,
        })
    }
}
