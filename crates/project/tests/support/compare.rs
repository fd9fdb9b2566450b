//! The facts against what other git commands say.

use codex_plus_project::git::{Facts, Head, OperationKind, PullRequest, Standing};

use super::Repository;

/// What other git commands than the one we use say, in our terms.
pub(crate) fn compare(repository: &Repository, facts: &Facts) {
    let git = |arguments: &[&str]| repository.git(arguments);
    let count = |arguments: &[&str]| git(arguments).lines().count() as u64;
    let top = git(&["rev-parse", "--show-toplevel"]);
    assert_eq!(facts.root.as_ref().unwrap().to_str().unwrap(), top);
    assert_eq!(facts.standing, Standing::Repository);
    match (
        &facts.head,
        repository.try_git(&["symbolic-ref", "--short", "HEAD"]),
    ) {
        (Head::Branch(name) | Head::Unborn(name), Ok(branch)) => assert_eq!(*name, branch),
        (Head::Detached(commit), Err(_)) => assert_eq!(*commit, git(&["rev-parse", "HEAD"])),
        other => panic!("{other:?}"),
    }
    let unborn = repository
        .try_git(&["rev-parse", "--verify", "-q", "HEAD"])
        .is_err();
    assert_eq!(matches!(facts.head, Head::Unborn(_)), unborn);

    let changes = facts.changes.unwrap();
    let conflicts = git(&["diff", "--name-only", "--diff-filter=U"]);
    assert_eq!(changes.conflicts, conflicts.lines().count() as u64);
    // Of a path with conflicts these commands tell as well.
    let differing = |arguments: &[&str]| {
        let names = git(arguments);
        let names = names
            .lines()
            .filter(|name| !conflicts.lines().any(|other| other == *name));
        names.count() as u64
    };
    let staged = if unborn {
        count(&["ls-files"])
    } else {
        differing(&["diff", "--cached", "-M", "--name-only"])
    };
    assert_eq!(changes.staged, staged);
    assert_eq!(changes.modified, differing(&["diff", "--name-only"]));
    let untracked = [
        "ls-files",
        "--others",
        "--exclude-standard",
        "--directory",
        "--no-empty-directory",
    ];
    assert_eq!(changes.untracked, count(&untracked));
    let porcelain = git(&["status", "--porcelain"]);
    assert_eq!(changes.any(), !porcelain.is_empty());

    let upstream = repository.try_git(&["rev-parse", "--abbrev-ref", "@{u}"]);
    match (&facts.upstream, upstream) {
        (Some(upstream), Ok(name)) => {
            assert_eq!(upstream.name, name);
            let between = git(&["rev-list", "--left-right", "--count", "HEAD...@{u}"]);
            let (ahead, behind) = upstream.distance.unwrap();
            assert_eq!(format!("{ahead}\t{behind}"), between);
        }
        (Some(upstream), Err(_)) => assert_eq!(upstream.distance, None),
        (None, upstream) => assert!(upstream.is_err(), "{upstream:?}"),
    }
    let told = git(&["status"]);
    let operation = [
        ("am session", OperationKind::Am),
        ("rebas", OperationKind::Rebase),
        ("merg", OperationKind::Merge),
        ("cherry-pick", OperationKind::CherryPick),
        ("revert", OperationKind::Revert),
        ("bisect", OperationKind::Bisect),
    ];
    let head: Vec<&str> = told
        .lines()
        .filter(|line| {
            line.contains("You are ")
                || line.contains("in progress")
                || line.contains("still merging")
                || line.contains("unmerged paths.")
        })
        .collect();
    let told = operation
        .iter()
        .find(|(name, _)| head.iter().any(|line| line.contains(name)));
    assert_eq!(
        facts.operation.as_ref().map(|it| it.kind),
        told.map(|it| it.1),
        "{head:?}"
    );
    assert_eq!(facts.pull_request, PullRequest::NotAsked);
}
