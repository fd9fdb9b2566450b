//! Every event fires once for each real event, and is told what it is about.

use codex_plus_stand_in::{Answer, Ending};
use serde_json::{Value, json};

use crate::stage::{
    ALL, Client, Over, SETTINGS, Stage, hooks, of_kind, output, prompt, recording, turn,
};
use crate::support::home::signal;
use crate::support::until;

async fn stage(events: &[&str]) -> Stage {
    Stage::with(&[(SETTINGS, &recording(events))]).await
}

async fn told(stage: &Stage, count: usize) -> Vec<Value> {
    until("the hooks", || stage.told().len() >= count).await;
    // One more exchange's worth of time for one that is too many.
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let told = stage.told();
    assert_eq!(told.len(), count, "{told:#?}");
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_fires_once_however_often_it_is_sent() {
    for over in ALL {
        let stage = stage(&["UserPromptSubmit", "SessionStart"]).await;
        let mut client = stage.client(over);
        let mut prewarm = turn(json!([prompt("p1", "one")]));
        prewarm["generate"] = json!(false);
        client.ask(prewarm).await;
        client
            .ask(of_kind("turn", "thread_title", json!([prompt("x", "one")])))
            .await;
        assert!(stage.told().is_empty(), "{over:?}: {:?}", stage.told());
        client.ask(turn(json!([prompt("p1", "one")]))).await;
        client.ask(turn(json!([prompt("p1", "one")]))).await;
        let call = json!({"type": "function_call", "call_id": "c1", "name": "exec_command",
            "arguments": "{}"});
        let mut items = vec![prompt("p1", "one"), call, output("c1", "ok")];
        client.ask(turn(json!(items))).await;
        client
            .ask(of_kind("compaction", "user", json!(items)))
            .await;
        client
            .ask(of_kind("turn", "subagent", json!([prompt("q", "sub")])))
            .await;
        items.push(prompt("p2", "typed while it worked"));
        client.ask(turn(json!(items))).await;
        let told = told(&stage, 3).await;
        assert_eq!(told[0]["hook_event_name"], "SessionStart", "{over:?}");
        assert_eq!(told[0]["source"], "startup");
        for (told, (id, words)) in told[1..]
            .iter()
            .zip([("p1", "one"), ("p2", "typed while it worked")])
        {
            assert_eq!(told["hook_event_name"], "UserPromptSubmit", "{over:?}");
            assert_eq!(told["prompt"], words);
            assert_eq!(told["prompt_id"], id);
            assert_eq!(told["session_id"], "s-1");
            assert_eq!(told["turn_id"], "u-1");
            assert_eq!(told["model"], "m-1");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_going_on_is_resumed() {
    for over in ALL {
        let stage = stage(&["SessionStart"]).await;
        let mut client = stage.client(over);
        let answer = json!({"type": "message", "role": "assistant", "id": "a1",
            "content": [{"type": "output_text", "text": "hi"}]});
        let items = json!([prompt("p1", "one"), answer, prompt("p2", "two")]);
        client.ask(turn(items.clone())).await;
        client.ask(turn(items)).await;
        assert_eq!(told(&stage, 1).await[0]["source"], "resume", "{over:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_fires_once_although_it_comes_back() {
    let events = ["PostToolUse", "PostToolUseFailure", "PostToolBatch"];
    for over in ALL {
        let stage = stage(&events).await;
        let mut client = stage.client(over);
        let call = |id: &str| {
            json!({"type": "function_call", "call_id": id, "name": "exec_command",
            "arguments": format!("{{\"cmd\":\"run {id}\"}}")})
        };
        let mut items = vec![
            prompt("p1", "one"),
            call("c1"),
            call("c2"),
            output("c1", "Exit code: 0\nOutput:\nfine"),
            output("c2", "Exit code: 3\nOutput:\nbad"),
        ];
        client.ask(turn(json!(items))).await;
        client.ask(turn(json!(items))).await;
        items.push(prompt("p2", "two"));
        client.ask(turn(json!(items))).await;
        let mut told = told(&stage, 3).await;
        told.sort_by_key(|told| told["hook_event_name"].to_string());
        let [batch, used, failed] = &told[..] else {
            panic!()
        };
        assert_eq!(used["hook_event_name"], "PostToolUse", "{over:?}");
        assert_eq!(used["tool_name"], "exec_command");
        assert_eq!(used["tool_input"], json!({"cmd": "run c1"}));
        assert_eq!(used["tool_use_id"], "c1");
        assert_eq!(used["tool_response"], "Exit code: 0\nOutput:\nfine");
        assert_eq!(failed["hook_event_name"], "PostToolUseFailure");
        assert_eq!(failed["tool_use_id"], "c2");
        assert_eq!(failed["error"], "exit code 3");
        assert_eq!(batch["tool_calls"].as_array().unwrap().len(), 2);
    }
}

/// Over WebSocket the call is not in the request: it was in the answer before.
#[tokio::test(flavor = "multi_thread")]
async fn an_output_is_told_with_the_call_that_the_answer_made() {
    let stage = stage(&["PreToolUse", "PostToolUse"]).await;
    let mut client = stage.client(Over::Socket);
    stage
        .provider
        .push(Answer::function_call("exec_command", json!({"cmd": "ls"})));
    let said = client.ask(turn(json!([prompt("p1", "one")]))).await;
    let id = said.output()[0]["call_id"].as_str().unwrap().to_owned();
    let mut next = turn(json!([output(&id, "ok")]));
    next["previous_response_id"] = said.last()["response"]["id"].clone();
    client.ask(next).await;
    let told = told(&stage, 2).await;
    assert_eq!(told[0]["hook_event_name"], "PreToolUse");
    assert_eq!(told[0]["tool_input"], json!({"cmd": "ls"}));
    assert_eq!(told[1]["hook_event_name"], "PostToolUse");
    assert_eq!(told[1]["tool_input"], json!({"cmd": "ls"}));
    assert_eq!(told[1]["tool_name"], "exec_command");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_an_answer_is_told_once() {
    for over in ALL {
        let stage = stage(&["Stop", "StopFailure"]).await;
        let mut client = stage.client(over);
        stage.provider.push(Answer::text("all done"));
        client.ask(turn(json!([prompt("p1", "one")]))).await;
        let stopped = &told(&stage, 1).await[0];
        assert_eq!(stopped["hook_event_name"], "Stop", "{over:?}");
        assert_eq!(stopped["stop_hook_active"], false);
        assert_eq!(stopped["last_assistant_message"], "all done");
        // An answer with a call has not ended the turn.
        stage
            .provider
            .push(Answer::function_call("exec_command", json!({"cmd": "ls"})));
        client.ask(turn(json!([prompt("p2", "two")]))).await;
        told(&stage, 1).await;
    }
}

async fn fails(over: Over, answer: Answer, error: &str) {
    let stage = stage(&["Stop", "StopFailure"]).await;
    let mut client: Client = stage.client(over);
    stage.provider.push(answer);
    client.ask(turn(json!([prompt("p1", "one")]))).await;
    let told = &told(&stage, 1).await[0];
    assert_eq!(told["hook_event_name"], "StopFailure", "{over:?} {error}");
    assert_eq!(told["error"], error, "{over:?} {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_failed_is_told() {
    for over in [Over::Stream, Over::Document] {
        fails(over, Answer::status(500), "http_500").await;
    }
    fails(Over::Socket, Answer::status(500), "server_error").await;
    for over in [Over::Stream, Over::Socket] {
        fails(over, Answer::failed("rate_limit", "later"), "rate_limit").await;
        let cut = Answer::text("a b c d e f").deltas(6);
        let cut = cut.ending(Ending::Eof { after: 4 });
        fails(over, cut, "connection").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compactions_and_sub_agents_are_told() {
    let events = [
        "PreCompact",
        "PostCompact",
        "SubagentStart",
        "SubagentStop",
        "Stop",
    ];
    for over in ALL {
        let stage = stage(&events).await;
        let mut client = stage.client(over);
        client
            .ask(of_kind("compaction", "user", json!([prompt("p1", "one")])))
            .await;
        told(&stage, 2).await;
        assert_eq!(
            stage.told_names(),
            ["PreCompact", "PostCompact"],
            "{over:?}"
        );
        let mut client = stage.client(over);
        client.fields += "x-openai-subagent: review\r\n";
        stage.provider.push(Answer::text("looked"));
        let metadata = json!({"session_id": "s-1", "thread_id": "t-2", "request_kind": "turn",
            "thread_source": "subagent"});
        let mut ask = turn(json!([prompt("q1", "look")]));
        ask["client_metadata"] = json!({"x-codex-turn-metadata": metadata.to_string()});
        client.ask(ask.clone()).await;
        client.ask(ask).await;
        let told = told(&stage, 5).await;
        assert_eq!(
            stage.told_names()[2..],
            ["SubagentStart", "SubagentStop", "SubagentStop"],
            "{over:?}"
        );
        assert_eq!(told[2]["agent_id"], "t-2");
        assert_eq!(told[2]["agent_type"], "review");
        // The hooks of two answers may end in either order.
        let said = told[3..].iter().map(|told| &told["last_assistant_message"]);
        assert_eq!(said.filter(|said| *said == "looked").count(), 1, "{over:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_stops_ends_its_sessions() {
    let stage = stage(&["SessionEnd"]).await;
    let mut client = stage.client(Over::Stream);
    client.ask(turn(json!([prompt("p1", "one")]))).await;
    signal(stage.proxy.pid(), "TERM");
    let told = &told(&stage, 1).await[0];
    assert_eq!(told["hook_event_name"], "SessionEnd");
    assert_eq!(told["session_id"], "s-1");
}

/// Each waits for the other, so neither ends where one runs after the other.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_end_with_the_proxy_end_side_by_side() {
    let meet = "cd \"$HOME/..\"; touch ending-$$; \
        until [ $(ls | grep -c ^ending-) = 2 ]; do sleep 0.01; done; touch met-$$";
    let stage = Stage::with(&[(SETTINGS, &hooks(&[("SessionEnd", "", meet)]))]).await;
    for session in ["s-1", "s-2"] {
        let mut client = stage.client(Over::Stream);
        client.fields = format!("session-id: {session}\r\n");
        let mut ask = turn(json!([prompt("p1", "one")]));
        let metadata = json!({"session_id": session, "thread_id": session, "turn_id": "u-1",
            "request_kind": "turn", "thread_source": "user"});
        ask["client_metadata"] = json!({"x-codex-turn-metadata": metadata.to_string()});
        client.ask(ask).await;
    }
    signal(stage.proxy.pid(), "TERM");
    let folder = stage.proxy.home().path("");
    let ended = || {
        let names = std::fs::read_dir(&folder).unwrap().flatten();
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with("met-")).count()
    };
    until("both", || ended() == 2).await;
}
