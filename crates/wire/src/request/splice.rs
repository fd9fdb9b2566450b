//! Reading an edited body without reading again what was not edited.

use super::MAX_ITEMS;
use super::edit::{Edit, Edits};
use super::item::{Item, moved};
use super::scan::{self, Fields};
use super::text::Text;
use crate::json::{Cursor, Span, check_utf8};

/// Items stand in the list, which stands in the body.
const ITEM_DEPTH: usize = 2;

impl Fields {
    /// Becomes the fields of `edited`, which `edits` made of the body that these are the fields of.
    ///
    /// Only items that were edited or put in are read, and those before the first edit stay where
    /// they are. None, and nothing is changed, when an edit is about anything else or leaves
    /// something odd: then the whole is to be read.
    pub(super) fn splice(&mut self, edits: &Edits, edited: &Text) -> Option<()> {
        let list = self.items_span.clone()?;
        if self.items.first().is_some_and(Item::is_plain) {
            return None;
        }
        let mut splice = Splice {
            old: &self.items,
            next: 0,
            edited,
            by: 0,
            changes: Vec::new(),
        };
        let (mut adds, mut takes) = (false, false);
        let mut edits = edits.iter().peekable();
        while let Some(edit) = edits.next() {
            splice.keep_before(edit.span.start);
            if edit.bytes.is_empty() {
                takes = true;
                splice.take(edit)?;
            } else if splice.is_between(edit) {
                adds = true;
                splice.add(edit)?;
            } else {
                let within = splice.old.get(splice.next)?.span();
                let of_it = |more: &&Edit| {
                    let between = more.span.is_empty() && more.span.start == within.end;
                    more.span.end <= within.end && !between && !more.bytes.is_empty()
                };
                let mut by = length(edit);
                while let Some(more) = edits.next_if(|more| of_it(more)) {
                    by += length(more);
                }
                splice.change(edit, by)?;
            }
        }
        // Together they may leave a comma too many.
        if adds && takes {
            return None;
        }
        let Splice { changes, by, .. } = splice;
        let more = changes.iter().filter(|change| change.put.is_some()).count();
        let fewer: usize = changes.iter().map(|change| change.takes).sum();
        if self.items.len() + more - fewer > MAX_ITEMS {
            return None;
        }
        self.make(changes);
        for span in [
            &mut self.model,
            &mut self.stream,
            &mut self.generate,
            &mut self.previous_response_id,
            &mut self.prompt_cache_key,
            &mut self.client_metadata,
            &mut self.message_type,
            &mut self.text,
        ] {
            if let Some(span) = span.as_mut().filter(|span| span.start > list.start) {
                *span = moved(span, by);
            }
        }
        self.items_span = Some(list.start..list.end.saturating_add_signed(by));
        Some(())
    }

    /// Makes the changes to the items.
    fn make(&mut self, changes: Vec<Change>) {
        let Some(first) = changes.first() else { return };
        let (mut at, mut by) = (first.at, 0);
        let mut behind = self.items.split_off(at.min(self.items.len())).into_iter();
        for change in changes {
            let kept = behind.by_ref().take(change.at - at);
            self.items.extend(kept.map(|item| item.moved(by)));
            behind.by_ref().take(change.takes).for_each(drop);
            self.items.extend(change.put);
            (at, by) = (change.at + change.takes, change.by);
        }
        self.items.extend(behind.map(|item| item.moved(by)));
    }
}

/// What becomes of the old items at one place.
struct Change {
    /// The place among them, at or behind the end of the change before.
    at: usize,
    /// How many of them go.
    takes: usize,
    /// What comes instead.
    put: Option<Item>,
    /// By how many bytes what is behind was moved then.
    by: isize,
}

/// The way through the old items, and the changes so far.
struct Splice<'a> {
    old: &'a [Item],
    /// The first old item that has not been passed.
    next: usize,
    edited: &'a Text,
    /// By how many bytes the edits so far moved what is behind them.
    by: isize,
    changes: Vec<Change>,
}

impl Splice<'_> {
    /// Passes the items that end before or at a byte of the old body.
    fn keep_before(&mut self, at: usize) {
        let ahead = self.old.get(self.next..).unwrap_or_default();
        self.next += ahead.partition_point(|item| item.span().end <= at);
    }

    /// Whether an edit puts something before the next item or behind the one before it.
    fn is_between(&self, edit: &Edit) -> bool {
        let at = edit.span.start;
        let next = self.old.get(self.next);
        let before = self.next.checked_sub(1).and_then(|it| self.old.get(it));
        edit.span.is_empty()
            && (next.is_some_and(|next| next.span().start == at)
                || before.is_some_and(|before| before.span().end == at))
    }

    /// An item was put in, with the comma that goes with it.
    fn add(&mut self, edit: &Edit) -> Option<()> {
        let start = edit.span.start.checked_add_signed(self.by)?;
        let end = start + edit.bytes.len();
        let is_next =
            self.old.get(self.next).map(|next| next.span().start) == Some(edit.span.start);
        let value = match &edit.bytes[..] {
            [.., b','] if is_next => start..end - 1,
            [b',', ..] if !is_next => start + 1..end,
            _ => return None,
        };
        let item = self.read(value)?;
        self.by += length(edit);
        self.note(0, Some(item));
        Some(())
    }

    /// The next item was edited.
    fn change(&mut self, first: &Edit, by: isize) -> Option<()> {
        let old = self.old.get(self.next)?.span();
        if first.span.start < old.start || first.span.end > old.end {
            return None;
        }
        let new = moved(&old, self.by);
        let item = self.read(new.start..new.end.checked_add_signed(by)?)?;
        self.by += by;
        self.note(1, Some(item));
        Some(())
    }

    /// Items were taken out, with the comma that goes with them.
    fn take(&mut self, edit: &Edit) -> Option<()> {
        let ends = |at: usize| self.old.iter().position(|item| item.span().end == at);
        let begins = |at: usize| self.old.iter().position(|item| item.span().start == at);
        let (start, end) = (edit.span.start, edit.span.end);
        let last = self.old.len().checked_sub(1)?;
        let next = match (begins(start), self.next.checked_sub(1)) {
            (Some(first), _) if first == self.next => match (begins(end), ends(end)) {
                (Some(next), _) => next,
                (None, Some(to)) if first == 0 && to == last => to + 1,
                _ => return None,
            },
            (None, Some(before)) if ends(start) == Some(before) => ends(end)? + 1,
            _ => return None,
        };
        if next <= self.next {
            return None;
        }
        self.by += length(edit);
        self.note(next - self.next, None);
        Some(())
    }

    /// Notes what becomes of the next items, and passes them.
    fn note(&mut self, takes: usize, put: Option<Item>) {
        self.changes.push(Change {
            at: self.next,
            takes,
            put,
            by: self.by,
        });
        self.next += takes;
    }

    /// Reads the item that a span of the new body is.
    fn read(&self, span: Span) -> Option<Item> {
        let text = self.edited.slice(&span)?;
        check_utf8(&text).ok()?;
        let mut cursor = Cursor::within(&text, 0, ITEM_DEPTH);
        let item = scan::item(&mut cursor, &text).ok()?;
        let by = isize::try_from(span.start).ok()?;
        (item.span() == (0..text.len())).then(|| item.moved(by))
    }
}

/// By how much an edit makes the body longer.
fn length(edit: &Edit) -> isize {
    let signed = |length: usize| isize::try_from(length).unwrap_or(isize::MAX);
    signed(edit.bytes.len()) - signed(edit.span.len())
}
