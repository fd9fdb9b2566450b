//! The layers, on files in a made-up home.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::*;
use crate::environment::Environment;

/// A home with a repository in it.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Self { folder };
        std::fs::create_dir_all(home.path("repo/.git")).unwrap();
        std::fs::create_dir_all(home.path("repo/deep/down")).unwrap();
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn user(&self, text: &str) -> PathBuf {
        self.write(".config/codex-plus/config.toml", text)
    }

    fn project(&self, text: &str) -> PathBuf {
        self.write("repo/.codexplus/config.toml", text)
    }

    fn load(&self, variables: &[(&str, &str)]) -> Result<Loaded, SettingsError> {
        let home = (OsString::from("HOME"), self.path("").into_os_string());
        let others = variables
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let cwd = self.path("repo/deep/down");
        load(&Environment::new(others.chain([home]), cwd), Vec::new())
    }
}

fn place(path: &Path, line: usize, column: usize) -> Origin {
    let path = path.to_owned();
    Origin::File { path, line, column }
}

#[test]
fn nothing_set_means_defaults() {
    let loaded = Home::new().load(&[]).unwrap();
    assert_eq!(loaded.settings.proxy, Config::default());
    assert_eq!(loaded.settings.log, LogSettings::default());
    assert!(loaded.files.is_empty());
}

#[test]
fn the_stronger_layer_wins_key_by_key() {
    let home = Home::new();
    let user = home.user("upstream = 'http://127.0.0.1:1/user'\nwebsocket = true\n[timeouts]\nping = '1s'\ndrain = '2s'\n");
    let project = home.project("websocket = false\n[timeouts]\nping = '3s'\n");
    let loaded = home
        .load(&[("CODEX_PLUS_UPSTREAM", "http://127.0.0.1:1/env")])
        .unwrap();
    assert_eq!(loaded.settings.proxy.upstream, "http://127.0.0.1:1/env");
    assert!(!loaded.settings.proxy.websocket);
    assert_eq!(loaded.settings.proxy.timeouts.ping.to_string(), "3s");
    assert_eq!(loaded.settings.proxy.timeouts.drain.to_string(), "2s");
    assert_eq!(loaded.files, [user.clone(), project.clone()]);
    assert_eq!(
        loaded.origin("upstream"),
        "environment variable CODEX_PLUS_UPSTREAM"
    );
    assert_eq!(
        loaded.origin("timeouts.ping"),
        place(&project, 3, 8).to_string()
    );
    assert_eq!(
        loaded.origin("timeouts.drain"),
        place(&user, 5, 9).to_string()
    );
    assert_eq!(loaded.origin("listen"), "default");
}

#[test]
fn a_project_can_neither_redirect_nor_loosen() {
    let home = Home::new();
    let project = home.project(
        "upstream = 'https://evil.example'\nlisten = '0.0.0.0:1'\ntrusted_projects = ['/']\n\
         [guard]\ntoken = 'x'\n[tls]\nca_files = ['evil.pem']\n",
    );
    let loaded = home.load(&[]).unwrap();
    assert_eq!(loaded.settings.proxy, Config::default());
    let mut keys: Vec<_> = loaded
        .ignored
        .iter()
        .map(|ignored| ignored.key.as_str())
        .collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "guard.token",
            "listen",
            "tls.ca_files",
            "trusted_projects",
            "upstream"
        ]
    );
    assert!(
        loaded
            .ignored
            .iter()
            .any(|it| it.origin == place(&project, 1, 12))
    );
}

#[test]
fn a_trusted_project_may_set_all_but_trust() {
    let home = Home::new();
    home.user("trusted_projects = ['~/repo']\n");
    home.project(
        "upstream = 'http://127.0.0.1:9'\ntrusted_projects = ['/']\ntls.ca_files = ['ca.pem']\n",
    );
    let loaded = home.load(&[]).unwrap();
    assert_eq!(loaded.settings.proxy.upstream, "http://127.0.0.1:9");
    assert_eq!(loaded.settings.trusted_projects, [PathBuf::from("~/repo")]);
    assert_eq!(
        loaded.settings.proxy.tls.ca_files,
        [home.path("repo/.codexplus/ca.pem")]
    );
    assert_eq!(loaded.ignored.len(), 1);
}

