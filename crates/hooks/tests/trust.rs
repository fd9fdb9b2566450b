//! What a project brings runs only as the user looked at it.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use codex_plus_hooks::set::{Trusted, Withheld};
use codex_plus_hooks::trust::{ItemKind, Standing, TrustError};
use serde_json::json;
use support::{Place, input, prompt, write};

fn place(command: &str) -> Place {
    let place = Place::new();
    let hook = json!([{"type": "command", "command": command}]);
    support::settings(&place.project, "UserPromptSubmit", &hook);
    write(
        &place.project.join(".claude/hooks/check.sh"),
        "echo good\n",
        0o644,
    );
    place
}

#[tokio::test]
async fn nothing_runs_before_it_was_trusted_and_nothing_else_after() {
    let spellings = [
        "check.sh",
        "./.claude/hooks/check.sh",
        "sh .claude/hooks/check.sh",
        "\"$CLAUDE_PROJECT_DIR\"/.claude/hooks/check.sh",
        "bash -e \"${CLAUDE_PROJECT_DIR}/.claude/hooks/check.sh\"",
        "true && sh check.sh",
    ];
    for command in spellings {
        let place = place(command);
        let script = place.project.join(".claude/hooks/check.sh");
        assert!(place.dispatch(prompt()).await.is_unchanged(), "{command}");
        place.trust();
        let set = place.set();
        assert_eq!(
            place.dispatch(prompt()).await.context,
            ["good"],
            "{command}"
        );
        // Changed on disk: off for a set made now, and the old set still runs what was trusted.
        fs::write(&script, "echo bad\n").unwrap();
        let old = place.dispatcher.dispatch(&set, &input(prompt())).await;
        assert_eq!(old.context, ["good"], "{command}");
        assert!(place.dispatch(prompt()).await.is_unchanged(), "{command}");
        assert!(
            matches!(place.set().withheld[..], [(_, Withheld::Script(_))]),
            "{command}"
        );
        // Swapped for a link to something else, inside or outside: off as well.
        fs::remove_file(&script).unwrap();
        write(&place.home.join("evil.sh"), "echo evil\n", 0o755);
        symlink(place.home.join("evil.sh"), &script).unwrap();
        assert!(place.dispatch(prompt()).await.is_unchanged(), "{command}");
        // Back as it was: trusted again, because the content is what counts.
        fs::remove_file(&script).unwrap();
        write(&script, "echo good\n", 0o644);
        assert_eq!(
            place.dispatch(prompt()).await.context,
            ["good"],
            "{command}"
        );
    }
}

#[tokio::test]
async fn a_changed_definition_is_a_new_one() {
    let place = place("echo one");
    place.trust();
    assert_eq!(place.dispatch(prompt()).await.context, ["one"]);
    for change in [
        json!([{"type": "command", "command": "echo two"}]),
        json!([{"type": "command", "command": "echo one", "timeout": 9}]),
        json!([{"type": "command", "command": "echo one", "async": true}]),
        json!([{"type": "http", "url": "http://127.0.0.1:9/"}]),
    ] {
        support::settings(&place.project, "UserPromptSubmit", &change);
        assert!(place.dispatch(prompt()).await.is_unchanged());
        assert!(
            matches!(place.set().withheld[..], [(_, Withheld::Untrusted)]),
            "{change}"
        );
    }
}

#[tokio::test]
async fn a_project_cannot_stand_in_for_the_users_own_scripts() {
    let place = Place::new();
    let hook = json!([{"type": "command", "command": "guard.sh"}]);
    support::settings(&place.home, "UserPromptSubmit", &hook);
    write(
        &place.home.join(".claude/hooks/guard.sh"),
        "echo mine\n",
        0o644,
    );
    write(
        &place.project.join(".codexplus/hooks/guard.sh"),
        "echo theirs\n",
        0o755,
    );
    assert_eq!(place.dispatch(prompt()).await.context, ["mine"]);
    // A script of the project in the user's own hook still needs trust.
    fs::remove_file(place.home.join(".claude/hooks/guard.sh")).unwrap();
    assert!(place.dispatch(prompt()).await.is_unchanged());
    place.trust();
    assert_eq!(place.dispatch(prompt()).await.context, ["theirs"]);
}

#[tokio::test]
async fn a_script_finds_the_trusted_files_beside_it() {
    let place = place("python3 .claude/hooks/main.py");
    let hooks = place.project.join(".claude/hooks");
    fs::create_dir(hooks.join("lib")).unwrap();
    write(&hooks.join("lib/words.py"), "WORD = 'beside'\n", 0o644);
    write(
        &hooks.join("main.py"),
        "from lib.words import WORD; print(WORD)\n",
        0o644,
    );
    place.trust();
    assert_eq!(place.dispatch(prompt()).await.context, ["beside"]);
    fs::write(hooks.join("lib/words.py"), "WORD = 'swapped'\n").unwrap();
    assert!(
        place.dispatch(prompt()).await.context.is_empty(),
        "a changed module is not there"
    );
}

