//! Reads what a process writes, keeping a bounded part of it.

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What was kept of a stream. Filled while reading, so that it holds what came before a cancel.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) bytes: Vec<u8>,
    pub(super) cut: bool,
}

impl Kept {
    /// Reads to the end. What is beyond `limit` bytes is read and dropped, so that the writer is
    /// neither held up nor killed for writing much.
    pub(super) async fn fill(&mut self, stream: Option<impl AsyncRead + Unpin>, limit: usize) {
        let Some(mut stream) = stream else { return };
        let mut piece = vec![0; 16 << 10];
        loop {
            // An error of reading a pipe is an end of it.
            let Ok(length @ 1..) = stream.read(&mut piece).await else {
                return;
            };
            let room = limit.saturating_sub(self.bytes.len());
            let kept = piece.get(..length.min(room)).unwrap_or_default();
            self.bytes.extend_from_slice(kept);
            self.cut |= length > room;
        }
    }
}
