//! Remembers what was received, within bounds, cheaply: hashing small bodies and
//! parsing are put off until somebody asks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, Version};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::coding;
use crate::config::Config;
use crate::received::{Outcome, Received, Transport};

/// The head of a request; shared by all messages of a WebSocket connection.
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
}

/// What is noted of one request besides its head.
pub(crate) struct Note {
    pub(crate) transport: Transport,
    pub(crate) body: Bytes,
    pub(crate) binary: bool,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) body_error: Option<String>,
}

/// The part of a record that changes while the answer goes out.
#[derive(Default)]
pub(crate) struct Progress(AtomicU8);

impl Progress {
    pub(crate) fn set(&self, outcome: Outcome) {
        self.0.store(outcome as u8, Ordering::Release);
    }

    fn get(&self) -> Outcome {
        let known = [
            Outcome::Answering,
            Outcome::Finished,
            Outcome::Cut,
            Outcome::Cancelled,
        ];
        let value = self.0.load(Ordering::Acquire);
        known
            .into_iter()
            .find(|outcome| *outcome as u8 == value)
            .unwrap_or(Outcome::Answering)
    }
}

struct Record {
    index: usize,
    head: Arc<Head>,
    note: Note,
    body_len: usize,
    /// Set when the body itself is not kept.
    hash: Option<String>,
    at: Duration,
    progress: Arc<Progress>,
}

pub(crate) struct Recorder {
    keep: usize,
    keep_bytes: usize,
    keep_body: usize,
    records: Mutex<Records>,
    count: watch::Sender<usize>,
}

#[derive(Default)]
struct Records {
    kept: VecDeque<Record>,
    bytes: usize,
    total: usize,
}

impl Recorder {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            keep: config.keep,
            keep_bytes: config.keep_bytes,
            keep_body: config.keep_body,
            records: Mutex::default(),
            count: watch::Sender::new(0),
        }
    }

    pub(crate) fn add(&self, head: Arc<Head>, mut note: Note, at: Duration) -> Arc<Progress> {
        let progress = Arc::new(Progress::default());
        let body_len = note.body.len();
        let mut hash = None;
        if self.keep > 0 && body_len > self.keep_body {
            hash = Some(sha256_hex(&note.body));
            note.body = Bytes::new();
        }
        let total = {
            let mut records = self.lock();
            let index = records.total;
            records.total += 1;
            if self.keep > 0 {
                records.bytes += note.body.len();
                let progress = Arc::clone(&progress);
                records.kept.push_back(Record {
                    index,
                    head,
                    note,
                    body_len,
                    hash,
                    at,
                    progress,
                });
                while records.kept.len() > self.keep
                    || (records.bytes > self.keep_bytes && records.kept.len() > 1)
                {
                    let Some(oldest) = records.kept.pop_front() else {
                        break;
                    };
                    records.bytes -= oldest.note.body.len();
                }
            }
            records.total
        };
        // Two adds may arrive here in either order; the count never goes back.
        self.count.send_if_modified(|count| {
            let newer = total > *count;
            *count = total.max(*count);
            newer
        });
        progress
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.lock().kept.iter().map(Record::tell).collect()
    }

    /// Forgets the records and starts counting at 0.
    pub(crate) fn clear(&self) {
        let mut records = self.lock();
        *records = Records::default();
        self.count.send_replace(0);
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().total
    }

    pub(crate) async fn wait_for(&self, count: usize) {
        // Fails only when the sender is gone, and it lives in `self`.
        let _ = self.count.subscribe().wait_for(|seen| *seen >= count).await;
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn tell(&self) -> Received {
        let kept_whole = self.hash.is_none();
        let encoded = match self.note.transport {
            Transport::Http => self.head.headers.get(http::header::CONTENT_ENCODING),
            Transport::WebSocket => None,
        };
        let json = coding::decode(&self.note.body, encoded)
            .filter(|_| kept_whole)
            .and_then(|plain| serde_json::from_slice(&plain).ok());
        let target = self.head.uri.path_and_query();
        Received {
            index: self.index,
            transport: self.note.transport,
            method: self.head.method.to_string(),
            path_and_query: target.map_or_else(|| self.head.uri.to_string(), ToString::to_string),
            version: format!("{:?}", self.head.version),
            headers: fields(&self.head.headers),
            raw_body: self.note.body.clone(),
            body_sha256: self
                .hash
                .clone()
                .unwrap_or_else(|| sha256_hex(&self.note.body)),
            body_len: self.body_len,
            json,
            binary: self.note.binary,
            at: self.at,
            outcome: self.progress.get(),
            trailers: self.note.trailers.as_ref().map(fields).unwrap_or_default(),
            body_error: self.note.body_error.clone(),
        }
    }
}

fn fields(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let pair = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.as_str().to_owned(), value.as_bytes().to_vec())
    };
    headers.iter().map(pair).collect()
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
