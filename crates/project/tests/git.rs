//! Every state a working directory may be in, on real repositories, against what git says itself.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set up its repository fails"
)]

mod support;

use codex_plus_project::git::{Facts, Head, OperationKind, RepositoryKind, Standing};
use codex_plus_project::status_line::Template;
use support::compare::compare;
use support::{Folder, Repository, facts};

fn line(facts: &Facts) -> String {
    Template::default().render(facts).unwrap()
}

#[tokio::test]
async fn a_clean_branch_and_one_that_is_not() {
    let folder = Folder::new();
    let repository = folder.repository("project");
    let clean = repository.facts().await;
    compare(&repository, &clean);
    assert_eq!(
        line(&clean),
        "[Dir: project | Local: main | Remote: none | PR: none]"
    );

    repository.write("staged", "x");
    repository.git(&["add", "staged"]);
    repository.write("file", "changed\n");
    repository.write("new/a", "x");
    repository.write("new/b", "x");
    repository.write("ignored.o", "x");
    repository.write(".gitignore", "*.o\n");
    repository.write("a name with\nnewline", "x");
    let dirty = repository.facts().await;
    compare(&repository, &dirty);
    let changes = dirty.changes.unwrap();
    assert_eq!(
        (changes.staged, changes.modified, changes.untracked),
        (1, 1, 3)
    );
    assert_eq!(
        line(&dirty),
        "[Dir: project | Local: main (dirty) | Remote: none | PR: none]"
    );
    // A folder below says the same of the same repository.
    assert_eq!(facts(&repository.root.join("new")).await, dirty);
}

#[tokio::test]
async fn renames_and_deletions_count_once() {
    let folder = Folder::new();
    let repository = folder.repository("project");
    repository.change(
        "second",
        "a text long enough to be recognised after it was moved\n",
    );
    repository.git(&["mv", "second", "renamed"]);
    std::fs::remove_file(repository.root.join("file")).unwrap();
    compare(&repository, &repository.facts().await);
}

#[tokio::test]
async fn before_the_first_commit() {
    let folder = Folder::new();
    let repository = folder.empty_repository("project");
    repository.write("file", "x");
    repository.git(&["add", "."]);
    let unborn = repository.facts().await;
    compare(&repository, &unborn);
    assert_eq!(unborn.head, Head::Unborn("main".into()));
    assert_eq!(
        line(&unborn),
        "[Dir: project | Local: main (dirty, no commits yet) | Remote: none | PR: none]"
    );
}

#[tokio::test]
async fn a_detached_commit() {
    let folder = Folder::new();
    let repository = folder.repository("project");
    repository.git(&["checkout", "-q", "--detach"]);
    let detached = repository.facts().await;
    compare(&repository, &detached);
    let short = repository.git(&["rev-parse", "--short=7", "HEAD"]);
    assert!(line(&detached).contains(&format!("Local: detached at {short} |")));
}

/// A clone whose branch went its own way, and its origin.
fn clone(folder: &Folder) -> (Repository, Repository) {
    let origin = folder.repository("origin");
    let root = folder.path("clone");
    origin.git(&["clone", "-q", ".", root.to_str().unwrap()]);
    (origin, Repository { root })
}

