//! Memory for decoded bytes that grows with what arrives and stops at the limit.

use super::EncodingError;

/// First allocation, in bytes.
const START: usize = 16 * 1024;

/// A growing buffer that never holds more than its limit.
pub(super) struct Output {
    /// Zeroed up to its length; the decoder has written the first `filled` bytes.
    bytes: Vec<u8>,
    filled: usize,
    limit: usize,
}

impl Output {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            filled: 0,
            limit,
        }
    }

    /// Room for at least one more byte.
    ///
    /// There is one byte more than the limit allows: a decoder that needs it has too much to say,
    /// one that is done says so when asked again.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.filled == self.bytes.len() {
            let doubled = self.bytes.len().saturating_mul(2).max(START);
            let size = doubled.min(self.limit.saturating_add(1));
            self.bytes.reserve_exact(size.saturating_sub(self.filled));
            self.bytes.resize(size, 0);
        }
        self.bytes.get_mut(self.filled..).unwrap_or_default()
    }

    /// Counts `written` more bytes.
    pub(super) fn wrote(&mut self, written: usize) -> Result<(), EncodingError> {
        self.filled = self.filled.saturating_add(written).min(self.bytes.len());
        if self.filled > self.limit {
            return Err(EncodingError::TooLarge { limit: self.limit });
        }
        Ok(())
    }

    pub(super) fn into_vec(mut self) -> Vec<u8> {
        self.bytes.truncate(self.filled);
        self.bytes
    }
}
