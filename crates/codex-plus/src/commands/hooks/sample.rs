//! What a hook is tried out on when nothing else is given.

use codex_plus_hooks::event::HookEvent;
use codex_plus_hooks::input::{EventInput, HookInput, ToolCall};
use serde_json::{Value, json};

use crate::environment::Environment;

const PROMPT: &str = "Fix the failing test in src/parser.rs.";

/// A request as Codex writes it.
pub(super) fn body() -> Value {
    let text = |role: &str, text: &str| {
        json!({"type": "message", "role": role,
            "content": [{"type": "input_text", "text": text}]})
    };
    let mut prompt = text("user", PROMPT);
    prompt["id"] = json!("msg_sample");
    json!({
        "model": "gpt-5.5",
        "input": [text("developer", "You are a coding agent."), prompt],
        "tools": [{"type": "function", "name": "exec_command"}],
        "stream": true,
    })
}

fn call() -> ToolCall {
    ToolCall {
        tool_name: "exec_command".to_owned(),
        tool_input: json!({"cmd": "git status"}),
        tool_use_id: "call_sample".to_owned(),
        tool_response: Value::Null,
    }
}

/// What hooks of an event are told.
pub(super) fn input(event: HookEvent, env: &Environment) -> HookInput {
    let ran = || ToolCall {
        tool_response: json!("Exit code: 0\nOutput:\nnothing to commit"),
        ..call()
    };
    let agent = || ("agent_sample".to_owned(), "review".to_owned());
    let text = str::to_owned;
    let event = match event {
        HookEvent::SessionStart => EventInput::SessionStart {
            source: text("startup"),
        },
        HookEvent::UserPromptSubmit => EventInput::UserPromptSubmit {
            prompt: text(PROMPT),
        },
        HookEvent::PreToolUse => EventInput::PreToolUse(call()),
        HookEvent::PostToolUse => EventInput::PostToolUse(ran()),
        HookEvent::PostToolUseFailure => EventInput::PostToolUseFailure {
            call: ran(),
            error: text("exit code 1"),
        },
        HookEvent::PostToolBatch => EventInput::PostToolBatch {
            tool_calls: vec![ran()],
        },
        HookEvent::Stop => EventInput::Stop {
            stop_hook_active: false,
            last_assistant_message: Some(text("Done.")),
        },
        HookEvent::StopFailure => EventInput::StopFailure {
            error: text("server_error"),
            error_details: None,
        },
        HookEvent::PreCompact => EventInput::PreCompact {
            trigger: text("auto"),
        },
        HookEvent::PostCompact => EventInput::PostCompact {
            trigger: text("auto"),
        },
        HookEvent::SubagentStart => {
            let (agent_id, agent_type) = agent();
            EventInput::SubagentStart {
                agent_id,
                agent_type,
            }
        }
        HookEvent::SubagentStop => {
            let (agent_id, agent_type) = agent();
            EventInput::SubagentStop {
                agent_id,
                agent_type,
                last_assistant_message: Some(text("Done.")),
            }
        }
        HookEvent::SessionEnd => EventInput::SessionEnd {
            reason: text("other"),
        },
    };
    HookInput {
        session_id: Some(text("session_sample")),
        turn_id: Some(text("turn_sample")),
        prompt_id: Some(text("msg_sample")),
        cwd: Some(env.cwd.clone()),
        model: Some(text("gpt-5.5")),
        event,
        ..HookInput::default()
    }
}
