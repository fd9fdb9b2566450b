//! One Codex in a home of its own, logged in with made-up credentials.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::SystemTime;

use codex_plus_stand_in::{Config, Received, StandIn, Transport, WebSocketMode};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::home::Said;
use crate::support::{tools, within};

/// What the API key is in every test; no log may ever show it.
pub(crate) const KEY: &str = "sk-made-up-0123456789";
/// The prompt that makes the stand-in call a tool.
pub(crate) const RUN: &str = "run: echo hi-from-tool";
/// The model that is not in code mode, and so calls `exec_command` itself.
pub(crate) const PLAIN_MODEL: [&str; 2] = ["-m", "gpt-5.5"];
/// What the stand-in says once a tool has answered.
pub(crate) const LAST_WORDS: &str = "The tool has answered, and there is nothing left to do.";

/// How Codex is logged in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Login {
    /// By API key: request bodies are plain.
    ApiKey,
    /// By `ChatGPT` account: request bodies are zstd (seen with Codex 0.169.0).
    ChatGpt,
}

impl Login {
    /// Codex's `auth.json`.
    pub(crate) fn file(self) -> Value {
        if self == Self::ApiKey {
            return json!({"auth_mode": "apikey", "OPENAI_API_KEY": KEY});
        }
        let token = token();
        let now = jiff::Timestamp::try_from(SystemTime::now()).unwrap();
        json!({
            "auth_mode": "chatgpt",
            "OPENAI_API_KEY": null,
            "tokens": {"id_token": token, "access_token": token,
                "refresh_token": "made-up", "account_id": "acct-made-up"},
            // Just refreshed and far from its end, so that Codex does not try to.
            "last_refresh": format!("{now:.0}"),
        })
    }
}

/// A JSON Web Token that nobody signed.
pub(crate) fn token() -> String {
    let now = SystemTime::now();
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    // Whole days, so that every token of a test run is the same.
    let day = 24 * 3600;
    let issued = now.as_secs() / day * day;
    let head = json!({"alg": "none", "typ": "JWT"});
    let claims = json!({
        "email": "user@example.com", "iat": issued, "exp": issued + 30 * day,
        "https://api.openai.com/auth": {"chatgpt_plan_type": "pro",
            "chatgpt_user_id": "user-made-up", "chatgpt_account_id": "acct-made-up"},
    });
    let [head, claims] = [head, claims].map(|part| base64url(part.to_string().as_bytes()));
    format!("{head}.{claims}.c2ln")
}

/// RFC 4648, section 5, without padding.
fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let at = |n: usize| usize::from(three.get(n).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..=three.len() {
            text.push(char::from(DIGITS[bits >> (18 - 6 * digit) & 63]));
        }
    }
    text
}

/// A Codex that has never run before.
pub(crate) struct Codex {
    folder: tempfile::TempDir,
}

impl Codex {
    pub(crate) fn new(login: Login) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "codex", "work"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let codex = Self { folder };
        let file = codex.path("codex/auth.json");
        std::fs::write(file, login.file().to_string()).unwrap();
        codex
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs one turn with `base` as the provider's address.
    pub(crate) async fn exec(&self, base: &str, args: &[&str], prompt: &str) -> Said {
        let mut command = Command::new(tools::codex());
        command
            .args(["exec", "-c", &format!("openai_base_url=\"{base}\"")])
            .args(QUIET)
            .args(args)
            .arg(prompt);
        self.run_with(command, &[]).await
    }

    /// Goes on with the last conversation.
    pub(crate) async fn resume(&self, base: &str, prompt: &str) -> Said {
        let mut command = Command::new(tools::codex());
        command
            .args(["exec", "-c", &format!("openai_base_url=\"{base}\"")])
            .args(QUIET)
            .args(["resume", "--last", prompt]);
        self.run_with(command, &[]).await
    }

    /// Runs a command in this home, with nothing of the outside but PATH, and `own` variables.
    pub(crate) async fn run_with(&self, mut command: Command, own: &[(&str, String)]) -> Said {
        command
            .env_clear()
            .envs(self.environment())
            .envs(own.iter().cloned())
            .current_dir(self.path("work"))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        within(command.output()).await.unwrap().into()
    }

    /// The dead proxy keeps all but this machine out of reach.
    fn environment(&self) -> Vec<(&'static str, String)> {
        let nowhere = "http://127.0.0.1:9".to_owned();
        vec![
            ("PATH", std::env::var("PATH").unwrap_or_default()),
            ("HOME", self.path("home").display().to_string()),
            ("CODEX_HOME", self.path("codex").display().to_string()),
            ("HTTPS_PROXY", nowhere.clone()),
            ("HTTP_PROXY", nowhere),
            ("NO_PROXY", "127.0.0.1,localhost".to_owned()),
        ]
    }
}

/// Without these a `ChatGPT` login also talks to servers that are not the provider's.
pub(crate) const QUIET: [&str; 5] = [
    "-c",
    "features.apps=false",
    "-c",
    "features.plugins=false",
    "--skip-git-repo-check",
];

/// A provider without WebSocket: its answer to the handshake is `status`.
pub(crate) async fn provider_refusing(status: u16) -> StandIn {
    let config = Config {
        websocket: WebSocketMode::Refuse(status),
        ..Config::default()
    };
    StandIn::start(config).await.unwrap()
}

/// Fails unless the turn ended well and without a word of trouble.
pub(crate) fn assert_turn(said: &Said) {
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.out.trim_end(), LAST_WORDS, "{said:?}");
    assert!(said.err.contains("hi-from-tool"), "{said:?}");
    // One line about a refused handshake is Codex's own, also when the provider says 426 itself.
    let own = said.err.lines().filter(|line| !line.ends_with(REFUSED));
    for line in own {
        for trouble in ["ERROR", "Reconnecting", "Falling back", "panicked"] {
            assert!(!line.contains(trouble), "{said:?}");
        }
    }
    let refused = said.err.matches(REFUSED).count();
    assert!(refused <= 1, "{said:?}");
}

/// What Codex 0.169.0 logs when a handshake is answered 426.
const REFUSED: &str = "failed to connect to Responses WebSocket stage=Unknown";

/// Asks of the model, over either transport, in order; handshakes and the like left out.
pub(crate) fn asks(provider: &StandIn) -> Vec<Received> {
    let mut received = provider.received();
    received.retain(|one| one.transport == Transport::WebSocket || one.method == "POST");
    received
}

/// WebSocket handshakes that reached the provider.
pub(crate) fn handshakes(provider: &StandIn) -> usize {
    let received = provider.received();
    let tried = received
        .iter()
        .filter(|one| one.transport == Transport::Http && one.method == "GET" && is_responses(one));
    tried.count()
}

fn is_responses(one: &Received) -> bool {
    one.path_and_query == "/v1/responses"
}

/// The input items of a request.
pub(crate) fn input(ask: &Received) -> &Vec<Value> {
    let json = ask.json.as_ref().expect("a JSON body");
    json["input"].as_array().expect("input items")
}

/// The output of a tool that a request brings back, as text.
pub(crate) fn tool_output(ask: &Received) -> Option<String> {
    let last = input(ask).last()?;
    let kind = last["type"].as_str()?;
    kind.ends_with("_output")
        .then(|| last["output"].to_string())
}
