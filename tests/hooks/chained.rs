//! A WebSocket session as Codex has it: a prewarm, then only what is new, behind the id of the
//! answer before; the whole conversation after a new connection.

use codex_plus_stand_in::Answer;
use serde_json::{Value, json};

use crate::stage::{Client, Over, SETTINGS, Said, Stage, hooks, output, prompt, text_of, turn};

const EDITED: &str = "printf '{\"hookSpecificOutput\":{\"hookEventName\":\"PostToolUse\",\
    \"additionalContext\":\"seen\",\"updatedToolOutput\":\"masked %s\"}}' $(date +%N)";

/// Both ends' view of the conversation.
struct Chain {
    stage: Stage,
    client: Client,
    /// The items as the client knows them.
    items: Vec<Value>,
    /// The items as the provider has them, from requests and its own answers.
    provider: Vec<Value>,
    previous: Value,
}

impl Chain {
    async fn ask(&mut self, new: Value, prewarm: bool) -> Said {
        let mut body = turn(json!([new]));
        if prewarm {
            body["generate"] = json!(false);
        }
        if !self.previous.is_null() {
            body["previous_response_id"] = self.previous.clone();
        }
        let said = self.client.ask(body).await;
        let sent = self.stage.provider.received().pop().unwrap().json.unwrap();
        assert_eq!(
            sent.get("previous_response_id").unwrap_or(&Value::Null),
            &self.previous
        );
        self.provider
            .extend(sent["input"].as_array().unwrap().clone());
        self.items.push(new);
        self.previous = said.last()["response"]["id"].clone();
        assert!(self.previous.is_string(), "{said:?}");
        if !prewarm {
            self.items.extend(said.output().clone());
            self.provider.extend(said.output().clone());
        }
        said
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chained_session_of_five_turns_reads_the_same_when_it_is_sent_whole() {
    let settings = hooks(&[
        ("UserPromptSubmit", "", "date +%N"),
        ("PostToolUse", "Bash", EDITED),
    ]);
    let stage = Stage::with(&[(SETTINGS, &settings)]).await;
    let client = stage.client(Over::Socket);
    let mut chain = Chain {
        stage,
        client,
        items: Vec::new(),
        provider: Vec::new(),
        previous: Value::Null,
    };
    let environment = json!({"type": "message", "role": "user", "id": "e1", "content":
        [{"type": "input_text", "text": "<environment_context>\n</environment_context>"}]});
    chain.ask(environment.clone(), true).await;
    assert_eq!(
        chain.provider,
        [environment],
        "a prewarm is nobody's prompt"
    );
    for number in 1..=5 {
        let ask = Answer::function_call("exec_command", json!({"cmd": "ls"}));
        chain.stage.provider.push(ask);
        let before = chain.provider.len();
        let words = prompt(&format!("p{number}"), &format!("turn {number}"));
        let said = chain.ask(words.clone(), false).await;
        assert_eq!(chain.provider[before], words);
        assert_eq!(chain.provider[before + 1]["role"], "developer", "context");
        let call = said.output()[0]["call_id"].as_str().unwrap().to_owned();
        let before = chain.provider.len();
        chain
            .ask(output(&call, format!("raw {number}")), false)
            .await;
        let told = text_of(&chain.provider[before]);
        assert!(told.contains("masked") && !told.contains("raw"), "{told}");
    }
    // A new connection knows no ids: all is sent, and must be what the provider had.
    let mut anew = chain.stage.client(Over::Socket);
    chain.items.push(prompt("p6", "turn 6"));
    anew.ask(turn(json!(chain.items))).await;
    let sent = chain.stage.inputs().pop().unwrap();
    let sent = sent.as_array().unwrap();
    for (at, (one, other)) in chain.provider.iter().zip(sent).enumerate() {
        assert_eq!(one.to_string(), other.to_string(), "item {at}");
    }
    assert_eq!(
        sent.len(),
        chain.provider.len() + 2,
        "the new prompt and its context"
    );
    let whole = text_of(&json!(sent));
    assert_eq!(whole.matches("masked").count(), 5);
    assert_eq!(whole.matches("\"seen\"").count(), 5);
    assert!(!whole.contains("\"raw"));
}
