//! What a new process does not know of conversations that the old one carried.

use codex_plus_stand_in::{Config, StandIn};
use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::peer::{ask, post};

const HOOKS: &str = r#"{"hooks": {"UserPromptSubmit": [{"hooks": [{"type": "command", "command": "echo context-of-$(cat \"$HOME/../number\")"}]}]}}"#;

fn prompt(id: &str) -> Value {
    json!({"type": "message", "role": "user", "id": id,
        "content": [{"type": "input_text", "text": "hello"}]})
}

/// A proxy whose hook adds to each prompt what `number` says.
async fn with_hooks() -> (StandIn, Home) {
    let provider = StandIn::start(Config::default()).await.unwrap();
    let home = Home::new();
    home.write("home/.codexplus/settings.json", HOOKS);
    home.write("number", "1");
    home.ok(&["start", "--upstream", &provider.base_url()]);
    (provider, home)
}

/// Prompts that were met are forgotten with the process that met them; what was done to them is
/// not. So one that is sent again reads as it did, and nothing the provider has cached changes.
#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_sent_again_after_a_restart_reads_as_it_did() {
    let (provider, home) = with_hooks().await;
    let address = home.listen.parse().unwrap();
    let send = async |items: &[Value]| {
        let body = json!({"model": "m", "input": items}).to_string();
        let (head, _) = ask(address, post("/v1/responses", "", body.as_bytes())).await;
        assert_eq!(head.status(), 200);
        let sent = provider.received().pop().unwrap().json.unwrap();
        sent["input"].as_array().unwrap().clone()
    };
    let first = send(&[prompt("p1")]).await;
    assert!(
        json!(first).to_string().contains("context-of-1"),
        "{first:?}"
    );
    for number in ["2", "3"] {
        home.write("number", number);
        home.ok(&["restart"]);
        assert_eq!(send(&[prompt("p1")]).await, first, "{}", home.log());
    }
    let later = send(&[prompt("p1"), prompt("p2")]).await;
    assert_eq!(later[..first.len()], first[..]);
    assert!(
        json!(later).to_string().contains("context-of-3"),
        "{later:?}"
    );
    home.ok(&["stop"]);
}

/// Edits are gathered before they are written; a successor reads what was edited the moment before.
#[tokio::test(flavor = "multi_thread")]
async fn edits_of_the_last_moment_before_a_restart_or_a_stop_are_known_after_it() {
    let (provider, home) = with_hooks().await;
    let address = home.listen.parse().unwrap();
    let send = async |id: &str| {
        let body = json!({"model": "m", "input": [prompt(id)]}).to_string();
        let (head, _) = ask(address, post("/v1/responses", "", body.as_bytes())).await;
        assert_eq!(head.status(), 200);
        provider.received().pop().unwrap().json.unwrap()["input"].to_string()
    };
    let restart: &[&[&str]] = &[&["restart"]];
    let url = provider.base_url();
    let stop_and_start: &[&[&str]] = &[&["stop"], &["start", "--upstream", &url]];
    for (name, commands) in [("restart", restart), ("stop", stop_and_start)] {
        home.write("number", "1");
        let ids: Vec<String> = (0..6).map(|n| format!("{name}-{n}")).collect();
        for id in &ids {
            assert!(send(id).await.contains("context-of-1"));
        }
        home.write("number", "2");
        for command in commands {
            home.ok(command);
        }
        for id in &ids {
            let read = send(id).await;
            assert!(read.contains("context-of-1"), "{id}: {read}");
        }
    }
    home.ok(&["stop"]);
}
