//! The text of a body, in slices of the buffers that it was made from.

use std::sync::OnceLock;

use bytes::Bytes;

use super::edit::Edits;
use crate::json::Span;

/// More pieces than this are made one: each costs whoever sends them something.
const MOST_PIECES: usize = 64;

/// A text in pieces, so that an edit of a large one copies nothing. It is brought into one buffer
/// when somebody wants to see it so.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pieces: Vec<Piece>,
    len: usize,
    whole: OnceLock<Bytes>,
}

#[derive(Debug, Clone)]
struct Piece {
    start: usize,
    bytes: Bytes,
}

impl Piece {
    /// A span of the text within this piece.
    fn local(&self, span: &Span) -> Option<Span> {
        let start = span.start.checked_sub(self.start)?;
        let end = span.end.checked_sub(self.start)?;
        (end <= self.bytes.len() && start <= end).then_some(start..end)
    }
}

impl Text {
    /// A text in one buffer.
    pub(super) fn of(bytes: Bytes) -> Self {
        let mut text = Self::of_pieces([bytes.clone()]);
        text.whole = OnceLock::from(bytes);
        text
    }

    fn of_pieces(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        let mut len = 0;
        let placed = pieces.into_iter().map(|bytes| {
            let start = len;
            len += bytes.len();
            Piece { start, bytes }
        });
        Self {
            pieces: placed.collect(),
            len,
            whole: OnceLock::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether this is a buffer as it came, not one like it.
    pub(super) fn is(&self, buffer: &Bytes) -> bool {
        match &self.pieces[..] {
            [only] => only.bytes.as_ptr() == buffer.as_ptr() && self.len == buffer.len(),
            _ => false,
        }
    }

    /// All of it in one buffer.
    pub(super) fn whole(&self) -> &Bytes {
        self.whole.get_or_init(|| {
            let mut whole = Vec::with_capacity(self.len);
            for piece in &self.pieces {
                whole.extend_from_slice(&piece.bytes);
            }
            whole.into()
        })
    }

    /// The piece that a span is in, and where.
    fn piece(&self, span: &Span) -> Option<(&Piece, Span)> {
        let behind = self.pieces.partition_point(|it| it.start <= span.start);
        let piece = self.pieces.get(behind.checked_sub(1)?)?;
        Some((piece, piece.local(span)?))
    }

    /// The bytes of a span.
    pub(super) fn get(&self, span: &Span) -> Option<&[u8]> {
        match self.piece(span) {
            Some((piece, local)) => piece.bytes.get(local),
            None => self.whole().get(span.clone()),
        }
    }

    /// The same, to be kept: shared where they are in one piece.
    pub(super) fn slice(&self, span: &Span) -> Option<Bytes> {
        if let Some((piece, local)) = self.piece(span) {
            return Some(piece.bytes.slice(local));
        }
        if span.start > span.end || span.end > self.len {
            return None;
        }
        let mut pieces = Vec::new();
        self.slices(span.clone(), &mut pieces);
        Some(pieces.concat().into())
    }

    /// What a span is made of.
    fn slices(&self, span: Span, into: &mut Vec<Bytes>) {
        let first = self.pieces.partition_point(|it| it.start <= span.start);
        for piece in self.pieces.iter().skip(first.saturating_sub(1)) {
            let end = piece.start + piece.bytes.len();
            let (from, to) = (span.start.max(piece.start), span.end.min(end));
            if piece.start >= span.end {
                break;
            }
            if from < to {
                into.push(piece.bytes.slice(from - piece.start..to - piece.start));
            }
        }
    }

    /// The text that edits make of it. Nothing is copied.
    pub(super) fn edited(&self, edits: &Edits) -> Self {
        if edits.is_empty() {
            return self.clone();
        }
        let mut pieces = Vec::new();
        let mut from = 0;
        for edit in edits.iter() {
            self.slices(from..edit.span.start, &mut pieces);
            if !edit.bytes.is_empty() {
                pieces.push(edit.bytes.clone());
            }
            from = edit.span.end;
        }
        self.slices(from..self.len, &mut pieces);
        let edited = Self::of_pieces(pieces);
        if edited.pieces.len() > MOST_PIECES {
            return Self::of(edited.whole().clone());
        }
        edited
    }

    /// The pieces, or the one buffer where there is one.
    pub(super) fn into_pieces(self) -> Vec<Bytes> {
        match self.whole.into_inner() {
            Some(whole) => vec![whole],
            None => self.pieces.into_iter().map(|piece| piece.bytes).collect(),
        }
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.whole() == other.whole()
    }
}

impl Eq for Text {}
