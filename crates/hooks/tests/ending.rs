//! Hooks that take too long or are no longer wanted leave nothing behind.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::time::Duration;

use codex_plus_hooks::config::Config;
use serde_json::json;
use support::{Place, input, prompt};
use tokio::net::TcpListener;

/// Children of this process, zombies included, and its open descriptors.
fn left() -> (usize, usize) {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let children = tasks
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .map(|list| list.split_whitespace().count())
        .sum();
    (children, fs::read_dir("/proc/self/fd").unwrap().count())
}

/// Resident memory in KiB.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The process that ends hooks with the proxy, whatever ends the proxy.
const WARDEN: usize = 1;

fn is_running(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// Waits for something; the limit only keeps a broken build from hanging.
async fn until(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), waiting)
        .await
        .unwrap();
}

// One test, because it counts what the whole process has.
#[tokio::test]
async fn nothing_is_left() {
    a_timeout_kills_the_whole_group().await;
    dropping_kills_the_whole_group().await;
    ten_thousand_timeouts().await;
    ten_thousand_servers_that_say_nothing().await;
}

async fn a_timeout_kills_the_whole_group() {
    let place = Place::new();
    let command = "sleep 600 & echo $! > pid; (trap '' TERM; sleep 601) ; wait";
    let hook = json!([{"type": "command", "command": command, "timeout": 0.5}]);
    support::settings(&place.home, "UserPromptSubmit", &hook);
    assert!(place.dispatch(prompt()).await.is_unchanged());
    assert!(place.last_error().unwrap().contains("longer than 0.5 s"));
    let pid = fs::read_to_string(place.project.join("pid")).unwrap();
    until(|| !is_running(pid.trim())).await;
}

async fn dropping_kills_the_whole_group() {
    let place = Place::new();
    let command = "sleep 600 & echo $! > draft; mv draft pid; wait";
    let hook = json!([{"type": "command", "command": command}]);
    support::settings(&place.home, "UserPromptSubmit", &hook);
    let (set, input) = (place.set(), input(prompt()));
    let path = place.project.join("pid");
    tokio::select! {
        _ = place.dispatcher.dispatch(&set, &input) => panic!("it ended by itself"),
        () = until(|| path.exists()) => {}
    }
    let pid = fs::read_to_string(path).unwrap();
    until(|| !is_running(pid.trim()) && left().0 == WARDEN).await;
}

async fn ten_thousand_timeouts() {
    let place = Place::with(Config {
        max_parallel: 50,
        ..Config::default()
    });
    let hooks: Vec<_> = (0..50)
        .map(|n| json!({"type": "command", "command": format!("sleep 60{n}"), "timeout": 0.02}))
        .collect();
    support::settings(&place.home, "UserPromptSubmit", &json!(hooks));
    let (set, input) = (place.set(), input(prompt()));
    let (mut before, mut memory) = ((0, 0), 0);
    for round in 0..200 {
        assert!(place.dispatcher.dispatch(&set, &input).await.is_unchanged());
        if round == 1 {
            (before, memory) = (left(), resident());
        }
    }
    assert_eq!((before.0, left()), (WARDEN, before));
    all_failed_without_growth(&place, memory);
}

/// `memory` is what the process needed after the first of them, in KiB.
fn all_failed_without_growth(place: &Place, memory: usize) {
    assert!(
        resident() < memory + 8 * 1024,
        "{memory} KiB grew to {}",
        resident()
    );
    let stats = place.dispatcher.stats().snapshot();
    assert_eq!(stats.iter().map(|hook| hook.failures).sum::<u64>(), 10_000);
}

/// A server that takes requests and never answers.
async fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // Ends when the hook's connection does.
            tokio::spawn(async move { tokio::io::copy(&mut stream, &mut tokio::io::sink()).await });
        }
    });
    url
}

async fn ten_thousand_servers_that_say_nothing() {
    let place = Place::with(Config {
        max_parallel: 50,
        ..Config::default()
    });
    let url = silent().await;
    let hooks: Vec<_> = (0..50)
        .map(|n| json!({"type": "http", "url": format!("{url}/{n}"), "timeout": 0.02}))
        .collect();
    support::settings(&place.home, "UserPromptSubmit", &json!(hooks));
    let (set, input) = (place.set(), input(prompt()));
    let (before, mut memory) = (left(), 0);
    for round in 0..200 {
        assert!(place.dispatcher.dispatch(&set, &input).await.is_unchanged());
        if round == 9 {
            memory = resident();
        }
    }
    // None is kept to be used again: nobody knows what it would answer.
    until(|| left().1 <= before.1).await;
    assert_eq!(left().0, before.0);
    all_failed_without_growth(&place, memory);
}
