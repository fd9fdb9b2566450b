//! What Codex shows when the provider refuses: the same with and without the proxy in between.

use codex_plus_stand_in::{Answer, Config, StandIn, WebSocketMode};

use crate::client::{Codex, Login};
use crate::support::home::Said;
use crate::support::proxy::Proxy;

/// A provider that gives every request the same answer.
async fn provider(answer: &Answer, websocket: WebSocketMode) -> StandIn {
    let config = Config {
        websocket,
        default_answer: answer.clone(),
        ..Config::default()
    };
    StandIn::start(config).await.unwrap()
}

/// What Codex shows, and how many requests it made.
async fn shown(answer: &Answer, websocket: WebSocketMode, proxied: bool) -> (Said, usize) {
    let provider = provider(answer, websocket).await;
    let proxy = proxied.then(|| Proxy::before(provider.base_url()));
    let base = match &proxy {
        Some(proxy) => format!("{}/v1", proxy.url()),
        None => provider.base_url(),
    };
    let codex = Codex::new(Login::ApiKey);
    let mut said = codex.exec(&base, &[], "say hello").await;
    let address = base.trim_start_matches("http://").trim_end_matches("/v1");
    for text in [&mut said.out, &mut said.err] {
        *text = without_what_differs(&text.replace(address, "ADDRESS"), &codex);
    }
    (said, provider.received_count())
}

/// Times, folders, ports and ids are other ones in every run; so is the order of lines, since
/// several of Codex's tasks write to the same stream.
fn without_what_differs(text: &str, codex: &Codex) -> String {
    let folder = codex.path("").display().to_string();
    let text = text.replace(folder.trim_end_matches('/'), "FOLDER");
    let mut lines = Vec::new();
    for line in text.lines() {
        let words = line.split(' ').map(|word| {
            let bare = word.trim_end_matches([',', ':']);
            let is_id = bare.len() == 36 && bare.matches('-').count() == 4;
            let is_time = bare.len() > 20 && bare.starts_with("20") && bare.ends_with('Z');
            if is_id || is_time { "VARIES" } else { word }
        });
        lines.push(words.collect::<Vec<_>>().join(" "));
    }
    lines.sort_unstable();
    lines.join("\n")
}

async fn assert_same(answer: Answer, websocket: WebSocketMode, expected: &str) {
    let (direct, asked) = shown(&answer, websocket, false).await;
    let (through, asked_through) = shown(&answer, websocket, true).await;
    assert!(direct.err.contains(expected), "{direct:?}");
    assert_eq!(through.err, direct.err);
    assert_eq!(through.out, direct.out);
    assert_eq!(through.code, direct.code);
    assert_eq!(asked_through, asked);
}

const POST: WebSocketMode = WebSocketMode::Refuse(426);

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_request() {
    let answer = Answer::error(400, "bad", "The stand-in does not like this.");
    assert_same(answer, POST, "does not like this").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key() {
    let answer = Answer::error(401, "invalid_api_key", "This key is made up.");
    assert_same(answer, POST, "This key is made up").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests() {
    let answer = Answer::error(429, "rate_limit_exceeded", "Slow down.");
    assert_same(answer, POST, "429").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_prompt() {
    let answer = Answer::failed("invalid_prompt", "This prompt is not for me.");
    assert_same(answer, POST, "This prompt is not for me.").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_prompt_over_websocket() {
    let answer = Answer::failed("invalid_prompt", "This prompt is not for me.");
    assert_same(answer, WebSocketMode::Accept, "This prompt is not for me.").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_at_the_handshake() {
    let answer = Answer::error(401, "invalid_api_key", "This key is made up.");
    let mode = WebSocketMode::Refuse(401);
    assert_same(answer, mode, "This key is made up").await;
}
