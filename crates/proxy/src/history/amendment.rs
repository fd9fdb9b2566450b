//! What was done to one item.

use bytes::Bytes;
use codex_plus_wire::patch::Patch;

/// What was done to one item when it was new.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Amendment {
    /// Edits of the item itself, in order.
    pub edits: Vec<Patch>,
    /// Items put before it, as JSON.
    pub before: Vec<Bytes>,
    /// Items put behind it, as JSON.
    pub after: Vec<Bytes>,
    /// It is left out, and why: a blocked prompt never reaches the model, not even as history.
    /// Empty when it was left out without being blocked.
    pub removed: Option<String>,
}

impl Amendment {
    /// Only these edits.
    pub fn edits(edits: Vec<Patch>) -> Self {
        Self {
            edits,
            ..Self::default()
        }
    }

    /// Only an item put behind.
    pub fn after(item: Bytes) -> Self {
        Self {
            after: vec![item],
            ..Self::default()
        }
    }

    /// The item left out.
    pub fn removed(reason: &str) -> Self {
        Self {
            removed: Some(reason.to_owned()),
            ..Self::default()
        }
    }

    /// Adds what was done afterwards.
    pub(super) fn extend(&mut self, later: Self) {
        self.edits.extend(later.edits);
        self.before.extend(later.before);
        self.after.extend(later.after);
        self.removed = later.removed.or(self.removed.take());
    }

    /// About how much memory it takes, in bytes.
    pub(super) fn weight(&self) -> usize {
        let edits: usize = self.edits.iter().map(|edit| edit.value.len() + 96).sum();
        let items: usize = self
            .before
            .iter()
            .chain(&self.after)
            .map(|i| i.len() + 32)
            .sum();
        edits + items + self.removed.as_ref().map_or(0, String::len) + 128
    }
}
