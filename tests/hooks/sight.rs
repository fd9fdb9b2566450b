//! What is shown of hooks: the endpoint, the command, the Python package.

use std::process::Command;

use serde_json::{Value, json};

use crate::stage::{Over, RECORD, SETTINGS, Stage, hooks, prompt, python, turn};
use crate::support::home::Home;
use crate::support::peer::get;
use crate::support::{tools, until};

async fn stage() -> Stage {
    let fails = "pre_input(self, request, body):\n    \
        if body['prompt'] == 'two': raise ValueError('two is too much')";
    let hook = python(
        "name: seen\ninput: prompt\npriority: 7\ndescription: looks on",
        fails,
    );
    let settings = hooks(&[
        ("UserPromptSubmit", "", "exit 4"),
        ("SessionStart", "", RECORD),
        ("SessionEnd", "", RECORD),
    ]);
    let files = [
        ("home/.codexplus/hooks/seen.py", hook.as_str()),
        (SETTINGS, &settings),
    ];
    let stage = Stage::with(&files).await;
    let mut client = stage.client(Over::Stream);
    for (id, words) in [("p1", "one"), ("p2", "two"), ("p3", "three")] {
        client.ask(turn(json!([prompt(id, words)]))).await;
    }
    stage
}

fn check(told: &Value) {
    let seen = &told["hooks"][0];
    assert_eq!(seen["name"], "seen", "{told:#}");
    assert_eq!(seen["priority"], 7);
    assert_eq!(seen["description"], "looks on");
    assert_eq!(seen["active"], true);
    assert_eq!(seen["stats"]["runs"], 3, "{seen:#}");
    assert_eq!(seen["stats"]["failures"], 1);
    assert!(seen["stats"]["p50_us"].as_u64().unwrap() > 0);
    assert!(
        seen["stats"]["last_error"]
            .to_string()
            .contains("two is too much")
    );
    let prompt = &told["settings_hooks"]["UserPromptSubmit"][0];
    assert_eq!(prompt["command"], "exit 4");
    assert_eq!(prompt["stats"]["runs"], 3);
    assert_eq!(prompt["stats"]["failures"], 3);
    assert!(
        prompt["stats"]["last_error"].to_string().contains('4'),
        "{prompt}"
    );
    assert_eq!(told["session_id"], "s-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoint_and_the_command_tell_what_ran() {
    let stage = stage().await;
    let (head, body) = get(stage.proxy.address, "/codex-plus/hooks").await;
    assert_eq!(head.status(), 200);
    check(&serde_json::from_slice(&body).unwrap());
    let mut command = stage.proxy.home().codex_plus();
    command.args(["hooks", "--json"]);
    command.env("CODEX_PLUS_LISTEN", stage.proxy.address.to_string());
    let said = command.output().unwrap();
    assert!(said.status.success(), "{said:?}");
    check(&serde_json::from_slice(&said.stdout).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_package_asks_the_running_proxy() {
    let stage = stage().await;
    let script = "import asyncio, json\nfrom codex_plus.hooks import hook_system as h\n\
        started = asyncio.run(h.settings_session_start('startup'))\n\
        ended = asyncio.run(h.settings_session_end('exit'))\n\
        print(json.dumps({'hooks': [x._asdict() for x in h.hooks], \
        'events': sorted(h.settings_hooks), 'session': h.session_id, \
        'started': started, 'ended': ended}))";
    let mut command: Command = stage.proxy.home().program("python3".as_ref());
    command
        .args(["-c", script])
        .env("PYTHONPATH", tools::checkout("src"))
        .env("CODEX_PLUS_LISTEN", stage.proxy.address.to_string());
    let said = command.output().unwrap();
    assert!(said.status.success(), "{said:?}");
    let told: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(told["hooks"][0]["name"], "seen", "{told:#}");
    assert_eq!(told["hooks"][0]["type"], "pre-input");
    assert_eq!(
        told["events"],
        json!(["SessionEnd", "SessionStart", "UserPromptSubmit"])
    );
    assert_eq!(told["session"], "s-1");
    assert_eq!(
        stage.told_names(),
        ["SessionStart", "SessionStart", "SessionEnd"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_over_its_budget_is_named_in_the_log() {
    let slow = "pre_input(self, request, body):\n    await asyncio.sleep(0.05)";
    let slow = python("name: slow-one\ninput: prompt", slow);
    let settings = hooks(&[
        ("UserPromptSubmit", "", "sleep 0.05"),
        ("SessionStart", "", ":"),
    ]);
    let files = [
        ("home/.codexplus/hooks/slow.py", slow.as_str()),
        (SETTINGS, &settings),
    ];
    let stage = Stage::with(&files).await;
    let mut client = stage.client(Over::Stream);
    client.ask(turn(json!([prompt("p1", "one")]))).await;
    for name in ["slow-one", "UserPromptSubmit[0].hooks[0]"] {
        let told = |line: &str| line.contains("a hook is slow") && line.contains(name);
        until("the log", || stage.proxy.log().lines().any(told)).await;
    }
}

#[test]
fn a_hook_is_tried_out_on_a_body() {
    let home = Home::new();
    let hook = "pre_input(self, request, body):\n    print('looked')\n    \
        body['input'][0]['content'] += ' edited'";
    home.write("work/tag.py", &python("name: tag", hook));
    home.write(
        "work/body.json",
        &json!({"model": "m", "input": [{"role": "user", "content": "recorded"}]}).to_string(),
    );
    let said = home
        .ok(&["hooks", "test", "tag.py", "--body", "body.json"])
        .out;
    assert!(said.starts_with("tag "), "{said}");
    assert!(said.contains("log INFO: looked"), "{said}");
    let lines: Vec<&str> = said.lines().map(str::trim_end).collect();
    let at = lines.iter().position(|line| line.starts_with('-')).unwrap();
    assert!(lines[at].ends_with("\"content\": \"recorded\","), "{said}");
    assert!(lines[at + 1].starts_with('+'), "{said}");
    assert!(lines[at + 1].contains("recorded edited"), "{said}");
    // A sample without a body of one's own; nothing is in the way of the file itself.
    home.write(
        "work/sample.py",
        &python(
            "name: sample\ninput: prompt",
            "pre_input(self, request, body):\n    body['prompt'] = 'new'",
        ),
    );
    let told = home.ok(&["hooks", "test", "sample.py", "--json"]).out;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (&told["changed"], &told["after"]["prompt"]),
        (&json!(true), &json!("new"))
    );
}

#[test]
fn a_script_is_tried_out_on_an_event() {
    let home = Home::new();
    home.write(
        "work/check.sh",
        "read -r told\ncase $told in *PreToolUse*) echo 'not that' >&2; exit 2;; esac\n",
    );
    let said = home
        .ok(&["hooks", "test", "check.sh", "--event", "PreToolUse"])
        .out;
    assert!(said.contains("exit code 2"), "{said}");
    assert!(
        said.contains("stderr: not that") && said.contains("it blocks: not that"),
        "{said}"
    );
    let said = home
        .ok(&["hooks", "test", "check.sh", "--event", "Stop"])
        .out;
    assert!(said.contains("it lets everything go on as it is"), "{said}");
    let said = home.run(&["hooks", "test", "check.sh", "--event", "Never"]);
    assert_ne!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains("PreToolUse"), "{said:?}");
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_line() {
    let home = Home::new();
    for (text, told) in [
        ("---\nname: bad\ntype: sometimes\n---\n", "bad.py: line 3: "),
        ("---\nname: bad\n---\nimport os, (\n", "line 4"),
    ] {
        home.write("work/bad.py", text);
        let said = home.run(&["hooks", "test", "bad.py"]);
        assert_ne!(said.code, Some(0), "{said:?}");
        assert!(
            said.err.contains("bad.py") && said.err.contains(told),
            "{said:?}"
        );
    }
}
