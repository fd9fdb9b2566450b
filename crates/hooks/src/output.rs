//! What a hook said: its exit code, output and JSON, read into one typed outcome.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::event::HookEvent;

/// What a hook's process or server gave back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawOutput {
    /// The exit code; `None` when a signal ended it. HTTP hooks that answered have 0.
    pub code: Option<i32>,
    /// Standard output, or the answer's body.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// Output went beyond the limit and was cut.
    pub cut: bool,
}

/// Why a hook's run does not count. None of these stops an exchange, and none tells output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookFailure {
    /// An exit code other than 0 and 2.
    #[error("it ended with exit code {0}")]
    Exit(i32),
    /// Ended by a signal.
    #[error("it was ended by a signal")]
    Signal,
    /// Took too long, and was killed with all it had started.
    #[error("it took longer than {} s; raise its `timeout`", .0.as_secs_f32())]
    Timeout(Duration),
    /// Standard output began like JSON and is none.
    #[error("its output is not valid JSON (line {line}, column {column})")]
    Json {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// JSON output was longer than the limit.
    #[error("its output is larger than `hooks.output`")]
    TooLarge,
    /// A field of the JSON has a value that means nothing; the others count.
    #[error("its output has an unusable `{0}`")]
    Field(&'static str),
    /// It could not be started.
    #[error("it could not be run: {0}")]
    Start(String),
    /// The server answered with a status other than 2xx.
    #[error("its server answered with status {0}")]
    Status(u16),
    /// The server could not be asked.
    #[error("its server could not be asked: {0}")]
    Unreachable(&'static str),
    /// Too many `async` hooks run already.
    #[error("it was not started: `hooks.max_background` are running already")]
    Crowded,
}

/// A hook's word on a tool call; the later ones are stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Go ahead.
    Allow,
    /// Let the user decide.
    Ask,
    /// Not now.
    Defer,
    /// No.
    Deny,
}

/// What one hook wants.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HookOutcome {
    /// Keep it from happening, and why.
    pub block: Option<String>,
    /// `continue: false`: stop altogether, and why.
    pub stop: Option<String>,
    /// Its word on a tool call, and why.
    pub permission: Option<(Permission, Option<String>)>,
    /// Context for the model.
    pub context: Option<String>,
    /// The tool's new arguments.
    pub updated_input: Option<Value>,
    /// The tool's new output.
    pub updated_output: Option<Value>,
    /// For the user.
    pub system_message: Option<String>,
    /// Keep its output out of what the user is shown.
    pub suppress_output: bool,
    /// What has no effect on this event or was cut.
    pub notes: Vec<&'static str>,
    /// What went wrong.
    pub failure: Option<HookFailure>,
}

impl From<HookFailure> for HookOutcome {
    fn from(failure: HookFailure) -> Self {
        Self {
            failure: Some(failure),
            ..Self::default()
        }
    }
}

const NO_REASON: &str = "A hook blocked this without giving a reason.";

impl HookOutcome {
    /// Reads what a hook gave back for an event.
    pub fn read(event: HookEvent, output: &RawOutput) -> Self {
        let mut outcome = match output.code {
            // No JSON can override it.
            Some(2) => Self {
                block: Some(text(&output.stderr).unwrap_or_else(|| NO_REASON.to_owned())),
                ..Self::default()
            },
            Some(0) => Self::from_stdout(event, output),
            Some(code) => return HookFailure::Exit(code).into(),
            None => return HookFailure::Signal.into(),
        };
        outcome.confine(event);
        outcome
    }

    fn from_stdout(event: HookEvent, output: &RawOutput) -> Self {
        let stdout = output.stdout.trim_ascii();
        if !stdout.starts_with(b"{") {
            let context = text(stdout).filter(|_| event.takes_plain_text());
            let notes = if output.cut && context.is_some() {
                vec!["its output was cut at `hooks.output`"]
            } else {
                Vec::new()
            };
            return Self {
                context,
                notes,
                ..Self::default()
            };
        }
        if output.cut {
            return HookFailure::TooLarge.into();
        }
        match serde_json::from_slice(stdout) {
            Ok(fields) => Self::from_json(event, &fields),
            Err(error) => HookFailure::Json {
                line: error.line(),
                column: error.column(),
            }
            .into(),
        }
    }

