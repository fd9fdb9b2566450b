//! The trusted files of a project as they were compared, out of the project's reach.

use std::fmt::Write as _;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use super::digest::Digest;
use super::inventory::Inventory;
use super::pins::Pins;

/// A folder with a copy of a project's trusted files, laid out as in the project, so that a
/// script finds the files beside it.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    folder: PathBuf,
    files: Vec<PathBuf>,
}

impl Snapshot {
    /// Copies what is trusted into `state_folder`. The same files give the same folder.
    pub fn make(state_folder: &Path, inventory: &Inventory, pins: &Pins) -> io::Result<Self> {
        let mut manifest = format!("{:?}", inventory.project);
        for (name, content) in inventory.trusted_files(pins) {
            // Writing to a string cannot fail.
            let _ = write!(manifest, "\n{} {name}", Digest::of(content));
        }
        let name = Digest::of(manifest.as_bytes()).to_string();
        let base = state_folder.join("trusted");
        if std::fs::symlink_metadata(&base).is_ok_and(|meta| meta.is_symlink()) {
            // Whoever can put a link here could have other files run than the trusted ones.
            return Err(io::Error::other(format!(
                "{} is a link; remove it",
                base.display()
            )));
        }
        let folder = base.join(name);
        let mut files = Vec::new();
        for (name, content) in inventory.trusted_files(pins) {
            let inside = PathBuf::from(name);
            let plain = |part| matches!(part, Component::Normal(_));
            if !inside.components().all(plain) {
                continue;
            }
            write(&folder.join(&inside), content)?;
            files.push(inside);
        }
        Ok(Self { folder, files })
    }

    /// Where the copy of a trusted file is; `None` when it is not trusted.
    pub fn file(&self, inside: &Path) -> Option<PathBuf> {
        let known = self.files.iter().any(|file| file == inside);
        known.then(|| self.folder.join(inside))
    }
}

/// Writes a file unless it is there with this very content.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let plain = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file());
    if plain && std::fs::read(path).is_ok_and(|there| there == content) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let mut draft = path.as_os_str().to_owned();
    draft.push(".draft");
    let _ = std::fs::remove_file(&draft);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o500)
        .open(&draft)?;
    file.write_all(content)?;
    std::fs::rename(&draft, path)
}
