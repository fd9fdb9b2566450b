//! The steps, and what the document expects of each.

use crate::checkout::Checkout;
use crate::document::Document;
use crate::figures::{Figures, largest, number, numbers};

/// Runs every step of the document, in its order.
pub(crate) fn run_all(document: &Document, checkout: &Checkout, figures: &mut Figures) {
    assert_eq!(document.len(), 8, "the document has a step that is not run");
    let plain = baseline(document.commands("1."), checkout, figures);
    concurrent(document.commands("2."), checkout, figures);
    memory(document.commands("3."), checkout, figures);
    hooks(document.commands("4."), plain, checkout, figures);
    status_line(document.commands("5."), checkout, figures);
    payloads(document.commands("6."), checkout, figures);
    cleanup_of_resources(document.commands("7."), checkout, figures);
    assert_healthy(checkout);
    figures.held("Server remains responsive after all tests");
    clean_up(document.commands("Cleanup"), checkout);
}

/// Gives the whole time of a request without hooks, in seconds.
fn baseline(commands: &str, checkout: &Checkout, figures: &mut Figures) -> f64 {
    let (mut health, mut json) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let times = numbers(&checkout.run(commands), "Total:");
        assert_eq!(times.len(), 2);
        health.push(times[0]);
        json.push(times[1]);
    }
    figures.below(
        "1 health endpoint, slowest of three",
        largest(&health),
        0.050,
        "s",
    );
    figures.below(
        "1 JSON processing, slowest of three",
        largest(&json),
        0.500,
        "s",
    );
    figures.held("Baseline response times acceptable");
    largest(&json)
}

fn concurrent(commands: &str, checkout: &Checkout, figures: &mut Figures) {
    let pid = checkout.pid();
    let said = checkout.run(commands);
    figures.at_least(
        "2 successful requests of 10",
        number(&said, "Successful requests:"),
        8.0,
        "",
    );
    figures.below(
        "2 average response time",
        number(&said, "Average response time:"),
        2.0,
        "s",
    );
    assert_eq!(checkout.pid(), pid, "the proxy crashed");
    assert_healthy(checkout);
    figures.held("Handles 10 concurrent requests");
}

fn memory(commands: &str, checkout: &Checkout, figures: &mut Figures) {
    let said = checkout.run(commands);
    assert!(said.contains("Load test completed"), "{said}");
    figures.below(
        "3 memory growth",
        number(&said, "Memory growth:"),
        50_000.0,
        "kB",
    );
    assert!(!said.contains("WARNING"), "{said}");
    let pid = checkout.pid();
    // PID, RSS, VSZ, %CPU, once a second.
    let samples: Vec<Vec<&str>> = said
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields.len() == 4 && fields[0] == pid)
        .collect();
    assert_eq!(samples.len(), 17, "{said}");
    let sample = |field: usize| {
        samples
            .iter()
            .map(move |s| s[field].parse::<f64>().unwrap())
    };
    figures.below(
        "3 CPU usage",
        largest(&sample(3).collect::<Vec<_>>()),
        50.0,
        "%",
    );
    let resident: Vec<f64> = sample(1).collect();
    let later = &resident[resident.len() / 2..];
    assert!(
        later.windows(2).any(|pair| pair[1] <= pair[0]),
        "it grows and grows: {resident:?}"
    );
    figures.held("Memory usage remains stable under load");
}

fn hooks(commands: &str, plain: f64, checkout: &Checkout, figures: &mut Figures) {
    let said = checkout.run(commands);
    let with_hooks = number(&said, "Average request time with hooks:");
    figures.below("4 time added to a request", with_hooks - plain, 0.100, "s");
    let took: Vec<f64> = said
        .lines()
        .filter(|line| line.to_lowercase().contains("perftesthook processing time"))
        .map(|line| number(line, "processing time:"))
        .collect();
    assert_eq!(
        took.len(),
        5,
        "each request runs the hook once, and its log lines are in proxy.log:\n{said}"
    );
    figures.below(
        "4 hook processing, slowest of five",
        largest(&took),
        10.0,
        "ms",
    );
    figures.held("Hook processing overhead < 10ms per hook");
}

fn status_line(commands: &str, checkout: &Checkout, figures: &mut Figures) {
    let said = checkout.run(commands);
    figures.below(
        "5 status line, average",
        number(&said, "Average:"),
        0.500,
        "s",
    );
    figures.below(
        "5 status line, slowest of ten",
        number(&said, "Max:"),
        0.500,
        "s",
    );
    assert!(!said.contains("WARNING"), "{said}");
    // A line that is quick because it is empty would be none.
    let line = checkout.run(
        "python3 -c \"import sys, asyncio; sys.path.append('src'); from codex_plus.hooks import hook_system; print(asyncio.run(hook_system.run_status_line()))\"",
    );
    assert!(
        line.contains("main"),
        "the status line names the branch: {line:?}"
    );
    figures.held("Status line generation < 500ms");
}

fn payloads(commands: &str, checkout: &Checkout, figures: &mut Figures) {
    let said = checkout.run(commands);
    for (size, what, limit) in [
        (1, "6 payload of 1 kB", 1.0),
        (10, "6 payload of 10 kB", 1.0),
        (100, "6 payload of 100 kB", 2.0),
        (1000, "6 payload of 1000 kB", 5.0),
    ] {
        let label = format!("{size}KB payload:");
        let line = said
            .lines()
            .find(|line| line.starts_with(&label))
            .expect(&label);
        assert!(line.contains("(status: 200)"), "{line}");
        figures.below(what, number(line, &label), limit, "s");
    }
    figures.held("Large payloads handled without crashes");
}

fn cleanup_of_resources(commands: &str, checkout: &Checkout, figures: &mut Figures) {
    let pid = checkout.pid();
    let said = checkout.run(commands);
    assert!(said.contains("Load generation completed"), "{said}");
    assert!(
        number(&said, "Initial file descriptors:") > 0.0,
        "lsof saw nothing: {said}"
    );
    figures.below(
        "7 descriptors kept after load",
        number(&said, "File descriptor change:"),
        50.0,
        "",
    );
    assert!(said.contains("Resource cleanup appears normal"), "{said}");
    assert_eq!(checkout.pid(), pid, "the proxy crashed");
    figures.held("No significant resource leaks after load testing");
}

fn clean_up(commands: &str, checkout: &Checkout) {
    let before = checkout.pid();
    let said = checkout.run(commands);
    assert_ne!(checkout.pid(), before, "restart starts another process");
    assert!(said.contains(r#"{"status":"healthy"}"#), "{said}");
    assert!(
        !checkout
            .root()
            .join(".codexplus/hooks/perf_test.py")
            .exists()
    );
    // Normal again: the hook is gone from the proxy as well.
    let lines = "grep -ci 'perftesthook processing time' proxy.log || true";
    let told = checkout.run(lines);
    checkout.run("curl -sf -X POST http://localhost:10000/responses -H 'Content-Type: application/json' -d '{\"input\": \"after\"}' -o /dev/null");
    assert_eq!(checkout.run(lines), told, "the removed hook still runs");
}

fn assert_healthy(checkout: &Checkout) {
    let said = checkout.run("curl -s http://localhost:10000/health");
    assert_eq!(said, r#"{"status":"healthy"}"#);
}
