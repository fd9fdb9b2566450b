//! A turn with a tool call, over each transport, with each kind of login and of model.

use codex_plus_stand_in::{Config, StandIn, Transport};
use serde_json::Value;

use crate::client::{
    Codex, Login, PLAIN_MODEL, RUN, asks, assert_turn, handshakes, input, provider_refusing,
    tool_output,
};
use crate::support::proxy::Proxy;

/// Over POST each request tells the whole story again: what was said stays as it was, or the
/// provider's prompt cache is lost.
fn assert_same_beginning(asks: &[codex_plus_stand_in::Received]) {
    let (first, second) = (&asks[0], &asks[1]);
    let (before, after) = (input(first), input(second));
    assert!(after.len() > before.len());
    assert_eq!(before[..], after[..before.len()]);
    let (first, second) = (first.json.as_ref().unwrap(), second.json.as_ref().unwrap());
    assert_eq!(first["prompt_cache_key"], second["prompt_cache_key"]);
    assert!(first["prompt_cache_key"].is_string());
}

async fn over_post(login: Login, model: &[&str], call: &str, encoding: Option<&str>) {
    let provider = provider_refusing(426).await;
    let proxy = Proxy::before(provider.base_url());
    let codex = Codex::new(login);
    let said = codex.exec(&proxy.url(), model, RUN).await;
    assert_turn(&said);
    let asks = asks(&provider);
    assert_eq!(asks.len(), 2);
    for ask in &asks {
        assert_eq!(ask.transport, Transport::Http);
        assert_eq!(ask.path_and_query, "/v1/responses");
        assert_eq!(ask.header("content-encoding"), encoding);
        let account = (login == Login::ChatGpt).then_some("acct-made-up");
        assert_eq!(ask.header("chatgpt-account-id"), account);
    }
    assert_eq!(input(&asks[1]).last().unwrap()["type"], call);
    assert!(tool_output(&asks[1]).unwrap().contains("hi-from-tool"));
    assert_same_beginning(&asks);
}

#[tokio::test(flavor = "multi_thread")]
async fn post_with_an_api_key() {
    over_post(Login::ApiKey, &[], "custom_tool_call_output", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn post_with_an_api_key_and_a_model_that_calls_functions() {
    over_post(Login::ApiKey, &PLAIN_MODEL, "function_call_output", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn post_with_a_chatgpt_login_and_zstd_bodies() {
    let call = "custom_tool_call_output";
    over_post(Login::ChatGpt, &[], call, Some("zstd")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn post_with_a_chatgpt_login_and_a_model_that_calls_functions() {
    let call = "function_call_output";
    over_post(Login::ChatGpt, &PLAIN_MODEL, call, Some("zstd")).await;
}

async fn over_websocket(login: Login, model: &[&str], call: &str) {
    let provider = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(provider.base_url());
    let codex = Codex::new(login);
    let said = codex.exec(&proxy.url(), model, RUN).await;
    assert_turn(&said);
    assert_eq!(handshakes(&provider), 1);
    let asks = asks(&provider);
    assert!(
        asks.iter()
            .all(|ask| ask.transport == Transport::WebSocket && !ask.binary)
    );
    let json: Vec<&Value> = asks.iter().map(|ask| ask.json.as_ref().unwrap()).collect();
    assert_eq!(json.len(), 3, "prewarm, prompt, tool output");
    assert_eq!(json[0]["generate"], false);
    for ask in &json[1..] {
        assert!(ask["previous_response_id"].is_string());
    }
    // Only what is new crosses a connection that remembers.
    assert_eq!(input(&asks[2]).len(), 1);
    assert_eq!(input(&asks[2])[0]["type"], call);
    assert!(tool_output(&asks[2]).unwrap().contains("hi-from-tool"));
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_with_an_api_key() {
    over_websocket(Login::ApiKey, &[], "custom_tool_call_output").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_with_a_chatgpt_login() {
    over_websocket(Login::ChatGpt, &[], "custom_tool_call_output").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_with_a_model_that_calls_functions() {
    over_websocket(Login::ApiKey, &PLAIN_MODEL, "function_call_output").await;
}

/// Codex's base may end in `/v1` or not: the provider hears the same.
#[tokio::test(flavor = "multi_thread")]
async fn the_base_may_end_in_v1() {
    let provider = provider_refusing(426).await;
    let proxy = Proxy::before(provider.base_url());
    let codex = Codex::new(Login::ApiKey);
    let base = format!("{}/v1", proxy.url());
    assert_turn(&codex.exec(&base, &[], RUN).await);
    let paths = asks(&provider)
        .into_iter()
        .map(|ask| ask.path_and_query)
        .collect::<Vec<_>>();
    assert_eq!(paths, ["/v1/responses", "/v1/responses"]);
}
