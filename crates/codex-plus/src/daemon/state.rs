//! The state folder and the files in it.

use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::environment::{Environment, STATE_DIR};

/// No file that says where the daemon is comes near it, in bytes.
const LARGEST: u64 = 1 << 20;

/// Where the daemon keeps its pid, log and lock.
#[derive(Debug, Clone)]
pub(crate) struct StateDir {
    folder: PathBuf,
    /// Chosen by the user rather than by XDG: an existing folder's mode is then theirs.
    chosen: bool,
}

impl StateDir {
    /// The folder of the flag, of the environment, or of XDG.
    pub(crate) fn resolve(flag: Option<&Path>, env: &Environment) -> anyhow::Result<Self> {
        let chosen = flag
            .map(|path| env.cwd.join(path))
            .or_else(|| env.path(STATE_DIR));
        if let Some(folder) = chosen {
            let chosen = true;
            return Ok(Self { folder, chosen });
        }
        let folder = env.default_state_dir().context(
            "no folder for the daemon's state: HOME is not set; set it or pass --state-dir DIR",
        )?;
        let chosen = false;
        Ok(Self { folder, chosen })
    }

    /// The user's own folder, whichever one a daemon uses: what was trusted is kept there.
    pub(crate) fn of_user(&self, env: &Environment) -> Self {
        match env.default_state_dir() {
            Some(folder) => Self {
                folder,
                chosen: false,
            },
            None => Self {
                folder: self.folder.clone(),
                chosen: self.chosen,
            },
        }
    }

    /// Makes the folder, readable by its owner only, and checks that it is ours.
    pub(crate) fn ensure(&self) -> anyhow::Result<()> {
        let shown = self.folder.display();
        let existed = self.folder.is_dir();
        let made = missing(&self.folder);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .with_context(|| {
                format!("cannot make the state folder {shown}; choose another with --state-dir")
            })?;
        let meta = self
            .folder
            .metadata()
            .with_context(|| format!("cannot look at {shown}"))?;
        let me = rustix::process::geteuid();
        if meta.uid() != me.as_raw() && !me.is_root() {
            bail!(
                "the state folder {shown} belongs to another user; choose another with --state-dir"
            );
        }
        // Whoever made a link can have it lead elsewhere tomorrow.
        let link = self.folder.symlink_metadata()?;
        if link.is_symlink() && link.uid() != me.as_raw() && link.uid() != 0 {
            bail!(
                "the state folder {shown} is a link of another user's; choose another with --state-dir"
            );
        }
        if self.chosen && meta.mode() & 0o002 != 0 {
            bail!(
                "everybody on this machine may write to the state folder {shown}; run `chmod o-w {shown}`, or choose another with --state-dir"
            );
        }
        if !made.is_empty() {
            let text = serde_json::to_string_pretty(&made)?;
            // Only `uninstall` misses it: it would leave an empty folder.
            let _ = write_private(&self.made_file(), &text);
        }
        if existed && !self.chosen && meta.mode() & 0o077 != 0 {
            use std::os::unix::fs::PermissionsExt as _;
            let private = std::fs::Permissions::from_mode(0o700);
            std::fs::set_permissions(&self.folder, private)
                .with_context(|| format!("cannot make {shown} private"))?;
        }
        Ok(())
    }

    /// The folders that were made for the state, outermost first; `uninstall` takes them away.
    pub(crate) fn made(&self) -> Vec<PathBuf> {
        let text = read_private(&self.made_file()).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    pub(crate) fn made_file(&self) -> PathBuf {
        self.folder.join("folders.json")
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn pid_file(&self) -> PathBuf {
        self.folder.join("proxy.pid")
    }

    pub(crate) fn log_file(&self) -> PathBuf {
        self.folder.join("proxy.log")
    }

    pub(crate) fn lock_file(&self) -> PathBuf {
        self.folder.join("proxy.lock")
    }

    /// Where a successor asks for the running daemon's place.
    pub(crate) fn control_socket(&self) -> PathBuf {
        self.folder.join("proxy.sock")
    }

    pub(crate) fn instance_file(&self) -> PathBuf {
        self.folder.join("proxy.json")
    }
}

/// The folders that would have to be made for `folder`, outermost first.
pub(crate) fn missing(folder: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = folder
        .ancestors()
        .take_while(|folder| !folder.exists())
        .map(Path::to_path_buf)
        .collect();
    folders.reverse();
    folders
}

/// Reads a small file of the state folder: neither through a link nor from a pipe, which would
/// have us wait for its writer.
pub(crate) fn read_private(path: &Path) -> io::Result<String> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// Replaces a small file in one step, readable by its owner only.
pub(crate) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", std::process::id()));
    let draft = PathBuf::from(draft);
    let _ = std::fs::remove_file(&draft);
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| std::fs::rename(&draft, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    written
}
