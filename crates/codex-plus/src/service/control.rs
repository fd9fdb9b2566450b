//! Speaks with the running service manager through its own command, when it is there.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use super::{Kind, launchd, systemd};
use crate::environment::Environment;

/// `systemctl --user` or `launchctl`.
#[derive(Debug, Clone)]
pub(crate) struct Control {
    kind: Kind,
    program: Option<PathBuf>,
    /// What a launchd agent is addressed by.
    domain: String,
}

/// A command that did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("`{command}` failed: {said}")]
pub(crate) struct Failed {
    command: String,
    said: String,
}

impl Control {
    pub(crate) fn new(kind: Kind, env: &Environment) -> Self {
        let name = match kind {
            Kind::Systemd => "systemctl",
            Kind::Launchd => "launchctl",
        };
        Self {
            kind,
            program: env.find_program(name, |_| false),
            domain: format!("gui/{}", rustix::process::geteuid().as_raw()),
        }
    }

    /// Whether its command is on PATH.
    pub(crate) const fn is_there(&self) -> bool {
        self.program.is_some()
    }

    /// The one command that makes the service's files count.
    pub(crate) fn bring_up_line(&self, files: &[PathBuf]) -> String {
        joined(&self.bring_up_words(files))
    }

    /// The one command that ends the service.
    pub(crate) fn take_down_line(&self) -> String {
        joined(&self.take_down_words())
    }

    fn bring_up_words(&self, files: &[PathBuf]) -> Vec<Vec<String>> {
        match self.kind {
            Kind::Systemd => vec![
                systemctl(&["daemon-reload"]),
                systemctl(&["enable", "--now", systemd::SOCKET]),
            ],
            Kind::Launchd => files
                .iter()
                .map(|file| launchctl(&["bootstrap", &self.domain, &file.to_string_lossy()]))
                .collect(),
        }
    }

    fn take_down_words(&self) -> Vec<Vec<String>> {
        match self.kind {
            Kind::Systemd => vec![
                systemctl(&["disable", "--now", systemd::SOCKET]),
                systemctl(&["stop", systemd::SERVICE]),
            ],
            Kind::Launchd => vec![launchctl(&["bootout", &self.target()])],
        }
    }

    fn target(&self) -> String {
        format!("{}/{}", self.domain, launchd::LABEL)
    }

    /// Makes the service's files count, from now on and at every login.
    pub(crate) fn bring_up(&self, files: &[PathBuf]) -> Result<(), Failed> {
        self.run_all(&self.bring_up_words(files))
    }

    /// Ends the service, for now and for later logins.
    pub(crate) fn take_down(&self) -> Result<(), Failed> {
        self.run_all(&self.take_down_words())
    }

    /// After the files are gone.
    pub(crate) fn forget(&self) -> Result<(), Failed> {
        match self.kind {
            Kind::Systemd => self.run_all(&[systemctl(&["daemon-reload"])]),
            Kind::Launchd => Ok(()),
        }
    }

    /// Starts the proxy of an installed service.
    pub(crate) fn start(&self) -> Result<(), Failed> {
        self.run_all(&[match self.kind {
            Kind::Systemd => systemctl(&["start", systemd::SERVICE]),
            Kind::Launchd => launchctl(&["kickstart", &self.target()]),
        }])
    }

    /// Whether the service manager has the service at work: listening, or running.
    pub(crate) fn is_active(&self) -> bool {
        let words = match self.kind {
            Kind::Systemd => systemctl(&["is-active", "--quiet", systemd::SOCKET]),
            Kind::Launchd => launchctl(&["print", &self.target()]),
        };
        self.run(&words).is_ok()
    }

    /// Whether it will be at work after the next login.
    pub(crate) fn is_enabled(&self) -> bool {
        match self.kind {
            Kind::Systemd => self
                .run(&systemctl(&["is-enabled", "--quiet", systemd::SOCKET]))
                .is_ok(),
            // Every agent of the folder is.
            Kind::Launchd => true,
        }
    }

    fn run_all(&self, commands: &[Vec<String>]) -> Result<(), Failed> {
        commands.iter().try_for_each(|words| self.run(words))
    }

    fn run(&self, words: &[String]) -> Result<(), Failed> {
        let failed = |said: String| Failed {
            command: words.join(" "),
            said,
        };
        let Some(program) = &self.program else {
            return Err(failed("it is not on PATH".to_owned()));
        };
        let output = Command::new(program)
            .args(words.get(1..).unwrap_or_default())
            .stdin(Stdio::null())
            .output()
            .map_err(|error| failed(error.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        Err(failed(last_words(&output)))
    }
}

fn last_words(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    match text.lines().rfind(|line| !line.trim().is_empty()) {
        Some(line) => line.trim().to_owned(),
        None => output.status.to_string(),
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn systemctl(more: &[&str]) -> Vec<String> {
    words(&[&["systemctl", "--user"], more].concat())
}

fn launchctl(more: &[&str]) -> Vec<String> {
    words(&[&["launchctl"], more].concat())
}

fn joined(commands: &[Vec<String>]) -> String {
    let lines: Vec<String> = commands
        .iter()
        .map(|words| {
            let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
            quoted.join(" ")
        })
        .collect();
    lines.join(" && ")
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=".contains(c);
    if word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
