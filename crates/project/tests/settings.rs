//! The settings layers, read from real folders.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use codex_plus_project::settings::{
    HookHandler, LARGEST_FILE, Owner, ProjectSettings, SettingsError,
};
use proptest::prelude::*;

struct Layers {
    _folder: tempfile::TempDir,
    project: PathBuf,
    home: PathBuf,
}

impl Layers {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (project, home) = (folder.path().join("project"), folder.path().join("home"));
        for root in [&project, &home] {
            for name in [".codexplus", ".claude"] {
                fs::create_dir_all(root.join(name)).unwrap();
            }
        }
        Self {
            _folder: folder,
            project,
            home,
        }
    }

    fn load(&self) -> ProjectSettings {
        ProjectSettings::load(Some(&self.project), Some(&self.home))
    }
}

fn command(text: &str) -> String {
    format!(
        r#"{{"hooks": {{"Stop": [{{"hooks": [{{"type": "command", "command": "{text}"}}]}}]}},
        "statusLine": {{"type": "command", "command": "line {text}"}}}}"#
    )
}

fn commands(settings: &ProjectSettings) -> Vec<(String, Owner)> {
    let groups = settings.hooks.get("Stop").cloned().unwrap_or_default();
    groups
        .into_iter()
        .flat_map(|group| group.hooks)
        .filter_map(|hook| match hook.handler {
            HookHandler::Command { command, .. } => Some((command, hook.owner)),
            HookHandler::Http { .. } => None,
        })
        .collect()
}

#[test]
fn layers_concatenate_in_order_and_the_first_scalar_wins() {
    let layers = Layers::new();
    let mut expected = Vec::new();
    for (root, owner) in [
        (&layers.project, Owner::Project),
        (&layers.home, Owner::Home),
    ] {
        for folder in [".codexplus", ".claude"] {
            for file in ["settings.local.json", "settings.json"] {
                let name = format!("{owner:?}/{folder}/{file}");
                fs::write(root.join(folder).join(file), command(&name)).unwrap();
                expected.push((name, owner));
            }
        }
    }
    let mut settings = layers.load();
    assert_eq!(commands(&settings), expected);
    // Take the files away one by one, the winner first: the next one wins.
    for (index, source) in settings.sources.clone().iter().enumerate() {
        let line = settings.status_line.take().unwrap();
        assert_eq!(line.command, format!("line {}", expected[index].0));
        assert_eq!(line.file, source.path);
        fs::remove_file(&source.path).unwrap();
        assert!(settings.is_stale());
        settings = layers.load();
    }
    assert!(settings.status_line.is_none() && settings.hooks.is_empty());
    assert!(!settings.is_stale());
}

#[test]
fn a_broken_file_names_its_line_and_the_others_count() {
    let cases = [
        ("{\n  \"hooks\": {,\n", 2, "not valid JSON"),
        ("{\n\n \"hooks\": []}", 3, "hooks: expected a map"),
        ("{} {}", 1, "not valid JSON"),
        (
            r#"{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "x", "timeout": -1}]}]}}"#,
            1,
            "hooks.Stop[0].hooks[0]",
        ),
        ("\u{1}", 1, "not valid JSON"),
    ];
    for (text, wanted_line, wanted) in cases {
        let layers = Layers::new();
        fs::write(layers.project.join(".claude/settings.json"), text).unwrap();
        fs::write(layers.home.join(".claude/settings.json"), command("home")).unwrap();
        let settings = layers.load();
        assert_eq!(commands(&settings), [("home".to_owned(), Owner::Home)]);
        let [SettingsError::Malformed { line, reason, .. }] = &settings.problems[..] else {
            panic!("{text}: {:?}", settings.problems);
        };
        assert_eq!(*line, wanted_line, "{text}");
        assert!(reason.contains(wanted), "{text}: {reason}");
        let told = settings.problems[0].to_string();
        assert!(
            told.contains(&format!(".claude/settings.json:{line}:")),
            "{told}"
        );
    }
}

#[test]
fn an_error_does_not_tell_a_value() {
    let layers = Layers::new();
    let text =
        r#"{"hooks": {"Stop": [{"hooks": [{"type": "http", "headers": "sk-hush, expected"}]}]}}"#;
    fs::write(layers.project.join(".claude/settings.json"), text).unwrap();
    let told = layers.load().problems[0].to_string();
    assert!(
        told.contains("headers: expected a map") && !told.contains("hush"),
        "{told}"
    );
}

