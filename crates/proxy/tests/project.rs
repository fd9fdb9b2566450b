//! The status line and slash commands on the line: the same over all transports, and consistent in
//! all that a client is told.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[allow(dead_code, reason = "shared by test files that each use a part")]
mod support;

use std::path::Path;
use std::sync::Arc;

use codex_plus_project::commands::{self, Commands};
use codex_plus_project::status_line::{self, Mode, StatusLines};
use codex_plus_project::trust::TrustNone;
use codex_plus_proxy::Filter;
use codex_plus_proxy::filters::{BuiltIn, SlashFilter, StatusLineFilter};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use support::{By, TRANSPORTS, Way};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let git = std::process::Command::new("git")
        .args(["init", "-q", "-b", "main"])
        .current_dir(folder.path())
        .status();
    assert!(git.unwrap().success());
    folder
}

fn line_filter() -> Arc<dyn Filter> {
    let config = status_line::Config {
        mode: Mode::Response,
        template: "On {branch} of this repository".parse().unwrap(),
        ..status_line::Config::default()
    };
    let runtime = tokio::runtime::Handle::current();
    let lines = StatusLines::new(&config, None, Arc::new(TrustNone), runtime);
    Arc::new(StatusLineFilter::new(lines))
}

fn body(by: By, cwd: &Path, prompt: &str, id: &str) -> Value {
    let context = format!(
        "<environment_context><cwd>{}</cwd></environment_context>",
        cwd.display()
    );
    let mut body = json!({
        "model": "gpt-5.5", "prompt_cache_key": "thread-1",
        "input": [
            {"type": "message", "role": "user", "id": "msg_context",
             "content": [{"type": "input_text", "text": context}]},
            {"type": "message", "role": "user", "id": id,
             "content": [{"type": "input_text", "text": prompt}]}],
    });
    match by {
        By::Stream => body["stream"] = json!(true),
        By::Document => body["stream"] = json!(false),
        By::WebSocket => body["type"] = json!("response.create"),
    }
    body
}

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn connect(way: &Way) -> Socket {
    let url = format!("ws://{}/v1/responses", way.proxy);
    let mut request = url.into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("session-id", "s-1".parse().unwrap());
    tokio_tungstenite::connect_async(request).await.unwrap().0
}

async fn say(socket: &mut Socket, message: &Value) -> Vec<Value> {
    socket
        .send(Message::text(message.to_string()))
        .await
        .unwrap();
    let mut events = Vec::new();
    loop {
        let Message::Text(text) = socket.next().await.unwrap().unwrap() else {
            continue;
        };
        let event: Value = serde_json::from_str(&text).unwrap();
        let kind = event["type"].as_str().unwrap().to_owned();
        events.push(event);
        if ["response.completed", "response.failed", "error"].contains(&kind.as_str()) {
            return events;
        }
    }
}

