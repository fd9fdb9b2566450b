//! What a hook is told: the JSON on a command's standard input and in an HTTP hook's body.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use crate::event::HookEvent;

/// Room that the JSON of a short prompt fits in.
const ROOM: usize = 1 << 10;

/// The input of the hooks of one event. Facts the wire does not tell are `null`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct HookInput {
    /// The client's session.
    pub session_id: Option<String>,
    /// The turn within it.
    pub turn_id: Option<String>,
    /// The prompt's item id.
    pub prompt_id: Option<String>,
    /// The client's own record of the session, when known.
    pub transcript_path: Option<PathBuf>,
    /// The client's working directory.
    pub cwd: Option<PathBuf>,
    /// The client's approval mode.
    pub permission_mode: Option<String>,
    /// The model asked for.
    pub model: Option<String>,
    /// The event and its own fields.
    #[serde(flatten)]
    pub event: EventInput,
}

/// One tool call and its output.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ToolCall {
    /// The tool, as the client calls it.
    pub tool_name: String,
    /// Its arguments: an object, or the text of a free-form tool.
    pub tool_input: Value,
    /// The call's id.
    pub tool_use_id: String,
    /// Its output, once there is one.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub tool_response: Value,
}

/// An event and its own fields.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "hook_event_name")]
#[allow(missing_docs, reason = "the fields are named as in the contract")]
pub enum EventInput {
    /// See [`HookEvent::SessionStart`]; `source` is `startup`, `resume` or `clear`.
    SessionStart { source: String },
    /// See [`HookEvent::UserPromptSubmit`].
    UserPromptSubmit { prompt: String },
    /// See [`HookEvent::PreToolUse`].
    PreToolUse(ToolCall),
    /// See [`HookEvent::PostToolUse`].
    PostToolUse(ToolCall),
    /// See [`HookEvent::PostToolUseFailure`].
    PostToolUseFailure {
        #[serde(flatten)]
        call: ToolCall,
        error: String,
    },
    /// See [`HookEvent::PostToolBatch`].
    PostToolBatch { tool_calls: Vec<ToolCall> },
    /// See [`HookEvent::Stop`]; `stop_hook_active`: a hook already kept this turn from ending.
    Stop {
        stop_hook_active: bool,
        last_assistant_message: Option<String>,
    },
    /// See [`HookEvent::StopFailure`].
    StopFailure {
        error: String,
        error_details: Option<String>,
    },
    /// See [`HookEvent::PreCompact`]; `trigger` is `manual` or `auto`.
    PreCompact { trigger: String },
    /// See [`HookEvent::PostCompact`].
    PostCompact { trigger: String },
    /// See [`HookEvent::SubagentStart`].
    SubagentStart {
        agent_id: String,
        agent_type: String,
    },
    /// See [`HookEvent::SubagentStop`].
    SubagentStop {
        agent_id: String,
        agent_type: String,
        last_assistant_message: Option<String>,
    },
    /// See [`HookEvent::SessionEnd`].
    SessionEnd { reason: String },
}

impl Default for EventInput {
    fn default() -> Self {
        Self::Stop {
            stop_hook_active: false,
            last_assistant_message: None,
        }
    }
}

impl HookInput {
    /// The event this is the input of.
    pub fn event(&self) -> HookEvent {
        match &self.event {
            EventInput::SessionStart { .. } => HookEvent::SessionStart,
            EventInput::UserPromptSubmit { .. } => HookEvent::UserPromptSubmit,
            EventInput::PreToolUse(_) => HookEvent::PreToolUse,
            EventInput::PostToolUse(_) => HookEvent::PostToolUse,
            EventInput::PostToolUseFailure { .. } => HookEvent::PostToolUseFailure,
            EventInput::PostToolBatch { .. } => HookEvent::PostToolBatch,
            EventInput::Stop { .. } => HookEvent::Stop,
            EventInput::StopFailure { .. } => HookEvent::StopFailure,
            EventInput::PreCompact { .. } => HookEvent::PreCompact,
            EventInput::PostCompact { .. } => HookEvent::PostCompact,
            EventInput::SubagentStart { .. } => HookEvent::SubagentStart,
            EventInput::SubagentStop { .. } => HookEvent::SubagentStop,
            EventInput::SessionEnd { .. } => HookEvent::SessionEnd,
        }
    }

    /// What a matcher is compared with; `None` when the event has no subject.
    pub fn subject(&self) -> Option<&str> {
        match &self.event {
            EventInput::SessionStart { source } => Some(source),
            EventInput::PreCompact { trigger } | EventInput::PostCompact { trigger } => {
                Some(trigger)
            }
            EventInput::SubagentStart { agent_type, .. }
            | EventInput::SubagentStop { agent_type, .. } => Some(agent_type),
            EventInput::SessionEnd { reason } => Some(reason),
            EventInput::StopFailure { error, .. } => Some(error),
            _ => self.tool().map(|call| call.tool_name.as_str()),
        }
    }

    /// The one tool call the event is about.
    pub fn tool(&self) -> Option<&ToolCall> {
        match &self.event {
            EventInput::PreToolUse(call)
            | EventInput::PostToolUse(call)
            | EventInput::PostToolUseFailure { call, .. } => Some(call),
            _ => None,
        }
    }

    /// The JSON a hook is handed.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = Vec::with_capacity(ROOM);
        serde_json::to_writer(&mut json, self)?;
        Ok(json)
    }
}
