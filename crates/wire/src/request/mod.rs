//! The request body, read and edited in place.
//!
//! One validating scan finds the fields and items; nothing is built from them. Text is unescaped
//! only when asked for, and an edit replaces only the span it is about: every other byte of the
//! body, key order and unknown fields included, leaves as it came.

mod edit;
mod item;
mod scan;
mod splice;
mod text;

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

pub use crate::json::TextPart;
use crate::json::{self, Malformed, Span};
use edit::Edits;
pub use item::{ContentPart, Item, Role};
use scan::Fields;
use text::Text;

/// Most items one body may hold; real conversations have hundreds.
pub const MAX_ITEMS: usize = 65_536;

/// Why a body cannot be read or edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Not UTF-8.
    #[error("the request body is not UTF-8 at byte {offset}")]
    Utf8 {
        /// First byte that is not.
        offset: usize,
    },
    /// Not a JSON object, or nested too deep.
    #[error("the request body is not a JSON object that can be read, at byte {offset}")]
    Malformed {
        /// Where reading stopped.
        offset: usize,
    },
    /// More than [`MAX_ITEMS`] items.
    #[error("the request body has more than {MAX_ITEMS} input items")]
    TooManyItems,
    /// Two edits are about the same bytes.
    #[error("two edits of the request body overlap at byte {offset}")]
    Overlap {
        /// Where the second edit begins.
        offset: usize,
    },
    /// An edit is about bytes the body does not have.
    #[error("an edit of the request body ends at byte {end}, behind its end")]
    OutOfRange {
        /// Where the edit ends.
        end: usize,
    },
}

impl From<Malformed> for BodyError {
    fn from(Malformed { offset }: Malformed) -> Self {
        Self::Malformed { offset }
    }
}

/// Which API a body is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// The Responses API: `input`.
    Responses,
    /// Chat-like APIs: `messages`.
    Messages,
    /// Neither field.
    Unknown,
}

/// A request body and the edits made to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestBody {
    text: Text,
    fields: Fields,
    edits: Edits,
}

impl RequestBody {
    /// Reads a body (a POST body, or one WebSocket message).
    ///
    /// # Errors
    /// [`BodyError::Utf8`], [`BodyError::Malformed`], [`BodyError::TooManyItems`].
    pub fn parse(bytes: Bytes) -> Result<Self, BodyError> {
        let fields = Fields::scan(&bytes)?;
        Ok(Self {
            text: Text::of(bytes),
            fields,
            edits: Edits::default(),
        })
    }

    /// The body as it was parsed or last committed, in one buffer: that costs a copy once edits
    /// were committed.
    pub fn bytes(&self) -> &Bytes {
        self.text.whole()
    }

    /// Whether this is still the very buffer that it was parsed from.
    pub fn is(&self, original: &Bytes) -> bool {
        !self.is_edited() && self.text.is(original)
    }