#[test]
fn the_search_ends_at_the_git_root_and_before_home() {
    let home = Home::new();
    home.write(".codexplus/config.toml", "websocket = false");
    assert!(home.load(&[]).unwrap().settings.proxy.websocket);
    std::fs::remove_dir(home.path("repo/.git")).unwrap();
    assert!(home.load(&[]).unwrap().settings.proxy.websocket);
}

#[test]
fn an_unknown_key_is_told_with_its_place_and_the_nearest() {
    let home = Home::new();
    let user = home.user("# mine\nupstream = 'auto'\n[timeouts]\n  drian = '1s'\n");
    let error = home.load(&[]).unwrap_err();
    assert_eq!(error.origin, place(&user, 4, 3));
    assert_eq!(
        error.problem,
        "unknown key `timeouts.drian`; did you mean `timeouts.drain`?"
    );
    let user = home.user("upstraem = 'auto'\n");
    let error = home.load(&[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}:1:1: unknown key `upstraem`; did you mean `upstream`?",
            user.display()
        )
    );
}

#[test]
fn a_bad_value_is_told_with_its_place() {
    let home = Home::new();
    for (text, line, column, says) in [
        ("limits.body = '1 parsec'", 1, 15, "is not a size"),
        ("\nlisten = 'nowhere'", 2, 10, "write an address and a port"),
        ("[timeouts]\ndrain = 10", 2, 9, "expected a string"),
        ("websocket = 'ja'", 1, 13, "expected a boolean"),
        ("limits = 3", 1, 10, "is a section"),
        ("upstream = 'é\n", 1, 14, "not valid TOML"),
        ("[log]\nformat = 'xml'", 2, 10, "expected `text` or `json`"),
        ("log.keep = 1000", 1, 12, "at most 100"),
    ] {
        let user = home.user(text);
        let error = home.load(&[]).unwrap_err();
        assert_eq!(error.origin, place(&user, line, column), "{text}: {error}");
        assert!(error.problem.contains(says), "{text}: {error}");
    }
}

#[test]
fn a_bad_variable_is_named() {
    let error = Home::new()
        .load(&[("CODEX_PLUS_PASSTHROUGH", "maybe")])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "environment variable CODEX_PLUS_PASSTHROUGH: passthrough = \"maybe\" is neither true nor false"
    );
}

#[test]
fn an_address_may_be_written_short() {
    for (written, meant) in [
        ("10001", "127.0.0.1:10001"),
        (":10001", "127.0.0.1:10001"),
        ("localhost:10001", "127.0.0.1:10001"),
        ("[::1]:7", "[::1]:7"),
    ] {
        let loaded = Home::new().load(&[("CODEX_PLUS_LISTEN", written)]).unwrap();
        assert_eq!(loaded.settings.proxy.listen.to_string(), meant);
    }
}

#[test]
fn the_token_is_never_shown() {
    let home = Home::new();
    let loaded = home.load(&[("CODEX_PLUS_TOKEN", "s3cret")]).unwrap();
    assert_eq!(loaded.settings.proxy.guard.token.as_deref(), Some("s3cret"));
    assert_eq!(loaded.shown()["guard.token"], "********");
    home.user("guard.token = ['s3cret']");
    assert!(!home.load(&[]).unwrap_err().to_string().contains("s3cret"));
}

#[test]
fn the_published_schema_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/config.schema.json");
    let published = std::fs::read_to_string(path).unwrap();
    assert!(
        published == schema_text(),
        "run `codex-plus config schema > docs/config.schema.json`"
    );
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[a-z.=\\[\\]'\"\\n é0-9]{0,60}") {
        let _ = file::parse(&text, Path::new("any.toml"));
    }
}

#[test]
fn the_page_about_settings_has_every_key_default_and_variable() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md");
    let page = std::fs::read_to_string(path).unwrap();
    for (key, value) in assignment::keys() {
        let default = match value {
            serde_json::Value::Null => String::new(),
            // A bar would end the cell.
            serde_json::Value::String(text) => format!("`{}` ", text.replace('|', "\\|")),
            value => format!("`{value}` "),
        };
        assert!(
            page.contains(&format!("| `{key}` | {default}| ")),
            "{key} {default}"
        );
    }
    for variable in crate::environment::VARIABLES {
        assert!(
            page.contains(&format!("| `{}` | ", variable.name)),
            "{}",
            variable.name
        );
    }
}
