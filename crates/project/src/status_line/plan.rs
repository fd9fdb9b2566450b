//! Which folders to watch for a directory's line to stay true.

use std::path::{Path, PathBuf};

use crate::git::{Git, Place, RepositoryKind};
use crate::settings::FOLDERS;

/// Bytes of file names that git may list: about a hundred thousand files.
const LARGEST_LIST: usize = 8 << 20;

/// The folders whose entries matter, at most `limit`; `None` when there are more, or they cannot
/// be told. Folders of untracked or ignored files only are not among them: the former count as
/// one with the folder they stand in, and builds would make noise in the latter.
pub(super) async fn folders(
    git: &Git,
    directory: &Path,
    place: &Place,
    project: &Path,
    limit: usize,
) -> Option<Vec<PathBuf>> {
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(|name| project.join(name)).collect();
    folders.push(directory.to_owned());
    match place {
        Place::Gone => return None,
        Place::Outside => {}
        Place::Broken(root) => folders.extend([root.clone(), root.join(".git")]),
        Place::Repository {
            root,
            git_dir,
            common_dir,
            kind,
        } => {
            folders.push(git_dir.clone());
            folders.push(common_dir.clone());
            folders.push(git_dir.join("rebase-merge"));
            folders.push(git_dir.join("rebase-apply"));
            if *kind != RepositoryKind::Bare {
                let tracked = git.tracked_folders(root, LARGEST_LIST).await?;
                folders.extend(tracked.into_iter().map(|folder| root.join(folder)));
            }
            let (refs, room) = (common_dir.join("refs"), limit.checked_sub(folders.len())?);
            let branches = move || {
                let mut found = Vec::new();
                below(&refs, room, &mut found).then_some(found)
            };
            folders.extend(tokio::task::spawn_blocking(branches).await.ok()??);
        }
    }
    folders.sort();
    folders.dedup();
    (folders.len() <= limit).then_some(folders)
}

/// Adds a folder and all below it; false when there are more than `room`.
fn below(folder: &Path, room: usize, found: &mut Vec<PathBuf>) -> bool {
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        if found.len() >= room {
            return false;
        }
        if let Ok(entries) = std::fs::read_dir(&folder) {
            open.extend(
                entries
                    .flatten()
                    .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                    .map(|entry| entry.path()),
            );
        }
        found.push(folder);
    }
    true
}
