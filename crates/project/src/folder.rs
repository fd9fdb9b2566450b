//! Which folder's settings and commands count for a working directory.

use std::path::{Path, PathBuf};

use crate::looks::Looks;
use crate::settings::FOLDERS;

/// The nearest folder at or above `directory` that has a `.codexplus` or `.claude` of its own; the
/// directory itself when there is none. The search ends at the first git root, and before the home
/// folder, whose files are the user's, not a project's. Blocking: a few `stat` calls.
pub fn project_of(directory: &Path, home: Option<&Path>) -> PathBuf {
    project_seen(&mut Looks::default(), directory, home)
}

/// The same, with the looks at the file system that it takes.
pub(crate) fn project_seen(looks: &mut Looks, directory: &Path, home: Option<&Path>) -> PathBuf {
    for folder in directory.ancestors() {
        if home == Some(folder) {
            break;
        }
        if FOLDERS
            .iter()
            .any(|name| looks.see(&folder.join(name), true).is_folder())
        {
            return folder.to_owned();
        }
        if looks.see(&folder.join(".git"), false).is_there() {
            break;
        }
    }
    directory.to_owned()
}
