//! Which hooks an event is for.

#![allow(clippy::unwrap_used)]

use codex_plus_hooks::input::ToolCall;
use codex_plus_hooks::matcher::{Condition, Matcher, MatcherError};
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn matchers() {
    let cases = [
        ("", "Bash", true),
        ("*", "anything", true),
        ("  ", "x", true),
        ("Edit", "Edit", true),
        ("Edit", "MultiEdit", false),
        ("Edit", "edit", false),
        ("Edit|Write", "Write", true),
        ("Edit, Write", "Write", true),
        ("Edit , Write|x-y_1", "x-y_1", true),
        ("Edit|Write", "Edit|Write", false),
        ("two words", "two words", true),
        ("two words", "two", false),
        ("|", "", false),
        ("mcp__.*", "mcp__files__read", true),
        ("mcp__.*", "a_mcp__x", true),
        ("^Edit", "MultiEdit", false),
        ("Edit.", "MultiEdits", true),
        (".", "", false),
        // Settings written for other clients mean the shell tools by `Bash`.
        ("Bash", "exec_command", true),
        ("^Bash$", "shell", true),
        ("Bash", "apply_patch", false),
        ("exec_command", "exec_command", true),
    ];
    for (matcher, subject, wanted) in cases {
        let matches = Matcher::parse(matcher).unwrap().matches(Some(subject));
        assert_eq!(matches, wanted, "{matcher:?} on {subject:?}");
    }
    for matcher in ["Edit", "x.*", "|"] {
        assert!(Matcher::parse(matcher).unwrap().matches(None), "{matcher}");
    }
    assert_eq!(Matcher::parse("(").unwrap_err(), MatcherError::Pattern);
    assert_eq!(
        Matcher::parse(&"x".repeat(2000)).unwrap_err(),
        MatcherError::TooLong
    );
    assert_eq!(
        Matcher::parse("(a{1000}){1000}").unwrap_err(),
        MatcherError::Pattern
    );
}

fn call(tool: &str, input: Value) -> ToolCall {
    ToolCall {
        tool_name: tool.to_owned(),
        tool_input: input,
        ..ToolCall::default()
    }
}

#[test]
fn conditions() {
    let shell = |command: &str| call("exec_command", json!({"cmd": command}));
    let cases = [
        ("Bash", shell("ls"), true),
        ("Bash(*)", shell("ls"), true),
        ("Bash()", shell("ls"), true),
        ("Edit", shell("ls"), false),
        ("Bash(git *)", shell("git push"), true),
        ("Bash(git *)", shell("git"), true),
        ("Bash(git *)", shell("gitk"), false),
        ("Bash(git *)", shell("echo git push"), false),
        ("Bash(git:*)", shell("git push"), true),
        ("Bash(git push)", shell("git push --force"), false),
        ("Bash(git push*)", shell("git push --force"), true),
        ("Bash(git *)", shell("cd x && git push"), true),
        ("Bash(git *)", shell("ls; git push | cat"), true),
        ("Bash(rm -rf /)", shell("echo $(rm -rf /)"), true),
        ("Bash(a.c)", shell("abc"), false),
        (
            "Bash(git *)",
            call("shell", json!({"command": ["bash", "-lc", "git log"]})),
            true,
        ),
        (
            "Bash(git *)",
            call("shell", json!({"command": ["git", "log"]})),
            true,
        ),
        ("Bash(git *)", call("shell", json!({"command": 5})), false),
        ("Bash(git *)", call("shell", json!(null)), false),
        (
            "Edit(*.ts)",
            call("Edit", json!({"file_path": "src/a.ts"})),
            true,
        ),
        (
            "Edit(src/*)",
            call("Edit", json!({"file_path": "lib/a.ts"})),
            false,
        ),
        (
            "exec(*tools.exec_command*)",
            call("exec", json!("await tools.exec_command()")),
            true,
        ),
    ];
    for (text, call, wanted) in cases {
        let holds = Condition::parse(text).unwrap().holds(&call);
        assert_eq!(holds, wanted, "{text} on {:?}", call.tool_input);
    }
    for text in ["", "(x)", "Bash(x", "Bash x", "B*(x)"] {
        assert_eq!(
            Condition::parse(text).unwrap_err(),
            MatcherError::Condition,
            "{text}"
        );
    }
}

proptest! {
    #[test]
    fn no_text_makes_them_panic(text in ".{0,60}", subject in ".{0,20}") {
        let call = call(&subject, json!({"cmd": subject}));
        if let Ok(matcher) = Matcher::parse(&text) {
            matcher.matches(Some(&subject));
        }
        if let Ok(condition) = Condition::parse(&text) {
            condition.holds(&call);
        }
    }

    #[test]
    fn a_list_matches_exactly_its_names(names in prop::collection::vec("[a-zA-Z0-9_-]{1,8}", 1..5), other in "[a-z]{9}") {
        let matcher = Matcher::parse(&names.join(" | ")).unwrap();
        for name in &names {
            prop_assert!(matcher.matches(Some(name)));
        }
        prop_assert!(!matcher.matches(Some(&other)));
    }
}
