//! Real repositories, made by real git.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "shared by test files that each use a part; a test without a repository fails"
)]

pub(crate) mod compare;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use codex_plus_project::git::{Facts, Git};
use codex_plus_project::status_line::{Config, StatusLines};
use codex_plus_project::trust::TrustNone;

/// A folder of its own, removed at the end.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The folder, or something in it; links resolved.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(inside)
    }

    /// A repository with one commit on `main`.
    pub(crate) fn repository(&self, inside: &str) -> Repository {
        let repository = self.empty_repository(inside);
        repository.write("file", "one\n");
        repository.git(&["add", "."]);
        repository.commit("first");
        repository
    }

    pub(crate) fn empty_repository(&self, inside: &str) -> Repository {
        let root = self.path(inside);
        std::fs::create_dir_all(&root).unwrap();
        let repository = Repository { root };
        repository.git(&["init", "-q", "-b", "main"]);
        repository
    }
}

/// A working tree.
pub(crate) struct Repository {
    pub(crate) root: PathBuf,
}

impl Repository {
    /// Runs git in the working tree; its output, trimmed. Fails the test when git fails.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        self.try_git(arguments)
            .unwrap_or_else(|output| panic!("git {arguments:?}: {output}"))
    }

    /// The same, where git may stop half-way.
    pub(crate) fn try_git(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new("git")
            .args(["-c", "protocol.file.allow=always", "-c", "core.editor=true"])
            .args(arguments)
            .current_dir(&self.root)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("LC_ALL", "C")
            .envs([
                ("GIT_AUTHOR_NAME", "a"),
                ("GIT_AUTHOR_EMAIL", "a@example.com"),
                ("GIT_COMMITTER_NAME", "a"),
                ("GIT_COMMITTER_EMAIL", "a@example.com"),
            ])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() {
            Ok(text)
        } else {
            Err(text + &String::from_utf8_lossy(&output.stderr))
        }
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.root.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn commit(&self, message: &str) {
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
    }

    /// A commit that changes `file`.
    pub(crate) fn change(&self, file: &str, text: &str) {
        self.write(file, text);
        self.git(&["add", "."]);
        self.commit(text.trim());
    }

    pub(crate) async fn facts(&self) -> Facts {
        facts(&self.root).await
    }
}

pub(crate) async fn facts(directory: &Path) -> Facts {
    let (_, mut facts) = Facts::at_a_glance(directory);
    Git::default().complete(directory, &mut facts).await;
    facts
}

/// A cache of lines for folders nobody trusts, with `home` as the home folder.
pub(crate) fn lines(config: &Config, home: Option<PathBuf>) -> StatusLines {
    StatusLines::new(
        config,
        home,
        Arc::new(TrustNone),
        tokio::runtime::Handle::current(),
    )
}
