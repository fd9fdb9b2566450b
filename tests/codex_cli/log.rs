//! What the log tells of a session of Codex, and what it must not.

use codex_plus_stand_in::{Config, StandIn};
use serde_json::Value;

use crate::client::{Codex, KEY, Login, RUN, asks, assert_turn, input, provider_refusing, token};
use crate::support::proxy::Proxy;

fn column<'a>(told: &'a [Value], key: &str) -> Vec<&'a str> {
    let texts = told.iter().map(|one| one[key].as_str().unwrap_or_default());
    texts.collect()
}

/// Every line belongs to the same session of Codex.
fn assert_one_session(told: &[Value]) {
    for key in ["session", "thread"] {
        let ids = column(told, key);
        assert!(ids[0].len() > 30, "{ids:?}");
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_session_is_told_request_by_request() {
    let provider = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(provider.base_url());
    let codex = Codex::new(Login::ApiKey);
    assert_turn(&codex.exec(&proxy.url(), &[], RUN).await);
    let told = proxy.logged(4).await;
    let kinds = ["prewarm", "prompt", "continuation", "connection"];
    assert_eq!(column(&told, "turn"), kinds);
    assert_eq!(column(&told, "transport"), ["websocket"; 4]);
    assert_eq!(column(&told, "outcome")[..3], ["completed"; 3]);
    assert_one_session(&told);
    for (told, ask) in told.iter().zip(asks(&provider)) {
        assert_eq!(told["bytes_in"], ask.body_len, "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_over_post_is_told_request_by_request() {
    let provider = provider_refusing(426).await;
    let proxy = Proxy::before(provider.base_url());
    let codex = Codex::new(Login::ApiKey);
    assert_turn(&codex.exec(&proxy.url(), &[], RUN).await);
    let told = proxy.logged(3).await;
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(column(&told, "method"), ["GET", "POST", "POST"]);
    assert_eq!(column(&told, "outcome")[1..], ["completed"; 2]);
    assert_one_session(&told);
    for (told, ask) in told[1..].iter().zip(asks(&provider)) {
        assert_eq!(told["bytes_in"], ask.body_len, "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_prompt_reaches_the_log() {
    for login in [Login::ApiKey, Login::ChatGpt] {
        for websocket in [true, false] {
            let provider = StandIn::start(Config::default()).await.unwrap();
            let settings = format!("websocket = {websocket}\n[log]\nlevel = \"trace\"\n");
            let proxy = Proxy::configured(provider.base_url(), &settings);
            let codex = Codex::new(login);
            let prompt = format!("{RUN} and-a-private-remark");
            let said = codex.exec(&proxy.url(), &[], &prompt).await;
            assert_eq!(said.code, Some(0), "{said:?}");
            proxy.logged(3).await;
            // It did pass through, so that there was something to keep out.
            let last = asks(&provider).pop().unwrap();
            assert!(!input(&last).is_empty());
            let log = proxy.log();
            let token = token();
            for secret in [
                "hi-from-tool",
                "private-remark",
                KEY,
                &token,
                "acct-made-up",
            ] {
                assert!(!log.contains(secret), "{secret} is in {log}");
            }
        }
    }
}
