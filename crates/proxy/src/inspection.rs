//! A request as filters see it, and how they change it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use codex_plus_wire::patch::{self, Patch};
use codex_plus_wire::request::{BodyError, Dialect, Item, RequestBody};
use codex_plus_wire::turn::{Turn, is_tool_output, newest_prompt};
use http::request::Parts;
use serde_json::json;

use crate::history::{Amendment, History, ItemKey, Slot, SlotState, apply, remove, write};
use crate::turn::TurnHead;

/// A request on the line, as filters see it: the conversation as it will go upstream, with what
/// was done to earlier items already done again.
pub struct Inspection<'a> {
    /// Method, path and headers. On WebSocket those of the handshake.
    pub head: &'a Parts,
    /// What the request is.
    pub turn: Turn,
    /// The decoded body, to be read and edited in place; absent when it is not a JSON object, or
    /// when nobody asked for it.
    pub body: Option<RequestBody>,
    /// Where the client works, as far as it said so now or earlier in this thread.
    pub cwd: Option<PathBuf>,
    /// The number that log lines know the exchange by.
    pub exchange: u64,
    /// What filters leave here for their own listeners to the answer.
    pub notes: http::Extensions,
    pub(crate) history: &'a Arc<History>,
    pub(crate) slots: Vec<Slot>,
}

/// An item cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmendError {
    /// The model has answered it, or it was changed when it was new.
    #[error("only items that are new in this request can be changed")]
    Earlier,
    /// There is no such item, or no body.
    #[error("the request has no such item")]
    Missing,
    /// It would leave a body that cannot be read.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The item has another form.
    #[error(transparent)]
    Patch(#[from] patch::PatchError),
}

/// Makes edits of a body that has none waiting, all of them or none.
fn edit(
    body: &mut RequestBody,
    edits: impl FnOnce(&mut RequestBody) -> Result<(), BodyError>,
) -> Result<(), BodyError> {
    let made = edits(body).and_then(|()| body.commit());
    if made.is_err() {
        body.discard();
    }
    made
}

