//! Python hooks: bodies, answers, calls and outputs edited.

use codex_plus_stand_in::Answer;
use serde_json::{Value, json};

use crate::stage::{ALL, Client, Over, Stage, output, prompt, python, text_of, turn};
use crate::support::peer::{Peer, get, post};
use crate::support::{until, zstd};

const FILE: &str = "home/.codexplus/hooks/test.py";

async fn stage(metadata: &str, method: &str) -> Stage {
    Stage::with(&[(FILE, &python(metadata, method))]).await
}

fn pre(lines: &str) -> String {
    format!("pre_input(self, request, body):\n    {lines}")
}

/// What the provider got of a request that one line of Python was let at.
async fn edited(over: Over, lines: &str, body: Value) -> Value {
    let stage = stage("name: test", &pre(lines)).await;
    let said = stage.client(over).ask(body).await;
    assert_eq!(said.status, 200, "{lines} {}", stage.proxy.log());
    let log = stage.proxy.log();
    assert!(!log.contains("a hook failed"), "{log}");
    stage.provider.received().pop().unwrap().json.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_of_every_form_reach_the_provider() {
    let (one, two) = (prompt("p1", "one"), prompt("p2", "two"));
    let items = || turn(json!([one, two]));
    let extra = json!({"type": "message", "role": "developer", "content": "extra"});
    let added = extra.to_string();
    let cases = [
        (
            format!("body['input'].append({added})"),
            json!([one, two, extra]),
        ),
        (
            format!("body['input'].insert(0, {added})"),
            json!([extra, one, two]),
        ),
        (
            format!("body['input'].insert(1, {added})"),
            json!([one, extra, two]),
        ),
        ("del body['input'][0]".to_owned(), json!([two])),
        (format!("body['input'][0] = {added}"), json!([extra, two])),
        (
            "body['input'][1]['content'][0]['text'] += '!'".to_owned(),
            json!([one, prompt("p2", "two!")]),
        ),
        (format!("body['input'] = [{added}]"), json!([extra])),
    ];
    for over in ALL {
        for (lines, expected) in &cases {
            let sent = edited(over, lines, items()).await;
            assert_eq!(sent["input"], *expected, "{over:?} {lines}");
        }
    }
    for over in [Over::Stream, Over::Socket] {
        let text = json!({"model": "m", "input": "one"});
        let sent = edited(over, "body['input'] += ' more'", text.clone()).await;
        assert_eq!(sent["input"], "one more");
        let lines = "body['instructions'] = 'short'; body.pop('model'); return body";
        let sent = edited(over, lines, text).await;
        assert_eq!(sent["instructions"], "short");
        assert!(sent.get("model").is_none());
        let messages = json!({"model": "m", "messages": [{"role": "user", "content": "one"}]});
        let lines = "body['messages'].append({'role': 'user', 'content': 'more'})";
        let sent = edited(over, lines, messages).await;
        assert_eq!(sent["messages"][1]["content"], "more", "{over:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_model_has_answered_is_not_edited() {
    let lines = "for item in body['input']:\n        \
        if 'content' in item: item['content'][0]['text'] += '!'";
    for over in ALL {
        let stage = stage("name: test", &pre(lines)).await;
        let answer = json!({"type": "message", "role": "assistant", "id": "a1",
            "content": [{"type": "output_text", "text": "answered"}]});
        let items = json!([prompt("p1", "one"), answer, prompt("p2", "two")]);
        stage.client(over).ask(turn(items)).await;
        let sent = stage.inputs().pop().unwrap();
        assert_eq!(sent[0], prompt("p1", "one"), "{over:?} {sent:#}");
        assert_eq!(sent[1], answer);
        assert_eq!(sent[2], prompt("p2", "two!"));
        until("the log", || stage.proxy.log().contains("left out")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_are_made_again_in_later_requests() {
    let metadata = ["name: test\ninput: prompt", "name: test"];
    let lines = [
        "body['prompt'] += f' {time.monotonic_ns()}'",
        "t = body['input'][-1].get('content')\n    if t: t[0]['text'] += f' {time.monotonic_ns()}'",
    ];
    for over in ALL {
        for (metadata, lines) in metadata.iter().zip(lines) {
            let stage = stage(metadata, &pre(lines)).await;
            let mut client = stage.client(over);
            let (mut items, mut before) = (Vec::new(), Vec::new());
            for number in 1..=5 {
                items.push(prompt(&format!("p{number}"), "say"));
                let said = client.ask(turn(json!(items))).await;
                let sent = stage.inputs().pop().unwrap().as_array().unwrap().clone();
                assert!(sent.starts_with(&before), "{over:?} {metadata} {sent:#?}");
                assert_ne!(sent.last(), items.last(), "{over:?} {metadata}");
                before = sent;
                items.extend(said.output().clone());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_of_metadata_sees_ids_and_masked_secrets() {
    let lines = "log = open(os.environ['HOME'] + '/../seen', 'w')\n    \
        log.write(f\"{request.method} {request.url.path} {request.headers.get('authorization')} \
        {request.headers.get('x-key')}\")";
    let stage = stage("name: test\ninput: meta", &pre(lines)).await;
    let mut client = stage.client(Over::Stream);
    client.fields += "authorization: Bearer hush\r\nx-key: open\r\n";
    client.ask(turn(json!([prompt("p1", "one")]))).await;
    let seen = std::fs::read_to_string(stage.proxy.home().path("seen")).unwrap();
    assert!(seen.starts_with("POST /v1/responses"), "{seen}");
    assert!(seen.ends_with("open") && !seen.contains("hush"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_edited_as_a_document_and_its_head_as_a_stream() {
    let method = "post_output(self, response):\n    response.headers['x-hook'] = 'seen'\n    \
        if response.body: response.body['output'][0]['content'][0]['text'] = 'edited'\n    \
        return response";
    for over in [Over::Stream, Over::Document] {
        let stage = stage("name: test\ntype: post-output", method).await;
        stage.provider.push(Answer::text("plain"));
        let mut body = turn(json!([prompt("p1", "one")]));
        body["stream"] = json!(over == Over::Stream);
        let mut peer = Peer::connect(stage.proxy.address).await;
        let request = post("/v1/responses", "", body.to_string().as_bytes());
        let (head, bytes) = peer.ask(request).await;
        assert_eq!(
            head.get("x-hook"),
            Some("seen"),
            "{over:?} {}",
            stage.proxy.log()
        );
        let text = String::from_utf8(bytes).unwrap();
        let expected = if over == Over::Document {
            "edited"
        } else {
            "plain"
        };
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_outputs_pass_python() {
    let before = python(
        "name: before\ntype: pre-tool-use",
        "pre_tool_use(self, request, tool_name, tool_args):\n    \
         tool_args['cmd'] += ' -l'\n    return tool_args",
    );
    let after = python(
        "name: after\ntype: post-tool-use",
        "post_tool_use(self, request, tool_name, tool_args, tool_output):\n    \
         return f'{tool_name} {tool_args[\"cmd\"]}: {tool_output}'",
    );
    for over in ALL {
        let stage = Stage::with(&[
            ("home/.codexplus/hooks/before.py", &before),
            ("home/.codexplus/hooks/after.py", &after),
        ])
        .await;
        let mut client = stage.client(over);
        stage
            .provider
            .push(Answer::function_call("exec_command", json!({"cmd": "ls"})));
        let words = prompt("p1", "one");
        let said = client.ask(turn(json!([words]))).await;
        let call = said.output()[0].clone();
        assert_eq!(
            call["arguments"],
            "{\"cmd\":\"ls -l\"}",
            "{over:?} {}",
            stage.proxy.log()
        );
        let back = output(call["call_id"].as_str().unwrap(), "raw");
        client.ask(turn(json!([words, call, back]))).await;
        let sent = stage.inputs().pop().unwrap();
        let told = sent[2]["output"].as_str().unwrap();
        assert!(told.starts_with("exec_command ls"), "{over:?} {told}");
        assert!(told.ends_with(": raw"), "{over:?} {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_body_is_edited_too() {
    let stage = stage(
        "name: test\ninput: prompt",
        &pre("body['prompt'] = 'other'"),
    )
    .await;
    let client: Client = stage.client(Over::Stream);
    let body = turn(json!([prompt("p1", "one")])).to_string();
    let fields = format!("{}content-encoding: zstd\r\n", client.fields);
    let request = post("/v1/responses", &fields, &zstd(body.as_bytes()));
    let (head, _) = Peer::connect(client.address).await.ask(request).await;
    assert_eq!(head.status(), 200);
    let sent = stage.inputs().pop().unwrap();
    assert!(text_of(&sent).contains("other"), "{sent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_worker_starts_before_a_hook_needs_one() {
    let stage = stage("name: test\ninput: prompt", &pre("body['prompt'] += '!'")).await;
    let workers = async || {
        let (_, body) = get(stage.proxy.address, "/codex-plus/hooks").await;
        let told: Value = serde_json::from_slice(&body).unwrap();
        told["workers"]["started"].as_u64().unwrap()
    };
    let mut client = stage.client(Over::Stream);
    client.ask(turn(json!([output("c1", "ok")]))).await;
    assert_eq!(workers().await, 0);
    client.ask(turn(json!([prompt("p1", "one")]))).await;
    assert_eq!(workers().await, 1);
}

/// An interpreter that says through the environment which it is.
fn python_that_is(name: &str) -> String {
    format!("#!/bin/sh\nPYTHON_IS={name} exec python3 \"$@\"\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_run_under_the_configured_python_or_that_of_the_trusted_project() {
    let hook = python(
        "name: test\ninput: prompt",
        &pre("body['prompt'] += ' under ' + os.environ.get('PYTHON_IS', 'the usual one')"),
    );
    let elsewhere = tempfile::tempdir().unwrap();
    let configured = elsewhere.path().join("python");
    let setting = format!("hooks.python = {:?}", configured.display().to_string());
    for (setting, venv, expected) in [
        ("", false, "under the usual one"),
        ("", true, "under venv"),
        (setting.as_str(), true, "under configured"),
    ] {
        let stage = Stage::prepared(setting, |home| {
            let made = home.script("configured", &python_that_is("configured"));
            std::fs::rename(made, &configured).unwrap();
            if venv {
                home.script("work/.venv/bin/python", &python_that_is("venv"));
            }
            home.write("work/.codexplus/hooks/test.py", &hook);
        })
        .await;
        let mut client = stage.client(Over::Stream);
        client.ask(turn(json!([prompt("p1", "one")]))).await;
        let sent = text_of(&stage.inputs()[0]);
        assert!(sent.contains(expected), "{sent} {}", stage.proxy.log());
    }
}
