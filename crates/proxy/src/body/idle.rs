//! Notices a side that has gone quiet.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Fires when nothing was heard for a while.
///
/// Hearing something only notes the time; the timer itself moves when it fires too early. A
/// stream of thousands of events so touches the timer wheel a few times in all.
pub(crate) struct Idle {
    limit: Duration,
    heard: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whom the timer wakes.
    watcher: Option<Waker>,
}

impl Idle {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            heard: Instant::now(),
            timer: None,
            watcher: None,
        }
    }

    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Something came.
    pub(crate) fn heard(&mut self) {
        self.heard = Instant::now();
    }

    /// Nothing came yet: ready when the limit is reached.
    pub(crate) fn poll_quiet(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(self.heard + self.limit)));
        let watches = self.watcher.as_ref();
        let watches = watches.is_some_and(|watcher| watcher.will_wake(cx.waker()));
        // Asking the clock costs less than asking the timer.
        if watches && Instant::now() < timer.deadline() {
            return Poll::Pending;
        }
        while timer.as_mut().poll(cx).is_ready() {
            let due = self.heard + self.limit;
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
        if !watches {
            self.watcher = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}
