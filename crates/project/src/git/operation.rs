//! The operation that is under way: a rebase, a merge, ...

use std::path::Path;

use serde::Serialize;

use super::place::small_file;

/// Which operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperationKind {
    /// `git rebase`
    Rebase,
    /// `git am`
    Am,
    /// `git merge`
    Merge,
    /// `git cherry-pick`
    CherryPick,
    /// `git revert`
    Revert,
    /// `git bisect`
    Bisect,
}

impl OperationKind {
    /// The name git gives it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rebase => "rebase",
            Self::Am => "am",
            Self::Merge => "merge",
            Self::CherryPick => "cherry-pick",
            Self::Revert => "revert",
            Self::Bisect => "bisect",
        }
    }
}

/// An operation under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// Which one.
    pub kind: OperationKind,
    /// Which step of how many, for those that count.
    pub step: Option<(u32, u32)>,
    /// The branch that is worked on while `HEAD` is detached.
    pub branch: Option<String>,
}

impl Operation {
    /// Reads the marks git leaves in a repository's folder, in the order `git status` does.
    pub fn find(git_dir: &Path) -> Option<Self> {
        let simple = |kind| Self {
            kind,
            step: None,
            branch: None,
        };
        let has = |name: &str| git_dir.join(name).symlink_metadata().is_ok();
        if has("rebase-merge") {
            let folder = git_dir.join("rebase-merge");
            return Some(Self::rebase(&folder, "msgnum", "end"));
        }
        if has("rebase-apply") {
            let folder = git_dir.join("rebase-apply");
            let found = Self::rebase(&folder, "next", "last");
            let is_am = folder.join("applying").exists();
            return Some(if is_am {
                Self {
                    kind: OperationKind::Am,
                    branch: None,
                    ..found
                }
            } else {
                found
            });
        }
        if has("MERGE_HEAD") {
            return Some(simple(OperationKind::Merge));
        }
        if has("CHERRY_PICK_HEAD") {
            return Some(simple(OperationKind::CherryPick));
        }
        if has("REVERT_HEAD") {
            return Some(simple(OperationKind::Revert));
        }
        // Between two commits of a series neither head is there, only the list of what is left.
        let todo = small_file(&git_dir.join("sequencer/todo"));
        match todo.as_deref().map(str::trim_start) {
            Some(todo) if todo.starts_with("p ") || todo.starts_with("pick ") => {
                return Some(simple(OperationKind::CherryPick));
            }
            Some(todo) if todo.starts_with("revert ") => {
                return Some(simple(OperationKind::Revert));
            }
            _ => {}
        }
        has("BISECT_LOG").then(|| Self {
            branch: small_file(&git_dir.join("BISECT_START"))
                .map(|name| name.trim().to_owned())
                .filter(|name| !is_commit_id(name)),
            ..simple(OperationKind::Bisect)
        })
    }

    fn rebase(folder: &Path, step: &str, last: &str) -> Self {
        let number = |name: &str| small_file(&folder.join(name))?.trim().parse().ok();
        let branch = small_file(&folder.join("head-name")).and_then(|name| {
            let name = name.trim().strip_prefix("refs/heads/")?;
            Some(name.to_owned())
        });
        Self {
            kind: OperationKind::Rebase,
            step: number(step).zip(number(last)),
            branch,
        }
    }
}

fn is_commit_id(text: &str) -> bool {
    text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
