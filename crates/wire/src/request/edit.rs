//! Edits waiting to be applied, in the order of the bytes they are about.

use std::ops::Range;

use bytes::Bytes;

use super::BodyError;

/// One span and what takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) span: Range<usize>,
    pub(super) bytes: Bytes,
}

/// Edits sorted by position; they never overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Edits(Vec<Edit>);

impl Edits {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Edit> {
        self.0.iter()
    }

    pub(super) fn add(
        &mut self,
        span: Range<usize>,
        bytes: Bytes,
        source_len: usize,
    ) -> Result<(), BodyError> {
        if span.start > span.end || span.end > source_len {
            return Err(BodyError::OutOfRange { end: span.end });
        }
        // Behind all edits that end where this one begins; insertions at one place keep order.
        let at = self.0.partition_point(|edit| {
            edit.span.end <= span.start && (edit.span.start < span.start || edit.span.is_empty())
        });
        if self
            .0
            .get(at)
            .is_some_and(|next| next.span.start < span.end)
        {
            return Err(BodyError::Overlap { offset: span.start });
        }
        self.0.insert(at, Edit { span, bytes });
        Ok(())
    }

    pub(super) fn resulting_len(&self, source_len: usize) -> usize {
        self.0.iter().fold(source_len, |len, edit| {
            len - edit.span.len() + edit.bytes.len()
        })
    }
}
