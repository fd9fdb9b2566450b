//! What is shown of hooks: the endpoint, the command, the Python package.

use std::process::Command;

use serde_json::{Value, json};

use crate::stage::{Over, RECORD, SETTINGS, Stage, hooks, prompt, python, turn};
use crate::support::peer::get;
use crate::support::tools;

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
