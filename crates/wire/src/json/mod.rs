//! A validating JSON cursor that reports spans instead of building values.
//!
//! Request bodies are megabytes of string literals of which a reader wants a few bytes. The
//! cursor walks the structure, skips what nobody asked for at memory speed and says where each
//! value stands, so that an edit can replace exactly those bytes. It can look at the first byte
//! of a value before deciding how to read it, which a serde visitor cannot without losing the
//! span of fields that are a string *or* an array (`input`, `content`).
//!
//! It accepts what `serde_json` accepts as a raw value (checked against it by property tests and
//! fuzzing), except that nesting is limited to [`MAX_DEPTH`]. Whether the input is UTF-8 is for
//! callers to check, once, before or afterwards; the cursor says when there is nothing to check.

mod literal;
mod specials;

use std::borrow::Cow;
use std::ops::Range;

pub(crate) use literal::{quote, unescape};

/// Deepest nesting of arrays and objects that is read; `serde_json` has the same limit.
pub(crate) const MAX_DEPTH: u32 = 127;

/// Where a JSON value stands in its buffer, in bytes.
pub(crate) type Span = Range<usize>;

/// The bytes are not JSON, or are nested deeper than [`MAX_DEPTH`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// Byte at which reading stopped.
    pub(crate) offset: usize,
}

/// A JSON string literal inside a buffer: where it stands and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextPart<'a> {
    /// The literal in the buffer, both quotes included: the range to replace in an edit.
    pub span: Range<usize>,
    /// The text with its escapes resolved; borrowed when there were none.
    pub text: Cow<'a, str>,
}

/// A position in a JSON text that moves over one value at a time.
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    pos: usize,
    depth: u32,
    /// Whether a string may have bytes that are not ASCII; there is no other place for them.
    beyond_ascii: bool,
}

/// Checks that bytes are UTF-8; the error is the first byte that is not.
pub(crate) fn check_utf8(bytes: &[u8]) -> Result<(), usize> {
    // Most bodies are ASCII, which is told several times faster.
    if bytes.is_ascii() {
        return Ok(());
    }
    if simdutf8::basic::from_utf8(bytes).is_ok() {
        return Ok(());
    }
    let checked = std::str::from_utf8(bytes).map(drop);
    checked.map_err(|error| error.valid_up_to())
}

impl<'a> Cursor<'a> {
    /// Starts at byte `pos`; spans stay relative to the whole of `bytes`.
    pub(crate) fn new(bytes: &'a [u8], pos: usize) -> Self {
        Self {
            bytes,
            pos,
            depth: 0,
            beyond_ascii: false,
        }
    }

    /// The same inside of so many arrays and objects.
    pub(crate) fn within(bytes: &'a [u8], pos: usize, depth: usize) -> Self {
        Self {
            bytes,
            pos,
            depth: u32::try_from(depth).unwrap_or(MAX_DEPTH),
            beyond_ascii: false,
        }
    }

    /// Where the cursor stands.
    pub(crate) fn position(&self) -> usize {
        self.pos
    }

    /// Whether what was read may have other bytes than ASCII, so that somebody must find out whether
    /// they are UTF-8.
    pub(crate) fn is_beyond_ascii(&self) -> bool {
        self.beyond_ascii
    }

    fn malformed(&self) -> Malformed {
        Malformed { offset: self.pos }
    }

    /// The first byte of the next token, white space skipped.
    pub(crate) fn peek(&mut self) -> Result<u8, Malformed> {
        loop {
            match self.bytes.get(self.pos) {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.pos += 1,
                Some(byte) => return Ok(*byte),
                None => return Err(self.malformed()),
            }
        }
    }