    /// Reads field by field: a slip in one of them must not lose a block said in another.
    fn from_json(event: HookEvent, fields: &Map<String, Value>) -> Self {
        let mut reader = Reader::default();
        let mut outcome = Self {
            system_message: reader.string(fields, "systemMessage"),
            suppress_output: reader.flag(fields, "suppressOutput").unwrap_or(false),
            ..Self::default()
        };
        let stop_reason = reader.string(fields, "stopReason");
        if reader.flag(fields, "continue") == Some(false) {
            outcome.stop = Some(stop_reason.unwrap_or_else(|| NO_REASON.to_owned()));
        }
        let reason = reader.string(fields, "reason");
        match reader.string(fields, "decision").as_deref() {
            Some("block") => outcome.block = Some(reason.unwrap_or_else(|| NO_REASON.to_owned())),
            // An older spelling of `permissionDecision: "allow"`.
            Some("approve") if event == HookEvent::PreToolUse => {
                outcome.permission = Some((Permission::Allow, reason));
            }
            None | Some("approve") => {}
            Some(_) => reader.fail("decision"),
        }
        match fields.get("hookSpecificOutput") {
            None | Some(Value::Null) => {}
            Some(Value::Object(own)) => outcome.read_specific(event, own, &mut reader),
            Some(_) => reader.fail("hookSpecificOutput"),
        }
        outcome.failure = reader.failure;
        outcome
    }

    fn read_specific(
        &mut self,
        event: HookEvent,
        fields: &Map<String, Value>,
        reader: &mut Reader,
    ) {
        // Meant for another event: nothing in it is for this one.
        let named = reader.string(fields, "hookEventName");
        if named.is_some_and(|name| name != event.name()) {
            return reader.fail("hookEventName");
        }
        self.context = reader.string(fields, "additionalContext");
        let reason = reader.string(fields, "permissionDecisionReason");
        let decision = reader.string(fields, "permissionDecision");
        let permission = match decision.as_deref() {
            None => None,
            Some("allow") => Some(Permission::Allow),
            Some("deny") => Some(Permission::Deny),
            Some("ask") => Some(Permission::Ask),
            Some("defer") => Some(Permission::Defer),
            Some(_) => {
                reader.fail("permissionDecision");
                None
            }
        };
        if let Some(permission) = permission {
            self.permission = Some((permission, reason));
        }
        match fields.get("updatedInput") {
            None | Some(Value::Null) => {}
            // Free-form tools take text.
            Some(input @ (Value::Object(_) | Value::String(_))) => {
                self.updated_input = Some(input.clone());
            }
            Some(_) => reader.fail("updatedInput"),
        }
        self.updated_output = fields
            .get("updatedToolOutput")
            .filter(|output| !output.is_null())
            .cloned();
    }

    /// Takes out what the event cannot be made to do, and notes it.
    fn confine(&mut self, event: HookEvent) {
        let effects = event.effects();
        let mut drop = |given: bool, note| {
            if given {
                self.notes.push(note);
            }
        };
        if !effects.permission {
            let given = self.permission.take().is_some();
            drop(given, "`permissionDecision` has no effect on this event");
            let given = self.updated_input.take().is_some();
            drop(given, "`updatedInput` has no effect on this event");
        }
        if !effects.update_output {
            let given = self.updated_output.take().is_some();
            drop(given, "`updatedToolOutput` has no effect on this event");
        }
        if !effects.context {
            let given = self.context.take().is_some();
            drop(given, "`additionalContext` has no effect on this event");
        }
        if effects.block {
            return;
        }
        let given = self.stop.take().is_some();
        drop(given, "`continue: false` has no effect on this event");
        match self.block.take() {
            Some(reason) if effects.feedback => {
                let parts = self.context.take().into_iter().chain([reason]);
                self.context = Some(parts.collect::<Vec<_>>().join("\n"));
            }
            block => drop(block.is_some(), "this event cannot be blocked"),
        }
    }
}

/// Reads fields and remembers the first one that makes no sense.
#[derive(Default)]
struct Reader {
    failure: Option<HookFailure>,
}

impl Reader {
    fn fail(&mut self, field: &'static str) {
        self.failure.get_or_insert(HookFailure::Field(field));
    }

    fn string(&mut self, fields: &Map<String, Value>, name: &'static str) -> Option<String> {
        match fields.get(name)? {
            Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            Value::Null => None,
            _ => {
                self.fail(name);
                None
            }
        }
    }

    fn flag(&mut self, fields: &Map<String, Value>, name: &'static str) -> Option<bool> {
        match fields.get(name)? {
            Value::Bool(flag) => Some(*flag),
            Value::Null => None,
            _ => {
                self.fail(name);
                None
            }
        }
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes.trim_ascii()).into_owned();
    (!text.is_empty()).then_some(text)
}