#[test]
fn the_inventory_tells_what_would_run() {
    let place = place("check.sh --all");
    write(
        &place.project.join(".codexplus/hooks/a.py"),
        "print()\n",
        0o644,
    );
    symlink(
        "/etc/passwd",
        place.project.join(".codexplus/hooks/link.py"),
    )
    .unwrap();
    let inventory = place.inventory();
    let listed: Vec<_> = inventory
        .items
        .iter()
        .map(|item| (item.kind, item.name.as_str()))
        .collect();
    let wanted = [
        (ItemKind::File, ".claude/hooks/check.sh"),
        (ItemKind::File, ".codexplus/hooks/a.py"),
        (ItemKind::Definition, "UserPromptSubmit: check.sh --all"),
    ];
    assert_eq!(listed, wanted);
    let pins = place.store().trust(&inventory).unwrap();
    assert!(inventory.is_trusted(&pins));
    fs::write(place.project.join(".codexplus/hooks/a.py"), "x").unwrap();
    fs::write(place.project.join(".codexplus/hooks/b.py"), "x").unwrap();
    let now = place.inventory();
    let standings: Vec<_> = now
        .items
        .iter()
        .map(|item| now.standing(item, &pins))
        .collect();
    let (trusted, changed, new) = (Standing::Trusted, Standing::Changed, Standing::New);
    assert_eq!(standings, [trusted, changed, new, trusted]);
    assert!(!now.is_trusted(&pins));
    place
        .store()
        .forget(inventory.project.as_deref().unwrap())
        .unwrap();
    assert!(!inventory.is_trusted(&place.store().pins(&inventory).unwrap()));
}

#[test]
fn the_state_file_is_private_and_no_link_is_followed() {
    let place = place("check.sh");
    place.trust();
    let path = place.state.join("trust.json");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let moved = place.state.join("elsewhere");
    fs::rename(&path, &moved).unwrap();
    symlink(&moved, &path).unwrap();
    let refused = place.store().pins(&place.inventory());
    assert!(matches!(refused, Err(TrustError::State { .. })));
    fs::remove_file(&path).unwrap();
    fs::write(&path, "{").unwrap();
    let damaged = place.store().pins(&place.inventory());
    assert!(matches!(damaged, Err(TrustError::Damaged { .. })));
}

#[test]
fn two_at_once_do_not_lose_each_other() {
    let places: Vec<_> = (0..8).map(|_| place("check.sh")).collect();
    let store = places[0].store();
    std::thread::scope(|scope| {
        for place in &places {
            let (store, inventory) = (store.clone(), place.inventory());
            scope.spawn(move || store.trust(&inventory).unwrap());
        }
    });
    for place in &places {
        let inventory = place.inventory();
        assert!(inventory.is_trusted(&store.pins(&inventory).unwrap()));
    }
}

#[test]
fn copies_are_not_put_behind_a_link() {
    let place = place("check.sh");
    place.trust();
    let elsewhere = place.home.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, place.state.join("trusted")).unwrap();
    let inventory = place.inventory();
    let pins = place.store().pins(&inventory).unwrap();
    let refused = Trusted::of(&inventory, pins, &place.state).unwrap_err();
    assert!(refused.to_string().contains("is a link"), "{refused}");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}

/// A file that is swapped all the time, for another content and for a link to one: what runs is
/// what was compared, or nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_swapped_file_runs_as_it_was_trusted_or_not_at_all() {
    let place = place("check.sh");
    let hooks = place.project.join(".claude/hooks");
    let (good, evil) = ("echo good\n", "echo evil\n");
    write(&hooks.join("check.sh"), good, 0o755);
    place.trust();
    assert_eq!(place.dispatch(prompt()).await.context, ["good"]);
    let elsewhere = place.home.join("elsewhere.sh");
    write(&elsewhere, evil, 0o755);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let draft = place.home.join("draft");
            for number in (0..3).cycle().take(1_000_000) {
                if done.load(std::sync::atomic::Ordering::Relaxed) {
                    return;
                }
                match number {
                    0 => fs::write(&draft, good).unwrap(),
                    1 => fs::write(&draft, evil).unwrap(),
                    _ => symlink(&elsewhere, &draft).unwrap(),
                }
                fs::rename(&draft, hooks.join("check.sh")).unwrap();
            }
        });
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                for _ in 0..100 {
                    let context = place.dispatch(prompt()).await.context;
                    assert!(context.is_empty() || context == ["good"], "{context:?}");
                }
            });
        });
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
