//! Reads along on a body that is only carried: it keeps its pieces until the last has passed.

use bytes::Bytes;

/// A body longer than this is not worth its memory.
const LONGEST: usize = 4 << 20;

type Tell = Box<dyn FnOnce(Vec<Bytes>) + Send>;

/// Tells a listener of a whole body, once it is on its way.
pub(crate) struct Tap {
    pieces: Vec<Bytes>,
    bytes: usize,
    tell: Option<Tell>,
}

impl Tap {
    /// `tell` runs on the line, so it hands the pieces on and returns.
    pub(crate) fn new(tell: impl FnOnce(Vec<Bytes>) + Send + 'static) -> Self {
        Self {
            pieces: Vec::new(),
            bytes: 0,
            tell: Some(Box::new(tell)),
        }
    }

    pub(super) fn hear(&mut self, piece: &Bytes) {
        self.bytes += piece.len();
        if self.bytes > LONGEST {
            self.tell = None;
            self.pieces.clear();
        } else if self.tell.is_some() {
            self.pieces.push(piece.clone());
        }
    }

    pub(super) fn end(&mut self) {
        if let Some(tell) = self.tell.take() {
            tell(std::mem::take(&mut self.pieces));
        }
    }
}
