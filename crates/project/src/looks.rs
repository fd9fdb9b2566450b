//! What a look-up saw of the file system, so that a later one can tell that it would see the same.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The times of a file count in steps, of hundredths of a second, or of whole ones where they have no
/// parts of a second. Two changes in one step leave the same times.
const STEP: Duration = Duration::from_millis(100);
const WHOLE_STEP: Duration = Duration::from_secs(2);

/// What was at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Saw {
    Nothing,
    Folder {
        device: u64,
        inode: u64,
    },
    File {
        device: u64,
        inode: u64,
        size: u64,
        /// When it was written, and when anything about it changed: seconds and nanoseconds.
        times: [(i64, i64); 2],
    },
    /// A link that was not followed, a pipe, ...
    Other,
    /// It could not be looked at.
    Unknown,
}

impl Saw {
    pub(crate) fn of(meta: &Metadata) -> Self {
        let (device, inode) = (meta.dev(), meta.ino());
        if meta.is_dir() {
            Self::Folder { device, inode }
        } else if meta.is_file() {
            Self::File {
                device,
                inode,
                size: meta.size(),
                times: [
                    (meta.mtime(), meta.mtime_nsec()),
                    (meta.ctime(), meta.ctime_nsec()),
                ],
            }
        } else {
            Self::Other
        }
    }

    fn at(path: &Path, follow: bool) -> Self {
        let meta = if follow {
            path.metadata()
        } else {
            path.symlink_metadata()
        };
        match meta {
            Ok(meta) => Self::of(&meta),
            Err(error) if is_absent(&error) => Self::Nothing,
            Err(_) => Self::Unknown,
        }
    }

    pub(crate) fn is_folder(&self) -> bool {
        matches!(self, Self::Folder { .. })
    }

    pub(crate) fn is_there(&self) -> bool {
        !matches!(self, Self::Nothing | Self::Unknown)
    }

    /// How long after it was first seen so its times tell of every change.
    fn step(&self) -> Duration {
        match self {
            Self::File { times, .. } if times.iter().any(|(_, parts)| *parts == 0) => WHOLE_STEP,
            Self::File { .. } => STEP,
            _ => Duration::ZERO,
        }
    }
}

/// Whether an error says that there is no such file.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

#[derive(Debug, PartialEq, Eq)]
struct Look {
    path: PathBuf,
    follow: bool,
    saw: Saw,
}

/// Looks at the file system, each taken once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Looks(Vec<Look>);

impl Looks {
    /// What is at a path; of a link what it leads to, if it is to be followed.
    pub(crate) fn see(&mut self, path: &Path, follow: bool) -> Saw {
        if let Some(known) = self.0.iter().find_map(|look| look.tells(path, follow)) {
            return known;
        }
        let saw = Saw::at(path, follow);
        self.note(path, follow, saw.clone());
        saw
    }

    /// Remembers what was seen at a path.
    pub(crate) fn note(&mut self, path: &Path, follow: bool, saw: Saw) {
        self.0.push(Look {
            path: path.to_owned(),
            follow,
            saw,
        });
    }

    /// Whether everything can be looked at again without waiting for another machine. May wait, this
    /// time.
    pub(crate) fn may_be_repeated(&self) -> bool {
        let known = self.0.iter().all(|look| look.saw != Saw::Unknown);
        let mut paths: Vec<&Path> = self
            .0
            .iter()
            .flat_map(|look| look.path.ancestors())
            .collect();
        paths.sort_unstable();
        paths.dedup();
        known && paths.into_iter().all(is_local)
    }

    /// How long after the same was first seen what is read then stays so while these looks hold.
    pub(crate) fn step(&self) -> Duration {
        let steps = self.0.iter().map(|look| look.saw.step());
        steps.max().unwrap_or_default()
    }

