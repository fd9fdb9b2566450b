//! A Stop hook that does not let the answer end.

use codex_plus_stand_in::Answer;
use serde_json::json;

use crate::stage::{ALL, Over, SETTINGS, Stage, hooks, prompt, python, turn};

const TWICE: &str = "n=$(cat \"$HOME/../n\" 2>/dev/null || echo 0); n=$((n+1)); \
    echo $n > \"$HOME/../n\"; [ $n -gt 2 ] || { echo \"not yet $n\" >&2; exit 2; }";

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_on_with_the_reason_as_one() {
    for over in ALL {
        let stage = Stage::with(&[(SETTINGS, &hooks(&[("Stop", "", TWICE)]))]).await;
        let mut client = stage.client(over);
        for text in ["first", "second", "third"] {
            stage.provider.push(Answer::text(text));
        }
        let words = prompt("p1", "do it");
        let said = client.ask(turn(json!([words]))).await;
        let texts: Vec<_> = said
            .output()
            .iter()
            .map(|item| item["content"][0]["text"].as_str().unwrap())
            .collect();
        assert_eq!(texts, ["first", "second", "third"], "{over:?}");
        let inputs = stage.inputs();
        assert_eq!(inputs.len(), 3, "{over:?}");
        for (input, reason) in inputs[1..].iter().zip(["not yet 1", "not yet 2"]) {
            let last = input.as_array().unwrap().last().unwrap();
            assert!(last.to_string().contains(reason), "{over:?} {input:#}");
            assert_eq!(last["role"], "user");
        }
        if over != Over::Document {
            assert_eq!(said.of("response.created").len(), 1, "{over:?}");
            assert_eq!(said.of("response.completed").len(), 1, "{over:?}");
            let done = said.of("response.output_item.done");
            let indexes: Vec<_> = done
                .iter()
                .map(|event| event["output_index"].clone())
                .collect();
            assert_eq!(indexes, [0, 1, 2], "{over:?}");
            let numbers: Vec<_> = said
                .events
                .iter()
                .map(|event| event["sequence_number"].as_u64().unwrap())
                .collect();
            assert!(numbers.is_sorted_by(|a, b| a < b), "{over:?} {numbers:?}");
        }
        // In the next request all of it is history, the reasons at their places.
        let mut items = vec![words];
        items.extend(said.output().clone());
        items.push(prompt("p2", "next"));
        client.ask(turn(json!(items))).await;
        let sent = stage.inputs().pop().unwrap();
        let sent = sent.as_array().unwrap();
        assert_eq!(sent.len(), 7, "{over:?} {sent:#?}");
        assert!(sent[2].to_string().contains("not yet 1"), "{over:?}");
        assert!(sent[4].to_string().contains("not yet 2"), "{over:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_on_no_more_than_eight_times() {
    for over in ALL {
        let settings = hooks(&[("Stop", "", "echo more >&2; exit 2")]);
        let stage = Stage::with(&[(SETTINGS, &settings)]).await;
        let said = stage
            .client(over)
            .ask(turn(json!([prompt("p1", "do it")])))
            .await;
        assert_eq!(stage.inputs().len(), 9, "{over:?}");
        assert_eq!(said.output().len(), 9, "{over:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_hook_may_ask_for_more() {
    let hook = python(
        "name: more\ntype: stop",
        "stop(self, request, conversation_data):\n    \
         if conversation_data['stop_hook_active']: return None\n    \
         assert conversation_data['last_assistant_message'] == 'first'\n    \
         return {'decision': 'block', 'reason': 'go on'}",
    );
    for over in ALL {
        let stage = Stage::with(&[("home/.codexplus/hooks/more.py", &hook)]).await;
        stage.provider.push(Answer::text("first"));
        stage.provider.push(Answer::text("second"));
        let said = stage
            .client(over)
            .ask(turn(json!([prompt("p1", "do it")])))
            .await;
        assert_eq!(said.output().len(), 2, "{over:?} {}", stage.proxy.log());
        assert!(stage.inputs()[1].to_string().contains("go on"), "{over:?}");
    }
}

/// What the client waits for is one answer; one that fails on the way is told as it is.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_fails_when_it_goes_on_ends() {
    for over in ALL {
        let settings = hooks(&[("Stop", "", "echo more >&2; exit 2")]);
        let stage = Stage::with(&[(SETTINGS, &settings)]).await;
        stage.provider.push(Answer::text("first"));
        stage.provider.push(Answer::status(500));
        let said = stage
            .client(over)
            .ask(turn(json!([prompt("p1", "do it")])))
            .await;
        assert!(!said.events.is_empty(), "{over:?}");
        assert_eq!(stage.inputs().len(), 2, "{over:?}");
        // The next one works.
        let settings = hooks(&[]);
        stage.proxy.home().write(SETTINGS, &settings);
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let said = stage
            .client(over)
            .ask(turn(json!([prompt("p2", "do it")])))
            .await;
        assert_eq!(said.status, 200, "{over:?}");
    }
}
