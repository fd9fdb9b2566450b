//! What a stranger's project and a hostile client can write on the user's terminal and into the log.

use serde_json::json;

use crate::support::home::Home;
use crate::support::peer::{Peer, post};
use crate::support::proxy::Proxy;
use crate::support::upstream::upstream;

/// Clears the screen, sets a title, goes up, hides a line, turns the writing, begins a line.
const ESCAPES: &str =
    "\u{1b}[2J\u{1b}]0;owned\u{7}\u{1b}[A\r\u{8}\u{9b}31m\u{202e}\u{2028}\nFORGED";

fn tame(text: &str) -> bool {
    let wild =
        |c: char| (c.is_control() && !matches!(c, '\n' | '\t')) || "\u{202e}\u{2028}".contains(c);
    !text.contains(wild)
        && !text
            .lines()
            .any(|line| line.trim_start().starts_with("FORGED"))
}

/// Names of files, hooks, commands, matchers and descriptions of a project, shown by every command
/// that looks at one, before and after it was trusted.
#[test]
fn a_project_cannot_write_on_the_terminal() {
    let home = Home::new();
    // A file's own lines are its own to break.
    let flat = ESCAPES.replace('\n', "");
    let group = json!([{"matcher": ESCAPES, "hooks": [{"type": "command", "command": format!("echo {ESCAPES}")}]}]);
    let settings = json!({"hooks": {"PreToolUse": group, ESCAPES: group},
        "statusLine": {"type": "command", "command": format!("echo {ESCAPES}")}});
    home.write("work/.codexplus/settings.json", &settings.to_string());
    let hook = format!("---\nname: \"{flat}\"\n---\n# {flat}\n");
    home.write(&format!("work/.codexplus/hooks/a{ESCAPES}.py"), &hook);
    home.write(
        "work/.codexplus/hooks/b.py",
        &format!("---\nname: b\ntype: {flat}\n---\n"),
    );
    let text = format!("---\ndescription: \"{flat}\"\nargument-hint: \"{flat}\"\n---\n!`echo x`\n");
    home.write("work/.codexplus/commands/c.md", &text);
    home.write(&format!("work/.codexplus/commands/d{ESCAPES}.md"), &text);
    home.write(
        "work/.codexplus/config.toml",
        "\"x\\u001b[2J\" = 1\n[limits]\nbody = '1MiB'\n",
    );
    for round in 0..2 {
        for args in [
            &["hooks"][..],
            &["trust", "--show"],
            &["commands"],
            &["status"],
            &["trust"],
        ] {
            let said = home.run(args);
            assert!(
                tame(&said.out) && tame(&said.err),
                "{round} {args:?}: {said:?}"
            );
        }
    }
}

/// A file that is too long to be shown says so: what it does may stand at its end.
#[test]
fn what_is_not_shown_of_a_hook_is_told() {
    let home = Home::new();
    let hook = format!("{}import os\n", "# harmless\n".repeat(10_000));
    home.write("work/.codexplus/hooks/a.py", &hook);
    let said = home.ok(&["trust", "--show"]);
    assert!(
        said.out.contains("more bytes are not shown"),
        "{}",
        said.out.len()
    );
}

/// Whatever clients and upstreams put into the log, it stays one line each and steers nothing.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_forge_a_line_of_the_log() {
    let address = upstream(|mut peer| async move {
        while let Ok(Some(head)) = peer.try_head().await {
            let _ = peer.try_body(&head).await;
            let body =
                format!("{{\"error\":{{\"message\":\"{ESCAPES}\",\"code\":\"{ESCAPES}\"}}}}");
            let answer = format!(
                "HTTP/1.1 400 \u{9b}31m\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = peer.try_send(answer).await;
        }
    })
    .await;
    for format in ["text", "json"] {
        let proxy = Proxy::started(
            format!("http://{address}"),
            "[log]\nlevel = 'debug'\n",
            |home, command| {
                command.env("CODEX_PLUS_LOG_FORMAT", format);
                let hooks = json!([{"hooks": [{"type": "command", "command": "printf '\\033[2J\\nFORGED\\n' >&2; exit 3"}]}]);
                home.write(
                    "home/.codexplus/settings.json",
                    &json!({"hooks": {"UserPromptSubmit": hooks}}).to_string(),
                );
            },
        );
        let metadata = json!({"session_id": ESCAPES, "thread_id": ESCAPES, "turn_id": ESCAPES,
            "request_kind": "turn", "thread_source": "user", "model": ESCAPES});
        let body = json!({"model": ESCAPES, "input": [{"type": "message", "role": "user", "id": ESCAPES,
            "content": [{"type": "input_text", "text": "x"}]},
            {"type": "function_call", "name": ESCAPES, "call_id": ESCAPES, "arguments": ESCAPES}],
            "client_metadata": {"x-codex-turn-metadata": metadata.to_string()}});
        let line = "\u{9b}2J\u{202e}\u{2028}FORGED";
        for (path, fields) in [
            (
                "/v1/responses",
                format!("session-id: {line}\r\nthread-id: {line}\r\ntraceparent: {line}\r\n"),
            ),
            ("/v1/responses", format!("content-encoding: {line}\r\n")),
            ("/v1/responses", format!("origin: {line}\r\n")),
            (
                "/v1/responses?x=%0aFORGED%1b[2J",
                "x-openai-subagent: a\tb\r\n".to_owned(),
            ),
            ("/\u{9b}2J\u{2028}FORGED", String::new()),
        ] {
            let mut client = Peer::connect(proxy.address).await;
            let _ = client
                .try_send(post(path, &fields, body.to_string().as_bytes()))
                .await;
            let _ = client.try_head().await;
        }
        let mut client = Peer::connect(proxy.address).await;
        client
            .send("GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await;
        client.head().await;
        crate::support::until("the log", || proxy.log().matches("exchange").count() >= 4).await;
        let log = proxy.log();
        assert!(tame(&log), "{log}");
    }
}
