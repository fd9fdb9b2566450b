//! One frame: its exact bytes, and the fields in it.

use std::borrow::Cow;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// U+FEFF in UTF-8; it may stand before the first frame and says nothing.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A frame of an event stream, or a piece of one that is over the framer's limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseFrame {
    /// The exact bytes, terminator included.
    pub raw: Bytes,
    opaque: bool,
    /// Bytes of the byte order mark before the first line.
    skip: usize,
}

impl SseFrame {
    pub(super) fn new(raw: Bytes, opaque: bool, first: bool) -> Self {
        let mark = first && raw.starts_with(BYTE_ORDER_MARK);
        Self {
            raw,
            opaque,
            skip: if mark { BYTE_ORDER_MARK.len() } else { 0 },
        }
    }

    /// True for a piece of an over-long frame: bytes to pass on, without fields.
    pub fn is_opaque(&self) -> bool {
        self.opaque
    }

    /// True when there is nothing in the frame but comments and blank lines: a keep-alive.
    pub fn is_comment(&self) -> bool {
        !self.opaque
            && self.lines().all(|line| {
                self.raw
                    .get(line)
                    .is_none_or(|line| line.is_empty() || line.starts_with(b":"))
            })
    }

    /// The value of the last `event` field.
    pub fn event(&self) -> Option<&[u8]> {
        self.values(b"event")
            .last()
            .and_then(|span| self.raw.get(span))
    }

    /// The `data` lines, joined by line feeds; borrowed when there is one.
    pub fn data(&self) -> Option<Cow<'_, [u8]>> {
        let mut lines = self.values(b"data").filter_map(|span| self.raw.get(span));
        let mut data = Cow::Borrowed(lines.next()?);
        for line in lines {
            let joined = data.to_mut();
            joined.push(b'\n');
            joined.extend_from_slice(line);
        }
        Some(data)
    }

    /// Where the data stands in [`Self::raw`], when it is a single line: the range to replace.
    pub fn data_span(&self) -> Option<Range<usize>> {
        let mut spans = self.values(b"data");
        let only = spans.next()?;
        spans.next().is_none().then_some(only)
    }

    /// The same frame with other data, as a frame.
    #[must_use]
    pub fn replaced(&self, data: &[u8]) -> Self {
        Self {
            raw: self.with_data(data),
            opaque: self.opaque,
            skip: self.skip,
        }
    }

    /// The frame with other data: every byte outside the values of its data lines stays.
    ///
    /// Without a single data line to replace, the frame is written anew.
    #[must_use]
    pub fn with_data(&self, data: &[u8]) -> Bytes {
        let newline = memchr::memchr2(b'\n', b'\r', data).is_some();
        match self.data_span() {
            Some(span) if !newline => {
                let mut raw = BytesMut::with_capacity(self.raw.len() + data.len());
                raw.extend_from_slice(self.raw.get(..span.start).unwrap_or_default());
                raw.extend_from_slice(data);
                raw.extend_from_slice(self.raw.get(span.end..).unwrap_or_default());
                raw.freeze()
            }
            _ => Self::encode(
                self.event().and_then(|name| std::str::from_utf8(name).ok()),
                data,
            ),
        }
    }

    /// Writes a frame. Data with line ends becomes several `data` lines; line ends in the event
    /// name, which cannot be written, become spaces.
    pub fn encode(event: Option<&str>, data: &[u8]) -> Bytes {
        let mut frame = BytesMut::with_capacity(data.len() + 64);
        if let Some(event) = event {
            frame.extend_from_slice(b"event: ");
            frame.extend_from_slice(event.replace(['\n', '\r'], " ").as_bytes());
            frame.extend_from_slice(b"\n");
        }
        let mut at = 0;
        loop {
            let (line, next) = next_line(data, at);
            frame.extend_from_slice(b"data: ");
            frame.extend_from_slice(data.get(line).unwrap_or_default());
            frame.extend_from_slice(b"\n");
            match next {
                Some(next) => at = next,
                None => break,
            }
        }
        frame.extend_from_slice(b"\n");
        frame.freeze()
    }

    /// The lines of the frame, without their ends.
    fn lines(&self) -> impl Iterator<Item = Range<usize>> {
        let mut at = Some(self.skip);
        std::iter::from_fn(move || {
            let (line, next) = next_line(&self.raw, at?);
            at = next;
            Some(line)
        })
    }

    /// Where the values of all fields called `name` stand.
    fn values(&self, name: &'static [u8]) -> impl Iterator<Item = Range<usize>> {
        let lines = (!self.opaque).then(|| self.lines()).into_iter().flatten();
        lines.filter_map(move |line| {
            let rest = self.raw.get(line.clone())?.strip_prefix(name)?;
            let value = match rest {
                [] => rest,
                [b':', b' ', value @ ..] | [b':', value @ ..] => value,
                _ => return None,
            };
            Some(line.end - value.len()..line.end)
        })
    }
}

/// The line at `at`, and where the next one begins if a line end follows.
fn next_line(bytes: &[u8], at: usize) -> (Range<usize>, Option<usize>) {
    let rest = bytes.get(at..).unwrap_or_default();
    let Some(len) = memchr::memchr2(b'\n', b'\r', rest) else {
        return (at..bytes.len(), None);
    };
    let end = at + len;
    let crlf = bytes
        .get(end..)
        .is_some_and(|rest| rest.starts_with(b"\r\n"));
    (at..end, Some(end + 1 + usize::from(crlf)))
}