    fn text(&self, span: Option<&Span>) -> Option<Cow<'_, str>> {
        json::unescape(self.text.get(span?)?)
    }

    /// The text of a member of the object at `within`, by the way to it.
    fn text_within(&self, within: Option<&Span>, way: &[&[u8]]) -> Option<Cow<'_, str>> {
        let mut value = self.text.get(within?)?;
        for name in way {
            let span = scan::member(value, &(0..value.len()), name)?;
            value = value.get(span)?;
        }
        json::unescape(value)
    }

    fn flag(&self, span: Option<&Span>) -> Option<bool> {
        match self.text.get(span?)? {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    /// `model`.
    pub fn model(&self) -> Option<Cow<'_, str>> {
        self.text(self.fields.model.as_ref())
    }

    /// `stream`.
    pub fn stream(&self) -> Option<bool> {
        self.flag(self.fields.stream.as_ref())
    }

    /// `generate`; a WebSocket prewarm says `false` (seen with Codex 0.169.0).
    pub fn generate(&self) -> Option<bool> {
        self.flag(self.fields.generate.as_ref())
    }

    /// `previous_response_id`.
    pub fn previous_response_id(&self) -> Option<Cow<'_, str>> {
        self.text(self.fields.previous_response_id.as_ref())
    }

    /// `prompt_cache_key`; Codex puts its thread id here.
    pub fn prompt_cache_key(&self) -> Option<Cow<'_, str>> {
        self.text(self.fields.prompt_cache_key.as_ref())
    }

    /// The string `client_metadata["x-codex-turn-metadata"]`.
    pub fn metadata(&self) -> Option<Cow<'_, str>> {
        let within = self.fields.client_metadata.as_ref();
        self.text_within(within, &[b"x-codex-turn-metadata"])
    }

    /// The top-level `type`: `response.create` on WebSocket, absent over HTTP.
    pub fn message_type(&self) -> Option<Cow<'_, str>> {
        self.text(self.fields.message_type.as_ref())
    }

    /// `text.format.type`: the form that the answer is to have, `json_schema` for one.
    pub fn text_format(&self) -> Option<Cow<'_, str>> {
        self.text_within(self.fields.text.as_ref(), &[b"format", b"type"])
    }

    /// Which API the body is written for; `input` decides when both fields are there.
    pub fn dialect(&self) -> Dialect {
        self.fields.dialect
    }

    /// The items of `input` (or `messages`), oldest first. A plain string is one item.
    pub fn items(&self) -> &[Item] {
        &self.fields.items
    }

    /// Where the value of `input` (or `messages`) stands.
    pub fn items_span(&self) -> Option<Range<usize>> {
        self.fields.items_span.clone()
    }

    /// Replaces the bytes of `span` (in [`Self::bytes`]) by `json`, which must be one JSON value.
    ///
    /// # Errors
    /// [`BodyError::Overlap`] when an earlier edit is about the same bytes (after
    /// [`Self::commit`] they can be edited again), [`BodyError::OutOfRange`].
    pub fn replace(&mut self, span: Range<usize>, json: impl Into<Bytes>) -> Result<(), BodyError> {
        self.edits.add(span, json.into(), self.text.len())
    }

    /// Replaces the bytes of `span` by a JSON string literal that says `text`.
    ///
    /// # Errors
    /// As [`Self::replace`].
    pub fn set_text(&mut self, span: Range<usize>, text: &str) -> Result<(), BodyError> {
        self.replace(span, json::quote(text))
    }

    /// Inserts bytes before byte `at`, after what was inserted there before.
    ///
    /// # Errors
    /// As [`Self::replace`]; at the edges of a replaced span is no overlap.
    pub fn insert(&mut self, at: usize, bytes: impl Into<Bytes>) -> Result<(), BodyError> {
        self.edits.add(at..at, bytes.into(), self.text.len())
    }

    /// True when an edit is waiting.
    pub fn is_edited(&self) -> bool {
        !self.edits.is_empty()
    }

    /// Length in bytes with the edits applied.
    pub fn len(&self) -> usize {
        self.edits.resulting_len(self.text.len())
    }

    /// Never true for a body that was parsed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The edited body as slices of the original and replacements, without copying; in one buffer
    /// when somebody has seen it so.
    pub fn into_chunks(self) -> Vec<Bytes> {
        self.text.edited(&self.edits).into_pieces()
    }

    /// The edited body in one buffer; without edits the very buffer that was parsed.
    pub fn into_bytes(self) -> Bytes {
        self.text.edited(&self.edits).whole().clone()
    }

    /// Applies the edits and reads the result, so that later readers see them. Of edits of items
    /// only what they put in is read, and nothing is copied; edits of other fields have the whole
    /// body copied and read again.
    ///
    /// # Errors
    /// As [`Self::parse`] when the edits broke the body; it is then left as it was.
    pub fn commit(&mut self) -> Result<(), BodyError> {
        if self.is_edited() {
            let mut text = self.text.edited(&self.edits);
            if self.fields.splice(&self.edits, &text).is_none() {
                text = Text::of(text.whole().clone());
                self.fields = Fields::scan(text.whole())?;
            }
            self.text = text;
            self.discard();
        }
        Ok(())
    }

    /// Drops the edits that wait.
    pub fn discard(&mut self) {
        self.edits = Edits::default();
    }
}
