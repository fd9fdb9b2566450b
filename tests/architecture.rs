//! The house rules that a compiler does not check: who may import whom, how long a file may be,
//! what may run where.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read the house fails"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each crate and the crates of ours it may depend on. Imports point down only.
const EDGES: &[(&str, &[&str])] = &[
    ("codex-plus-wire", &[]),
    ("codex-plus-project", &[]),
    (
        "codex-plus-hooks",
        &["codex-plus-project", "codex-plus-wire"],
    ),
    ("codex-plus-stand-in", &[]),
    (
        "codex-plus-proxy",
        &["codex-plus-hooks", "codex-plus-project", "codex-plus-wire"],
    ),
    (
        "codex-plus",
        &[
            "codex-plus-hooks",
            "codex-plus-project",
            "codex-plus-proxy",
            "codex-plus-stand-in",
            "codex-plus-wire",
        ],
    ),
    // Measures from outside: what it shared with the line would hide the line's cost.
    ("codex-plus-bench", &[]),
    // Counts the inner parts, so it links them.
    (
        "codex-plus-micro",
        &["codex-plus-bench", "codex-plus-hooks", "codex-plus-wire"],
    ),
];
const LONGEST_FILE: usize = 400;
const VAGUE_NAMES: &[&str] = &[
    "utils", "util", "common", "helpers", "helper", "manager", "misc",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every file below a folder with this ending, generated and fetched ones left out.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                found.extend(files(&path, ending));
            }
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    found
}

fn manifests() -> BTreeMap<String, toml::Table> {
    let mut found = files(&root().join("crates"), "Cargo.toml");
    found.push(root().join("benches/Cargo.toml"));
    found.push(root().join("benches/micro/Cargo.toml"));
    found
        .iter()
        .map(|path| {
            let table: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
            (table["package"]["name"].as_str().unwrap().to_owned(), table)
        })
        .collect()
}

fn dependencies(manifest: &toml::Table) -> Vec<String> {
    let table = manifest.get("dependencies").and_then(toml::Value::as_table);
    table
        .map(|table| table.keys().cloned().collect())
        .unwrap_or_default()
}

#[test]
fn crates_depend_downwards_only() {
    let manifests = manifests();
    let known: Vec<&str> = EDGES.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        manifests.keys().map(String::as_str).collect::<Vec<_>>(),
        {
            let mut known = known.clone();
            known.sort_unstable();
            known
        },
        "a new crate needs a place in EDGES"
    );
    for (name, allowed) in EDGES {
        for dependency in dependencies(&manifests[*name]) {
            let ours = known.contains(&dependency.as_str());
            assert!(
                !ours || allowed.contains(&dependency.as_str()),
                "{name} may not import {dependency}"
            );
        }
    }
}

#[test]
fn the_wire_does_no_io() {
    let dependencies = dependencies(&manifests()["codex-plus-wire"]);
    for runtime in [
        "tokio",
        "hyper",
        "hyper-util",
        "async-std",
        "smol",
        "futures",
        "mio",
    ] {
        assert!(
            !dependencies.iter().any(|d| d == runtime),
            "codex-plus-wire imports {runtime}"
        );
    }
    for path in files(&root().join("crates/wire/src"), ".rs") {
        let text = fs::read_to_string(&path).unwrap();
        for forbidden in [
            "async fn",
            "std::net",
            "std::fs",
            "std::process",
            "std::thread",
        ] {
            assert!(!text.contains(forbidden), "{}: {forbidden}", path.display());
        }
    }
}

#[test]
fn the_stand_in_is_never_on_the_line() {
    let manifests = manifests();
    assert!(
        !dependencies(&manifests["codex-plus-proxy"]).contains(&"codex-plus-stand-in".to_owned())
    );
}

/// The rooms of a crate and which others each one names: `crate::room` in a path or an import.
fn rooms(crate_name: &str) -> BTreeMap<String, BTreeSet<String>> {
    let source = root().join("crates").join(crate_name).join("src");
    let mut rooms: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in files(&source, ".rs") {
        let room = path.strip_prefix(&source).unwrap().with_extension("");
        let room = room
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_string_lossy()
            .into_owned();
        // The crate's root re-exports from everywhere; nobody imports from it.
        if room == "lib" || room == "main" {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let named = rooms.entry(room.clone()).or_default();
        for place in text
            .match_indices("crate::")
            .map(|(at, found)| &text[at + found.len()..])
        {
            let group = place
                .strip_prefix('{')
                .map_or(place, |group| group.split('}').next().unwrap());
            let grouped = place.starts_with('{');
            for name in group.split(',').take(if grouped { usize::MAX } else { 1 }) {
                let name: String = name
                    .trim()
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                if name != room && name.starts_with(char::is_lowercase) {
                    named.insert(name);
                }
            }
        }
    }
    rooms
}

#[test]
fn rooms_do_not_import_in_circles() {
    for name in [
        "wire",
        "stand-in",
        "proxy",
        "codex-plus",
        "hooks",
        "project",
    ] {
        let mut rooms = rooms(name);
        // Take away the rooms that import nobody until none is left, or a circle is.
        while !rooms.is_empty() {
            let free: Vec<String> = rooms
                .iter()
                .filter(|(_, named)| named.iter().all(|other| !rooms.contains_key(other)))
                .map(|(room, _)| room.clone())
                .collect();
            assert!(
                !free.is_empty(),
                "crates/{name} has a circle among {rooms:#?}"
            );
            rooms.retain(|room, _| !free.contains(room));
        }
    }
}

#[test]
fn every_crate_inherits_the_lints() {
    for (name, manifest) in manifests() {
        let inherited = manifest
            .get("lints")
            .and_then(|l| l.get("workspace"))
            .and_then(toml::Value::as_bool);
        assert_eq!(inherited, Some(true), "{name} sets lints of its own");
    }
}

#[test]
fn files_hold_one_idea() {
    for path in files(&root(), ".rs") {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(
            lines <= LONGEST_FILE,
            "{} has {lines} lines",
            path.display()
        );
        let stem = path.file_stem().unwrap().to_string_lossy();
        let folder = path
            .parent()
            .and_then(Path::file_name)
            .unwrap_or_default()
            .to_string_lossy();
        for vague in VAGUE_NAMES {
            assert!(
                stem != *vague && folder != *vague,
                "{} says nothing by its name",
                path.display()
            );
        }
    }
}

#[test]
fn input_cannot_reach_a_panic() {
    for name in ["wire", "proxy", "codex-plus"] {
        for path in files(&root().join("crates").join(name).join("src"), ".rs") {
            let text = fs::read_to_string(&path).unwrap();
            if path.file_stem().is_some_and(|stem| stem == "tests") {
                continue;
            }
            let shipped = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (number, line) in shipped.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                for call in [
                    ".unwrap()",
                    ".expect(\"",
                    "panic!(",
                    "unreachable!(",
                    "todo!(",
                ] {
                    assert!(
                        !code.contains(call),
                        "{}:{}: {call}",
                        path.display(),
                        number + 1
                    );
                }
            }
        }
    }
}
