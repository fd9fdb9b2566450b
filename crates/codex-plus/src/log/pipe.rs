//! The queue and the thread that drains it.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use codex_plus_proxy::metrics::{Families, Kind, MetricSource};
use tracing::Level;

use crate::settings::LogFormat;

use super::entry::{Entry, Event, Value};
use super::render::render;
use super::rotating::Rotating;

/// Lines that may wait. At 1 kB each, a few MB at the worst.
const QUEUE: usize = 8192;
/// Lines written at once.
const BATCH: usize = 1024;
/// The writer's rest after a batch. While it rests nobody has to wake it, so that a busy proxy
/// does not pay for one wake-up a line.
const REST: Duration = Duration::from_millis(20);
/// How long the end of the process waits for the last lines.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The way into the log. Cheap to clone; sending never waits.
#[derive(Debug, Clone)]
pub(crate) struct Pipe {
    queue: SyncSender<Entry>,
    dropped: Arc<Dropped>,
}

/// Lines that found no room.
#[derive(Debug, Default)]
struct Dropped {
    /// Since the log last told of them.
    untold: AtomicU64,
    total: AtomicU64,
}

/// Where lines go.
#[derive(Debug)]
pub(crate) struct Sinks {
    pub(crate) file: Option<Rotating>,
    /// Also to standard error, coloured or not.
    pub(crate) terminal: Option<bool>,
    pub(crate) format: LogFormat,
}

/// Waits for the last lines when dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    pipe: Pipe,
    writer: Option<JoinHandle<()>>,
}

impl Pipe {
    /// Starts the writer.
    pub(crate) fn start(sinks: Sinks) -> std::io::Result<(Self, Guard)> {
        let (queue, entries) = sync_channel(QUEUE);
        let dropped = Arc::<Dropped>::default();
        let pipe = Self {
            queue,
            dropped: dropped.clone(),
        };
        let writer = std::thread::Builder::new()
            .name("log".into())
            .spawn(move || Writer { sinks, dropped }.run(&entries))?;
        let guard = Guard {
            pipe: pipe.clone(),
            writer: Some(writer),
        };
        Ok((pipe, guard))
    }

    /// Puts a line in the queue, or counts it as dropped.
    pub(crate) fn send(&self, entry: Entry) {
        if self.queue.try_send(entry).is_err() {
            self.dropped.untold.fetch_add(1, Ordering::Relaxed);
            self.dropped.total.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits, for a bounded time, until everything sent so far is written.
    pub(crate) fn flush(&self) {
        let deadline = Instant::now() + LAST_WORDS;
        let (done, is_done) = sync_channel(1);
        let mut ask = Entry::Flush(done);
        loop {
            match self.queue.try_send(ask) {
                Ok(()) => break,
                Err(TrySendError::Full(back)) if Instant::now() < deadline => {
                    ask = back;
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(_) => return,
            }
        }
        let _ = is_done.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

impl MetricSource for Pipe {
    fn collect(&self, families: &mut Families) {
        families.number(
            "codex_plus_log_dropped_lines_total",
            "Log lines that were dropped because the queue was full.",
            Kind::Counter,
            self.dropped.total.load(Ordering::Relaxed),
        );
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.pipe.flush();
        // Clones of the pipe (in tracing's global state) keep the queue open, so the thread is
        // left behind rather than joined.
        drop(self.writer.take());
    }
}

struct Writer {
    sinks: Sinks,
    dropped: Arc<Dropped>,
}

impl Writer {
    fn run(mut self, entries: &Receiver<Entry>) {
        let (mut for_file, mut for_terminal) = (String::new(), String::new());
        while let Ok(first) = entries.recv() {
            let mut flushes = Vec::new();
            let mut next = Some(first);
            let mut count = 0;
            while let Some(entry) = next.take() {
                count += 1;
                match entry {
                    Entry::Flush(done) => flushes.push(done),
                    entry => self.render(&entry, &mut for_file, &mut for_terminal),
                }
                if count < BATCH {
                    next = entries.try_recv().ok();
                }
            }
            if let Some(entry) = self.told_of_dropped() {
                self.render(&entry, &mut for_file, &mut for_terminal);
            }
            self.write(&mut for_file, &mut for_terminal);
            let in_a_hurry = !flushes.is_empty() || count == BATCH;
            for done in flushes {
                let _ = done.try_send(());
            }
            if !in_a_hurry {
                std::thread::sleep(REST);
            }
        }
    }

    fn render(&self, entry: &Entry, for_file: &mut String, for_terminal: &mut String) {
        if self.sinks.file.is_some() {
            render(entry, self.sinks.format, false, for_file);
        }
        if let Some(colour) = self.sinks.terminal {
            render(entry, self.sinks.format, colour, for_terminal);
        }
    }

    fn write(&mut self, for_file: &mut String, for_terminal: &mut String) {
        if let Some(file) = &mut self.sinks.file {
            file.write(for_file.as_bytes());
        }
        if self.sinks.terminal.is_some() {
            // A terminal that went away is no reason to stop.
            let _ = std::io::stderr().lock().write_all(for_terminal.as_bytes());
        }
        for_file.clear();
        for_terminal.clear();
    }

    /// A line about lines that found no room, once there is room again.
    fn told_of_dropped(&self) -> Option<Entry> {
        let lines = self.dropped.untold.swap(0, Ordering::Relaxed);
        (lines > 0).then(|| {
            let message = "log lines were dropped because the queue was full".to_owned();
            Entry::Event(Box::new(Event {
                time: SystemTime::now(),
                level: Level::WARN,
                target: "log".to_owned(),
                fields: vec![
                    ("message", Value::Text(message)),
                    ("lines", Value::Unsigned(lines)),
                ],
            }))
        })
    }
}
