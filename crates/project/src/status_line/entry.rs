//! What is known of one directory's line, and when it must be asked for again.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

use super::compose::{KnownPullRequest, Source, StatusLine};

/// A watched line is believed for this long: not everything that counts can be watched.
const WATCHED_AGE: Duration = Duration::from_secs(30);
/// A line that nobody watches, and one that a command prints.
const UNWATCHED_AGE: Duration = Duration::from_secs(2);
/// An unwatched line is fresh for this long.
const FRESH_AGE: Duration = Duration::from_millis(100);
/// A directory not asked for in this time is left alone until it is asked for again.
const IN_USE: Duration = Duration::from_mins(10);
/// Shortest time between two refreshes, and how many times longer than the last one it is.
const REST: Duration = Duration::from_millis(200);
const REST_FACTOR: u32 = 10;

/// Whether changes are told; when the folders were chosen, by the index that git read then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watching {
    NotYet,
    Watched(Option<SystemTime>),
    Refused(Option<SystemTime>),
}

/// One directory.
pub(super) struct Entry {
    pub(super) line: Option<Arc<StatusLine>>,
    pub(super) pull_request: Option<KnownPullRequest>,
    /// Something changed since the last refresh began.
    pub(super) stale: bool,
    /// Somebody waits.
    urgent: bool,
    pub(super) refreshing: bool,
    pub(super) watching: Watching,
    pub(super) used: Instant,
    began: Option<Instant>,
    took: Duration,
    generation: u64,
    /// The last refresh that ended.
    pub(super) ended: watch::Sender<u64>,
}

impl Entry {
    pub(super) fn new() -> Self {
        Self {
            line: None,
            pull_request: None,
            stale: false,
            urgent: false,
            refreshing: false,
            watching: Watching::NotYet,
            used: Instant::now(),
            began: None,
            took: Duration::ZERO,
            generation: 0,
            ended: watch::Sender::new(0),
        }
    }

    fn is_watched(&self) -> bool {
        matches!(self.watching, Watching::Watched(_))
    }

    /// Whether the watched folders were chosen with this index.
    pub(super) fn is_planned(&self, index: Option<SystemTime>) -> bool {
        match self.watching {
            Watching::NotYet => false,
            Watching::Watched(planned) | Watching::Refused(planned) => planned == index,
        }
    }

    /// The folders were chosen with this index, and watched or not.
    pub(super) fn planned(&mut self, index: Option<SystemTime>, watched: bool) {
        // What changed before the watch was there was not told.
        self.stale |= watched && !self.is_watched();
        self.watching = if watched {
            Watching::Watched(index)
        } else {
            Watching::Refused(index)
        };
    }

    fn age(&self) -> Duration {
        self.began.map_or(Duration::MAX, |began| began.elapsed())
    }

    /// How long to leave the directory alone after a refresh, so that slow ones stay rare.
    pub(super) fn rest(&self) -> Duration {
        let rest = REST.max(self.took.saturating_mul(REST_FACTOR));
        rest.saturating_sub(self.age().saturating_sub(self.took))
    }

    /// Whether the line should be taken again.
    pub(super) fn is_due(&self) -> bool {
        let by_command = self
            .line
            .as_ref()
            .is_some_and(|line| line.source == Source::Command);
        let limit = if self.is_watched() && !by_command {
            WATCHED_AGE
        } else {
            UNWATCHED_AGE
        };
        self.stale || self.age() > limit.max(self.took.saturating_mul(REST_FACTOR))
    }

    /// Whether the line is as good as one taken now.
    pub(super) fn is_fresh(&self) -> bool {
        let limit = if self.is_watched() {
            WATCHED_AGE
        } else {
            FRESH_AGE
        };
        self.line.is_some() && !self.stale && !self.refreshing && self.age() <= limit
    }

    /// Whether somebody asked for it lately.
    pub(super) fn is_in_use(&self) -> bool {
        self.used.elapsed() < IN_USE
    }

    /// Asks for a refresh that begins from now on.
    pub(super) fn ask_anew(&mut self) -> super::cache::Wait {
        self.stale |= self.refreshing;
        self.urgent = self.refreshing;
        (self.ended.subscribe(), self.generation + 1)
    }

    /// A refresh begins.
    pub(super) fn begin(&mut self) -> (u64, Option<KnownPullRequest>) {
        self.stale = false;
        self.urgent = false;
        self.began = Some(Instant::now());
        self.generation += 1;
        (self.generation, self.pull_request.clone())
    }

    /// A line that says less, for as long as there is none that says more.
    pub(super) fn early(&mut self, line: StatusLine) {
        if self.line.is_none() {
            self.line = Some(Arc::new(line));
        }
    }

    /// The line of a refresh; whether it says something new.
    pub(super) fn put(&mut self, line: StatusLine, generation: u64, took: Duration) -> bool {
        let changed = self.line.as_deref() != Some(&line);
        if changed {
            self.line = Some(Arc::new(line));
        }
        self.took = took;
        self.ended.send_replace(generation);
        changed
    }

    /// A refresh is over: how long to wait for the next, if there is to be one.
    pub(super) fn end(&mut self) -> Option<Duration> {
        self.refreshing = self.stale && (self.urgent || self.is_in_use());
        let wait = if self.urgent {
            Duration::ZERO
        } else {
            self.rest()
        };
        self.refreshing.then_some(wait)
    }
}
