//! Finds what ends or interrupts a string literal, many bytes at a time.

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch, u8x64};
use wide::u8x16;

/// Bytes looked at together.
pub(super) const BLOCK: usize = 32;

/// The last control character.
const LAST_CONTROL: u8 = 0x1f;

/// A bit for each byte of a block that is a quote, a backslash or a control character; the lowest
/// one stands for the first byte.
#[inline]
pub(super) fn specials(block: &[u8; BLOCK]) -> u32 {
    let ([low, high], []) = block.as_chunks::<16>() else {
        return 0; // A block is two halves.
    };
    in_half(*low) | in_half(*high) << 16
}

#[inline]
fn in_half(bytes: [u8; 16]) -> u32 {
    let bytes = u8x16::new(bytes);
    let controls = bytes.min(u8x16::splat(LAST_CONTROL)).simd_eq(bytes);
    let quotes = bytes.simd_eq(u8x16::splat(b'"'));
    let backslashes = bytes.simd_eq(u8x16::splat(b'\\'));
    (controls | quotes | backslashes).to_bitmask()
}

/// Bytes looked at together in a long literal.
pub(super) const LONG_BLOCK: usize = 64;

/// What a long literal goes on with: a bit for each byte, the lowest one for the first.
struct Masks {
    quotes: u64,
    backslashes: u64,
    controls: u64,
    newlines: u64,
}

/// What a block says of a literal that reaches into it.
struct Judged {
    /// The quote that ends the literal.
    end: Option<usize>,
    /// Whether there is an escape in it.
    escaped: bool,
    /// Whether a control character is.
    broken: bool,
    /// The letters of its escapes that are none of the usual three: of `\"`, `\\` and `\n`.
    letters: u64,
    /// Whether the first byte of the next block belongs to an escape.
    open: bool,
}

impl Masks {
    /// As wide as the processor can.
    // See `blocks`.
    #[expect(clippy::inline_always)]
    #[inline(always)]
    fn of<S: Simd>(bytes: u8x64<S>) -> Self {
        Self {
            quotes: bytes.simd_eq(b'"').to_bitmask(),
            backslashes: bytes.simd_eq(b'\\').to_bitmask(),
            controls: bytes.simd_le(LAST_CONTROL).to_bitmask(),
            newlines: bytes.simd_eq(b'n').to_bitmask(),
        }
    }

    /// Judges the block without a branch a byte; `open` as the block before left it.
    #[inline]
    fn judge(&self, open: bool) -> Judged {
        const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
        let open = u64::from(open);
        // Backslashes in a row escape each other: a carry runs through the row, and where it comes
        // out tells whether they are an even number (the trick is simdjson's).
        let starts = self.backslashes & !open;
        let rows = ((starts << 1) | ODD).wrapping_sub(starts) ^ ODD;
        let escaped = rows ^ (self.backslashes | open);
        let openers = rows & self.backslashes;
        let ends = self.quotes & !escaped;
        // All bits below the lowest one; all of them when there is none.
        let before = ends.wrapping_sub(1) & !ends;
        let usual = self.quotes | self.backslashes | self.newlines;
        Judged {
            end: (ends != 0).then_some(ends.trailing_zeros() as usize),
            escaped: openers & before != 0,
            broken: self.controls & before != 0,
            letters: escaped & before & !usual,
            open: openers >> 63 == 1,
        }
    }
}

/// How far a long literal was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// To the quote that ends it.
    End(usize),
    /// To where fewer bytes than a block are left, or something is that has no place in a literal.
    On(usize),
}

/// What was read of a long literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Long {
    pub(super) reach: Reach,
    /// Whether there were escapes.
    pub(super) escaped: bool,
    /// Whether all bytes of the blocks are ASCII, those behind the literal's end included.
    pub(super) ascii: bool,
}

/// Reads on in a literal from byte `at`, whole blocks at a time.
pub(super) fn read_long(bytes: &[u8], at: usize) -> Long {
    dispatch!(Level::new(), simd => blocks(simd, bytes, at))
}

// Only what is part of its caller is compiled for that caller's processor.
#[expect(clippy::inline_always)]
#[inline(always)]
fn blocks<S: Simd>(simd: S, bytes: &[u8], mut at: usize) -> Long {
    let (mut open, mut escaped) = (false, false);
    let mut all = u8x64::splat(simd, 0);
    let reach = loop {
        let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk::<LONG_BLOCK>) else {
            break Reach::On(at - usize::from(open));
        };
        let block: u8x64<S> = (*block).simd_into(simd);
        all |= block;
        let judged = Masks::of(block).judge(open);
        let letters = judged.letters;
        let well = letters == 0 || usual_escapes(block, letters) || are_escapes(bytes, at, letters);
        if judged.broken || !well {
            break Reach::On(at - usize::from(open));
        }
        escaped |= judged.escaped;
        if let Some(end) = judged.end {
            break Reach::End(at + end);
        }
        open = judged.open;
        at += LONG_BLOCK;
    };
    let ascii = all.simd_ge(0x80).to_bitmask() == 0;
    Long {
        reach,
        escaped,
        ascii,
    }
}

