//! What Python hooks see, return, log and raise, run by a real `python3`.

mod python_support;

use codex_plus_hooks::python::{Edit, EditOp, Outcome, PathPart, PythonError};
use python_support::{applied, call, edited, error, hook, pool, pre_input};
use serde_json::{Value, json};

/// The hook file of the seed document, as written there: no `import asyncio`.
const SEED: &str = r#"---
name: perf_test
type: pre-input
priority: 50
enabled: true
---

import time
import logging
from codex_plus.hooks import Hook

logger = logging.getLogger(__name__)

class PerfTestHook(Hook):
    async def pre_input(self, request, body):
        start = time.time()
        # Simulate some processing
        await asyncio.sleep(0.001)  # 1ms delay
        end = time.time()
        logger.info(f"PerfTestHook processing time: {(end-start)*1000:.2f}ms")
        return body
"#;

#[tokio::test]
async fn the_seed_hook_runs_as_written_and_its_log_line_arrives() {
    let seed = hook(SEED);
    assert_eq!(
        (seed.metadata.name.as_str(), seed.metadata.priority),
        ("perf_test", 50)
    );
    let reply = pool().call(&seed, call(r#"{"input":[]}"#)).await.unwrap();
    assert!(matches!(reply.outcome, Outcome::Unchanged));
    assert_eq!(reply.logs.len(), 1);
    assert_eq!(reply.logs[0].hook, "perf_test");
    assert_eq!(reply.logs[0].level, "INFO");
    assert!(
        reply.logs[0]
            .message
            .starts_with("PerfTestHook processing time: ")
    );
}

#[tokio::test]
async fn an_edit_in_place_is_seen_and_is_the_smallest_one() {
    let pool = pool();
    let hook = pre_input("body['input'][1]['text'] += ' more'");
    let payload = r#"{"model":"m","input":[{"text":"a"},{"text":"b"}],"n":1.0}"#;
    let reply = pool.call(&hook, call(payload)).await.unwrap();
    let Outcome::Patch(edits) = reply.outcome else {
        panic!("{reply:?}")
    };
    let path = vec![
        PathPart::Key("input".into()),
        PathPart::Index(1),
        PathPart::Key("text".into()),
    ];
    assert_eq!(
        edits,
        [Edit {
            op: EditOp::Set,
            path,
            value: json!("b more")
        }]
    );
}

#[tokio::test]
async fn what_means_the_same_is_unchanged() {
    let pool = pool();
    let payload = r#"{"b":1.0,"a":[12345678901234567890123,1e400,"\ud800 \u00e9 é"],"c":-0.0}"#;
    for lines in [
        "return None",
        "return body",
        "return dict(reversed(list(body.items())))",
    ] {
        let reply = pool.call(&pre_input(lines), call(payload)).await.unwrap();
        assert!(
            matches!(reply.outcome, Outcome::Unchanged),
            "{lines}: {reply:?}"
        );
    }
}

#[tokio::test]
async fn lists_grow_and_shrink() {
    let pool = pool();
    let payload = r#"{"input":[1,2,3]}"#;
    for (lines, wanted) in [
        (
            "body['input'].append({'é': '𝄞'})",
            json!([1, 2, 3, {"é": "𝄞"}]),
        ),
        ("body['input'].insert(0, True)", json!([true, 1, 2, 3])),
        ("body['input'].pop(1)", json!([1, 3])),
        ("body['input'][:] = [3, 2, 1, 0]", json!([3, 2, 1, 0])),
        ("body['input'][0] = 1.0", json!([1.0, 2, 3])),
    ] {
        assert_eq!(
            edited(&pool, &pre_input(lines), payload).await["input"],
            wanted,
            "{lines}"
        );
    }
    let whole = edited(&pool, &pre_input("return {'new': 1}"), payload).await;
    assert_eq!(whole, json!({"new": 1}));
}

#[tokio::test]
async fn a_body_of_a_megabyte_is_edited() {
    let text = "é\\n".repeat(350_000);
    let payload = format!(r#"{{"input":[{{"text":"{text}"}},{{"text":"last"}}]}}"#);
    let changed = edited(
        &pool(),
        &pre_input("body['input'][0]['text'] += '!'"),
        &payload,
    )
    .await;
    let mut wanted: Value = serde_json::from_str(&payload).unwrap();
    let text = format!("{}!", wanted["input"][0]["text"].as_str().unwrap());
    wanted["input"][0]["text"] = text.into();
    assert_eq!(changed, wanted);
}

#[tokio::test]
async fn the_request_is_shown_with_secrets_masked() {
    let lines = "return [request.method, request.url.path, request.headers['authorization'], \
                 request.headers['x-plain']]";
    let pool = pool();
    let seen = edited(&pool, &pre_input(lines), "{}").await;
    assert_eq!(seen, json!(["POST", "/responses", "***", "seen"]));
    let mut asking = pre_input(lines);
    asking.metadata.headers = vec!["authorization".into()];
    assert_eq!(edited(&pool, &asking, "{}").await[2], "Bearer s3cret");
}

#[tokio::test]
async fn state_goes_from_one_call_to_the_next() {
    let pool = pool();
    let reply = pool
        .call(&pre_input("request.state.seen = [1]"), call("{}"))
        .await
        .unwrap();
    let mut next = call("{}");
    next.state = reply.state.expect("a changed state");
    let reply = pool
        .call(&pre_input("return request.state.seen"), next)
        .await
        .unwrap();
    assert_eq!(applied("{}", &reply), json!([1]));
    assert!(reply.state.is_none());
}

#[tokio::test]
async fn an_exception_comes_with_traceback_and_the_files_line() {
    let pool = pool();
    let hook = pre_input("body['x'] = 1\nraise ValueError('no\\x1b[31m good')");
    let PythonError::Raised {
        hook: name,
        message,
        traceback,
        line,
        ..
    } = error(&pool, &hook).await
    else {
        panic!("another error")
    };
    assert_eq!((name.as_str(), line), ("probe", Some(9)));
    assert!(message.starts_with("ValueError: no"), "{message}");
    assert!(
        traceback.contains("/hooks/probe.py\", line 9, in pre_input"),
        "{traceback}"
    );
    assert!(!traceback.contains("codex_plus/worker"), "{traceback}");
}

#[tokio::test]
async fn a_file_that_cannot_be_a_hook_says_why_and_an_edit_of_it_is_live_at_once() {
    let pool = pool();
    let broken = hook("---\nname: probe\n---\n\nx = (\n");
    let PythonError::Raised { line, message, .. } = error(&pool, &broken).await else {
        panic!("another error")
    };
    assert_eq!(line, Some(5), "{message}");
    let none = hook("---\nname: probe\n---\nx = 1\n");
    assert!(
        error(&pool, &none)
            .await
            .to_string()
            .contains("inherits from")
    );
    assert_eq!(edited(&pool, &pre_input("return 1"), "{}").await, 1);
    assert_eq!(edited(&pool, &pre_input("return 2"), "{}").await, 2);
    assert_eq!(pool.status().started, 1);
}

#[tokio::test]
async fn print_and_raw_writes_do_not_disturb_the_protocol() {
    let pool = pool();
    let hook = pre_input("print('a\\nb')\nos.write(1, b'\\x00\\xff garbage\\n')\nreturn 5");
    let reply = pool.call(&hook, call("{}")).await.unwrap();
    let texts: Vec<_> = reply.logs.iter().map(|log| log.message.as_str()).collect();
    assert_eq!(texts, ["a", "b"]);
    assert_eq!(applied("{}", &reply), 5);
    assert_eq!(pool.status().started, 1);
}

#[tokio::test]
async fn what_is_no_json_is_refused() {
    let pool = pool();
    for lines in [
        "body['x'] = {1, 2}",
        "body['x'] = float('nan')",
        "body[1] = 2",
    ] {
        let told = error(&pool, &pre_input(lines)).await.to_string();
        assert!(told.contains("JSON"), "{lines}: {told}");
    }
}
