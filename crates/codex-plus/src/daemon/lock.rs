//! The lock a running daemon holds for its lifetime. The system releases it however the daemon
//! ends, so a pid file without it is stale for certain.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, Instant};

use super::StateDir;

/// The held lock; dropping it, or dying, releases it.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

/// What came of asking for the lock.
#[derive(Debug)]
pub(crate) enum Locked {
    /// It is ours now.
    Ours(Lock),
    /// A daemon holds it.
    Taken,
}

fn open(state: &StateDir, create: bool) -> io::Result<File> {
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(create)
        .truncate(false)
        .mode(0o600)
        .custom_flags(no_follow)
        .open(state.lock_file())
}

impl AsFd for Lock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Lock {
    /// A lock that another process took and passed on: it is held until every copy is closed.
    pub(crate) fn inherited(file: File) -> Self {
        Self { file }
    }

    /// Holds it until the process ends.
    pub(crate) async fn keep(self) {
        std::future::pending::<()>().await;
    }

    /// Takes the lock for a daemon.
    pub(crate) fn take(state: &StateDir) -> io::Result<Locked> {
        let file = open(state, true)?;
        // Whoever only looks (see `is_held`) holds the lock for a moment; a daemon keeps it.
        let patience = Instant::now() + Duration::from_millis(300);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Locked::Ours(Self { file })),
                Err(TryLockError::WouldBlock) if Instant::now() < patience => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => return Ok(Locked::Taken),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// Whether a daemon runs with this state folder.
    pub(crate) fn is_held(state: &StateDir) -> io::Result<bool> {
        let file = match open(state, false) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        // Shared, so that those who look do not see each other.
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}
