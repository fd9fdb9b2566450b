//! How an item is known again.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};

use codex_plus_wire::request::Item;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Knows an item of a conversation again in a later request.
#[derive(Debug, Clone, Copy)]
pub struct ItemKey {
    digest: [u8; 16],
    tag: Tag,
}

/// What can be had of a name for a fraction of the price of its key: an item whose tag no key has
/// is not known. Anybody can find two names with one tag, so a tag that is known proves nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Tag(u64);

/// The digest tells: the tag is a part of it, or missing in keys that were written without.
impl PartialEq for ItemKey {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for ItemKey {}

impl Hash for ItemKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl ItemKey {
    /// The key of no item.
    pub(super) const NONE: Self = Self {
        digest: [0; 16],
        tag: Tag::NAMELESS,
    };

    /// The key of a message, reasoning or the like, by its `id`: stable over retries, resends and
    /// resumed sessions (seen with Codex 0.169.0).
    pub fn of_id(id: &str) -> Self {
        Name::id(id.into()).key()
    }

    /// The key of a tool's output, by the call it belongs to.
    pub fn of_output(call_id: &str) -> Self {
        Name::output(call_id.into()).key()
    }

    /// The key of a call, as it comes back in the history.
    pub fn of_call(call_id: &str) -> Self {
        Name::call(call_id.into()).key()
    }

    /// The key that was written so.
    pub(super) fn written(hex: &str, tag: Tag) -> Option<Self> {
        let mut digest = [0; 16];
        if hex.len() != 32 {
            return None;
        }
        for (byte, at) in digest.iter_mut().zip((0..32).step_by(2)) {
            *byte = u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()?;
        }
        Some(Self { digest, tag })
    }

    /// The key in hexadecimal digits, without its tag.
    pub(super) fn to_hex(self) -> String {
        let digit = |half: u8| char::from_digit(u32::from(half), 16);
        let digits = self.digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        digits.filter_map(digit).collect()
    }

    /// Its tag.
    pub(super) fn tag(self) -> Tag {
        self.tag
    }

    fn cut(hash: Sha256, tag: Tag) -> Self {
        let mut digest = [0; 16];
        let whole = hash.finalize();
        digest.copy_from_slice(whole.get(..16).unwrap_or(&[0; 16]));
        Self { digest, tag }
    }
}

impl Tag {
    /// That of a key that was written without one.
    pub(super) const UNKNOWN: Self = Self(0);
    /// That of items without a name.
    const NAMELESS: Self = Self(1);

    fn of(kind: &str, name: &str) -> Self {
        let mut tag = 0;
        for part in [kind, name] {
            for piece in part.as_bytes().chunks(8) {
                let word = piece
                    .iter()
                    .fold(0, |word, byte| word << 8 | u64::from(*byte));
                tag = (u64::rotate_left(tag, 5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            }
        }
        Self(tag.max(2))
    }

    /// Whether no tag was written.
    pub(super) fn is_unknown(self) -> bool {
        self == Self::UNKNOWN
    }
}

/// What the client calls an item.
pub(super) struct Name<'a> {
    /// Which of its names it is.
    kind: &'static str,
    name: Cow<'a, str>,
}

impl<'a> Name<'a> {
    /// The name of an item, if it has one of its own.
    pub(super) fn of(item: &'a Item) -> Option<Self> {
        match item.call_id() {
            Some(call) if item.output().is_some() => Some(Self::output(call)),
            Some(call) => Some(Self::call(call)),
            None => item.id().map(Self::id),
        }
    }

    fn id(name: Cow<'a, str>) -> Self {
        Self { kind: "id", name }
    }

    fn output(name: Cow<'a, str>) -> Self {
        let kind = "output";
        Self { kind, name }
    }

    fn call(name: Cow<'a, str>) -> Self {
        let kind = "call";
        Self { kind, name }
    }

    /// Its tag.
    pub(super) fn tag(&self) -> Tag {
        Tag::of(self.kind, &self.name)
    }

    /// Its key.
    pub(super) fn key(&self) -> ItemKey {
        let mut hash = Sha256::new();
        for part in [self.kind, &self.name] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        ItemKey::cut(hash, self.tag())
    }
}

/// The keys of the items that have no name. Such an item is known by its text and all that stands
/// before it, since clients without ids resend the conversation as it was.
pub(super) fn nameless(items: &[Item]) -> Vec<Option<ItemKey>> {
    let mut before = Sha256::new();
    let keys = items.iter().map(|item| {
        if is_named(item) {
            return None;
        }
        for part in item.text_parts() {
            before.update((part.text.len() as u64).to_le_bytes());
            before.update(part.text.as_bytes());
        }
        before.update(format!("{:?}", item.role()));
        Some(ItemKey::cut(before.clone(), Tag::NAMELESS))
    });
    keys.collect()
}

/// Whether an item has a name of its own, by which it would be known anywhere.
pub(super) fn is_named(item: &Item) -> bool {
    item.id().is_some() || item.call_id().is_some()
}