    /// Whether everything is as it was.
    pub(crate) fn hold(&self) -> bool {
        let mut looks = self.0.iter();
        looks.all(|look| Saw::at(&look.path, look.follow) == look.saw)
    }
}

impl Look {
    /// What this look says of a path: where there is nothing, there is nothing inside of it.
    fn tells(&self, path: &Path, follow: bool) -> Option<Saw> {
        let same = self.path == path && self.follow == follow;
        let within = self.saw == Saw::Nothing && self.path != path && path.starts_with(&self.path);
        (same || within).then(|| self.saw.clone())
    }
}

/// Whether a path that is there is on a disk of this machine.
#[cfg(target_os = "linux")]
fn is_local(path: &Path) -> bool {
    /// ext2 to ext4, XFS, Btrfs, F2FS, ZFS, bcachefs, tmpfs, overlayfs (`statfs(2)`).
    const LOCAL: [u32; 8] = [
        0xef53,
        0x5846_5342,
        0x9123_683e,
        0xf2f5_2010,
        0x2fc1_2fc1,
        0xca45_1a4e,
        0x0102_1994,
        0x794c_7630,
    ];
    match rustix::fs::statfs(path) {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::unnecessary_cast,
            reason = "these numbers have 32 bits, in a type that differs between processors"
        )]
        Ok(found) => LOCAL.contains(&(found.f_type as u32)),
        Err(error) => is_absent(&error.into()),
    }
}

/// Not told on other systems.
#[cfg(not(target_os = "linux"))]
fn is_local(_path: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::fs::{self, FileTimes};
    use std::time::SystemTime;

    use super::*;

    fn backdate(file: &Path) {
        let old = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 5);
        let opened = fs::File::options().write(true).open(file).unwrap();
        opened
            .set_times(FileTimes::new().set_modified(old))
            .unwrap();
    }

    #[test]
    fn a_look_holds_until_what_it_saw_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (file, absent) = (folder.path().join("file"), folder.path().join("absent"));
        fs::write(&file, "one").unwrap();
        backdate(&file);
        let look = || {
            let mut looks = Looks::default();
            looks.see(&file, true);
            looks.see(&absent.join("deeper"), false);
            looks
        };
        let looks = look();
        assert!(looks.hold());
        // The same size and the same time of writing: only the time of the change tells.
        let told = || file.metadata().unwrap().ctime_nsec();
        let before = told();
        while told() == before {
            fs::write(&file, "two").unwrap();
            backdate(&file);
        }
        let later = look();
        assert!(!looks.hold());
        assert!(later.hold());
        fs::create_dir(&absent).unwrap();
        assert!(later.hold());
        fs::write(absent.join("deeper"), "").unwrap();
        assert!(!later.hold());
    }

    #[test]
    fn times_without_parts_of_a_second_take_longer_to_tell() {
        let looks = |parts| {
            let mut looks = Looks::default();
            looks.note(Path::new("/absent"), true, Saw::Nothing);
            let saw = Saw::File {
                device: 1,
                inode: 1,
                size: 1,
                times: [(1, 1), (1, parts)],
            };
            looks.note(Path::new("/file"), true, saw);
            looks
        };
        assert_eq!(looks(1).step(), STEP);
        assert_eq!(looks(0).step(), WHOLE_STEP);
    }

    #[test]
    fn where_there_is_nothing_nothing_is_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let absent = folder.path().join("absent");
        let mut looks = Looks::default();
        assert_eq!(looks.see(&absent, true), Saw::Nothing);
        assert_eq!(looks.see(&absent.join("a").join("b"), false), Saw::Nothing);
        assert_eq!(looks.0.len(), 1);
        // A link that leads nowhere is something, when it is not followed.
        std::os::unix::fs::symlink("nowhere", &absent).unwrap();
        let mut looks = Looks::default();
        assert_eq!(looks.see(&absent, true), Saw::Nothing);
        assert_eq!(looks.see(&absent, false), Saw::Other);
    }
}
