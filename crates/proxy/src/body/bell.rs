//! A waker that keeps quiet while its owner is at work anyway.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Nobody is at work: a ring wakes the owner.
const IDLE: u8 = 0;
/// The owner is at work, and looks for itself.
const BUSY: u8 = 1;
/// The owner is at work, and something rang meanwhile.
const RUNG: u8 = 2;

/// Stands between an owner and what it moves by polling. The two ends of a channel that both belong
/// to one task would wake it for every piece it hands to itself, once more than there is work.
#[derive(Default)]
pub(crate) struct Bell {
    state: AtomicU8,
    owner: AtomicWaker,
}

impl Bell {
    /// Lets `work` poll with the bell for its waker. `came` says whether it brought something, so
    /// that the owner will ask again; else a ring during the work was meant for it.
    pub(crate) fn during<T>(
        self: &Arc<Self>,
        owner: &Waker,
        work: impl FnOnce(&mut Context<'_>) -> T,
        came: impl FnOnce(&T) -> bool,
    ) -> T {
        self.owner.register(owner);
        self.state.store(BUSY, Ordering::Release);
        let waker = Waker::from(Arc::clone(self));
        let made = work(&mut Context::from_waker(&waker));
        let rung = self.state.swap(IDLE, Ordering::AcqRel) == RUNG;
        if rung && !came(&made) {
            owner.wake_by_ref();
        }
        made
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let noted = self
            .state
            .compare_exchange(BUSY, RUNG, Ordering::AcqRel, Ordering::Acquire);
        if noted == Err(IDLE) {
            self.owner.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_ring_is_lost_only_on_an_owner_who_asks_again() {
        let count = Arc::new(Count::default());
        let woken = || count.0.swap(0, Ordering::Relaxed);
        let owner = Waker::from(Arc::clone(&count));
        let bell = Arc::new(Bell::default());
        let mut kept = None;
        let mut ring = |rings: bool, came: bool| {
            let work = |cx: &mut Context<'_>| {
                kept = Some(cx.waker().clone());
                if rings {
                    cx.waker().wake_by_ref();
                }
            };
            bell.during(&owner, work, |()| came);
        };
        ring(true, true);
        assert_eq!(woken(), 0, "it asks again");
        ring(false, false);
        assert_eq!(woken(), 0, "nothing rang");
        ring(true, false);
        assert_eq!(woken(), 1, "it rang, and nobody asks again");
        kept.unwrap().wake_by_ref();
        assert_eq!(woken(), 1, "nobody is at work");
    }
}