impl Inspection<'_> {
    /// Where the client works.
    pub fn cwd(&self) -> Option<&Path> {
        self.cwd.as_deref()
    }

    /// The memory of what was done to items.
    pub fn history(&self) -> &Arc<History> {
        self.history
    }

    /// The items of the body.
    pub fn items(&self) -> &[Item] {
        self.body.as_ref().map_or(&[], RequestBody::items)
    }

    /// Whether an item is new in this request and may be changed.
    pub fn is_fresh(&self, index: usize) -> bool {
        let slot = self.slots.get(index);
        slot.is_some_and(|slot| slot.state == SlotState::Fresh)
    }

    /// The places of tool outputs that are new in this request, or were when it was sent first.
    /// Outputs that stand in messages, as other dialects send them, are not among them.
    pub fn fresh_outputs(&self) -> Vec<usize> {
        let items = self.items().iter().enumerate();
        // A prompt would be read to its end for the last question.
        let has_output = |item: &Item| item.output().is_some() && is_tool_output(item);
        items
            .filter(|(index, item)| self.is_fresh(*index) && has_output(item))
            .map(|(index, _)| index)
            .collect()
    }

    /// Gives the newest prompt other words; they stay with it in later requests.
    ///
    /// # Errors
    /// [`AmendError`]; nothing is changed then.
    pub fn rewrite_prompt(&mut self, text: &str) -> Result<(), AmendError> {
        let prompt = self.turn.prompt.as_ref().ok_or(AmendError::Missing)?;
        let (index, span) = (prompt.item, prompt.text_span.clone());
        let item = self.items().get(index).ok_or(AmendError::Missing)?;
        let path = item.path_to(&span).ok_or(AmendError::Missing)?;
        self.amend(index, Amendment::edits(vec![Patch::set_text(path, text)]))
    }

    /// Tells the model something behind the newest prompt, or behind the newest item when there is
    /// no prompt; it stays there in later requests.
    ///
    /// # Errors
    /// [`AmendError`]; nothing is changed then.
    pub fn add_context(&mut self, text: &str) -> Result<(), AmendError> {
        let last = self.items().len().checked_sub(1);
        let prompt = self.turn.prompt.as_ref().map(|prompt| prompt.item);
        let index = prompt.filter(|index| self.may_gain(*index)).or(last);
        self.add_context_behind(index.ok_or(AmendError::Missing)?, text)
    }

    /// Tells the model something behind an item that is new.
    ///
    /// # Errors
    /// [`AmendError`]; nothing is changed then.
    pub fn add_context_behind(&mut self, index: usize, text: &str) -> Result<(), AmendError> {
        let dialect = self.body.as_ref().map(RequestBody::dialect);
        let item = match dialect {
            // Many servers of this dialect know no `developer`.
            Some(Dialect::Messages) => json!({"role": "system", "content": text}),
            _ => json!({"type": "message", "role": "developer",
                "content": [{"type": "input_text", "text": text}]}),
        };
        self.amend(index, Amendment::after(item.to_string().into()))
    }

    /// Leaves the newest prompt out of every later request, because it was blocked.
    pub fn block_prompt(&self, reason: &str) {
        let Some(prompt) = &self.turn.prompt else {
            return;
        };
        let slot = self.slots.get(prompt.item);
        if slot.is_some_and(|slot| slot.state != SlotState::Ours)
            && let Some(key) = self.key(prompt.item)
        {
            self.history.remember(key, Amendment::removed(reason));
        }
    }

    /// Changes an item that is new, and remembers it for later requests.
    ///
    /// # Errors
    /// [`AmendError`]; nothing is changed then.
    pub fn amend(&mut self, index: usize, amendment: Amendment) -> Result<(), AmendError> {
        let key = self.key(index).ok_or(AmendError::Missing)?;
        if amendment.removed.is_some() {
            return self.remove(index, key, amendment);
        }
        if !self.may_gain(index) {
            return Err(AmendError::Earlier);
        }
        let behind = index + 1 + self.behind(index);
        let body = self.body.as_mut().ok_or(AmendError::Missing)?;
        body.commit()?;
        let item = body.items().get(index).ok_or(AmendError::Missing)?.clone();
        let edited = apply(&item, &amendment)?;
        let last = body.items().get(behind - 1).unwrap_or(&item);
        let end = last.span().end;
        edit(body, |body| write(body, &item, end, &amendment, edited))?;
        if let Some(slot) = self.slots.get_mut(index) {
            slot.keep(key);
        }
        self.slots
            .splice(behind..behind, amendment.after.iter().map(|_| Slot::ours()));
        self.slots
            .splice(index..index, amendment.before.iter().map(|_| Slot::ours()));
        self.history.remember(key, amendment);
        self.find_prompt();
        Ok(())
    }

    /// Leaves an item out that is new.
    fn remove(&mut self, index: usize, key: ItemKey, why: Amendment) -> Result<(), AmendError> {
        if !self.is_fresh(index) {
            return Err(AmendError::Earlier);
        }
        let body = self.body.as_mut().ok_or(AmendError::Missing)?;
        body.commit()?;
        let items = body.items().to_vec();
        edit(body, |body| remove(body, &items, &[index]))?;
        self.slots.remove(index);
        self.history.remember(key, why);
        self.find_prompt();
        Ok(())
    }

    /// Puts items before all others that the upstream has not been told, though the client thinks
    /// so. They are history: nobody changes them.
    ///
    /// # Errors
    /// [`AmendError`]; nothing is changed then.
    pub(crate) fn precede(&mut self, items: &[Bytes]) -> Result<(), AmendError> {
        let body = self.body.as_mut().ok_or(AmendError::Missing)?;
        body.commit()?;
        let first = body.items().first().filter(|item| !item.is_plain());
        let at = first.ok_or(AmendError::Missing)?.span().start;
        edit(body, |body| {
            let mut items = items.iter();
            items.try_for_each(|item| body.insert(at, [&item[..], b","].concat()))
        })?;
        self.slots.splice(0..0, items.iter().map(|_| Slot::ours()));
        self.find_prompt();
        Ok(())
    }

    /// The item of the client's own at or before a place: what stands between is ours.
    pub fn own_before(&self, index: usize) -> Option<usize> {
        let slots = self.slots.get(..=index)?;
        slots.iter().rposition(|slot| slot.state != SlotState::Ours)
    }

    /// The place of an item that is new, by its key.
    pub fn find(&self, key: ItemKey) -> Option<usize> {
        let mut items = self.slots.iter().zip(self.items());
        items.position(|(slot, item)| slot.state == SlotState::Fresh && slot.key(item) == key)
    }

    /// The key of an item.
    pub fn key(&self, index: usize) -> Option<ItemKey> {
        Some(self.slots.get(index)?.key(self.items().get(index)?))
    }

    fn may_gain(&self, index: usize) -> bool {
        self.is_fresh(index)
    }

    /// How many items of ours stand directly behind an item.
    fn behind(&self, index: usize) -> usize {
        let slots = self.slots.get(index + 1..).unwrap_or_default();
        let ours = slots
            .iter()
            .take_while(|slot| slot.state == SlotState::Ours);
        ours.count()
    }

    /// Lets the next filter read what the one before wrote: edits move what lies behind them.
    pub(crate) fn settle(&mut self) {
        let Some(body) = self.body.as_mut().filter(|body| body.is_edited()) else {
            return;
        };
        if let Err(error) = body.commit() {
            tracing::warn!(%error, "the edits were dropped: they leave no valid body");
            match RequestBody::parse(body.bytes().clone()) {
                Ok(unedited) => *body = unedited,
                Err(_) => return,
            }
        }
        self.find_prompt();
    }

    /// Finds the prompt again, which edits of items may have moved.
    pub(crate) fn find_prompt(&mut self) {
        if let (Some(body), Some(_)) = (&self.body, &self.turn.prompt) {
            self.turn.prompt = newest_prompt(body.items());
        }
    }

    /// Reads the turn again, when more than items was edited.
    fn read_turn(&mut self) {
        let Some(body) = &self.body else { return };
        let kind = self.turn.kind;
        let found = TurnHead::of(self.head).with(body, &|_| false);
        let prompt = if self.turn.prompt.is_some() {
            found.prompt
        } else {
            None
        };
        self.turn = Turn {
            kind,
            prompt,
            cwd: self.turn.cwd.take().or(found.cwd),
            metadata: found.metadata,
        };
    }
}

/// Edits of the body outside its items; made again by whoever made them, with every request.
impl Inspection<'_> {
    /// Changes a field of the body beside its items.
    ///
    /// # Errors
    /// [`AmendError`]; nothing is changed then.
    pub fn set_field(&mut self, field: &Patch) -> Result<(), AmendError> {
        let body = self.body.as_mut().ok_or(AmendError::Missing)?;
        body.commit()?;
        let whole = 0..body.bytes().len();
        let (span, bytes): (_, Bytes) = patch::place(body.bytes(), &whole, field)?;
        edit(body, |body| body.replace(span, bytes))?;
        self.read_turn();
        Ok(())
    }
}
