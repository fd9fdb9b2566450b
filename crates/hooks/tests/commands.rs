//! Command hooks, with real shells and interpreters.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::time::Duration;

use codex_plus_hooks::config::Config;
use codex_plus_project::quantity::ByteSize;
use serde_json::{Value, json};
use support::{Place, input, post_tool, pre_tool, prompt, write};

#[tokio::test]
async fn a_command_is_told_the_event_and_its_place() {
    let place = Place::new();
    let merged = place.command(prompt(), "cat").await;
    // The input begins with `{`: it is read as JSON output and holds nothing of the contract.
    assert!(merged.is_unchanged() && place.last_error().is_none());
    let told = place.command(prompt(), "echo told; cat").await.context;
    let told: Value = serde_json::from_str(told[0].strip_prefix("told").unwrap()).unwrap();
    assert_eq!(told["hook_event_name"], "UserPromptSubmit");
    assert_eq!(
        (&told["prompt"], &told["session_id"]),
        (&json!("hello"), &json!("s-1"))
    );
    for field in [
        "turn_id",
        "prompt_id",
        "transcript_path",
        "cwd",
        "permission_mode",
        "model",
    ] {
        assert!(told.get(field).is_some(), "{field}");
    }
    let shown = "echo \"$CLAUDE_PROJECT_DIR|$PWD|$CODEX_PLUS_EVENT|$CODEX_PLUS_SESSION_ID\"";
    let shown = place.command(prompt(), shown).await.context;
    let project = place.project.to_str().unwrap();
    assert_eq!(shown, [format!("{project}|{project}|UserPromptSubmit|s-1")]);
    let set = place.set();
    fs::remove_dir_all(&place.project).unwrap();
    let shown = place
        .dispatcher
        .dispatch(&set, &input(prompt()))
        .await
        .context;
    assert!(
        shown[0].contains(&format!("|{}|", place.home.display())),
        "{shown:?}"
    );
}

#[tokio::test]
async fn exit_codes_and_output_count_as_the_contract_says() {
    let place = Place::new();
    let blocked = place
        .command(prompt(), "echo '{}'; echo no secrets >&2; exit 2")
        .await;
    assert_eq!(blocked.refusal(), Some("no secrets"));
    for failing in ["exit 1", "kill -9 $$", "echo '{'", "/no/such/program"] {
        let place = Place::new();
        assert!(
            place.command(prompt(), failing).await.is_unchanged(),
            "{failing}"
        );
        assert!(place.last_error().is_some(), "{failing}");
    }
    let deny = r#"echo '{"hookSpecificOutput": {"permissionDecision": "deny", "permissionDecisionReason": "not on main"}}'"#;
    assert_eq!(
        place.command(pre_tool(), deny).await.refusal(),
        Some("not on main")
    );
    let replace = r#"echo '{"hookSpecificOutput": {"updatedToolOutput": "redacted"}}'"#;
    let replaced = place.command(post_tool(), replace).await.updated_output;
    assert_eq!(replaced, Some(json!("redacted")));
}

#[tokio::test]
async fn a_hook_need_not_read_what_it_is_told() {
    let place = Place::new();
    let long = codex_plus_hooks::input::EventInput::UserPromptSubmit {
        prompt: "x".repeat(4 << 20),
    };
    let merged = place.command(long, "exec <&-; echo done").await;
    assert_eq!(
        (merged.context, place.last_error()),
        (vec!["done".to_owned()], None)
    );
}

#[tokio::test]
async fn output_is_capped_and_the_writer_is_not_held_up() {
    let config = Config {
        output: ByteSize::kibibytes(64),
        ..Config::default()
    };
    let place = Place::with(config);
    let endless = "head -c 5000000 /dev/zero | tr '\\0' x; head -c 5000000 /dev/zero >&2";
    let merged = place.command(prompt(), endless).await;
    assert_eq!(merged.context[0].len(), 64 << 10);
    assert!(merged.notes[0].contains("cut"), "{:?}", merged.notes);
}

#[tokio::test]
async fn all_run_in_parallel_and_identical_ones_once() {
    let place = Place::new();
    // Each of two hooks waits for the other: one after the other would never end.
    let meet = |mine: &str, other: &str| {
        let wait = format!("touch {mine}; until [ -e {other} ]; do sleep 0.01; done; echo {mine}");
        json!({"type": "command", "command": wait, "timeout": 60})
    };
    let count = json!({"type": "command", "command": "echo ran >> count"});
    let hooks = json!([meet("a", "b"), meet("b", "a"), count, count]);
    support::settings(&place.home, "UserPromptSubmit", &hooks);
    let merged = place.dispatch(prompt()).await;
    assert_eq!(merged.context, ["a", "b"], "in declared order");
    assert_eq!(
        fs::read_to_string(place.project.join("count")).unwrap(),
        "ran\n"
    );
}

#[tokio::test]
async fn matchers_and_conditions_choose() {
    let place = Place::new();
    let deny = |reason: &str, condition: &str| {
        let command = format!("echo {reason} >&2; exit 2");
        json!({"type": "command", "command": command, "if": condition})
    };
    let groups = json!([
        {"matcher": "apply_patch", "hooks": [deny("wrong tool", "Bash")]},
        {"matcher": "Bash", "hooks": [deny("wrong argument", "Bash(rm *)"), deny("right", "Bash(git *)")]},
    ]);
    let text = json!({"hooks": {"PreToolUse": groups}}).to_string();
    fs::write(place.home.join(".claude/settings.json"), text).unwrap();
    assert_eq!(place.dispatch(pre_tool()).await.refusal(), Some("right"));
}

#[tokio::test]
async fn scripts_are_found_and_get_their_interpreter() {
    let place = Place::new();
    let hooks = place.home.join(".claude/hooks");
    write(
        &hooks.join("say.py"),
        "import sys; print('py', *sys.argv[1:])",
        0o644,
    );
    write(&hooks.join("say.sh"), "echo sh $1", 0o644);
    write(&hooks.join("own"), "#!/bin/sh\necho own $1", 0o755);
    for (command, wanted) in [
        ("say.py 'a  b'", "py a  b"),
        ("say.sh x && true", "sh x"),
        ("own x", "own x"),
        ("X=1 say.sh $((1+1))", "sh 2"),
        ("python3 say.py y", "py y"),
        ("true; say.sh z | cat", "sh z"),
        ("echo say.py", "say.py"),
    ] {
        let merged = place.command(prompt(), command).await;
        assert_eq!(
            merged.context,
            [wanted],
            "{command}: {:?}",
            place.last_error()
        );
    }
}

#[tokio::test]
async fn a_detached_hook_is_not_waited_for_and_bounded() {
    let place = Place::with(Config {
        max_background: 1,
        ..Config::default()
    });
    let wait = "until [ -e go ]; do sleep 0.01; done; touch done; exit 2";
    let hook = json!([{"type": "command", "command": wait, "async": true, "timeout": 60}]);
    support::settings(&place.home, "UserPromptSubmit", &hook);
    assert!(place.dispatch(prompt()).await.is_unchanged());
    place.dispatch(prompt()).await;
    assert!(place.last_error().unwrap().contains("max_background"));
    fs::write(place.project.join("go"), "").unwrap();
    while !place.project.join("done").exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_background_child_does_not_hold_the_hook() {
    let place = Place::new();
    let merged = place.command(prompt(), "sleep 600 & echo $!").await;
    let pid = merged.context[0].parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    assert!(place.last_error().is_none());
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}
