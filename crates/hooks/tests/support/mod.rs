//! A project and a home folder with hooks, and a dispatcher to run them.
#![allow(dead_code, reason = "each suite uses its part")]
#![allow(clippy::unwrap_used, unreachable_pub)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use codex_plus_hooks::config::Config;
use codex_plus_hooks::dispatcher::Dispatcher;
use codex_plus_hooks::input::{EventInput, HookInput, ToolCall};
use codex_plus_hooks::merge::Merged;
use codex_plus_hooks::set::{HookSet, Trusted};
use codex_plus_hooks::trust::{Inventory, TrustStore};
use codex_plus_project::settings::ProjectSettings;
use serde_json::{Value, json};

pub struct Place {
    folder: tempfile::TempDir,
    pub project: PathBuf,
    pub home: PathBuf,
    pub state: PathBuf,
    pub dispatcher: Dispatcher,
}

impl Place {
    pub fn new() -> Self {
        Self::with(Config::default())
    }

    pub fn with(config: Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let [project, home, state] = ["a project", "home", "state"].map(|name| root.join(name));
        for root in [&project, &home] {
            fs::create_dir_all(root.join(".claude/hooks")).unwrap();
            fs::create_dir_all(root.join(".codexplus/hooks")).unwrap();
        }
        fs::create_dir_all(&state).unwrap();
        Self {
            folder,
            project,
            home,
            state,
            dispatcher: Dispatcher::new(config),
        }
    }

    pub fn load(&self) -> ProjectSettings {
        ProjectSettings::load(Some(&self.project), Some(&self.home))
    }

    pub fn inventory(&self) -> Inventory {
        Inventory::take(&self.load())
    }

    pub fn store(&self) -> TrustStore {
        TrustStore::new(&self.state)
    }

    pub fn trust(&self) {
        self.store().trust(&self.inventory()).unwrap();
    }

    /// The hooks as they stand, with what is trusted now.
    pub fn set(&self) -> HookSet {
        let settings = self.load();
        assert!(settings.problems.is_empty(), "{:?}", settings.problems);
        let inventory = Inventory::take(&settings);
        let pins = self.store().pins(&inventory).unwrap();
        HookSet::compile(
            &settings,
            &Trusted::of(&inventory, pins, &self.state).unwrap(),
        )
    }

    pub async fn dispatch(&self, event: EventInput) -> Merged {
        self.dispatcher.dispatch(&self.set(), &input(event)).await
    }

    /// Runs one shell command of the home folder as a hook of an event.
    pub async fn command(&self, event: EventInput, command: &str) -> Merged {
        let hook = json!([{"type": "command", "command": command}]);
        settings(&self.home, name(&event), &hook);
        self.dispatch(event).await
    }

    pub fn last_error(&self) -> Option<String> {
        let stats = self.dispatcher.stats().snapshot();
        stats.into_iter().find_map(|stats| stats.last_error)
    }
}

pub fn name(event: &EventInput) -> &'static str {
    input(event.clone()).event().name()
}

pub fn input(event: EventInput) -> HookInput {
    HookInput {
        session_id: Some("s-1".to_owned()),
        event,
        ..HookInput::default()
    }
}

pub fn prompt() -> EventInput {
    EventInput::UserPromptSubmit {
        prompt: "hello".to_owned(),
    }
}

pub fn call(tool: &str, input: Value) -> ToolCall {
    ToolCall {
        tool_name: tool.to_owned(),
        tool_input: input,
        tool_use_id: "call-1".to_owned(),
        tool_response: Value::Null,
    }
}

pub fn pre_tool() -> EventInput {
    EventInput::PreToolUse(call("exec_command", json!({"cmd": "git push"})))
}

pub fn post_tool() -> EventInput {
    EventInput::PostToolUse(call("exec_command", json!({"cmd": "git push"})))
}

/// Not by this process: a test beside this one may fork while the file is open for writing, and
/// until that one's exec a program is busy.
pub fn write(path: &Path, text: &str, mode: u32) {
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", "printf %s \"$1\" > \"$0\""])
        .arg(path)
        .arg(text);
    assert!(shell.status().unwrap().success());
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Writes hooks of one event into the home folder's or the project's settings.
pub fn settings(root: &Path, event: &str, hooks: &Value) {
    let text = json!({"hooks": {event: [{"hooks": hooks}]}}).to_string();
    fs::write(root.join(".claude/settings.json"), text).unwrap();
}
