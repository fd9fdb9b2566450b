//! The contract's cells: what a hook may say, read from what its process gives back.

#![allow(clippy::unwrap_used)]

use codex_plus_hooks::config::Config;
use codex_plus_hooks::event::HookEvent::{self, *};
use codex_plus_hooks::output::{HookFailure, HookOutcome, Permission, RawOutput};
use serde_json::{Value, json};

fn read(event: HookEvent, code: i32, stdout: &str, stderr: &str) -> HookOutcome {
    let output = RawOutput {
        code: Some(code),
        stdout: stdout.into(),
        stderr: stderr.into(),
        cut: false,
    };
    HookOutcome::read(event, &output)
}

fn said(event: HookEvent, output: &Value) -> HookOutcome {
    read(event, 0, &output.to_string(), "")
}

#[test]
fn exit_codes() {
    let json = r#"{"decision": "approve", "systemMessage": "x"}"#;
    for event in [UserPromptSubmit, PreToolUse, Stop, PreCompact] {
        let outcome = read(event, 2, json, " because\n");
        assert_eq!(outcome.block.as_deref(), Some("because"), "{event}");
        assert!(outcome.system_message.is_none() && outcome.failure.is_none());
        assert!(read(event, 2, "", "").block.is_some(), "{event}");
        for code in [1, 3, 127] {
            let outcome = read(event, code, r#"{"decision": "block"}"#, "because");
            assert_eq!(outcome, HookOutcome::from(HookFailure::Exit(code)));
        }
        assert_eq!(read(event, 0, "", "noise"), HookOutcome::default());
    }
    let killed = HookOutcome::read(Stop, &RawOutput::default());
    assert_eq!(killed.failure, Some(HookFailure::Signal));
    // Where there is nothing left to block, the reason is told to the model, or noted.
    for event in [PostToolUse, PostToolUseFailure, PostToolBatch] {
        let outcome = read(event, 2, "", "look again");
        assert_eq!(
            (outcome.block, outcome.context.as_deref()),
            (None, Some("look again"))
        );
    }
    for event in [
        SessionStart,
        SessionEnd,
        StopFailure,
        PostCompact,
        SubagentStart,
        SubagentStop,
    ] {
        let outcome = read(event, 2, "", "because");
        assert_eq!((outcome.block, outcome.notes.len()), (None, 1), "{event}");
    }
}

#[test]
fn plain_text_is_context_for_two_events_only() {
    for event in HookEvent::ALL {
        let takes = matches!(event, SessionStart | UserPromptSubmit);
        let outcome = read(*event, 0, " some context \n", "");
        assert_eq!(
            outcome.context.as_deref(),
            takes.then_some("some context"),
            "{event}"
        );
        assert!(outcome.failure.is_none());
    }
}

#[test]
fn json_fields() {
    let outcome = said(
        Stop,
        &json!({"decision": "block", "reason": "tests are red"}),
    );
    assert_eq!(outcome.block.as_deref(), Some("tests are red"));
    let outcome = said(
        UserPromptSubmit,
        &json!({"continue": false, "stopReason": "enough"}),
    );
    assert_eq!(outcome.stop.as_deref(), Some("enough"));
    let outcome = said(
        UserPromptSubmit,
        &json!({"continue": true, "stopReason": "enough"}),
    );
    assert_eq!(outcome, HookOutcome::default());
    let outcome = said(
        Stop,
        &json!({"systemMessage": "hi", "suppressOutput": true}),
    );
    assert_eq!(
        (outcome.system_message.as_deref(), outcome.suppress_output),
        (Some("hi"), true)
    );
    for (word, permission) in [
        ("allow", Permission::Allow),
        ("ask", Permission::Ask),
        ("defer", Permission::Defer),
        ("deny", Permission::Deny),
    ] {
        let own = json!({"hookEventName": "PreToolUse", "permissionDecision": word,
            "permissionDecisionReason": "why", "updatedInput": {"cmd": "ls"}});
        let outcome = said(PreToolUse, &json!({"hookSpecificOutput": own}));
        assert_eq!(
            outcome.permission,
            Some((permission, Some("why".to_owned())))
        );
        assert_eq!(outcome.updated_input, Some(json!({"cmd": "ls"})));
        // On any other event it means nothing, and is noted.
        let own = json!({"permissionDecision": word, "updatedInput": {}});
        let outcome = said(Stop, &json!({"hookSpecificOutput": own}));
        assert_eq!(
            (
                outcome.permission,
                outcome.updated_input,
                outcome.notes.len()
            ),
            (None, None, 2)
        );
    }
}

#[test]
fn context_and_outputs_only_where_the_wire_can_carry_them() {
    let own = json!({"additionalContext": "c", "updatedToolOutput": "o"});
    for event in HookEvent::ALL {
        let outcome = said(*event, &json!({"hookSpecificOutput": own}));
        let effects = event.effects();
        assert_eq!(outcome.context.is_some(), effects.context, "{event}");
        assert_eq!(
            outcome.updated_output.is_some(),
            effects.update_output,
            "{event}"
        );
        let dropped = usize::from(!effects.context) + usize::from(!effects.update_output);
        assert_eq!(outcome.notes.len(), dropped, "{event}");
    }
}

#[test]
fn nonsense_is_told_and_does_not_lose_a_block() {
    let cases = [
        (json!({"systemMessage": 5}), "systemMessage"),
        (json!({"hookSpecificOutput": []}), "hookSpecificOutput"),
        (
            json!({"hookSpecificOutput": {"hookEventName": "Stop"}}),
            "hookEventName",
        ),
        (
            json!({"hookSpecificOutput": {"permissionDecision": "no"}}),
            "permissionDecision",
        ),
        (
            json!({"hookSpecificOutput": {"updatedInput": 5}}),
            "updatedInput",
        ),
        (json!({"continue": "no"}), "continue"),
        (json!({"reason": 5}), "reason"),
    ];
    for (mut output, field) in cases {
        let failure = Some(HookFailure::Field(field));
        assert_eq!(said(PreToolUse, &output).failure, failure);
        output["decision"] = json!("block");
        let outcome = said(PreToolUse, &output);
        assert!(
            outcome.block.is_some() && outcome.failure == failure,
            "{output}"
        );
    }
    assert_eq!(
        said(Stop, &json!({"decision": "maybe"})).failure,
        Some(HookFailure::Field("decision"))
    );
    let bad = read(UserPromptSubmit, 0, "{\n\"a\": }", "");
    assert_eq!(bad.failure, Some(HookFailure::Json { line: 2, column: 6 }));
    assert!(bad.context.is_none());
    let cut = RawOutput {
        code: Some(0),
        stdout: b"{}".into(),
        cut: true,
        ..RawOutput::default()
    };
    assert_eq!(
        HookOutcome::read(Stop, &cut).failure,
        Some(HookFailure::TooLarge)
    );
}

#[test]
fn default_timeouts() {
    let config = Config::default();
    for event in HookEvent::ALL {
        let wanted = if *event == UserPromptSubmit { 30 } else { 600 };
        assert_eq!(event.default_timeout(&config).as_secs(), wanted);
        assert_eq!(HookEvent::from_name(event.name()), Some(*event));
    }
    assert_eq!(HookEvent::from_name("stop"), None);
}
