//! Repeats what was done to the items of a body.

use std::sync::Arc;

use bytes::Bytes;
use codex_plus_wire::patch::{self, PatchError};
use codex_plus_wire::request::{BodyError, Item, RequestBody};
use codex_plus_wire::turn::{TurnKind, frontier};

use super::amendment::Amendment;
use super::key::{ItemKey, Name, is_named, nameless};
use super::memory::History;

/// How an item of a body may still be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SlotState {
    /// The model has answered it: never touched.
    Earlier,
    /// It was new in an earlier request, and what was done then is done.
    Settled,
    /// It is new.
    Fresh,
    /// We put it there.
    Ours,
}

/// What is known of one item of a body, beside the item.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    /// Absent when the item's own name says it, and nobody has asked yet.
    key: Option<ItemKey>,
    pub(crate) state: SlotState,
}

impl Slot {
    pub(crate) fn ours() -> Self {
        Self {
            key: Some(ItemKey::NONE),
            state: SlotState::Ours,
        }
    }

    /// The key of its item.
    pub(crate) fn key(&self, item: &Item) -> ItemKey {
        let named = || Name::of(item).map(|name| name.key());
        self.key.or_else(named).unwrap_or(ItemKey::NONE)
    }

    /// The item keeps its key, whatever an edit makes of its name.
    pub(crate) fn keep(&mut self, key: ItemKey) {
        self.key = Some(key);
    }
}

/// Does again what was done to items of this body, and says how each item of the result stands.
pub(crate) fn replay(
    history: &History,
    body: &mut RequestBody,
    kind: TurnKind,
) -> Result<Vec<Slot>, BodyError> {
    let fresh_from = frontier(body.items());
    let nothing = history.is_empty();
    let fresh = body.items().get(fresh_from..).unwrap_or_default();
    if nothing && fresh.iter().all(is_named) {
        // The usual case: nothing to repeat, and keys are digests, of no use until an item changes.
        let stands = |index| {
            if index < fresh_from {
                SlotState::Earlier
            } else {
                SlotState::Fresh
            }
        };
        let slots = (0..body.items().len()).map(|index| Slot {
            key: None,
            state: stands(index),
        });
        return Ok(slots.collect());
    }
    let items = body.items();
    let tags = items.iter().map(|item| Some(Name::of(item)?.tag()));
    let tags: Vec<_> = tags.collect();
    let needed = if nothing { fresh_from } else { 0 };
    let named = tags.iter().skip(needed).all(Option::is_some);
    // A megabyte takes a millisecond to hash, and most clients send ids.
    let mut nameless = (!named).then(|| nameless(items)).into_iter().flatten();
    let may_be_known = history.may_know(&tags);
    let mut replay = Replay::default();
    replay.slots.reserve(items.len() + 2);
    for (index, (item, may_be_known)) in items.iter().zip(may_be_known).enumerate() {
        let fresh = index >= fresh_from;
        let nameless = nameless.next().flatten();
        // Without an id the same words are a new prompt each time they are sent as one.
        let anew = nameless.filter(|_| fresh && kind == TurnKind::Prompt);
        if let Some(key) = anew {
            history.forget(key);
        }
        let named = may_be_known.then(|| Name::of(item)).flatten();
        let key = nameless.or_else(|| named.map(|name| name.key()));
        let known = key.filter(|_| !nothing && anew.is_none());
        let known = known.and_then(|key| history.recall(key));
        let state = match (fresh, &known) {
            (false, _) => SlotState::Earlier,
            (true, Some(_)) => SlotState::Settled,
            (true, None) => SlotState::Fresh,
        };
        let slot = Slot { key, state };
        match known {
            None => replay.slots.push(slot),
            Some(amendment) => replay.amend(index, item, slot, amendment),
        }
    }
    let Replay {
        slots,
        amended,
        removed,
    } = replay;
    for (item, amendment) in amended {
        let edited = apply(&item, &amendment).unwrap_or_else(|error| {
            tracing::debug!(%error, "an item has another form than when it was edited first");
            None
        });
        write(body, &item, item.span().end, &amendment, edited)?;
    }
    if !removed.is_empty() {
        let items = body.items().to_vec();
        remove(body, &items, &removed)?;
    }
    body.commit()?;
    Ok(slots)
}

/// What there is to do again: most items need nothing, and are only looked at.
#[derive(Default)]
struct Replay {
    slots: Vec<Slot>,
    amended: Vec<(Item, Arc<Amendment>)>,
    removed: Vec<usize>,
}

impl Replay {
    fn amend(&mut self, index: usize, item: &Item, slot: Slot, amendment: Arc<Amendment>) {
        if amendment.removed.is_some() && !item.is_plain() {
            self.removed.push(index);
            return;
        }
        self.slots
            .extend(amendment.before.iter().map(|_| Slot::ours()));
        self.slots.push(slot);
        self.slots
            .extend(amendment.after.iter().map(|_| Slot::ours()));
        self.amended.push((item.clone(), amendment));
    }
}

/// An item with the edits of an amendment; none when it stays what it was.
pub(crate) fn apply(item: &Item, amendment: &Amendment) -> Result<Option<Bytes>, PatchError> {
    if amendment.edits.is_empty() {
        return Ok(None);
    }
    let raw = item.raw_bytes();
    let edited = patch::apply(&raw, &amendment.edits)?;
    Ok(Some(edited).filter(|edited| *edited != raw))
}

/// Writes an amendment into a body, with the item as its edits left it; all wait for a commit.
/// Items put behind come after byte `behind`, where the item and what was put behind it before end.
pub(crate) fn write(
    body: &mut RequestBody,
    item: &Item,
    behind: usize,
    amendment: &Amendment,
    edited: Option<Bytes>,
) -> Result<(), BodyError> {
    let span = item.span();
    if item.is_plain() && !(amendment.before.is_empty() && amendment.after.is_empty()) {
        // A plain string has no room for further items: it becomes the list it stands for.
        let message = [
            &br#"{"type":"message","role":"user","content":"#[..],
            edited.as_ref().map_or(item.raw(), |edited| &edited[..]),
            b"}",
        ]
        .concat();
        let list = amendment
            .before
            .iter()
            .map(Bytes::as_ref)
            .chain([&message[..]])
            .chain(amendment.after.iter().map(Bytes::as_ref))
            .collect::<Vec<_>>()
            .join(&b","[..]);
        return body.replace(span, [&b"["[..], &list, b"]"].concat());
    }
    for before in &amendment.before {
        body.insert(span.start, [&before[..], b","].concat())?;
    }
    if let Some(edited) = edited {
        body.replace(span.clone(), edited)?;
    }
    for after in &amendment.after {
        body.insert(behind, [b",", &after[..]].concat())?;
    }
    Ok(())
}

/// Takes items out, each with the comma that goes with it.
pub(crate) fn remove(
    body: &mut RequestBody,
    items: &[Item],
    removed: &[usize],
) -> Result<(), BodyError> {
    let mut at = 0;
    while let Some(&first) = removed.get(at) {
        let mut last = first;
        while removed.get(at + 1) == Some(&(last + 1)) {
            at += 1;
            last += 1;
        }
        at += 1;
        let (Some(from), Some(to)) = (items.get(first), items.get(last)) else {
            continue;
        };
        let before = first.checked_sub(1).and_then(|before| items.get(before));
        let span = match (before, items.get(last + 1)) {
            (_, Some(next)) => from.span().start..next.span().start,
            (Some(before), None) => before.span().end..to.span().end,
            (None, None) => from.span().start..to.span().end,
        };
        body.replace(span, Bytes::new())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
