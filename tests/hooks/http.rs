//! HTTP hooks: what a server of the user's says to prompts and outputs.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::stage::{ALL, Over, SETTINGS, Stage, output, prompt, text_of, turn};
use crate::support::proxy::Proxy;
use crate::support::until;
use crate::support::upstream::nobody;

/// What the server was asked: the head of the request, and its JSON.
type Asked = Arc<Mutex<Vec<(String, Value)>>>;

/// Answers each path in its way.
async fn server() -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Asked::default();
    let shared = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&shared)));
        }
    });
    (url, asked)
}

async fn serve(mut stream: TcpStream, asked: Asked) {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        let whole = text.split_once("\r\n\r\n").and_then(|(head, body)| {
            let json = serde_json::from_str(body).ok()?;
            Some((head.to_owned(), json))
        });
        if let Some((head, json)) = whole {
            let said = answer(&head);
            asked.lock().unwrap().push((head.clone(), json));
            match head.split(' ').nth(1).unwrap().split('?').next().unwrap() {
                "/hangs" => return std::future::pending().await,
                "/leaves" => return,
                "/garbage" => {
                    stream.write_all(b"\0\x01 what? \r\n\r\n").await.unwrap();
                    return;
                }
                "/error" => {
                    let answer = b"HTTP/1.1 500 No\r\ncontent-length: 2\r\n\r\n{}";
                    stream.write_all(answer).await.unwrap();
                    return;
                }
                _ => {}
            }
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{said}",
                said.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            read.clear();
        }
        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return;
        }
    }
}

fn answer(head: &str) -> String {
    let said = match head.split(' ').nth(1).unwrap() {
        "/context" => json!({"hookSpecificOutput":
            {"hookEventName": "UserPromptSubmit", "additionalContext": "a word of the server"}}),
        "/block" => json!({"decision": "block", "reason": "said the server"}),
        "/replace" => json!({"hookSpecificOutput":
            {"hookEventName": "PostToolUse", "updatedToolOutput": "hidden"}}),
        "/prose" | "/prose?key=s3cret" => return "All is well.".to_owned(),
        _ => return String::new(),
    };
    said.to_string()
}

fn settings(event: &str, hooks: &[Value]) -> String {
    let mut events = serde_json::Map::new();
    events.insert(event.to_owned(), json!([{"hooks": hooks}]));
    json!({"hooks": events}).to_string()
}

