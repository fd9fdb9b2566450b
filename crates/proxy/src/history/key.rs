//! How an item is known again.

use std::fmt::Write as _;

use codex_plus_wire::request::Item;
use sha2::{Digest, Sha256};

/// Knows an item of a conversation again in a later request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemKey([u8; 16]);

impl ItemKey {
    /// The key of no item.
    pub(super) const NONE: Self = Self([0; 16]);

    /// The key of a message, reasoning or the like, by its `id`: stable over retries, resends and
    /// resumed sessions (seen with Codex 0.169.0).
    pub fn of_id(id: &str) -> Self {
        Self::of(&[b"id", id.as_bytes()])
    }

    /// The key of a tool's output, by the call it belongs to.
    pub fn of_output(call_id: &str) -> Self {
        Self::of(&[b"output", call_id.as_bytes()])
    }

    /// The key of a call, as it comes back in the history.
    pub fn of_call(call_id: &str) -> Self {
        Self::of(&[b"call", call_id.as_bytes()])
    }

    /// The key in hexadecimal digits.
    pub(super) fn to_hex(self) -> String {
        self.0.iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// The key that was written so.
    pub(super) fn from_hex(text: &str) -> Option<Self> {
        let mut key = [0; 16];
        if text.len() != 32 {
            return None;
        }
        for (byte, at) in key.iter_mut().zip((0..32).step_by(2)) {
            *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
        }
        Some(Self(key))
    }

    fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self::cut(&hash)
    }

    fn cut(hash: &Sha256) -> Self {
        let mut key = [0; 16];
        let whole = hash.clone().finalize();
        key.copy_from_slice(whole.get(..16).unwrap_or(&[0; 16]));
        Self(key)
    }
}

/// The keys of a list of items; of those before `from` only as far as the others need them. An
/// item without an id is known by its text and all that stands before it, since clients without
/// ids resend the conversation as it was.
pub(super) fn keys(items: &[Item], from: usize) -> Vec<ItemKey> {
    let mut before = Sha256::new();
    let mut keys = Vec::with_capacity(items.len());
    // A megabyte takes a millisecond to hash, and most clients send ids.
    let needed = items.get(from..).unwrap_or_default();
    let first = if needed.iter().all(is_named) { from } else { 0 };
    for (index, item) in items.iter().enumerate() {
        if index < first {
            keys.push(ItemKey::NONE);
            continue;
        }
        let key = named(item).unwrap_or_else(|| {
            for part in item.text_parts() {
                before.update((part.text.len() as u64).to_le_bytes());
                before.update(part.text.as_bytes());
            }
            before.update(format!("{:?}", item.role()));
            ItemKey::cut(&before)
        });
        keys.push(key);
    }
    keys
}

/// The key of an item that has an id of its own.
pub(super) fn named(item: &Item) -> Option<ItemKey> {
    match (item.call_id(), item.id()) {
        (Some(call), _) if item.output().is_some() => Some(ItemKey::of_output(&call)),
        (Some(call), _) => Some(ItemKey::of_call(&call)),
        (None, Some(id)) => Some(ItemKey::of_id(&id)),
        (None, None) => None,
    }
}

/// Whether an item has an id of its own, by which it would be known anywhere.
pub(super) fn is_named(item: &Item) -> bool {
    item.id().is_some() || item.call_id().is_some()
}