/// Whether escapes are the ones of code and of terminals' colours, all of them in this block. No loop
/// over them, for where they stand cannot be foretold.
// See `blocks`.
#[expect(clippy::inline_always)]
#[inline(always)]
fn usual_escapes<S: Simd>(block: u8x64<S>, letters: u64) -> bool {
    let short = block.simd_eq(b't').to_bitmask() | block.simd_eq(b'r').to_bitmask();
    let long = block.simd_eq(b'u').to_bitmask() & letters;
    let decimal = (block - b'0').simd_le(9).to_bitmask();
    let alphabetic = ((block | 0x20) - b'a').simd_le(5).to_bitmask();
    let digits = long << 1 | long << 2 | long << 3 | long << 4;
    letters & !(short | long) == 0 && long >> 60 == 0 && digits & !(decimal | alphabetic) == 0
}

/// Whether escapes are ones, by where their letters are behind byte `at`.
fn are_escapes(bytes: &[u8], at: usize, mut letters: u64) -> bool {
    let mut well = true;
    while letters != 0 {
        let rest = bytes.get(at + letters.trailing_zeros() as usize..);
        well &= match rest.unwrap_or_default() {
            // Colours of terminals; the digits are looked at without a branch for each.
            [b'u', a, b, c, d, ..] => [a, b, c, d]
                .into_iter()
                .fold(true, |all, digit| all & digit.is_ascii_hexdigit()),
            [b'/' | b'b' | b'f' | b'r' | b't', ..] => true,
            _ => false,
        };
        letters &= letters - 1;
    }
    well
}

/// How long the escape is that this text begins with; `None` when it is none.
#[inline]
pub(super) fn escape_length(rest: &[u8]) -> Option<usize> {
    match rest {
        [
            b'\\',
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
            ..,
        ] => Some(2),
        // Halves of surrogate pairs are let through, as serde_json does for raw values.
        [b'\\', b'u', a, b, c, d, ..] => {
            let digits = [a, b, c, d];
            digits.iter().all(|it| it.is_ascii_hexdigit()).then_some(6)
        }
        _ => None,
    }
}

/// How many bytes stand before the first one that [`specials`] would find.
pub(super) fn plain_prefix(bytes: &[u8]) -> usize {
    let (blocks, tail) = bytes.as_chunks::<BLOCK>();
    for (index, block) in blocks.iter().enumerate() {
        let found = specials(block);
        if found != 0 {
            return index * BLOCK + found.trailing_zeros() as usize;
        }
    }
    let special = |byte: &u8| *byte <= LAST_CONTROL || matches!(byte, b'"' | b'\\');
    blocks.len() * BLOCK + tail.iter().position(special).unwrap_or(tail.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_judged_in_every_place() {
        for place in 0..BLOCK {
            for byte in 0..=u8::MAX {
                let mut block = [b'a'; BLOCK];
                block[place] = byte;
                let special = byte < 0x20 || byte == b'"' || byte == b'\\';
                assert_eq!(
                    specials(&block),
                    u32::from(special) << place,
                    "{byte} at {place}"
                );
                let prefix = if special { place } else { BLOCK };
                assert_eq!(plain_prefix(&block), prefix);
                assert_eq!(plain_prefix(&block[..=place]), prefix.min(place + 1));
            }
        }
    }

    #[test]
    fn every_processor_reads_the_same() {
        let parts = [
            "plain text, ",
            "\\n",
            "\\\\",
            "\\\"",
            "\\u001b",
            "\\u00g0",
            "\\x",
            "\u{1f980}",
            "\"",
            "\t",
        ];
        let mut noise = 0x9e37_79b9_u32;
        for _ in 0..2_000 {
            let mut text = Vec::new();
            while text.len() < 300 {
                noise ^= noise << 13;
                noise ^= noise >> 17;
                noise ^= noise << 5;
                // Mostly what goes on.
                let kinds = if noise >> 24 == 0 { 10 } else { 5 };
                text.extend_from_slice(parts[noise as usize % kinds].as_bytes());
            }
            let least = dispatch!(Level::baseline(), simd => blocks(simd, &text, 0));
            assert_eq!(read_long(&text, 0), least);
        }
    }
}
