//! `codex-plus codex`: the proxy is started on the way, and Codex's own files stay as they are.

use codex_plus_stand_in::{Config, StandIn};
use tokio::process::Command;

use crate::client::{Codex, Login, QUIET, RUN, asks, assert_turn};
use crate::support::home::Home;
use crate::support::{sha256, tools, until};

/// Settings as a user has them; another tool's rewriting has cost people such lines.
const SETTINGS: &str = "# my own words\nmodel_reasoning_effort = \"low\"\n\n\
    [mcp_servers.mine]\ncommand = \"/bin/false\"\nenabled = false\n\n\
    [projects.\"/some/where\"]\ntrust_level = \"trusted\"\n";
const HOOKS: &str = "{ \"hooks\": { } }\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_without_a_trace_in_codex_own_files() {
    let provider = StandIn::start(Config::default()).await.unwrap();
    let codex = Codex::new(Login::ApiKey);
    let auth = std::fs::read_to_string(codex.path("codex/auth.json")).unwrap();
    let files = [
        ("codex/config.toml", SETTINGS),
        ("codex/hooks.json", HOOKS),
        ("codex/AGENTS.md", "Be brief.\n"),
    ];
    for (name, text) in files {
        std::fs::write(codex.path(name), text).unwrap();
    }

    // Its state, so that the daemon started on the way ends with the test.
    let home = Home::new();
    let mut command = Command::from(home.codex_plus());
    command.args(["codex", "exec"]).args(QUIET).arg(RUN);
    let state = home.state("").display().to_string();
    let own = [
        ("CODEX_PLUS_LISTEN", home.listen.clone()),
        ("CODEX_PLUS_UPSTREAM", provider.base_url()),
        ("CODEX_PLUS_STATE_DIR", state),
        ("CODEX_PLUS_CODEX", tools::codex().display().to_string()),
        ("CODEX_PLUS_DRAIN", "2s".to_owned()),
    ];
    let said = codex.run_with(command, &own).await;
    assert_turn(&said);
    assert_eq!(asks(&provider).len(), 3);
    until("the log", || home.log().contains("exchange id=")).await;
    assert_eq!(home.status()["healthy"], true);

    for (name, text) in files
        .into_iter()
        .chain([("codex/auth.json", auth.as_str())])
    {
        let now = std::fs::read(codex.path(name)).unwrap();
        assert_eq!(sha256(&now), sha256(text.as_bytes()), "{name} was changed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn codex_gets_its_own_exit_code_through() {
    let provider = StandIn::start(Config {
        default_answer: codex_plus_stand_in::Answer::failed("invalid_prompt", "Not for me."),
        ..Config::default()
    })
    .await
    .unwrap();
    let codex = Codex::new(Login::ApiKey);
    let direct = codex.exec(&provider.base_url(), &[], "say hello").await;
    let home = Home::new();
    let mut command = Command::from(home.codex_plus());
    command.args(["codex", "exec"]).args(QUIET).arg("say hello");
    let own = [
        ("CODEX_PLUS_LISTEN", home.listen.clone()),
        ("CODEX_PLUS_UPSTREAM", provider.base_url()),
        ("CODEX_PLUS_STATE_DIR", home.state("").display().to_string()),
        ("CODEX_PLUS_CODEX", tools::codex().display().to_string()),
    ];
    let said = codex.run_with(command, &own).await;
    assert_eq!(said.code, direct.code);
    assert_ne!(said.code, Some(0));
    assert!(said.err.contains("Not for me."), "{said:?}");
}
