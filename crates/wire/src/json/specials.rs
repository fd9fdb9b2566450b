//! Finds what ends or interrupts a string literal, many bytes at a time.

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
pub(super) struct Masks {
    quotes: u64,
    backslashes: u64,
    controls: u64,
    newlines: u64,
}

/// What a block says of a literal that reaches into it.
pub(super) struct Judged {
    /// The quote that ends the literal.
    pub(super) end: Option<usize>,
    /// Whether there is an escape in it.
    pub(super) escaped: bool,
    /// Whether a control character is.
    pub(super) broken: bool,
    /// The letters of its escapes that are none of the usual three: of `\"`, `\\` and `\n`.
    pub(super) letters: u64,
    /// Whether the first byte of the next block belongs to an escape.
    pub(super) open: bool,
}

impl Masks {
    #[inline]
    pub(super) fn of(block: &[u8; LONG_BLOCK]) -> Self {
        let mut masks = Self {
            quotes: 0,
            backslashes: 0,
            controls: 0,
            newlines: 0,
        };
        let (parts, _) = block.as_chunks::<16>();
        for (index, part) in parts.iter().enumerate() {
            let bytes = u8x16::new(*part);
            let is = |found: u8x16| u64::from(found.to_bitmask()) << (index * 16);
            masks.quotes |= is(bytes.simd_eq(u8x16::splat(b'"')));
            masks.backslashes |= is(bytes.simd_eq(u8x16::splat(b'\\')));
            masks.controls |= is(bytes.min(u8x16::splat(LAST_CONTROL)).simd_eq(bytes));
            masks.newlines |= is(bytes.simd_eq(u8x16::splat(b'n')));
        }
        masks
    }

    /// Judges the block without a branch a byte; `open` as the block before left it.
    #[inline]
    pub(super) fn judge(&self, open: bool) -> Judged {
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
}