fn hook(url: &str, path: &str) -> Value {
    json!({"type": "http", "url": format!("{url}{path}")})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_adds_context_and_is_told_what_a_command_is() {
    for over in ALL {
        let (url, asked) = server().await;
        let hooks = [hook(&url, "/context"), hook(&url, "/nothing")];
        let stage = Stage::with(&[(SETTINGS, &settings("UserPromptSubmit", &hooks))]).await;
        let mut client = stage.client(over);
        client.ask(turn(json!([prompt("p1", "one")]))).await;
        let sent = stage.inputs().pop().unwrap();
        assert_eq!(sent.as_array().unwrap().len(), 2, "{over:?} {sent:#}");
        assert_eq!(sent[0], prompt("p1", "one"));
        assert_eq!(sent[1]["role"], "developer");
        assert_eq!(sent[1]["content"][0]["text"], "a word of the server");
        let asked = asked.lock().unwrap();
        assert_eq!(asked.len(), 2);
        for (head, told) in asked.iter() {
            assert!(head.starts_with("POST "), "{head}");
            assert_eq!(told["hook_event_name"], "UserPromptSubmit");
            assert_eq!(
                (&told["prompt"], &told["session_id"]),
                (&json!("one"), &json!("s-1"))
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_blocks_a_prompt_with_its_reason() {
    for over in ALL {
        let (url, _) = server().await;
        let hooks = [hook(&url, "/context"), hook(&url, "/block")];
        let stage = Stage::with(&[(SETTINGS, &settings("UserPromptSubmit", &hooks))]).await;
        let said = stage
            .client(over)
            .ask(turn(json!([prompt("p1", "one")])))
            .await;
        assert!(
            text_of(said.last()).contains("said the server"),
            "{over:?} {said:?}"
        );
        assert!(stage.inputs().is_empty(), "{over:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_replaces_an_output() {
    for over in ALL {
        let (url, asked) = server().await;
        let hooks = [hook(&url, "/replace")];
        let stage = Stage::with(&[(SETTINGS, &settings("PostToolUse", &hooks))]).await;
        let mut client = stage.client(over);
        for _ in 0..2 {
            client
                .ask(turn(json!([prompt("p1", "one"), output("c1", "key=1")])))
                .await;
        }
        for sent in stage.inputs() {
            assert_eq!(sent[1]["output"], "hidden", "{over:?} {sent:#}");
        }
        // The second request is the same output again.
        assert_eq!(asked.lock().unwrap().len(), 1, "{over:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_variables_a_hook_may_have_go_into_its_headers() {
    let (url, asked) = server().await;
    let mut hook = hook(&url, "/context");
    hook["headers"] = json!({"authorization": "Bearer $HOOK_TOKEN", "x-other": "<${HIDDEN}>"});
    hook["allowedEnvVars"] = json!(["HOOK_TOKEN"]);
    let provider = codex_plus_stand_in::StandIn::start(codex_plus_stand_in::Config::default());
    let provider = provider.await.unwrap();
    let proxy = Proxy::started(provider.base_url(), "", |home, command| {
        home.write(SETTINGS, &settings("UserPromptSubmit", &[hook]));
        command.env("HOOK_TOKEN", "t0ken").env("HIDDEN", "s3cret");
    });
    let stage = Stage { provider, proxy };
    let mut client = stage.client(Over::Stream);
    client.ask(turn(json!([prompt("p1", "one")]))).await;
    let asked = asked.lock().unwrap();
    let head = asked[0].0.to_ascii_lowercase();
    assert!(head.contains("authorization: bearer t0ken\r\n"), "{head}");
    assert!(head.contains("x-other: <>"), "{head}");
    let log = stage.proxy.log();
    assert!(!log.contains("t0ken") && !log.contains("s3cret"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_fails_is_named_and_passed_over() {
    let (live, _) = server().await;
    let dead = format!("http://{}", nobody());
    let cases = [
        (&dead, "/refuses", "no connection"),
        (&live, "/hangs", "took longer than 0.3 s"),
        (&live, "/leaves", "the connection broke"),
        (&live, "/error", "status 500"),
        (&live, "/garbage", "not HTTP"),
        (&live, "/prose", "not valid JSON"),
    ];
    for (over, (server, path, why)) in ALL.into_iter().cycle().zip(cases) {
        let mut failing = hook(server, &format!("{path}?key=s3cret"));
        if path == "/hangs" {
            failing["timeout"] = json!(0.3);
        }
        failing["url"] = json!(
            failing["url"]
                .as_str()
                .unwrap()
                .replace("//", "//me:s3cret@")
        );
        let hooks = [failing, hook(&live, "/context")];
        let stage = Stage::with(&[(SETTINGS, &settings("UserPromptSubmit", &hooks))]).await;
        let mut client = stage.client(over);
        let said = client.ask(turn(json!([prompt("p1", "one")]))).await;
        assert_eq!(said.status, 200, "{path}");
        let sent = stage.inputs().pop().unwrap();
        assert_eq!(sent[0], prompt("p1", "one"), "{path}");
        assert_eq!(
            sent[1]["content"][0]["text"], "a word of the server",
            "{path}"
        );

        until("the log", || stage.proxy.log().contains("was passed over")).await;
        let log = stage.proxy.log();
        let told: Vec<_> = log
            .lines()
            .filter(|line| line.contains("was passed over"))
            .collect();
        assert_eq!(told.len(), 1, "{path} {log}");
        let shown = format!("{server}{path}");
        for part in [shown.as_str(), "UserPromptSubmit", why] {
            assert!(told[0].contains(part), "{part}: {}", told[0]);
        }
        assert!(!log.contains("s3cret"), "{log}");

        let mut command = stage.proxy.home().codex_plus();
        command.arg("hooks");
        command.env("CODEX_PLUS_LISTEN", stage.proxy.address.to_string());
        let listed = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let (one, other) = listed.split_once("/context").unwrap();
        assert!(one.contains("1 runs, 1 failed"), "{listed}");
        assert!(
            one.contains("last error: ") && one.contains(why),
            "{listed}"
        );
        assert!(other.contains("1 runs, 0 failed"), "{listed}");
        assert!(!listed.contains("s3cret"), "{listed}");
    }
}
