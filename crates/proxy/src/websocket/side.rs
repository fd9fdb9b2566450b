//! One side of a relayed connection: who writes to it, and whether it still lives.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use codex_plus_wire::frame::{Close, CloseCode, Opcode, encode_frame};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt, WriteHalf};
use tokio::sync::{Mutex, Notify};

/// The payload of our own pings, by which their pongs are known and kept back.
pub(super) const PING_PAYLOAD: &[u8] = b"codex-plus";

/// A side takes no more bytes.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unwritable(#[from] io::Error);

/// The writing half of a side, shared by the pump that feeds it and by what we say ourselves.
pub(super) struct Side {
    writer: Mutex<Writer>,
    /// Told whenever the writer comes to a frame boundary.
    boundary: Notify,
    /// A client masks what it sends (RFC 6455, 5.3); towards the upstream we are the client.
    masks: bool,
    since: Instant,
    /// Milliseconds after `since` at which the side was last heard.
    heard: AtomicU64,
    /// Whether we wait for more of it; a side that is not read has no chance to be heard.
    awaited: AtomicBool,
}

struct Writer {
    io: WriteHalf<TokioIo<Upgraded>>,
    at_boundary: bool,
}

impl Side {
    pub(super) fn new(io: WriteHalf<TokioIo<Upgraded>>, masks: bool) -> Self {
        Self {
            writer: Mutex::new(Writer {
                io,
                at_boundary: true,
            }),
            boundary: Notify::new(),
            masks,
            since: Instant::now(),
            heard: AtomicU64::new(0),
            awaited: AtomicBool::new(false),
        }
    }

    /// What came from this side was passed on, and we wait for more; or something came.
    pub(super) fn hear(&self, awaited: bool) {
        self.awaited.store(awaited, Ordering::Relaxed);
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard.store(now, Ordering::Relaxed);
    }

    /// How long the side has been silent.
    pub(super) fn silence(&self) -> Duration {
        let heard = Duration::from_millis(self.heard.load(Ordering::Relaxed));
        self.since.elapsed().saturating_sub(heard)
    }

    /// Whether the side is gone: silent for `limit` although it was read. Of two that both take
    /// nothing, so that neither is read, both are. One that was left with half a frame by the other
    /// cannot be asked, and owes no answer.
    pub(super) fn is_lost(&self, other: &Self, limit: Duration) -> bool {
        self.silence() > limit
            && !self.is_within_frame()
            && (self.awaited.load(Ordering::Relaxed) || other.silence() > limit)
    }

    /// Whether a frame to this side is begun and waits for its rest.
    fn is_within_frame(&self) -> bool {
        let writer = self.writer.try_lock();
        writer.is_ok_and(|writer| !writer.at_boundary)
    }

    /// Passes bytes on; `at_boundary` tells whether they end with a frame.
    pub(super) async fn pass(&self, chunks: &[Bytes], at_boundary: bool) -> Result<(), Unwritable> {
        let mut writer = self.writer.lock().await;
        // Until all is written, nothing may be put in between.
        writer.at_boundary = false;
        for chunk in chunks {
            writer.io.write_all(chunk).await?;
        }
        writer.io.flush().await?;
        writer.at_boundary = at_boundary;
        drop(writer);
        if at_boundary {
            self.boundary.notify_one();
        }
        Ok(())
    }

    /// Says something of ours, between two frames.
    pub(super) async fn say(&self, opcode: Opcode, payloads: &[Bytes]) -> Result<(), Unwritable> {
        loop {
            let boundary = self.boundary.notified();
            let mut writer = self.writer.lock().await;
            if writer.at_boundary {
                for payload in payloads {
                    let frame = self.frame(opcode, payload);
                    writer.io.write_all(&frame).await?;
                }
                return Ok(writer.io.flush().await?);
            }
            drop(writer);
            boundary.await;
        }
    }

    /// A frame for this side.
    pub(super) fn frame(&self, opcode: Opcode, payload: &[u8]) -> Bytes {
        encode_frame(opcode, payload, self.masks.then(new_mask))
    }

    /// Asks for a sign of life, unless the side is being written to anyway.
    pub(super) async fn ping(&self) -> Result<(), Unwritable> {
        let Ok(mut writer) = self.writer.try_lock() else {
            return Ok(());
        };
        if writer.at_boundary {
            let frame = self.frame(Opcode::Ping, PING_PAYLOAD);
            writer.io.write_all(&frame).await?;
            writer.io.flush().await?;
        }
        Ok(())
    }

    /// Says goodbye with a code.
    pub(super) async fn close(&self, code: CloseCode, reason: &str) -> Result<(), Unwritable> {
        let close = Close {
            code,
            reason: reason.to_owned(),
        };
        self.say(Opcode::Close, &[close.encode().into()]).await
    }

    /// Ends the stream of bytes to this side.
    pub(super) async fn shutdown(&self) -> Result<(), Unwritable> {
        Ok(self.writer.lock().await.io.shutdown().await?)
    }
}

/// A key that a page or peer cannot foresee (RFC 6455, 10.3).
fn new_mask() -> [u8; 4] {
    let [a, b, c, d, ..] = RandomState::new().hash_one(Instant::now()).to_ne_bytes();
    [a, b, c, d]
}