async fn events(way: &Way, by: By, body: &Value) -> Vec<Value> {
    if let By::WebSocket = by {
        return say(&mut connect(way).await, body).await;
    }
    let answer = way.post(&[], body.to_string()).await;
    let text = String::from_utf8(answer.into_body().to_vec()).unwrap();
    if let By::Document = by {
        let document: Value = serde_json::from_str(&text).unwrap();
        return vec![json!({"type": "response.completed", "response": document})];
    }
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

/// Every form in which the events tell the answer's text.
fn texts(events: &[Value]) -> Vec<String> {
    let mut deltas = String::new();
    let mut texts = Vec::new();
    for event in events {
        let found = match event["type"].as_str().unwrap() {
            "response.output_text.delta" => {
                deltas += event["delta"].as_str().unwrap();
                continue;
            }
            "response.output_text.done" => &event["text"],
            "response.content_part.done" => &event["part"]["text"],
            "response.output_item.done" => &event["item"]["content"][0]["text"],
            "response.completed" => &event["response"]["output"][0]["content"][0]["text"],
            _ => continue,
        };
        texts.push(found.as_str().unwrap_or_default().to_owned());
    }
    if !deltas.is_empty() {
        texts.push(deltas);
    }
    texts
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_tells_the_same_text() {
    let folder = repository();
    for by in TRANSPORTS {
        let bare = Way::with(Vec::new(), |_| {}).await;
        let way = Way::with(vec![line_filter()], |_| {}).await;
        let asked = body(by, folder.path(), "say something", "msg_1");
        let plain = texts(&events(&bare, by, &asked).await);
        let shown = texts(&events(&way, by, &asked).await);
        assert_eq!(shown.len(), plain.len(), "{by:?}");
        for (shown, plain) in shown.iter().zip(&plain) {
            let wanted = format!("On main of this repository\n\n{plain}");
            assert_eq!(*shown, wanted, "{by:?}");
        }
        // An answer with a form of its own is left alone.
        let mut formed = body(by, folder.path(), "say something", "msg_2");
        formed["text"] = json!({"format": {"type": "json_schema", "schema": {}}});
        let shown = texts(&events(&way, by, &formed).await);
        assert!(shown.iter().all(|text| !text.contains("On main")), "{by:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_ids_has_the_line_taken_out_as_well() {
    let folder = repository();
    let way = Way::with(vec![line_filter()], |_| {}).await;
    let mut asked = body(By::Stream, folder.path(), "one", "");
    for item in asked["input"].as_array_mut().unwrap() {
        item.as_object_mut().unwrap().remove("id");
    }
    let answer = texts(&events(&way, By::Stream, &asked).await)
        .pop()
        .unwrap();
    assert!(answer.starts_with("On main of this repository\n\n"));
    let input = asked["input"].as_array_mut().unwrap();
    input.push(json!({"role": "assistant", "content": answer}));
    input.push(json!({"role": "user", "content": "two"}));
    events(&way, By::Stream, &asked).await;
    let sent = way.stand_in.received().pop().unwrap().json.unwrap();
    let plain = answer.split_once("\n\n").unwrap().1;
    assert_eq!(sent["input"][2]["content"], plain);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_goes_on_from_before_an_answer_of_ours() {
    let folder = repository();
    let commands = Commands::new(&commands::Config::default(), None, Arc::new(TrustNone));
    let built_in = BuiltIn {
        name: "hello",
        description: "says hello",
        answer: Arc::new(|_| "Hello from here.".to_owned()),
    };
    let filter: Arc<dyn Filter> = Arc::new(SlashFilter::new(commands, vec![built_in]));
    let way = Way::with(vec![filter], |_| {}).await;
    let mut socket = connect(&way).await;
    let id = |events: &[Value]| events.last().unwrap()["response"]["id"].clone();

    let first = body(By::WebSocket, folder.path(), "one", "msg_1");
    let upstreams = id(&say(&mut socket, &first).await);
    let mut ours = body(By::WebSocket, folder.path(), "/plus:hello", "msg_2");
    ours["previous_response_id"] = upstreams.clone();
    let told = say(&mut socket, &ours).await;
    assert_eq!(texts(&told).pop().unwrap(), "Hello from here.");

    let mut next = body(By::WebSocket, folder.path(), "two", "msg_3");
    next["previous_response_id"] = id(&told);
    assert_eq!(
        say(&mut socket, &next).await.last().unwrap()["type"],
        "response.completed"
    );
    let received = way.stand_in.received();
    let asked: Vec<&Value> = received
        .iter()
        .filter_map(|one| one.json.as_ref())
        .collect();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[1]["previous_response_id"], upstreams);
    assert!(!asked[1].to_string().contains("plus:hello"));
}

/// A client that lost its chain, by a block or a reconnect, tells all in the very request that is
/// answered here; what it says next goes on from an answer that the provider never gave.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_before_an_answer_of_ours_is_not_lost() {
    let commands = Commands::new(&commands::Config::default(), None, Arc::new(TrustNone));
    let built_in = BuiltIn {
        name: "hello",
        description: "says hello",
        answer: Arc::new(|_| "Hello from here.".to_owned()),
    };
    let filter: Arc<dyn Filter> = Arc::new(SlashFilter::new(commands, vec![built_in]));
    let way = Way::with(vec![filter], |_| {}).await;
    let mut socket = connect(&way).await;
    let prompt = |id: &str, text: &str| {
        json!({"id": id, "type": "message", "role": "user",
            "content": [{"type": "input_text", "text": text}]})
    };
    let rules = json!({"type": "message", "role": "developer", "content": "rules"});
    let answer = json!({"id": "out", "type": "message", "role": "assistant",
        "content": [{"type": "output_text", "text": "hello"}]});
    let mut message = json!({"type": "response.create", "model": "m",
        "input": [rules, prompt("m0", "hi"), answer, prompt("m1", "/plus:hello")]});
    for id in ["m2", "m3"] {
        let told = say(&mut socket, &message).await;
        assert_eq!(texts(&told).pop().unwrap(), "Hello from here.");
        message["previous_response_id"] = told.last().unwrap()["response"]["id"].clone();
        let text = if id == "m2" { "/plus:hello" } else { "go on" };
        message["input"] = json!([prompt(id, text)]);
    }
    say(&mut socket, &message).await;
    let received = way.stand_in.received();
    let told: Vec<&Value> = received
        .iter()
        .filter_map(|one| one.json.as_ref())
        .collect();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(told[0].get("previous_response_id"), None);
    let expected = json!([rules, prompt("m0", "hi"), answer, prompt("m3", "go on")]);
    assert_eq!(told[0]["input"], expected);
}