#[tokio::test]
async fn ahead_behind_and_a_gone_upstream() {
    let folder = Folder::new();
    let (origin, clone) = clone(&folder);
    compare(&clone, &clone.facts().await);
    clone.git(&["checkout", "-q", "-b", "feature/x"]);
    clone.git(&["push", "-q", "-u", "origin", "feature/x"]);
    clone.commit("mine");
    let ahead = clone.facts().await;
    compare(&clone, &ahead);
    assert_eq!(
        line(&ahead),
        "[Dir: clone | Local: feature/x (ahead 1) | Remote: origin/feature/x | PR: none]"
    );

    origin.git(&["checkout", "-q", "feature/x"]);
    origin.change("theirs", "a");
    origin.change("theirs", "b");
    clone.git(&["fetch", "-q"]);
    // Branches that were packed are no files of their own.
    clone.git(&["pack-refs", "--all"]);
    let both = clone.facts().await;
    compare(&clone, &both);
    assert!(line(&both).contains("(ahead 1, behind 2)"));

    origin.git(&["checkout", "-q", "main"]);
    origin.git(&["branch", "-q", "-D", "feature/x"]);
    clone.git(&["fetch", "-q", "--prune"]);
    let gone = clone.facts().await;
    compare(&clone, &gone);
    assert!(line(&gone).contains("| Remote: origin/feature/x (gone) |"));
}

/// Two branches that change the same line, on the second of them.
fn conflicting(folder: &Folder) -> Repository {
    let repository = folder.repository("project");
    repository.git(&["checkout", "-q", "-b", "other"]);
    repository.change("file", "other\n");
    repository.git(&["checkout", "-q", "main"]);
    repository.change("file", "mine\n");
    repository
}

#[tokio::test]
async fn every_operation_git_knows() {
    for (stops, kind, branch) in [
        (&["merge", "other"][..], OperationKind::Merge, "main"),
        (&["cherry-pick", "other"], OperationKind::CherryPick, "main"),
        (&["rebase", "other"], OperationKind::Rebase, "main"),
        (
            &["rebase", "--apply", "other"],
            OperationKind::Rebase,
            "main",
        ),
    ] {
        let folder = Folder::new();
        let repository = conflicting(&folder);
        repository.try_git(stops).unwrap_err();
        let facts = repository.facts().await;
        compare(&repository, &facts);
        let operation = facts.operation.as_ref().unwrap();
        assert_eq!(operation.kind, kind, "{stops:?}");
        assert_eq!(facts.branch(), Some(branch), "{stops:?}");
        assert_eq!(facts.changes.unwrap().conflicts, 1);
        let step = if kind == OperationKind::Rebase {
            " 1/1"
        } else {
            ""
        };
        let wanted = format!("Local: main (dirty, conflicts, {}{step}) |", kind.as_str());
        assert!(line(&facts).contains(&wanted), "{}", line(&facts));
    }
}

#[tokio::test]
async fn revert_am_and_bisect() {
    let folder = Folder::new();
    let repository = conflicting(&folder);
    repository.change("file", "later\n");
    repository
        .try_git(&["revert", "--no-edit", "HEAD~1"])
        .unwrap_err();
    let facts = repository.facts().await;
    compare(&repository, &facts);
    assert_eq!(facts.operation.unwrap().kind, OperationKind::Revert);
    repository.git(&["revert", "--abort"]);

    let patch = repository.git(&["format-patch", "-1", "--stdout", "other"]);
    repository.write("../patch", &(patch + "\n"));
    repository.try_git(&["am", "../patch"]).unwrap_err();
    let facts = repository.facts().await;
    compare(&repository, &facts);
    assert!(line(&facts).contains("am 1/1"), "{}", line(&facts));
    repository.git(&["am", "--abort"]);

    repository.git(&["bisect", "start", "HEAD", "HEAD~2"]);
    let facts = repository.facts().await;
    compare(&repository, &facts);
    assert!(
        line(&facts).contains("Local: main (bisect) |"),
        "{}",
        line(&facts)
    );
}

