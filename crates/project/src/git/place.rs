//! Where a directory's repository is, found as git finds it, from its files alone.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::facts::{Head, RepositoryKind};

/// Largest of git's small files that is read.
const LARGEST: u64 = 64 << 10;

/// What a directory is to git.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// There is no such directory (any more).
    Gone,
    /// It belongs to no repository.
    Outside,
    /// There is a `.git`, but no repository behind it. The folder it stands in.
    Broken(PathBuf),
    /// It belongs to this repository.
    Repository {
        /// The top of the working tree; of a bare repository its folder.
        root: PathBuf,
        /// `.git`, or the folder it points to.
        git_dir: PathBuf,
        /// Where branches and settings are: another folder than `git_dir` in a linked worktree.
        common_dir: PathBuf,
        /// Which kind it is.
        kind: RepositoryKind,
    },
}

impl Place {
    /// Looks at a directory and those above it. Blocking file I/O: a few `stat` calls each, and at
    /// most four small files.
    pub fn find(directory: &Path) -> Self {
        let Ok(meta) = directory.metadata() else {
            return Self::Gone;
        };
        if !meta.is_dir() {
            return Self::Gone;
        }
        // Links are resolved first: what stands above a directory is what git sees there.
        let Ok(resolved) = directory.canonicalize() else {
            return Self::Gone;
        };
        for folder in resolved.ancestors() {
            // git does not look beyond a mount point either.
            if folder.metadata().map_or(0, |above| above.dev()) != meta.dev() {
                return Self::Outside;
            }
            let dot_git = folder.join(".git");
            if dot_git.is_dir() {
                let git_dir = dot_git;
                return if is_git_dir(&git_dir, &git_dir) {
                    Self::Repository {
                        root: folder.to_owned(),
                        common_dir: git_dir.clone(),
                        git_dir,
                        kind: RepositoryKind::Main,
                    }
                } else if is_empty(&git_dir) {
                    continue;
                } else {
                    Self::Broken(folder.to_owned())
                };
            }
            if dot_git.symlink_metadata().is_ok() {
                return Self::linked(folder, &dot_git);
            }
            if is_git_dir(folder, folder) {
                return Self::within_git_dir(folder);
            }
        }
        Self::Outside
    }

    /// A `.git` file, as worktrees and submodules have.
    fn linked(folder: &Path, dot_git: &Path) -> Self {
        let broken = || Self::Broken(folder.to_owned());
        let Some(text) = small_file(dot_git) else {
            return broken();
        };
        let Some(target) = text.strip_prefix("gitdir:") else {
            return broken();
        };
        let git_dir = folder.join(target.trim());
        let common = small_file(&git_dir.join("commondir"));
        let common_dir = common
            .as_ref()
            .map_or_else(|| git_dir.clone(), |path| git_dir.join(path.trim()));
        if !is_git_dir(&git_dir, &common_dir) {
            return broken();
        }
        let kind = if common.is_some() {
            RepositoryKind::Worktree
        } else if git_dir
            .canonicalize()
            .is_ok_and(|dir| dir.components().any(|part| part.as_os_str() == "modules"))
        {
            RepositoryKind::Submodule
        } else {
            RepositoryKind::Main
        };
        Self::Repository {
            root: folder.to_owned(),
            git_dir: git_dir.canonicalize().unwrap_or(git_dir),
            common_dir: common_dir.canonicalize().unwrap_or(common_dir),
            kind,
        }
    }

    /// A bare repository, or the inside of a `.git` folder, which git treats alike.
    fn within_git_dir(folder: &Path) -> Self {
        let common = small_file(&folder.join("commondir"));
        let common_dir = common.map_or_else(|| folder.to_owned(), |path| folder.join(path.trim()));
        Self::Repository {
            root: folder.to_owned(),
            git_dir: folder.to_owned(),
            common_dir,
            kind: RepositoryKind::Bare,
        }
    }

    /// What `HEAD` says; `Unknown` when it says nothing that can be used.
    pub fn head(&self) -> Head {
        let Self::Repository {
            git_dir,
            common_dir,
            ..
        } = self
        else {
            return Head::Unknown;
        };
        let Some(text) = small_file(&git_dir.join("HEAD")) else {
            return Head::Unknown;
        };
        let text = text.trim();
        let Some(reference) = text.strip_prefix("ref:").map(str::trim) else {
            let is_id = text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            return if is_id {
                Head::Detached(text.to_owned())
            } else {
                Head::Unknown
            };
        };
        match reference.strip_prefix("refs/heads/") {
            // Repositories with the reftable format keep their real HEAD elsewhere.
            None | Some(".invalid") => Head::Unknown,
            Some(branch) if has_ref(common_dir, reference) => Head::Branch(branch.to_owned()),
            Some(branch) => Head::Unborn(branch.to_owned()),
        }
    }

    /// The name people know it by: of the top folder, else of the directory itself.
    pub fn name(&self, directory: &Path) -> String {
        let path = match self {
            Self::Repository { root, .. } | Self::Broken(root) => root,
            Self::Gone | Self::Outside => directory,
        };
        let name = path.file_name().unwrap_or(path.as_os_str());
        name.to_string_lossy().into_owned()
    }
}

/// The three things git asks of a repository.
fn is_git_dir(git_dir: &Path, common_dir: &Path) -> bool {
    git_dir.join("HEAD").symlink_metadata().is_ok()
        && common_dir.join("objects").is_dir()
        && common_dir.join("refs").symlink_metadata().is_ok()
        && small_file(&git_dir.join("HEAD")).is_some_and(|head| !head.trim().is_empty())
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

fn has_ref(common_dir: &Path, reference: &str) -> bool {
    if common_dir.join(reference).is_file() {
        return true;
    }
    // Tens of thousands of packed refs make a file of megabytes: more than this is not read.
    let Ok(file) = File::open(common_dir.join("packed-refs")) else {
        return false;
    };
    let mut packed = Vec::new();
    let _ = file.take(16 << 20).read_to_end(&mut packed);
    packed.split(|byte| *byte == b'\n').any(|line| {
        line.strip_suffix(reference.as_bytes())
            .is_some_and(|id| id.ends_with(b" "))
    })
}

/// The text of one of git's small files.
pub(super) fn small_file(path: &Path) -> Option<String> {
    let meta = path.metadata().ok()?;
    if !meta.is_file() {
        return None;
    }
    let mut text = Vec::new();
    let file = File::open(path).ok()?;
    file.take(LARGEST).read_to_end(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}