#[test]
fn one_bad_hook_does_not_cost_the_others() {
    let layers = Layers::new();
    let text = r#"{"permissions": {"allow": []}, "hooks": {"Stop": [{"matcher": "x", "hooks": [
        {"type": "prompt", "prompt": "?"}, {"type": "command"}, {"type": "http", "url": " "}, {},
        {"type": "http", "url": "http://localhost:1", "headers": {"a": "$B"}, "allowedEnvVars": ["B"]},
        {"type": "command", "command": "ok", "timeout": 0.5, "async": true, "if": "Bash(git *)"}]}]}}"#;
    fs::write(layers.project.join(".codexplus/settings.json"), text).unwrap();
    let settings = layers.load();
    assert_eq!(settings.problems.len(), 4, "{:?}", settings.problems);
    let group = &settings.hooks["Stop"][0];
    assert_eq!((group.matcher.as_str(), group.hooks.len()), ("x", 2));
    assert_eq!(group.hooks[1].timeout, Some(Duration::from_millis(500)));
    assert_eq!(group.hooks[1].condition.as_deref(), Some("Bash(git *)"));
    assert_eq!(group.hooks[1].place, "hooks.Stop[0].hooks[5]");
}

#[test]
fn hostile_files_are_left_out() {
    let layers = Layers::new();
    let path = layers.project.join(".claude/settings.json");
    let only = |settings: ProjectSettings| {
        assert!(settings.hooks.is_empty());
        assert_eq!(settings.problems.len(), 1);
        settings.problems.into_iter().next().unwrap()
    };
    let length = usize::try_from(LARGEST_FILE).unwrap();
    fs::write(&path, vec![b' '; length + 1]).unwrap();
    assert!(matches!(
        only(layers.load()),
        SettingsError::TooLarge { .. }
    ));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(
        only(layers.load()),
        SettingsError::NotAFile { .. }
    ));
    fs::remove_dir(&path).unwrap();
    for outside in ["/dev/zero", "/etc/passwd", "../../home/.claude"] {
        symlink(outside, &path).unwrap();
        assert!(matches!(only(layers.load()), SettingsError::Outside { .. }));
        fs::remove_file(&path).unwrap();
    }
    // A pipe without a writer must not hold the reader.
    rustix_fifo(&path);
    assert!(matches!(
        only(layers.load()),
        SettingsError::NotAFile { .. }
    ));
    fs::remove_file(&path).unwrap();
    symlink(&path, &path).unwrap();
    assert!(matches!(
        only(layers.load()),
        SettingsError::Unreadable { .. }
    ));
}

fn rustix_fifo(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

#[test]
fn links_within_the_project_and_from_home_are_followed() {
    let layers = Layers::new();
    fs::write(layers.project.join("shared.json"), command("project")).unwrap();
    symlink(
        "../shared.json",
        layers.project.join(".claude/settings.json"),
    )
    .unwrap();
    let elsewhere = layers.home.parent().unwrap().join("dotfiles.json");
    fs::write(&elsewhere, command("home")).unwrap();
    symlink(&elsewhere, layers.home.join(".claude/settings.json")).unwrap();
    let settings = layers.load();
    let names: Vec<_> = commands(&settings)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["project", "home"]);
    assert!(!settings.is_stale());
    fs::write(&elsewhere, command("longer than before")).unwrap();
    assert!(settings.is_stale());
}

#[test]
fn the_home_folder_as_project_counts_once_and_as_home() {
    let layers = Layers::new();
    fs::write(layers.home.join(".claude/settings.json"), command("home")).unwrap();
    let settings = ProjectSettings::load(Some(&layers.home), Some(&layers.home));
    assert_eq!(commands(&settings), [("home".to_owned(), Owner::Home)]);
}

proptest! {
    #[test]
    fn no_file_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0..200usize) {
        let layers = Layers::new();
        let text = command("x");
        fs::write(layers.project.join(".claude/settings.json"), bytes).unwrap();
        fs::write(layers.project.join(".codexplus/settings.json"), text.get(..cut).unwrap_or("")).unwrap();
        layers.load();
    }
}
