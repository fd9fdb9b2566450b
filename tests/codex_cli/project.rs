//! What the working directory says, in a conversation of the real Codex: the status line, shown
//! and never sent, and slash commands.

use std::path::Path;
use std::process::Command as Program;

use codex_plus_stand_in::{Answer, Config, Received, StandIn, Transport};
use serde_json::Value;
use tokio::process::Command;

use crate::client::{Codex, Login, QUIET, RUN, asks, input, provider_refusing};
use crate::support::home::Said;
use crate::support::proxy::Proxy;
use crate::support::tools;

const SETTINGS: &str = "status_line.mode = \"response\"";
const LINE: &str = "[Dir: work | Local: main (dirty) | Remote: none | PR: none]";

/// A repository in Codex's working directory: one commit, one untracked file.
fn repository(folder: &Path) {
    std::fs::write(folder.join("file"), "one\n").unwrap();
    for arguments in [
        &["init", "-q", "-b", "main"][..],
        &["add", "."],
        &[
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@example.com",
            "commit",
            "-qm",
            "first",
        ],
    ] {
        let status = Program::new("git")
            .args(arguments)
            .current_dir(folder)
            .status();
        assert!(status.unwrap().success());
    }
    std::fs::write(folder.join("new"), "x").unwrap();
}

/// One turn more in the session that the first one began.
async fn turn(codex: &Codex, proxy: &Proxy, first: bool, prompt: &str) -> Said {
    let mut command = Command::new(tools::codex());
    command.arg("exec");
    if !first {
        command.args(["resume", "--last"]);
    }
    command
        .args(["-c", &format!("openai_base_url=\"{}\"", proxy.url())])
        .args(QUIET)
        .arg(prompt);
    codex.run_with(command, &[]).await
}

/// The requests of turns: without prewarms, which ask for nothing.
fn turns(provider: &StandIn) -> Vec<Received> {
    let mut asks = asks(provider);
    asks.retain(|ask| {
        ask.json
            .as_ref()
            .is_some_and(|json| json["generate"] != false)
    });
    asks
}

fn assert_shown_once(said: &Said) {
    assert_eq!(said.code, Some(0), "{said:?}");
    let (first, rest) = said.out.split_once('\n').unwrap();
    assert_eq!(first, LINE, "{said:?}");
    assert!(rest.trim().len() > 5 && !rest.contains("[Dir:"), "{said:?}");
}

async fn five_turns(provider: StandIn, transport: Transport) {
    let proxy = Proxy::configured(provider.base_url(), SETTINGS);
    let codex = Codex::new(Login::ApiKey);
    repository(&codex.path("work"));
    for (number, prompt) in ["one", RUN, "three", "four", "five"].iter().enumerate() {
        let said = turn(&codex, &proxy, number == 0, prompt).await;
        assert_shown_once(&said);
    }
    let turns = turns(&provider);
    assert!(turns.len() >= 6, "five prompts and a tool's output");
    assert!(turns.iter().all(|ask| ask.transport == transport));
    for ask in asks(&provider) {
        assert!(!ask.json.as_ref().unwrap().to_string().contains("[Dir:"));
    }
    // Each request begins with all that the one before it said, to the byte. Over WebSocket that
    // is so for the first of each process; the next ones bring only what is new.
    let whole: Vec<&Received> = turns.iter().filter(|ask| input(ask).len() > 2).collect();
    assert!(whole.len() >= 5);
    for pair in whole.windows(2) {
        let (before, after) = (raw_input(pair[0]), raw_input(pair[1]));
        assert!(after.starts_with(&before), "{before}\n{after}");
    }
}

