//! Git repositories to work in.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

/// Makes a repository with so many files, all of them committed, and one changed since.
pub(crate) fn make(folder: &Path, files: usize) -> anyhow::Result<()> {
    for number in 0..files {
        let place = folder.join(format!("part{}", number / 50));
        fs::create_dir_all(&place)?;
        fs::write(
            place.join(format!("file{number}.txt")),
            format!("{number}\n"),
        )?;
    }
    git(folder, &["init", "-q", "-b", "main"])?;
    git(folder, &["add", "."])?;
    let by = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"];
    let commit = ["commit", "-q", "--no-gpg-sign", "-m", "files"];
    git(folder, &[&by[..], &commit[..]].concat())?;
    fs::write(folder.join("part0/file0.txt"), "changed\n").context("cannot change a file")
}

fn git(folder: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let status = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .context("cannot start git")?;
    ensure!(status.success(), "git {} failed", arguments.join(" "));
    Ok(())
}
