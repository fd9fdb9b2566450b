//! When the system has no descriptors left for this process: told in one way, and not over and over.

use std::error::Error as StdError;
use std::io;
use std::time::{Duration, Instant};

use rustix::io::Errno;

/// What a user can do about it.
pub(crate) const ADVICE: &str = "raise the open-files limit (`ulimit -n`) that Codex-Plus starts with, or lower `limits.connections`";
/// So long without another failure, and there are enough again.
const CALM: Duration = Duration::from_secs(1);

/// Whether an operation failed for want of descriptors.
pub(crate) fn are_out(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE]
        .map(Errno::raw_os_error)
        .map(Some)
        .contains(&error.raw_os_error())
}

/// The same of an error with sources.
pub(crate) fn were_out(error: &(dyn StdError + 'static)) -> bool {
    std::iter::successors(Some(error), |error| (*error).source())
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(are_out)
}

/// A time in which something fails again and again.
#[derive(Default)]
pub(crate) struct Outage(Option<Instant>);

impl Outage {
    /// It failed; true when this begins an outage.
    pub(crate) fn failed(&mut self) -> bool {
        self.0.replace(Instant::now()).is_none()
    }

    /// It worked; true when this ends an outage.
    pub(crate) fn worked(&mut self) -> bool {
        self.0.take_if(|last| last.elapsed() >= CALM).is_some()
    }
}