    /// Checks that only white space follows.
    pub(crate) fn end(&mut self) -> Result<(), Malformed> {
        match self.peek() {
            Err(_) => Ok(()),
            Ok(_) => Err(self.malformed()),
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.peek()? == byte {
            self.pos += 1;
            Ok(())
        } else {
            Err(self.malformed())
        }
    }

    fn descend(&mut self) -> Result<(), Malformed> {
        if self.depth >= MAX_DEPTH {
            return Err(self.malformed());
        }
        self.depth += 1;
        Ok(())
    }

    /// Reads an object; `field` is called with each key and must consume exactly its value.
    pub(crate) fn object<F, E>(&mut self, mut field: F) -> Result<(), E>
    where
        F: FnMut(&mut Self, &[u8]) -> Result<(), E>,
        E: From<Malformed>,
    {
        self.expect(b'{')?;
        self.descend()?;
        if self.peek()? == b'}' {
            self.pos += 1;
        } else {
            loop {
                let key = self.key()?;
                field(self, &key)?;
                if !self.another(b'}')? {
                    break;
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Reads an array; `element` is called before each element and must consume exactly it.
    pub(crate) fn array<F, E>(&mut self, mut element: F) -> Result<(), E>
    where
        F: FnMut(&mut Self) -> Result<(), E>,
        E: From<Malformed>,
    {
        self.expect(b'[')?;
        self.descend()?;
        if self.peek()? == b']' {
            self.pos += 1;
        } else {
            loop {
                element(self)?;
                if !self.another(b']')? {
                    break;
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// After a member: true at a comma, false at the closing bracket.
    fn another(&mut self, close: u8) -> Result<bool, Malformed> {
        match self.peek()? {
            b',' => {
                self.pos += 1;
                Ok(true)
            }
            byte if byte == close => {
                self.pos += 1;
                Ok(false)
            }
            _ => Err(self.malformed()),
        }
    }

    /// A key and its colon; the key is unescaped only when it has escapes.
    fn key(&mut self) -> Result<Cow<'a, [u8]>, Malformed> {
        let (span, escaped) = self.skip_key()?;
        let literal = self.bytes.get(span).unwrap_or_default();
        if !escaped {
            return Ok(Cow::Borrowed(
                literal.get(1..literal.len() - 1).unwrap_or_default(),
            ));
        }
        let text = unescape(literal);
        Ok(Cow::Owned(
            text.unwrap_or_default().into_owned().into_bytes(),
        ))
    }

    /// Where a key stands, and whether it has escapes.
    fn skip_key(&mut self) -> Result<(Span, bool), Malformed> {
        if self.peek()? != b'"' {
            return Err(self.malformed());
        }
        let start = self.pos;
        let escaped = self.skip_string()?;
        let span = start..self.pos;
        self.expect(b':')?;
        Ok((span, escaped))
    }

    /// Validates the next value, whatever it is, and says where it stands.
    pub(crate) fn skip(&mut self) -> Result<Span, Malformed> {
        let first = self.peek()?;
        let start = self.pos;
        if matches!(first, b'{' | b'[') {
            self.skip_container()?;
        } else {
            self.skip_scalar(first)?;
        }
        Ok(start..self.pos)
    }

    /// Skips a whole array or object without recursion; one bit per open bracket.
    fn skip_container(&mut self) -> Result<(), Malformed> {
        let outer = self.depth;
        let mut objects: u128 = 0; // lowest bit: the innermost bracket is an object's
        loop {
            let first = self.peek()?;
            if matches!(first, b'{' | b'[') {
                self.descend()?;
                self.pos += 1;
                let object = first == b'{';
                objects = (objects << 1) | u128::from(object);
                if self.peek()? == if object { b'}' } else { b']' } {
                    self.pos += 1;
                    self.depth -= 1;
                    objects >>= 1;
                } else {
                    if object {
                        self.skip_key()?;
                    }
                    continue;
                }
            } else {
                self.skip_scalar(first)?;
            }
            loop {
                if self.depth == outer {
                    return Ok(());
                }
                let object = objects & 1 == 1;
                if self.another(if object { b'}' } else { b']' })? {
                    if object {
                        self.skip_key()?;
                    }
                    break;
                }
                self.depth -= 1;
                objects >>= 1;
            }
        }
    }

    fn skip_scalar(&mut self, first: u8) -> Result<(), Malformed> {
        match first {
            b'"' => self.skip_string().map(|_| ()),
            b't' => self.skip_word(b"true"),
            b'f' => self.skip_word(b"false"),
            b'n' => self.skip_word(b"null"),
            b'-' | b'0'..=b'9' => self.skip_number(),
            _ => Err(self.malformed()),
        }
    }

    fn skip_word(&mut self, word: &[u8]) -> Result<(), Malformed> {
        if self
            .bytes
            .get(self.pos..)
            .unwrap_or_default()
            .starts_with(word)
        {
            self.pos += word.len();
            Ok(())
        } else {
            Err(self.malformed())
        }
    }
}

#[cfg(test)]
mod tests;
