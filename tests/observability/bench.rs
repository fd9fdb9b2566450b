//! `codex-plus bench`: what the proxy and the user's own hooks add.

use serde_json::{Value, json};

use crate::support::home::Home;

const PYTHON: &str = "---\nname: reader\ntype: pre-input\n---\n\
from codex_plus.hooks import Hook\n\nclass Reader(Hook):\n    async def pre_input(self, request, body):\n        return None\n";

/// A user with a command hook and a Python hook of their own.
fn user() -> Home {
    let home = Home::new();
    let hook = json!({"type": "command", "command": "cat >> \"$HOME/prompts\"; echo >> \"$HOME/prompts\""});
    let settings = json!({"hooks": {"UserPromptSubmit": [{"hooks": [hook]}]}});
    home.write("home/.codexplus/settings.json", &settings.to_string());
    home.write("home/.codexplus/hooks/reader.py", PYTHON);
    home
}

fn target<'a>(turns: &'a Value, name: &str) -> &'a Value {
    let targets = turns["targets"].as_array().unwrap();
    let found = targets.iter().find(|target| target["target"] == name);
    found.unwrap_or_else(|| panic!("{name} in {turns}"))
}

fn number(value: &Value, key: &str) -> f64 {
    value[key]
        .as_f64()
        .unwrap_or_else(|| panic!("{key} in {value}"))
}

#[test]
fn each_hook_and_the_proxy_are_measured_over_every_transport() {
    let home = user();
    let said = home.ok(&["bench", "--seconds", "3", "--json"]);
    let told: Value = serde_json::from_str(&said.out).unwrap();
    let kinds = told["turns"].as_array().unwrap();
    let names: Vec<_> = kinds.iter().map(|kind| &kind["kind"]).collect();
    assert_eq!(names, ["document", "stream", "websocket"]);
    let mut turns = 0.0;
    for kind in kinds {
        let direct = target(kind, "direct");
        for name in ["carried", "settings"] {
            let through = target(kind, name);
            let added = number(through, "p50_us") - number(direct, "p50_us");
            assert!(
                (added - number(through, "added_p50_us")).abs() < 1.0,
                "{kind}"
            );
            assert!(number(through, "first_p50_us") <= number(through, "p50_us"));
            assert!(number(through, "turns") >= 8.0 && number(through, "cpu_us") > 0.0);
        }
        turns += number(target(kind, "settings"), "turns");
        // A shell was started for each of these turns, and for none of those.
        let with = number(target(kind, "settings"), "p50_us");
        assert!(with > number(target(kind, "carried"), "p50_us"), "{kind}");
    }
    let hooks = told["hooks"].as_array().unwrap();
    assert_eq!(hooks.len(), 2, "{told}");
    for hook in hooks {
        // The turns that warm up are run as well, and not measured.
        assert!(number(hook, "runs") > turns, "{hook}");
        assert!(number(hook, "p50_us") > 0.0);
    }
    // They ran for real, once a turn.
    let prompts = std::fs::read_to_string(home.path("home/prompts")).unwrap();
    let prompts = prompts.lines().filter(|line| !line.is_empty()).count();
    let command = hooks
        .iter()
        .find(|hook| hook["hook"].as_str().unwrap().contains("UserPromptSubmit"));
    let runs = command.unwrap()["runs"].as_u64().unwrap();
    assert_eq!(u64::try_from(prompts).unwrap(), runs);
    // Nothing of it stays with the user.
    assert!(!home.state("history.jsonl").exists());
    assert!(!home.state("proxy.json").exists());
}

#[test]
fn people_read_a_table_and_hooks_can_be_left_out() {
    let home = user();
    let said = home.ok(&["bench", "--seconds", "1", "--no-hooks"]);
    for words in [
        "direct, no proxy",
        "carried only",
        "added p50",
        "over WebSocket",
    ] {
        assert!(said.out.contains(words), "{words} in {}", said.out);
    }
    assert!(!said.out.contains('\u{1b}') && !said.out.contains("your settings"));
    assert!(!home.path("home/prompts").exists());
}

/// A hook that blocks is no measurement, and the user is told so.
#[test]
fn a_hook_that_blocks_ends_it_with_a_reason() {
    let home = Home::new();
    let hook = json!({"type": "command", "command": "echo no >&2; exit 2"});
    let settings = json!({"hooks": {"UserPromptSubmit": [{"hooks": [hook]}]}});
    home.write("home/.codexplus/settings.json", &settings.to_string());
    let said = home.run(&["bench", "--seconds", "1"]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains("--no-hooks"), "{}", said.err);
}
