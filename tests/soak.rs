//! A day's work in one go: small requests, streams, WebSocket connections, hooks, large payloads and
//! restarts, with a provider behind TLS and without, while memory, descriptors, threads and errors
//! are watched. The run ends badly on an error, and on a trend: what the last process of the run
//! needs must not grow once it is warm.
//!
//! `./run_tests.sh soak` runs the long one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test ends at the first thing that is not as it should be"
)]

#[path = "soak/load.rs"]
mod load;
#[path = "soak/meter.rs"]
mod meter;
#[path = "soak/provider.rs"]
mod provider;

mod support;

use std::sync::Arc;
use std::time::Instant;

use load::{Client, Errors, Share};
use meter::Sample;
use support::home::{Home, is_alive};
use support::{secure, until};

/// How much is done. All but `rounds` and `restarts` are totals of the run.
#[derive(Debug, Clone, Copy)]
struct Plan {
    rounds: usize,
    /// Each in the first rounds, under load; the process of the last one does the rest.
    restarts: usize,
    small: usize,
    streams: usize,
    hooks: usize,
    payloads: usize,
    /// WebSocket connections, each with ten requests.
    sockets: usize,
}

const SHORT: Plan = Plan {
    rounds: 22,
    restarts: 2,
    small: 22_000,
    streams: 440,
    hooks: 44,
    payloads: 88,
    sockets: 176,
};

const LONG: Plan = Plan {
    rounds: 40,
    restarts: 5,
    small: 1_000_000,
    streams: 20_000,
    hooks: 2_000,
    payloads: 800,
    sockets: 5_000,
};

impl Plan {
    /// So many times less work in as many rounds.
    fn part(self, of: usize) -> Self {
        Self {
            small: self.small / of,
            streams: self.streams / of,
            hooks: self.hooks / of,
            payloads: self.payloads / of,
            sockets: self.sockets / of,
            ..self
        }
    }
}

/// Connections at work at the same time.
const CLIENTS: usize = 8;

/// One soak at a time: each is to meet its own noise only.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test(flavor = "multi_thread")]
async fn nothing_grows_and_nothing_fails() {
    let _turn = TURN.lock().await;
    let provider = provider::start().await;
    soak(Home::new(), &format!("http://{provider}/v1"), plan()).await;
}

/// TLS keeps sessions, tickets and buffers of its own.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_grows_and_nothing_fails_over_tls() {
    let _turn = TURN.lock().await;
    let provider = provider::start().await;
    let front = secure::front(provider, 4096, &["localhost"], &["http/1.1"]).await;
    let home = Home::new();
    home.write("home/.config/codex-plus/authority.pem", &front.authority);
    home.write(
        "home/.config/codex-plus/config.toml",
        "[tls]\nca_files = ['authority.pem']\n",
    );
    let upstream = format!("https://localhost:{}/v1", front.port);
    soak(home, &upstream, plan().part(4)).await;
}

fn plan() -> Plan {
    match std::env::var("CODEX_PLUS_TEST_SOAK").as_deref() {
        Ok("long") => LONG,
        _ => SHORT,
    }
}

/// Runs a command whose proxy gives memory back to the system as soon as it frees it, with either
/// allocator. By themselves they keep some of what large payloads took, depending on what else is
/// busy at the moment, and that would hide what is lost.
fn command(home: &Home, arguments: &[&str]) {
    let mut command = home.codex_plus();
    command
        .env("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0")
        .env("MALLOC_MMAP_THRESHOLD_", "524288");
    let output = command.args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

async fn soak(home: Home, upstream: &str, plan: Plan) {
    let home = Arc::new(home);
    home.write(
        "home/.codexplus/settings.json",
        &format!(
            r#"{{"hooks": {{"UserPromptSubmit": [{{"hooks": [{{"type": "command", "command": "echo {}"}}]}}]}}}}"#,
            provider::CONTEXT
        ),
    );
    home.write(
        "home/.codexplus/hooks/tag.py",
        &format!(
            // Time enough for an interpreter to start on a machine that is busy with other things.
            "---\nname: tag\ninput: prompt\ntimeout: 60\n---\nfrom codex_plus.hooks import Hook\n\
             class Tag(Hook):\n    async def pre_input(self, request, body):\n        \
             body['prompt'] += '{}'\n",
            provider::TAG
        ),
    );
    command(&home, &["start", "--upstream", upstream]);
    let errors = Arc::new(Errors::default());
    let start = Instant::now();
    let (mut samples, mut earlier) = (Vec::new(), Vec::new());
    println!("{plan:?}\n{}", Sample::HEADINGS);
    for round in 0..plan.rounds {
        let restarting = round < plan.restarts;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let client = Client {
                    address: home.listen.parse().unwrap(),
                    share: Share::of(&plan, CLIENTS),
                    number: round * CLIENTS + client,
                    restarting,
                };
                tokio::spawn(client.run(Arc::clone(&errors)))
            })
            .collect();
        if restarting {
            earlier.push(home.pid());
            let home = Arc::clone(&home);
            tokio::task::spawn_blocking(move || command(&home, &["restart"]))
                .await
                .unwrap();
        }
        for client in clients {
            client.await.unwrap();
        }
        let sample = Sample::take(home.pid(), round + 1, start.elapsed(), errors.count());
        println!("{sample}");
        samples.push(sample);
    }
    assert_eq!(errors.count(), 0, "{:#?}", errors.first());
    let last = home.pid();
    samples.retain(|sample| sample.pid == last);
    assert_eq!(samples.len(), plan.rounds - plan.restarts + 1);
    meter::assert_no_trend(&samples);
    for pid in earlier {
        until("the processes before to end", || !is_alive(pid)).await;
    }
    home.ok(&["stop"]);
}
