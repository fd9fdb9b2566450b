//! Strings and numbers: skipped at memory speed, unescaped and quoted when asked for.

use std::borrow::Cow;

use serde::Deserialize;

use super::{Cursor, Malformed};

/// Bytes looked at together; wide enough for the compiler to use vector instructions.
const BLOCK: usize = 64;
/// Bytes looked at by the word before that: where escapes stand at all they stand close together.
const NEAR: usize = 48;

impl Cursor<'_> {
    /// Skips a string literal; the cursor stands on its opening quote.
    pub(super) fn skip_string(&mut self) -> Result<(), Malformed> {
        let mut rest = self.bytes.get(self.pos + 1..).unwrap_or_default();
        loop {
            let found = rest.split_at_checked(plain_prefix(rest));
            rest = found.map_or(&[][..], |(_, rest)| rest);
            let escape = match rest {
                [b'"', after @ ..] => {
                    self.pos = self.bytes.len() - after.len();
                    return Ok(());
                }
                [b'\\', b'u', a, b, c, d, ..] => {
                    // Halves of surrogate pairs are let through, as serde_json does for raw values.
                    [a, b, c, d]
                        .iter()
                        .all(|h| h.is_ascii_hexdigit())
                        .then_some(6)
                }
                [b'\\', letter, ..] => is_escape(*letter).then_some(2),
                // A control character must be escaped; or the text ended.
                _ => None,
            };
            let Some(after) = escape.and_then(|length| rest.get(length..)) else {
                self.pos = self.bytes.len() - rest.len();
                return Err(self.malformed());
            };
            rest = after;
        }
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

/// Every byte of a word set to `byte`.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Whether an escape of one letter is that.
fn is_escape(letter: u8) -> bool {
    matches!(
        letter,
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't'
    )
}

/// Bit 7 of a byte that is a quote, a backslash or a control character, in little-endian order.
/// Bits above the lowest one that is set may be wrong, for a borrow runs upwards.
fn special(word: u64) -> u64 {
    let control = word.wrapping_sub(each(0x20));
    let quote = (word ^ each(b'"')).wrapping_sub(each(1));
    let escape = (word ^ each(b'\\')).wrapping_sub(each(1));
    (control | quote | escape) & !word & each(0x80)
}

/// How many bytes stand before the first quote, backslash or control character.
fn plain_prefix(bytes: &[u8]) -> usize {
    let Some((near, far)) = bytes.split_at_checked(NEAR) else {
        return plain_words(bytes);
    };
    let found = plain_words(near);
    if found < NEAR {
        return found;
    }
    let (blocks, tail) = far.as_chunks::<BLOCK>();
    for (index, block) in blocks.iter().enumerate() {
        // No early exit inside the block: that is what lets it become a few vector operations.
        let found = block.iter().fold(0, |found, &byte| {
            found | u8::from(byte == b'"') | u8::from(byte == b'\\') | u8::from(byte < 0x20)
        });
        if found != 0 {
            return NEAR + index * BLOCK + plain_words(block);
        }
    }
    NEAR + blocks.len() * BLOCK + plain_words(tail)
}

/// The same for few bytes, eight at a time.
fn plain_words(bytes: &[u8]) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let found = special(u64::from_le_bytes(*word));
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    words.len() * 8 + tail.iter().position(special).unwrap_or(tail.len())
}

/// The text of a string literal, quotes included; `None` when `literal` is another value.
///
/// Halves of surrogate pairs, which no Rust string can hold, become U+FFFD.
pub(crate) fn unescape(literal: &[u8]) -> Option<Cow<'_, str>> {
    let inner = literal.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let Some(first) = memchr::memchr(b'\\', inner) else {
        return Some(String::from_utf8_lossy(inner));
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
