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
