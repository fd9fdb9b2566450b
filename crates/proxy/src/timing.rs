//! Where an exchange's time goes: at every moment it is in one stage, so the parts make the whole.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::observe::{FilterTime, Timings};

/// What an exchange is doing, or waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Our own work: heads, routes, edits put together.
    Own,
    /// Waiting for the client's body.
    Read,
    /// Making out what the body says.
    Decode,
    /// A filter looks at the request.
    Filter(&'static str),
    /// Waiting for the upstream, up to the first byte of its answer's body.
    Upstream,
    /// From that byte to the last: the upstream sends, the client takes.
    Stream,
}

/// Puts each stretch of time where it belongs.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    began: Instant,
    stage: Stage,
    /// Since when it is in this stage.
    since: Instant,
    /// How much of this stage so far was somebody else's, and is already put down.
    elsewhere: Duration,
}

impl Stopwatch {
    /// Starts in `stage`, at a moment that has passed already.
    pub(crate) fn start(began: Instant, stage: Stage) -> Self {
        Self {
            began,
            stage,
            since: began,
            elsewhere: Duration::ZERO,
        }
    }

    /// How long it ran up to the last change.
    pub(crate) fn ran(&self) -> Duration {
        self.since - self.began
    }

    /// What it is doing now.
    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    /// Puts the time since the last change down, and goes on in another stage.
    pub(crate) fn enter(&mut self, stage: Stage, timings: &mut Timings) {
        let now = Instant::now();
        let took = (now - self.since).saturating_sub(self.elsewhere);
        match self.stage {
            Stage::Own => timings.own += took,
            Stage::Read => timings.read += took,
            Stage::Decode => timings.decode += took,
            Stage::Filter(name) => timings.add_filter(FilterTime {
                name,
                began: self.ran(),
                took,
            }),
            Stage::Upstream => timings.upstream += took,
            Stage::Stream => timings.stream += took,
        }
        self.stage = stage;
        self.since = now;
        self.elsewhere = Duration::ZERO;
    }

    /// So much of the stage under way was time of filters.
    pub(crate) fn filtered(&mut self, spent: &mut FilterClock, timings: &mut Timings) {
        for (name, began, took) in spent.0.drain(..) {
            self.elsewhere += took;
            let began = began.saturating_duration_since(self.began);
            timings.add_filter(FilterTime { name, began, took });
        }
    }

    /// So much of the stage under way went by waiting for the client's body.
    pub(crate) fn awaited_client(&mut self, took: Duration, timings: &mut Timings) {
        // The wait may have begun before the stage.
        let left = self.since.elapsed().saturating_sub(self.elsewhere);
        let took = took.min(left);
        self.elsewhere += took;
        timings.read += took;
    }
}

/// What filters took of an answer, until it is put down.
#[derive(Debug, Default)]
pub(crate) struct FilterClock(Vec<(&'static str, Instant, Duration)>);

impl FilterClock {
    /// A filter worked from `began` until now.
    pub(crate) fn add(&mut self, name: &'static str, began: Instant) {
        let took = began.elapsed();
        match self.0.iter_mut().find(|(known, ..)| *known == name) {
            Some((.., known)) => *known += took,
            None => self.0.push((name, began, took)),
        }
    }
}

/// Adds up waits that another task does.
#[derive(Debug, Default)]
pub(crate) struct Waits(AtomicU64);

impl Waits {
    /// Another wait is over.
    pub(crate) fn add(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanos, Ordering::Relaxed);
    }

    /// All that was added since it was last taken.
    pub(crate) fn take(&self) -> Duration {
        Duration::from_nanos(self.0.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_moment_is_in_one_part() {
        let began = Instant::now();
        let mut timings = Timings::default();
        let mut watch = Stopwatch::start(began, Stage::Own);
        watch.enter(Stage::Upstream, &mut timings);
        std::thread::sleep(Duration::from_millis(5));
        watch.awaited_client(Duration::from_millis(2), &mut timings);
        // More than there was is not believed.
        watch.awaited_client(Duration::from_mins(1), &mut timings);
        watch.enter(Stage::Stream, &mut timings);
        let filter = Instant::now();
        std::thread::sleep(Duration::from_millis(3));
        let mut spent = FilterClock::default();
        spent.add("slow", filter);
        spent.add("slow", Instant::now());
        watch.filtered(&mut spent, &mut timings);
        watch.enter(Stage::Own, &mut timings);
        let whole = watch.ran();
        let parts = timings.parts().map(|(_, took)| took).sum::<Duration>();
        assert_eq!(whole, parts, "{timings:?}");
        assert!(timings.read >= Duration::from_millis(5));
        assert_eq!(timings.filters.len(), 1);
        assert!(timings.filters[0].began >= Duration::from_millis(5));
        assert!(timings.filters[0].took >= Duration::from_millis(3));
        assert!(timings.stream < Duration::from_millis(3), "{timings:?}");
    }
}
