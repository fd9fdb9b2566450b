//! The threads that serve connections: one a processor, each with a runtime of its own.
//!
//! A connection stays with the worker it was given to, and so does the upstream connection its
//! exchanges use. Nothing on the line wakes another thread, which costs more than all the rest of
//! carrying a short request.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Beyond this, more workers only divide the pool of upstream connections.
const MOST: usize = 16;

thread_local! {
    static NUMBER: Cell<usize> = const { Cell::new(0) };
}

/// The number of the worker that runs this, from 0; 0 outside of them.
pub(crate) fn number() -> usize {
    NUMBER.get()
}

/// How many workers this machine gets.
pub(crate) fn count() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get().min(MOST))
}

/// The workers.
pub(crate) struct Workers(Vec<Worker>);

struct Worker {
    runtime: Handle,
    seats: Arc<AtomicUsize>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// A connection's place at its worker; free again when dropped.
pub(crate) struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workers {
    /// Starts them.
    ///
    /// # Errors
    /// When the system gives no thread, or no descriptor for its events.
    pub(crate) fn start() -> io::Result<Self> {
        (0..count())
            .map(Worker::start)
            .collect::<io::Result<_>>()
            .map(Self)
    }

    /// Runs a connection's future at the worker with the fewest of them.
    pub(crate) fn run<F>(&self, connection: impl FnOnce(Seat) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let fewest = |worker: &&Worker| worker.seats.load(Ordering::Relaxed);
        if let Some(worker) = self.0.iter().min_by_key(fewest) {
            worker.seats.fetch_add(1, Ordering::Relaxed);
            let seat = Seat(Arc::clone(&worker.seats));
            worker.runtime.spawn(connection(seat));
        }
    }

    /// Their runtimes, for whoever counts.
    pub(crate) fn runtimes(&self) -> Vec<Handle> {
        self.0.iter().map(|worker| worker.runtime.clone()).collect()
    }

    /// Ends what still runs and waits for the threads.
    pub(crate) fn end(self) {
        for worker in self.0 {
            // A worker that has ended already hears nothing.
            let _ = worker.stop.send(());
            let _ = worker.thread.join();
        }
    }
}

impl Worker {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name(format!("line-{number}"))
            .spawn(move || {
                NUMBER.set(number);
                // The sender's drop is as good a reason to stop.
                let _ = runtime.block_on(stopped);
                runtime.shutdown_background();
            })?;
        Ok(Self {
            runtime: handle,
            seats: Arc::new(AtomicUsize::new(0)),
            stop,
            thread,
        })
    }
}
