//! The cache of lines: fresh without waiting, bounded, and undisturbed by what is slow or broken.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set up its repository fails"
)]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use codex_plus_project::settings::ProjectSettings;
use codex_plus_project::status_line::{Config, Mode, Source, StatusLine, StatusLines};
use codex_plus_project::trust::Trust;
use support::{Folder, lines};

const LONG: Duration = Duration::from_secs(20);

/// Asks again and again, as exchanges would, until the line is as wanted.
async fn until(
    lines: &StatusLines,
    directory: &Path,
    wanted: impl Fn(Option<&StatusLine>) -> bool,
) {
    let began = Instant::now();
    loop {
        let line = lines.line_for(directory);
        if wanted(line.as_deref()) {
            return;
        }
        assert!(began.elapsed() < LONG, "{line:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn says(line: Option<&StatusLine>, text: &str) -> bool {
    line.and_then(|line| line.text.as_deref())
        .is_some_and(|line| line.contains(text))
}

fn text(line: Option<Arc<StatusLine>>) -> String {
    line.and_then(|line| line.text.clone()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_line_follows_what_happens() {
    let folder = Folder::new();
    let repository = folder.repository("project");
    repository.change("below/deep/file", "x");
    let lines = lines(&Config::default(), None);
    assert!(
        lines.line_for(&repository.root).is_none(),
        "the first look waits for nothing"
    );
    until(&lines, &repository.root, |line| {
        says(line, "Local: main | Remote: none")
    })
    .await;

    repository.write("below/deep/file", "y");
    until(&lines, &repository.root, |line| says(line, "(dirty)")).await;
    repository.git(&["checkout", "-q", "below/deep/file"]);
    until(&lines, &repository.root, |line| says(line, "Local: main |")).await;
    repository.git(&["checkout", "-q", "-b", "feature/one"]);
    until(&lines, &repository.root, |line| says(line, "feature/one")).await;
    // A folder that is tracked from now on is watched from now on.
    repository.change("later/file", "x");
    until(&lines, &repository.root, |line| says(line, "feature/one |")).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    repository.write("later/file", "y");
    until(&lines, &repository.root, |line| says(line, "dirty")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_watches_each_use_asks_anew() {
    let folder = Folder::new();
    let repository = folder.repository("project");
    for watches in [0, 3] {
        let config = Config {
            watches,
            ..Config::default()
        };
        let lines = lines(&config, None);
        until(&lines, &repository.root, |line| says(line, "Local: main |")).await;
        repository.write("file", "changed");
        until(&lines, &repository.root, |line| says(line, "dirty")).await;
        repository.git(&["checkout", "-q", "file"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_line_is_the_one_of_this_moment() {
    let folder = Folder::new();
    let repository = folder.repository("project");
    let lines = lines(&Config::default(), None);
    for branch in ["one", "two", "three", "four"] {
        repository.git(&["checkout", "-q", "-b", branch]);
        // The watch may tell of it a moment later; a new cache has to ask in any case.
        let fresh = support::lines(&Config::default(), None);
        assert!(text(fresh.fresh_line(&repository.root, LONG).await).contains(branch));
        until(&lines, &repository.root, |line| says(line, branch)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_directories_are_bounded() {
    let folder = Folder::new();
    let repository = folder.repository("project");
    let config = Config {
        directories: 2.try_into().unwrap(),
        ..Config::default()
    };
    let lines = lines(&config, None);
    for number in 0..5 {
        let below = repository.root.join(format!("below{number}"));
        std::fs::create_dir(&below).unwrap();
        assert!(text(lines.fresh_line(&below, LONG).await).contains("main"));
    }
    // The first was forgotten, so it is asked for anew.
    assert!(lines.line_for(&repository.root.join("below0")).is_none());
    assert!(lines.line_for(&repository.root.join("below4")).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_or_no_repository_has_no_line() {
    let folder = Folder::new();
    let repository = folder.repository("project");
    let lines = lines(&Config::default(), None);
    assert_eq!(text(lines.fresh_line(&folder.path(""), LONG).await), "");
    assert_eq!(
        text(lines.fresh_line(&folder.path("never"), LONG).await),
        ""
    );
    assert_eq!(
        text(lines.fresh_line(Path::new("relative"), LONG).await),
        ""
    );
    assert!(text(lines.fresh_line(&repository.root, LONG).await).contains("main"));
    std::fs::remove_dir_all(&repository.root).unwrap();
    until(&lines, &repository.root, |line| {
        line.is_some_and(|line| line.text.is_none())
    })
    .await;
}

/// A program in the place of git that does nothing for long.
fn slow_program(folder: &Folder, name: &str, script: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let bin = folder.path("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let path = bin.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    bin
}

/// Runs one of these tests in a process with another PATH.
fn with_path(test: &str, folder: &Folder, bin: &Path) {
    let path = std::env::var("PATH").unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--include-ignored", test])
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("TEST_FOLDER", folder.path("project"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

fn given_folder() -> Option<PathBuf> {
    std::env::var_os("TEST_FOLDER").map(PathBuf::from)
}

#[test]
fn a_git_that_hangs_leaves_what_the_files_say() {
    let folder = Folder::new();
    folder.repository("project");
    let mark = folder.path("mark");
    // What it starts is killed with it.
    let script = format!("(sleep 2; touch {}) & sleep 60", mark.display());
    let bin = slow_program(&folder, "git", &script);
    with_path("with_a_git_that_hangs", &folder, &bin);
    std::thread::sleep(Duration::from_secs(2));
    assert!(!mark.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_git_that_hangs() {
    let Some(directory) = given_folder() else {
        return;
    };
    let config = Config {
        timeout: "200ms".parse().unwrap(),
        ..Config::default()
    };
    let lines = lines(&config, None);
    until(&lines, &directory, |line| {
        says(line, "Local: main | Remote: unknown")
    })
    .await;
    let line = lines.fresh_line(&directory, LONG).await;
    assert_eq!(line.unwrap().facts.changes, None);
}

#[test]
fn a_pull_request_is_asked_for_when_that_is_set() {
    let folder = Folder::new();
    folder.repository("project");
    let answer = r#"echo '[{"number":12,"state":"OPEN","isDraft":false}]'"#;
    let bin = slow_program(&folder, "gh", answer);
    with_path("with_a_gh_that_answers", &folder, &bin);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_gh_that_answers() {
    let Some(directory) = given_folder() else {
        return;
    };
    let off = lines(&Config::default(), None);
    assert!(text(off.fresh_line(&directory, LONG).await).ends_with("| PR: none]"));
    let config = Config {
        pull_request: true,
        ..Config::default()
    };
    let on = lines(&config, None);
    assert!(text(on.fresh_line(&directory, LONG).await).ends_with("| PR: #12]"));
}

/// Trusts every project.
struct TrustAll;

impl Trust for TrustAll {
    fn status_line(&self, settings: &ProjectSettings) -> Option<String> {
        settings
            .status_line
            .as_ref()
            .map(|line| line.command.clone())
    }

    fn command_file(&self, _: &Path, _: &Path, _: &[u8]) -> bool {
        true
    }
}

fn settings(folder: &Path, text: &str) {
    std::fs::create_dir_all(folder.join(".claude")).unwrap();
    std::fs::write(folder.join(".claude/settings.json"), text).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_of_the_users_own_replaces_the_line() {
    let folder = Folder::new();
    let repository = folder.repository("project");
    let home = folder.path("home");
    let fresh = async |command: &str| {
        let text = serde_json::json!({"statusLine": {"type": "command", "command": command, "timeout": 1, "mode": "response"}});
        settings(&home, &text.to_string());
        let lines = lines(&Config::default(), Some(home.clone()));
        lines.fresh_line(&repository.root, LONG).await.unwrap()
    };
    let line = fresh(r"cat >/dev/null; printf 'noise\n\033[32m[Dir: mine]\033[0m\n'").await;
    assert_eq!(line.text.as_deref(), Some("[Dir: mine]"));
    assert_eq!(line.coloured.as_deref(), Some("\x1b[32m[Dir: mine]\x1b[0m"));
    assert_eq!((line.source, line.mode), (Source::Command, Mode::Response));
    let directory = repository.root.display().to_string();
    let line = fresh(r#"pwd; grep -o '"current_dir":"[^"]*"'"#).await;
    assert_eq!(line.text, Some(directory));
    // What fails, hangs or says nothing leaves ours.
    for command in ["echo x; exit 3", "sleep 60", "true", "no-such-program-here"] {
        let line = fresh(command).await;
        assert!(says(Some(&line), "Local: main |"), "{command}: {line:?}");
        assert_eq!(line.source, Source::Template);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projects_command_needs_trust() {
    let folder = Folder::new();
    let repository = folder.repository("project");
    settings(
        &repository.root,
        r#"{"statusLine": {"type": "command", "command": "echo theirs", "mode": "prompt"}}"#,
    );
    let distrusting = lines(&Config::default(), None);
    let line = distrusting
        .fresh_line(&repository.root, LONG)
        .await
        .unwrap();
    assert_eq!((line.source, line.mode), (Source::Template, Mode::Off));
    let runtime = tokio::runtime::Handle::current();
    let trusting = StatusLines::new(&Config::default(), None, Arc::new(TrustAll), runtime);
    let line = trusting.fresh_line(&repository.root, LONG).await.unwrap();
    assert_eq!(line.text.as_deref(), Some("theirs"));
    assert_eq!(line.mode, Mode::Prompt);
}
