//! A day's work in one go: small requests, streams, hooks, large payloads and restarts, while
//! memory, descriptors, threads and errors are watched. The run ends badly on an error, and on a
//! trend: what the last process of the run needs must not grow once it is warm.
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

use load::{Errors, Share};
use meter::Sample;
use support::home::{Home, is_alive};
use support::until;

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
}

const SHORT: Plan = Plan {
    rounds: 22,
    restarts: 2,
    small: 22_000,
    streams: 440,
    hooks: 44,
    payloads: 88,
};

const LONG: Plan = Plan {
    rounds: 40,
    restarts: 5,
    small: 1_000_000,
    streams: 20_000,
    hooks: 2_000,
    payloads: 800,
};

/// Connections at work at the same time.
const CLIENTS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_grows_and_nothing_fails() {
    let plan = match std::env::var("CODEX_PLUS_TEST_SOAK").as_deref() {
        Ok("long") => LONG,
        _ => SHORT,
    };
    let provider = provider::start().await;
    let home = Arc::new(Home::new());
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
            "---\nname: tag\ninput: prompt\n---\nfrom codex_plus.hooks import Hook\n\
             class Tag(Hook):\n    async def pre_input(self, request, body):\n        \
             body['prompt'] += '{}'\n",
            provider::TAG
        ),
    );
    home.ok(&["start", "--upstream", &format!("http://{provider}/v1")]);
    let address = home.listen.parse().unwrap();
    let errors = Arc::new(Errors::default());
    let start = Instant::now();
    let (mut samples, mut earlier) = (Vec::new(), Vec::new());
    println!("{plan:?}\n{}", Sample::HEADINGS);
    for round in 0..plan.rounds {
        let share = Share::of(&plan, CLIENTS);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                tokio::spawn(load::client(
                    address,
                    share,
                    round * CLIENTS + client,
                    Arc::clone(&errors),
                ))
            })
            .collect();
        if round < plan.restarts {
            earlier.push(home.pid());
            let home = Arc::clone(&home);
            let said = tokio::task::spawn_blocking(move || home.run(&["restart"]))
                .await
                .unwrap();
            assert_eq!(said.code, Some(0), "{said:?}");
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