/// The input's items as they were sent, without the closing bracket.
fn raw_input(ask: &Received) -> String {
    let items: Vec<String> = input(ask).iter().map(Value::to_string).collect();
    items.join(",")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_is_shown_once_a_turn_and_never_sent_over_post() {
    five_turns(provider_refusing(426).await, Transport::Http).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_is_shown_once_a_turn_and_never_sent_over_websocket() {
    let provider = StandIn::start(Config::default()).await.unwrap();
    five_turns(provider, Transport::WebSocket).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_proxy_still_takes_the_line_out() {
    let provider = provider_refusing(426).await;
    let codex = Codex::new(Login::ApiKey);
    repository(&codex.path("work"));
    for first in [true, false] {
        let proxy = Proxy::configured(provider.base_url(), SETTINGS);
        assert_shown_once(&turn(&codex, &proxy, first, "say something").await);
    }
    let turns = turns(&provider);
    assert_eq!(turns.len(), 2);
    assert!(
        !turns[1]
            .json
            .as_ref()
            .unwrap()
            .to_string()
            .contains("[Dir:")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_nothing_is_shown() {
    let provider = provider_refusing(426).await;
    let proxy = Proxy::before(provider.base_url());
    let codex = Codex::new(Login::ApiKey);
    repository(&codex.path("work"));
    let said = turn(&codex, &proxy, true, "say something").await;
    assert!(!said.out.contains("[Dir:"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_is_asked_to_show_the_line_in_the_old_way() {
    let provider = provider_refusing(426).await;
    let proxy = Proxy::configured(provider.base_url(), "status_line.mode = \"prompt\"");
    let codex = Codex::new(Login::ApiKey);
    repository(&codex.path("work"));
    for first in [true, false] {
        let said = turn(&codex, &proxy, first, "say something").await;
        assert!(!said.out.contains("[Dir:"), "{said:?}");
    }
    // The first turn may come before the line is known, and does not wait for it.
    let last = turns(&provider).pop().unwrap();
    assert!(last.json.unwrap().to_string().contains(LINE));
}

const COMMAND: &str = "---\ndescription: Review\nargument-hint: [what] [how]\n\
    allowed-tools: Bash(echo:*)\n---\nReview $1 with ${2:-normal} care, see @file.\n\
    Here: !`echo \"from shell: $1\"`";

/// A home with a command, where the proxy and `commands expand` look for it.
async fn a_command(provider: StandIn, prompt: &str) {
    let codex = Codex::new(Login::ApiKey);
    repository(&codex.path("work"));
    let mut home = None;
    let proxy = Proxy::started(provider.base_url(), "", |place, _| {
        place.write("home/.claude/commands/check/review.md", COMMAND);
        let mut expand = place.codex_plus();
        expand
            .args(["commands", "expand", "--json", prompt])
            .current_dir(codex.path("work"));
        home = Some(expand.output().unwrap());
    });
    let expanded: Value = serde_json::from_slice(&home.unwrap().stdout).unwrap();
    let text = expanded["text"].as_str().unwrap();
    assert!(
        text.starts_with("Review the line with great care, see @file.\nHere: from shell: the line")
    );
    assert!(text.ends_with("<file path=\"file\">\none\n</file>"));

    assert_eq!(turn(&codex, &proxy, true, prompt).await.code, Some(0));
    assert_eq!(turn(&codex, &proxy, false, "and now?").await.code, Some(0));
    assert_eq!(
        turn(&codex, &proxy, false, "/unknown and /usr/bin")
            .await
            .code,
        Some(0)
    );
    let turns = turns(&provider);
    let sent = |ask: &Received| input(ask).iter().map(Value::to_string).collect::<String>();
    for ask in turns.iter().filter(|ask| input(ask).len() > 2) {
        assert!(
            sent(ask).contains(&Value::from(text).to_string()),
            "{}",
            sent(ask)
        );
        assert!(!sent(ask).contains("check:review"));
    }
    assert!(sent(turns.last().unwrap()).contains("/unknown and /usr/bin"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_sent_as_expand_shows_it_over_post() {
    a_command(
        provider_refusing(426).await,
        " /check:review 'the line' great",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_sent_as_expand_shows_it_over_websocket() {
    let provider = StandIn::start(Config::default()).await.unwrap();
    a_command(provider, ":check:review 'the line' great").await;
}

/// The model hears neither of the command nor of the answer.
async fn built_in(provider: StandIn) {
    let proxy = Proxy::before(provider.base_url());
    let codex = Codex::new(Login::ApiKey);
    repository(&codex.path("work"));
    let said = turn(&codex, &proxy, true, "/plus:help").await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("/plus:status"), "{said:?}");
    assert!(turns(&provider).is_empty());
    let said = turn(&codex, &proxy, false, "say something").await;
    assert_eq!(said.code, Some(0), "{said:?}");
    for ask in turns(&provider) {
        assert!(!ask.json.unwrap().to_string().contains("plus:"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_of_ours_are_answered_here_over_post() {
    built_in(provider_refusing(426).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_of_ours_are_answered_here_over_websocket() {
    built_in(StandIn::start(Config::default()).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_a_form_of_its_own_is_left_alone() {
    let provider = StandIn::start(Config {
        default_answer: Answer::text("{\"ok\":true}"),
        ..Config::default()
    })
    .await
    .unwrap();
    let proxy = Proxy::configured(provider.base_url(), SETTINGS);
    let codex = Codex::new(Login::ApiKey);
    repository(&codex.path("work"));
    std::fs::write(
        codex.path("schema.json"),
        r#"{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"],"additionalProperties":false}"#,
    )
    .unwrap();
    let schema = codex.path("schema.json").display().to_string();
    let arguments = ["--output-schema", &schema];
    let said = codex.exec(&proxy.url(), &arguments, "is it?").await;
    assert_eq!(said.out.trim_end(), "{\"ok\":true}", "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoint_and_the_command_tell_the_same_line() {
    let codex = Codex::new(Login::ApiKey);
    let work = codex.path("work");
    repository(&work);
    let mut told = None;
    let proxy = Proxy::started("http://127.0.0.1:9", SETTINGS, |place, _| {
        let mut command = place.codex_plus();
        command.args(["status-line", "--cwd"]).arg(&work);
        told = Some(command.output().unwrap());
    });
    let told = String::from_utf8(told.unwrap().stdout).unwrap();
    assert_eq!(told.trim_end(), LINE);
    let path = format!("/codex-plus/status-line?cwd={}", work.display());
    let (head, body) = crate::support::peer::get(proxy.address, &path).await;
    assert_eq!(head.status(), 200);
    let page: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(page["status_line"], LINE);
    assert_eq!(page["mode"], "response");
    let nowhere = "/codex-plus/status-line?cwd=/no/such/folder";
    let (_, body) = crate::support::peer::get(proxy.address, nowhere).await;
    let page: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(page["status_line"], "");
}