#[tokio::test]
async fn worktrees_submodules_and_bare_repositories() {
    let folder = Folder::new();
    let repository = folder.repository("project");
    let root = folder.path("second tree");
    repository.git(&[
        "worktree",
        "add",
        "-q",
        "-b",
        "side",
        root.to_str().unwrap(),
    ]);
    let worktree = Repository { root };
    let facts_there = worktree.facts().await;
    compare(&worktree, &facts_there);
    assert_eq!(facts_there.kind, RepositoryKind::Worktree);
    assert!(line(&facts_there).starts_with("[Dir: second tree | Local: side (worktree) |"));

    let outer = folder.repository("outer");
    outer.git(&["submodule", "--quiet", "add", "../project", "inner"]);
    let submodule = Repository {
        root: outer.root.join("inner"),
    };
    let facts_there = submodule.facts().await;
    compare(&submodule, &facts_there);
    assert_eq!(facts_there.kind, RepositoryKind::Submodule);
    outer.commit("with submodule");
    submodule.write("file", "changed\n");
    compare(&outer, &outer.facts().await);

    let bare = folder.path("bare.git");
    repository.git(&["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
    let facts_there = facts(&bare).await;
    assert_eq!(facts_there.kind, RepositoryKind::Bare);
    assert_eq!(
        line(&facts_there),
        "[Dir: bare.git | Local: main (bare) | Remote: none | PR: none]"
    );
}

#[tokio::test]
async fn what_is_no_repository() {
    let folder = Folder::new();
    let outside = facts(&folder.path("")).await;
    assert_eq!(outside.standing, Standing::Outside);
    assert_eq!(Template::default().render(&outside), None);
    assert_eq!(facts(&folder.path("never")).await.standing, Standing::Gone);

    let repository = folder.repository("broken");
    for (file, text) in [(".git/HEAD", ""), (".git/HEAD", "no ref\n")] {
        repository.write(file, text);
        assert!(repository.try_git(&["status"]).is_err());
        let facts = repository.facts().await;
        assert_eq!(facts.standing, Standing::Broken);
        assert_eq!(
            line(&facts),
            "[Dir: broken | Local: broken | Remote: unknown | PR: none]"
        );
    }
    let worktree = folder.path("moved");
    std::fs::create_dir(&worktree).unwrap();
    std::fs::write(worktree.join(".git"), "gitdir: /nowhere/at/all\n").unwrap();
    assert_eq!(facts(&worktree).await.standing, Standing::Broken);

    // A damaged index leaves what HEAD says.
    let damaged = folder.repository("damaged");
    damaged.write(".git/index", "rubbish");
    let facts = damaged.facts().await;
    assert_eq!(facts.changes, None);
    assert_eq!(
        line(&facts),
        "[Dir: damaged | Local: main | Remote: unknown | PR: none]"
    );
}

#[tokio::test]
async fn the_proxys_own_environment_does_not_mislead() {
    // A repository's hooks run with GIT_DIR set, and may have started us.
    let folder = Folder::new();
    let repository = folder.repository("project");
    let line = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "the_line_of_a_folder_named_by_a_variable",
        ])
        .env("TEST_FOLDER", &repository.root)
        .env("GIT_DIR", "/nowhere")
        .env("GIT_INDEX_FILE", "/nowhere/index")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&line.stdout).into_owned();
    assert!(
        told.contains("[Dir: project | Local: main | Remote: none | PR: none]"),
        "{told}"
    );
}

#[tokio::test]
async fn the_line_of_a_folder_named_by_a_variable() {
    let Some(directory) = std::env::var_os("TEST_FOLDER") else {
        return;
    };
    let facts = facts(std::path::Path::new(&directory)).await;
    println!("{}", line(&facts));
}

#[tokio::test]
async fn a_repository_cannot_have_a_program_run() {
    let folder = Folder::new();
    let repository = folder.repository("project");
    let mark = folder.path("mark");
    let script = format!("#!/bin/sh\ntouch {}\n", mark.display());
    repository.write("watch.sh", &script);
    std::process::Command::new("chmod")
        .args(["+x", "watch.sh"])
        .current_dir(&repository.root)
        .status()
        .unwrap();
    let program = repository.root.join("watch.sh");
    repository.git(&["config", "core.fsmonitor", program.to_str().unwrap()]);
    assert!(repository.facts().await.changes.is_some());
    assert!(!mark.exists());
}
