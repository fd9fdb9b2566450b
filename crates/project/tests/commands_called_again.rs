//! A command file that was called before and changed since.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set up its folder fails"
)]

mod support;

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use codex_plus_project::commands::{Commands, Config};
use codex_plus_project::trust::TrustNone;
use support::Folder;

/// Until the times of a file that was seen before tell of any change.
fn settle() {
    let until = Instant::now() + Duration::from_millis(200);
    while Instant::now() < until {
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_file_that_was_called_before_is_never_out_of_date() {
    let folder = Folder::new();
    let (project, home) = (folder.path("project"), folder.path("home"));
    fs::create_dir_all(project.join(".git")).unwrap();
    let (own, theirs) = (
        home.join(".claude/commands/which.md"),
        project.join(".claude/commands/which.md"),
    );
    fs::create_dir_all(own.parent().unwrap()).unwrap();
    let commands = Commands::new(&Config::default(), Some(home.clone()), Arc::new(TrustNone));
    let call = commands.invocation("/which").unwrap();
    let expand = async || {
        let found = commands.expand(&project, &call).await.unwrap();
        found.map(|expansion| expansion.text)
    };
    fs::write(&own, "one").unwrap();
    assert_eq!(expand().await.unwrap(), "one");
    settle();
    for _ in 0..3 {
        assert_eq!(expand().await.unwrap(), "one");
    }
    // Of the same length, again and again.
    for text in ["two", "six", "ten", "one"] {
        fs::write(&own, text).unwrap();
        assert_eq!(expand().await.unwrap(), text);
    }
    settle();
    for _ in 0..3 {
        assert_eq!(expand().await.unwrap(), "one");
    }
    // One that goes first, in a folder that was not there.
    fs::create_dir_all(theirs.parent().unwrap()).unwrap();
    fs::write(&theirs, "first").unwrap();
    assert_eq!(expand().await.unwrap(), "first");
    settle();
    for _ in 0..3 {
        assert_eq!(expand().await.unwrap(), "first");
    }
    // It is a link now, which may lead anywhere.
    fs::rename(&theirs, home.join("elsewhere.md")).unwrap();
    std::os::unix::fs::symlink(home.join("elsewhere.md"), &theirs).unwrap();
    assert!(commands.expand(&project, &call).await.is_err());
    fs::remove_dir_all(project.join(".claude")).unwrap();
    assert_eq!(expand().await.unwrap(), "one");
    fs::remove_file(own).unwrap();
    assert_eq!(expand().await, None);
}
