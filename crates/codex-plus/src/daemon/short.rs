//! A short way to a file in a folder whose path is long: the address of a socket has room for about
//! a hundred bytes, while a state folder may lie anywhere.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Room for a path in the address of a socket, its end included: 108 bytes on Linux, 104 on macOS.
const ROOM: usize = 104;

/// A path that leads to a file for as long as this is held.
#[derive(Debug)]
pub(super) struct Short {
    path: PathBuf,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Direct,
    /// The folder, open; Linux names what a process has open.
    Open {
        _folder: File,
    },
    /// A link to the folder, which goes when this does.
    Link(PathBuf),
}

impl Short {
    /// A way to `file`, the file itself if its path is short.
    pub(super) fn to(file: &Path) -> io::Result<Self> {
        let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
            return Ok(Self::direct(file));
        };
        if file.as_os_str().len() < ROOM {
            return Ok(Self::direct(file));
        }
        let open = File::open(folder)?;
        let number = std::os::fd::AsRawFd::as_raw_fd(&open);
        let by_number = Path::new("/proc/self/fd").join(number.to_string());
        if by_number.exists() {
            return Ok(Self {
                path: by_number.join(name),
                way: Way::Open { _folder: open },
            });
        }
        // Where files are shared the name must be new: then it is ours, and stays what it is.
        let link = PathBuf::from(format!("/tmp/codex-plus-{}-{number}", std::process::id()));
        std::os::unix::fs::symlink(folder, &link)?;
        Ok(Self {
            path: link.join(name),
            way: Way::Link(link),
        })
    }

    fn direct(file: &Path) -> Self {
        Self {
            path: file.to_owned(),
            way: Way::Direct,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Short {
    fn drop(&mut self) {
        if let Way::Link(link) = &self.way {
            let _ = std::fs::remove_file(link);
        }
    }
}
