//! The answer when nothing was scripted: what a model might plausibly do.

use serde_json::{Value, json};

use crate::answer::Reply;
use crate::request::Kind;

/// How the client wants a shell command called. On WebSocket only the first
/// message lists the tools, so the connection remembers the style.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ToolStyle {
    /// `shell` with `{"command":["bash","-lc",…]}`.
    Shell,
    /// `shell_command` with `{"command":…}`.
    ShellCommand,
    /// `exec_command` with `{"cmd":…}`.
    ExecCommand,
    /// Code mode: custom tool `exec`, whose input is JavaScript.
    Code,
}

impl ToolStyle {
    /// The style a request offers, if it offers any.
    pub(crate) fn of(request: &Value) -> Option<Self> {
        let named = |name: &str| match name {
            "shell" => Some(Self::Shell),
            "shell_command" => Some(Self::ShellCommand),
            "exec_command" => Some(Self::ExecCommand),
            _ => None,
        };
        let mut offered = request["tools"].as_array().into_iter().flatten();
        let top_level = offered.find_map(|tool| named(tool["name"].as_str()?));
        // Seen with Codex 0.169.0: code mode lists its tools in the first input item.
        top_level
            .or_else(|| (request["input"][0]["type"] == "additional_tools").then_some(Self::Code))
    }

    fn call(self, command: &str) -> Reply {
        let function = |name: &str, arguments: Value| Reply::FunctionCall {
            name: name.to_owned(),
            arguments,
        };
        match self {
            Self::Shell => function("shell", json!({"command": ["bash", "-lc", command]})),
            Self::ShellCommand => function("shell_command", json!({"command": command})),
            Self::ExecCommand => function("exec_command", json!({"cmd": command})),
            Self::Code => Reply::CustomToolCall {
                name: "exec".to_owned(),
                input: format!(
                    "const result = await tools.exec_command({{cmd: {}}});\ntext(result.output);",
                    Value::from(command)
                ),
            },
        }
    }
}

/// Chooses a reply. It quotes nothing of the prompt but a command to run.
pub(crate) fn reply(request: &Value, known: Option<ToolStyle>) -> Reply {
    let items = request["input"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let last_kind = items
        .last()
        .and_then(|item| item["type"].as_str())
        .unwrap_or_default();
    if last_kind.ends_with("_output") {
        return text("The tool has answered, and there is nothing left to do.");
    }
    let command = prompt(request, items).and_then(|prompt| command(&prompt));
    match (command, ToolStyle::of(request).or(known)) {
        (Some(command), Some(style)) => style.call(&command),
        (Some(_), None) => text("There is no tool here to run that with."),
        (None, _) => text("This is the stand-in: no model was asked, and all went well."),
    }
}

/// A title, as JSON when the request asks for a JSON schema.
pub(crate) fn title(request: &Value) -> Reply {
    let properties = request["text"]["format"]["schema"]["properties"].as_object();
    match properties {
        Some(properties) => {
            let fill = |name: &String| (name.clone(), Value::from("Stand-in session"));
            let filled: serde_json::Map<String, Value> = properties.keys().map(fill).collect();
            text(&Value::Object(filled).to_string())
        }
        None => text("Stand-in session"),
    }
}

fn text(text: &str) -> Reply {
    // As many deltas as words, so that a watcher sees it stream.
    Reply::Text {
        text: text.to_owned(),
        deltas: text.split(' ').count(),
    }
}

/// The latest text a user typed: user-role items that tell the context do not count.
fn prompt(request: &Value, items: &[Value]) -> Option<String> {
    if let Some(text) = request["input"].as_str() {
        return Some(text.to_owned());
    }
    items
        .iter()
        .rev()
        .filter(|item| item["role"] == "user")
        .find_map(typed)
}

fn typed(item: &Value) -> Option<String> {
    if let Some(text) = item["content"].as_str() {
        return Some(text.to_owned());
    }
    let parts = item["content"]
        .as_array()?
        .iter()
        .filter_map(|part| part["text"].as_str());
    let own = |text: &&str| !text.starts_with('<') && !text.starts_with("# AGENTS.md");
    let typed: Vec<&str> = parts.filter(own).collect();
    (!typed.is_empty()).then(|| typed.join("\n"))
}

/// The command of a line `run: <command>`.
fn command(prompt: &str) -> Option<String> {
    let line = prompt
        .lines()
        .find_map(|line| line.trim().strip_prefix("run:"))?;
    let command = line.trim();
    (!command.is_empty()).then(|| command.to_owned())
}

/// What to say when the script leaves it to us.
pub(crate) fn suit(kind: Kind, plain: &[u8]) -> Reply {
    let request = || serde_json::from_slice(plain).unwrap_or(Value::Null);
    match kind {
        Kind::Turn => reply(&request(), None),
        Kind::Title => title(&request()),
        Kind::Prewarm | Kind::Compaction => Reply::default(),
    }
}
