//! The tables of docs/reliability.md and SECURITY.md name tests; every name leads to one.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read the house fails"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every Rust file of ours, by its path with `::` for `/`.
fn sources(folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let from_root = path.strip_prefix(root()).unwrap().with_extension("");
            let name = from_root.to_string_lossy().replace('/', "::");
            found.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
}

/// What stands between backticks in the last column of every table.
fn named(document: &str) -> Vec<String> {
    let rows = document.lines().filter(|line| line.starts_with("| "));
    let last = rows.filter_map(|row| row.trim_end_matches([' ', '|']).rsplit_once('|'));
    last.flat_map(|(_, column)| column.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

/// Whether a name leads to a test: `suite::room::test`, `test` alone, with `*` for the rest of it,
/// a whole suite, or a file.
fn leads_somewhere(name: &str, sources: &BTreeMap<String, String>) -> bool {
    if name.contains('/') {
        return root().join(name).is_file();
    }
    if sources.contains_key(&format!("tests::{name}")) {
        return true;
    }
    let (room, test) = name.rsplit_once("::").unwrap_or(("", name));
    // Tests beside the code stand in a module of their own.
    let inline = room.strip_suffix("::tests").unwrap_or(room);
    let rooms = sources.iter().filter(|(path, _)| {
        [room, inline]
            .iter()
            .any(|room| room.is_empty() || *path == room || path.ends_with(&format!("::{room}")))
    });
    let wanted = match test.strip_suffix('*') {
        Some("") => "#[t".to_owned(),
        Some(start) => format!("fn {start}"),
        None => format!("fn {test}("),
    };
    rooms.into_iter().any(|(_, text)| text.contains(&wanted))
}

fn all_sources() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    sources(&root().join("tests"), &mut found);
    sources(&root().join("crates"), &mut found);
    found
}

#[test]
fn every_promise_names_a_test_that_is_there() {
    let document = fs::read_to_string(root().join("docs/reliability.md")).unwrap();
    let (sources, names) = (all_sources(), named(&document));
    assert!(names.len() > 50, "the tables could not be read: {names:?}");
    let lost: Vec<_> = names
        .iter()
        .filter(|name| !leads_somewhere(name, &sources))
        .collect();
    assert!(lost.is_empty(), "no such test: {lost:#?}");
}

/// SECURITY.md names files below `tests/`, files from the root, crates, and modules of the crate
/// before them.
#[test]
fn every_file_that_the_security_policy_names_is_there() {
    let document = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let (_, table) = document.split_once("## What holds").unwrap();
    let (sources, names) = (all_sources(), named(table));
    assert!(names.len() > 10, "the table could not be read: {names:?}");
    let mut home = String::new();
    let mut lost = Vec::new();
    for name in names {
        let found = if Path::new(&name).extension().is_some() {
            [root(), root().join("tests")]
                .iter()
                .any(|folder| folder.join(&name).is_file())
        } else if name.starts_with("crates/") {
            home = name.replace('/', "::");
            root().join(&name).is_dir()
        } else {
            let inside = sources.keys().filter(|path| path.starts_with(&home));
            let mut rooms = inside.map(|path| path.split("::").collect::<Vec<_>>());
            !home.is_empty() && rooms.any(|rooms| rooms.contains(&name.as_str()))
        };
        if !found {
            lost.push(name);
        }
    }
    assert!(lost.is_empty(), "no such file: {lost:#?}");
}

#[test]
fn a_name_that_leads_nowhere_is_seen() {
    let sources = all_sources();
    for name in [
        "faults::answers::no_such_test",
        "no_such_test",
        "no_such_suite",
        "faults::no_such_room::*",
        "streams::no_such_start_*",
        "crates/hooks/tests/no_such_file.rs",
    ] {
        assert!(!leads_somewhere(name, &sources), "{name}");
    }
}

/// Limits and waits are kept by the monotonic clock. The time of day is only told: in the log, in
/// what is exported, in the description of a run. Nothing may be decided by it.
#[test]
fn the_time_of_day_is_only_told() {
    const TELLERS: [&str; 9] = [
        "crates::codex-plus::src::commands::status",
        "crates::codex-plus::src::daemon::instance",
        "crates::codex-plus::src::log::exchange",
        "crates::codex-plus::src::log::install",
        "crates::codex-plus::src::log::pipe",
        "crates::codex-plus::src::otlp::export",
        "crates::codex-plus::src::otlp::metric",
        "crates::proxy::src::exchange",
        "crates::stand-in::src::events",
    ];
    let sources = all_sources();
    let reads = |text: &str| {
        [
            "SystemTime::now",
            "Timestamp::now",
            "Zoned::now",
            "UNIX_EPOCH.elapsed",
        ]
        .iter()
        .any(|reading| text.contains(reading))
    };
    let others: Vec<_> = sources
        .iter()
        .filter(|(path, text)| path.contains("::src::") && reads(text))
        .map(|(path, _)| path.as_str())
        .filter(|path| !TELLERS.contains(path))
        .collect();
    assert!(others.is_empty(), "the time of day is read in {others:#?}");
}
