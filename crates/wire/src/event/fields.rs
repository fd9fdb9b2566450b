//! Members of JSON objects by name, for the small objects events are made of.

use std::borrow::Cow;

use crate::json::{self, Cursor, Malformed, Span, TextPart};

/// The spans of the members called `NAMES` of one object; the last of duplicates.
pub(super) struct Members<'a, const N: usize> {
    data: &'a [u8],
    spans: [Option<Span>; N],
}

impl<'a, const N: usize> Members<'a, N> {
    /// Reads the object the cursor stands on; another value has no members.
    pub(super) fn read(
        data: &'a [u8],
        cursor: &mut Cursor<'a>,
        names: [&str; N],
    ) -> Result<Self, Malformed> {
        let mut spans = [const { None }; N];
        if cursor.peek()? == b'{' {
            cursor.object(|cursor, key| {
                let value = cursor.skip()?;
                let at = names.iter().position(|name| name.as_bytes() == key);
                if let Some(slot) = at.and_then(|at| spans.get_mut(at)) {
                    *slot = Some(value);
                }
                Ok::<(), Malformed>(())
            })?;
        } else {
            cursor.skip()?;
        }
        Ok(Self { data, spans })
    }

    /// Reads an object inside data that was validated before.
    pub(super) fn at(data: &'a [u8], span: Option<&Span>, names: [&str; N]) -> Self {
        let none = Self {
            data,
            spans: [const { None }; N],
        };
        let Some(span) = span else { return none };
        Self::read(data, &mut Cursor::new(data, span.start), names).unwrap_or(none)
    }

    pub(super) fn span(&self, index: usize) -> Option<&Span> {
        self.spans.get(index)?.as_ref()
    }

    pub(super) fn raw(&self, index: usize) -> Option<&'a [u8]> {
        self.data.get(self.span(index)?.clone())
    }

    /// The text of a string.
    pub(super) fn text(&self, index: usize) -> Option<Cow<'a, str>> {
        json::unescape(self.raw(index)?)
    }

    /// The text of a string and where it stands.
    pub(super) fn part(&self, index: usize) -> Option<TextPart<'a>> {
        Some(TextPart {
            span: self.span(index)?.clone(),
            text: self.text(index)?,
        })
    }

    /// The text of a string, or the JSON of an object or array.
    pub(super) fn part_or_json(&self, index: usize) -> Option<TextPart<'a>> {
        let raw = self.raw(index)?;
        if !matches!(raw.first(), Some(b'{' | b'[')) {
            return self.part(index);
        }
        Some(TextPart {
            span: self.span(index)?.clone(),
            text: String::from_utf8_lossy(raw),
        })
    }

    pub(super) fn number(&self, index: usize) -> Option<u64> {
        std::str::from_utf8(self.raw(index)?).ok()?.parse().ok()
    }
}

/// Reads one member of the object the cursor stands on with `value`, and passes the others over.
/// Another value has no members.
pub(super) fn member<'a>(
    cursor: &mut Cursor<'a>,
    name: &str,
    mut value: impl FnMut(&mut Cursor<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    if cursor.peek()? != b'{' {
        return cursor.skip().map(drop);
    }
    cursor.object(|cursor, key| {
        if key == name.as_bytes() {
            value(cursor)
        } else {
            cursor.skip().map(drop)
        }
    })
}

/// Reads each element of the array the cursor stands on with `element`; another value has none.
pub(super) fn elements<'a>(
    cursor: &mut Cursor<'a>,
    element: impl FnMut(&mut Cursor<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    if cursor.peek()? != b'[' {
        return cursor.skip().map(drop);
    }
    cursor.array(element)
}

/// The same for the array at `span` of data that was validated before.
pub(super) fn each<'a>(
    data: &'a [u8],
    span: Option<&Span>,
    element: impl FnMut(&mut Cursor<'a>) -> Result<(), Malformed>,
) {
    if let Some(span) = span {
        // Validated before, so this cannot stop half-way.
        let _ = elements(&mut Cursor::new(data, span.start), element);
    }
}
