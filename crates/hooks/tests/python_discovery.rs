//! Which files are hooks, and what their metadata says.

use std::fs;
use std::time::Duration;

use codex_plus_hooks::python::{HookType, InputScope, Metadata, discover};

#[test]
fn frontmatter_and_docstring_say_the_same() {
    let front = "---\nname: a\ntype: post-tool-use\npriority: -3\nenabled: false\n\
                 description: 'what: it does'\ninput: prompt\ntimeout: 1.5\n\
                 headers: [Authorization]\nother: kept out\n---\ncode\n";
    let doc = "#!/usr/bin/env python3\n\n\"\"\"A hook.\n\nHook Metadata:\n    name: a\n    \
               type: post-tool-use\n    priority: -3\n    enabled: false\n    \
               description: what: it does\n    input: prompt\n    timeout: 1.5\n    \
               headers: [Authorization]\n\"\"\"\ncode\n";
    let found = Metadata::parse(front, "file").unwrap().unwrap();
    assert_eq!(found, Metadata::parse(doc, "file").unwrap().unwrap());
    assert_eq!(
        (found.hook_type, found.input),
        (HookType::PostToolUse, InputScope::Prompt)
    );
    assert_eq!((found.priority, found.enabled), (-3, false));
    assert_eq!(found.timeout(), Some(Duration::from_millis(1500)));
    assert!(found.asks_for_header("authorization"));
}

#[test]
fn defaults() {
    let found = Metadata::parse("---\n---\n", "file").unwrap().unwrap();
    assert_eq!(
        (found.name.as_str(), found.priority, found.enabled),
        ("file", 100, true)
    );
    assert_eq!(
        (found.hook_type, found.input),
        (HookType::PreInput, InputScope::Body)
    );
}

#[test]
fn a_file_without_metadata_is_no_hook() {
    for source in [
        "",
        "import os\n",
        "\"\"\"Just a script.\"\"\"\n",
        "x = '---'\n",
    ] {
        assert_eq!(Metadata::parse(source, "file"), Ok(None), "{source:?}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    for (source, line) in [
        ("---\nname: a\ntype: sometimes\n---\n", 3),
        ("---\nname: a\npriority: [\n---\n", 3),
        ("\n---\nname: a\n", 2),
    ] {
        let error = Metadata::parse(source, "file").unwrap_err();
        assert!(
            error.line >= line && error.line <= line + 1,
            "{source:?}: {error}"
        );
    }
    assert!(Metadata::parse("---\ntimeout: 0\n---\n", "file").is_err());
}

#[test]
fn the_first_of_a_name_wins_and_priority_orders() {
    let home = tempfile::tempdir().unwrap();
    let folders = ["first", "second", "none"].map(|name| home.path().join(name));
    fs::create_dir(&folders[0]).unwrap();
    fs::create_dir(&folders[1]).unwrap();
    for (folder, file, source) in [
        (0, "late.py", "---\nname: late\npriority: 200\n---\n"),
        (0, "script.py", "print()\n"),
        (0, "broken.py", "---\nname: [\n---\n"),
        (0, "text.txt", "---\nname: text\n---\n"),
        (1, "late.py", "---\nname: late\npriority: 1\n---\n"),
        (1, "early.py", "---\nname: early\npriority: 1\n---\n"),
    ] {
        fs::write(folders[folder].join(file), source).unwrap();
    }
    let found = discover(&folders);
    let names: Vec<_> = found
        .hooks
        .iter()
        .map(|hook| hook.metadata.name.as_str())
        .collect();
    assert_eq!(names, ["early", "late"]);
    assert!(found.hooks[1].path.starts_with(&folders[0]));
    assert_eq!(found.problems.len(), 1);
    assert!(found.problems[0].path.ends_with("broken.py"));
}
