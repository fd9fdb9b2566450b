//! The `OpenAI` SDKs for Python and Node, with the proxy as their base URL.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

#[path = "support/mod.rs"]
mod support;

use std::process::Stdio;

use codex_plus_stand_in::{Answer, Config, StandIn};
use serde_json::Value;
use support::proxy::Proxy;
use support::upstream::nobody;
use support::{tools, within};
use tokio::process::Command;

/// One of the SDKs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sdk {
    Python,
    Node,
}

const BOTH: [Sdk; 2] = [Sdk::Python, Sdk::Node];

impl Sdk {
    /// Runs the small program in `tests/sdk` and takes what it prints.
    async fn run(self, mode: &str, proxy: &Proxy) -> Value {
        let mut command = match self {
            Self::Python => Command::new(tools::python()),
            Self::Node => Command::new("node"),
        };
        command.env_clear();
        let file = match self {
            Self::Python => "tests/sdk/responses.py",
            Self::Node => {
                command.env("NODE_MODULES", tools::node_modules());
                "tests/sdk/responses.mjs"
            }
        };
        command
            .arg(tools::checkout(file))
            .args([mode, &format!("{}/v1", proxy.url())])
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = within(command.output())
            .await
            .expect("node is missing; run ./run_tests.sh, which installs it");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{self:?} {mode}: {error}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

async fn provider(answer: Answer) -> StandIn {
    let config = Config {
        default_answer: answer,
        ..Config::default()
    };
    StandIn::start(config).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_answer() {
    for sdk in BOTH {
        let provider = provider(Answer::text("Hello, wörld.")).await;
        let proxy = Proxy::before(provider.base_url());
        let said = sdk.run("whole", &proxy).await;
        assert_eq!(said["text"], "Hello, wörld.", "{sdk:?}");
        assert_eq!(said["status"], "completed", "{sdk:?}");
        let received = provider.received();
        assert_eq!(received.len(), 1, "{sdk:?}");
        assert_eq!(received[0].path_and_query, "/v1/responses");
        let key = received[0].header("authorization");
        assert_eq!(key, Some("Bearer sk-made-up-0123456789"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_answer() {
    for sdk in BOTH {
        let provider = provider(Answer::text("Hello, streamed wörld.").deltas(7)).await;
        let proxy = Proxy::before(provider.base_url());
        let said = sdk.run("streamed", &proxy).await;
        assert_eq!(said["text"], "Hello, streamed wörld.", "{sdk:?}");
        let kinds = said["kinds"].as_array().unwrap();
        let deltas = kinds
            .iter()
            .filter(|kind| **kind == "response.output_text.delta");
        assert_eq!(deltas.count(), 7, "{sdk:?}");
        assert_eq!(kinds[0], "response.created", "{sdk:?}");
        assert_eq!(kinds.last().unwrap(), "response.completed", "{sdk:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_providers_error_is_the_sdks_own() {
    for sdk in BOTH {
        let answer = Answer::error(401, "invalid_api_key", "This key is made up.");
        let provider = provider(answer).await;
        let proxy = Proxy::before(provider.base_url());
        let said = sdk.run("error", &proxy).await;
        assert_eq!(said["error"], "AuthenticationError", "{sdk:?}");
        assert_eq!(said["status"], 401, "{sdk:?}");
        assert_eq!(said["code"], "invalid_api_key", "{sdk:?}");
        assert_eq!(said["message"], "This key is made up.", "{sdk:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_provider_is_an_error_that_says_what_to_do() {
    for sdk in BOTH {
        let proxy = Proxy::before(format!("http://{}/v1", nobody()));
        let said = sdk.run("error", &proxy).await;
        // Both SDKs put statuses from 500 into one class, a kind of APIStatusError / APIError.
        assert_eq!(said["error"], "InternalServerError", "{sdk:?}");
        assert_eq!(said["status"], 502, "{sdk:?}");
        assert_eq!(said["code"], "upstream_unreachable", "{sdk:?}");
        let message = said["message"].as_str().unwrap();
        assert!(message.contains("cannot reach"), "{sdk:?}: {message}");
        assert!(message.contains("`upstream` setting"), "{sdk:?}: {message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_models() {
    let provider = provider(Answer::suited()).await;
    let proxy = Proxy::before(provider.base_url());
    let said = Sdk::Python.run("models", &proxy).await;
    assert_eq!(said["ids"][0], "stand-in");
    assert_eq!(provider.received()[0].path_and_query, "/v1/models");
}
