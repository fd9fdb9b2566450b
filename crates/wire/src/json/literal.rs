//! Strings and numbers: skipped at memory speed, unescaped and quoted when asked for.

use std::borrow::Cow;

use serde::Deserialize;

use super::specials::{BLOCK, LONG_BLOCK, Reach, escape_length, plain_prefix, read_long, specials};
use super::{Cursor, Malformed};

impl Cursor<'_> {
    /// Skips a string literal, and says whether anything in it is escaped; the cursor stands on its
    /// opening quote.
    pub(super) fn skip_string(&mut self) -> Result<bool, Malformed> {
        let bytes = self.bytes;
        let rest = |at: usize| bytes.get(at..).unwrap_or_default();
        let mut at = self.pos + 1;
        let mut escaped = false;
        // Most literals are short; their end is in sight.
        if let Some(block) = rest(at).first_chunk::<BLOCK>() {
            self.beyond_ascii |= !block.is_ascii();
            match within(block, rest(at)) {
                Sight::End(length, some) => return self.end_string(at + length, some),
                Sight::On(length, some) => {
                    at += length;
                    escaped = some;
                }
            }
        }
        // Long ones are code and logs, where escapes stand close together.
        if rest(at).len() >= LONG_BLOCK {
            let long = read_long(bytes, at);
            self.beyond_ascii |= !long.ascii;
            escaped |= long.escaped;
            match long.reach {
                Reach::End(end) => {
                    self.pos = end + 1;
                    return Ok(escaped);
                }
                Reach::On(to) => at = to,
            }
        }
        // The last few bytes of the text, or something that has no place in it.
        while let Some(block) = rest(at).first_chunk::<BLOCK>() {
            self.beyond_ascii |= !block.is_ascii();
            match within(block, rest(at)) {
                Sight::End(length, some) => return self.end_string(at + length, escaped | some),
                Sight::On(length, some) => {
                    at += length;
                    escaped |= some;
                }
            }
        }
        self.beyond_ascii |= !rest(at).is_ascii();
        loop {
            at += plain_prefix(rest(at));
            let Some(length) = escape_length(rest(at)) else {
                return self.end_string(at, escaped);
            };
            escaped = true;
            at += length;
        }
    }

    /// Ends a literal at its closing quote; anything else has no place in it.
    fn end_string(&mut self, at: usize, escaped: bool) -> Result<bool, Malformed> {
        self.pos = at;
        if !self.at(b'"') {
            return Err(self.malformed());
        }
        self.pos += 1;
        Ok(escaped)
    }

    pub(super) fn skip_number(&mut self) -> Result<(), Malformed> {
        if self.at(b'-') {
            self.pos += 1;
        }
        // A leading zero stands alone.
        if self.at(b'0') {
            self.pos += 1;
        } else {
            self.skip_digits()?;
        }
        if self.at(b'.') {
            self.pos += 1;
            self.skip_digits()?;
        }
        if self.at(b'e') || self.at(b'E') {
            self.pos += 1;
            if self.at(b'+') || self.at(b'-') {
                self.pos += 1;
            }
            self.skip_digits()?;
        }
        Ok(())
    }

    fn at(&self, byte: u8) -> bool {
        self.bytes.get(self.pos) == Some(&byte)
    }

    /// One digit or more.
    fn skip_digits(&mut self) -> Result<(), Malformed> {
        let rest = self.bytes.get(self.pos..).unwrap_or_default();
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return Err(self.malformed());
        }
        self.pos += digits;
        Ok(())
    }
}

/// How far a literal was read, and whether there were escapes.
enum Sight {
    /// To something that is no escape: its end, if it is well.
    End(usize, bool),
    /// To where it goes on.
    On(usize, bool),
}

/// Reads a literal in one block, with which `text` begins.
#[inline]
fn within(block: &[u8; BLOCK], text: &[u8]) -> Sight {
    let mut found = specials(block);
    let mut escaped = false;
    while found != 0 {
        let special = found.trailing_zeros() as usize;
        let Some(length) = escape_length(text.get(special..).unwrap_or_default()) else {
            return Sight::End(special, escaped);
        };
        escaped = true;
        let behind = special + length;
        if behind >= BLOCK {
            return Sight::On(behind, true);
        }
        found &= u32::MAX << behind;
    }
    Sight::On(BLOCK, escaped)
}

/// The text of a string literal, quotes included; `None` when `literal` is another value.
///
/// Halves of surrogate pairs, which no Rust string can hold, become U+FFFD.
pub(crate) fn unescape(literal: &[u8]) -> Option<Cow<'_, str>> {
    let inner = literal.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let Some(first) = memchr::memchr(b'\\', inner) else {
        // Callers have checked the whole text, so it nearly always is UTF-8.
        return Some(match std::str::from_utf8(inner) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(inner),
        });
    };
    if let Some(text) = unescape_simple(inner, first) {
        return Some(Cow::Owned(text));
    }
    if let Ok(text) = serde_json::from_slice::<String>(literal) {
        return Some(Cow::Owned(text));
    }
    // serde_json hands bytes out even where they are not a string, which says what remains.
    let mut json = serde_json::Deserializer::from_slice(literal);
    let bytes = Bytes::deserialize(&mut json).ok()?;
    Some(Cow::Owned(String::from_utf8_lossy(&bytes.0).into_owned()))
}

/// The same for the inside of a literal whose escapes are all of one letter, as in JSON within
/// JSON; `first` is where the first one stands. `None` leaves the answer to others.
fn unescape_simple(inner: &[u8], first: usize) -> Option<String> {
    let mut text = Vec::with_capacity(inner.len());
    let mut rest = inner;
    let mut at = first;
    loop {
        let (plain, escape) = rest.split_at_checked(at)?;
        text.extend_from_slice(plain);
        let [b'\\', letter, after @ ..] = escape else {
            // A quote or control character has no place here, unless this is the end.
            return escape.is_empty().then(|| String::from_utf8(text).ok())?;
        };
        text.push(match letter {
            b'"' | b'\\' | b'/' => *letter,
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 0x08,
            b'f' => 0x0c,
            _ => return None,
        });
        rest = after;
        at = plain_prefix(rest);
    }
}

/// A JSON string literal that says `text`, as `serde_json` writes it.
pub(crate) fn quote(text: &str) -> Vec<u8> {
    // Writing a string into memory cannot fail; an empty literal would be the safe answer.
    serde_json::to_vec(text).unwrap_or_else(|_| b"\"\"".to_vec())
}

/// The bytes of a JSON string, whether or not they are UTF-8.
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Bytes;
            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("a string")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}
