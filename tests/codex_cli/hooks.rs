//! Hooks of every kind under the real client, over POST and over WebSocket.

use codex_plus_stand_in::{Answer, Config, Received, StandIn};
use serde_json::Value;

use crate::client::{
    Codex, LAST_WORDS, Login, PLAIN_MODEL, RUN, asks, assert_turn, input, provider_refusing,
    tool_output,
};
use crate::support::home::Home;
use crate::support::proxy::Proxy;

/// How requests travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Post,
    WebSocket,
}

const BOTH: [Over; 2] = [Over::Post, Over::WebSocket];

async fn provider(over: Over) -> StandIn {
    match over {
        Over::Post => provider_refusing(426).await,
        Over::WebSocket => StandIn::start(Config::default()).await.unwrap(),
    }
}

/// A proxy whose user has these files in the home folder.
fn proxy(provider: &StandIn, files: &[(&str, &str)]) -> Proxy {
    Proxy::started(provider.base_url(), "", |home: &Home, _| {
        for (name, text) in files {
            home.write(&format!("home/{name}"), text);
        }
    })
}

/// The settings file for one command hook.
fn hook(event: &str, matcher: &str, command: &str) -> String {
    let hook = serde_json::json!({"type": "command", "command": command});
    serde_json::json!({"hooks": {event: [{"matcher": matcher, "hooks": [hook]}]}}).to_string()
}

const SETTINGS: &str = ".codexplus/settings.json";

/// The requests that ask for something: prewarms left out.
fn turns(provider: &StandIn) -> Vec<Received> {
    let mut asks = asks(provider);
    asks.retain(|ask| {
        ask.json
            .as_ref()
            .is_some_and(|json| json["generate"] != false)
    });
    asks
}

fn text(items: &[Value]) -> String {
    Value::from(items.to_vec()).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_hook_rewrites_the_prompt_and_it_stays_rewritten() {
    let tag = "---\nname: tag\ninput: prompt\n---\nfrom codex_plus.hooks import Hook\n\
        import itertools\ncount = itertools.count(1)\nclass Tag(Hook):\n    \
        async def pre_input(self, request, body):\n        \
        body['prompt'] += f' (tag {next(count)})'\n";
    for over in BOTH {
        let provider = provider(over).await;
        let proxy = proxy(&provider, &[(".codexplus/hooks/tag.py", tag)]);
        let codex = Codex::new(Login::ApiKey);
        for turn in 1..=5 {
            provider.push(Answer::text(format!("answer {turn}")));
            if over == Over::WebSocket {
                // The prewarm takes an answer, too.
                provider.push(Answer::text(format!("answer {turn}")));
            }
            let prompt = format!("say hello {turn}");
            let said = if turn == 1 {
                codex.exec(&proxy.url(), &[], &prompt).await
            } else {
                codex.resume(&proxy.url(), &prompt).await
            };
            assert_eq!(said.code, Some(0), "{over:?}: {said:?}");
        }
        let turns = turns(&provider);
        assert_eq!(turns.len(), 5, "{over:?}");
        let mut whole: Vec<Value> = Vec::new();
        for (number, turn) in turns.iter().enumerate() {
            let items = input(turn).clone();
            let said = text(&items);
            let newest = format!("say hello {0} (tag {0})", number + 1);
            assert_eq!(
                said.matches(&newest).count(),
                1,
                "{over:?} {number}: {said}"
            );
            // Each process of Codex connects anew, so even over WebSocket it tells all again.
            let known = same_beginning(&whole, &items);
            assert_eq!(
                known,
                whole.len(),
                "{over:?} turn {number}\n{whole:#?}\n{items:#?}"
            );
            whole = items;
        }
    }
}

/// How many items two conversations have in common at their beginning.
fn same_beginning(one: &[Value], other: &[Value]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_hook_adds_context() {
    for over in BOTH {
        let provider = provider(over).await;
        let settings = hook("UserPromptSubmit", "", "echo context-from-a-hook");
        let proxy = proxy(&provider, &[(SETTINGS, &settings)]);
        let codex = Codex::new(Login::ApiKey);
        assert_turn(&codex.exec(&proxy.url(), &[], RUN).await);
        let turns = turns(&provider);
        let items = input(&turns[0]);
        let at = items
            .iter()
            .position(|item| text(std::slice::from_ref(item)).contains(RUN));
        let behind = &items[at.unwrap() + 1];
        assert_eq!(behind["role"], "developer", "{over:?}");
        assert_eq!(
            behind["content"][0]["text"], "context-from-a-hook",
            "{over:?}"
        );
        let all: Vec<Value> = turns.iter().flat_map(|turn| input(turn).clone()).collect();
        // Told once over WebSocket; over POST it comes back with the prompt.
        let expected = if over == Over::Post { 2 } else { 1 };
        assert_eq!(
            text(&all).matches("context-from-a-hook").count(),
            expected,
            "{over:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_prompt_shows_the_reason_and_is_not_tried_again() {
    for over in BOTH {
        let provider = provider(over).await;
        let settings = hook(
            "UserPromptSubmit",
            "",
            "echo 'Not on a Friday.' >&2; exit 2",
        );
        let proxy = proxy(&provider, &[(SETTINGS, &settings)]);
        let codex = Codex::new(Login::ApiKey);
        let said = codex.exec(&proxy.url(), &[], "deploy it").await;
        assert_ne!(said.code, Some(0), "{over:?}: {said:?}");
        assert!(said.err.contains("Not on a Friday."), "{over:?}: {said:?}");
        assert!(!said.err.contains("Reconnecting"), "{over:?}: {said:?}");
        assert_eq!(
            turns(&provider).len(),
            0,
            "{over:?}: the provider must not hear of it"
        );
        let blocked = proxy.logged(1).await;
        let blocked = blocked.iter().filter(|line| line["outcome"] == "answered");
        assert_eq!(blocked.count(), 1, "{over:?}: asked once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_call_does_not_run_and_the_model_reads_why() {
    for (model, matcher) in [(&[][..], "exec"), (&PLAIN_MODEL[..], "Bash")] {
        for over in BOTH {
            let provider = provider(over).await;
            let settings = hook("PreToolUse", matcher, "echo 'No shell today.' >&2; exit 2");
            let proxy = proxy(&provider, &[(SETTINGS, &settings)]);
            let codex = Codex::new(Login::ApiKey);
            let marker = codex.path("work/made-by-the-tool");
            let args = [model, &["-s", "danger-full-access"]].concat();
            let run = format!("run: touch {}", marker.display());
            let said = codex.exec(&proxy.url(), &args, &run).await;
            assert_eq!(said.code, Some(0), "{over:?} {matcher}: {said:?}");
            assert_eq!(
                said.out.trim_end(),
                LAST_WORDS,
                "{over:?} {matcher}: {said:?}"
            );
            assert!(
                !marker.exists(),
                "{over:?} {matcher}: the call ran: {said:?}"
            );
            assert!(
                said.err.contains("No shell today."),
                "{over:?} {matcher}: {said:?}"
            );
            let turns = turns(&provider);
            let output = tool_output(&turns[1]).unwrap();
            assert!(
                output.contains("Blocked by a hook: No shell today."),
                "{over:?}: {output}"
            );
            if over == Over::Post {
                // The model reads the call that it made.
                let call = &input(&turns[1])[input(&turns[1]).len() - 2];
                assert!(call.to_string().contains("touch"), "{call}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tools_output_is_replaced_before_the_model_reads_it() {
    let answer = r#"{"hookSpecificOutput":{"hookEventName":"PostToolUse","updatedToolOutput":"all is [redacted]"}}"#;
    for model in [&[][..], &PLAIN_MODEL[..]] {
        for over in BOTH {
            let provider = provider(over).await;
            let settings = hook("PostToolUse", "*", &format!("echo '{answer}'"));
            let proxy = proxy(&provider, &[(SETTINGS, &settings)]);
            let codex = Codex::new(Login::ApiKey);
            assert_turn(&codex.exec(&proxy.url(), model, RUN).await);
            let turns = turns(&provider);
            let output = tool_output(&turns[1]).unwrap();
            assert!(output.contains("all is [redacted]"), "{over:?}: {output}");
            assert!(!output.contains("hi-from-tool"), "{over:?}: {output}");
        }
    }
}
