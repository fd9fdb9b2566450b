//! Where the line stands in each event of an answer, so that all of them agree.

use std::ops::Range;

use bytes::Bytes;
use codex_plus_wire::event::{EventKind, ResponseEvent};
use codex_plus_wire::patch::{self, Patch, PathPart};

/// Most items of an answer that are looked through.
const MOST_ITEMS: usize = 1_024;

/// The part of an answer that begins with the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The message's id, by which it comes back as history.
    pub(super) id: Option<String>,
    /// Its place in the output.
    pub(super) index: Option<u64>,
}

/// The first text of an assistant's message in this event, if it has one.
pub(super) fn find(kind: EventKind, data: &[u8]) -> Option<Place> {
    match kind {
        EventKind::TextDelta | EventKind::TextDone => {
            let (id, index, content, text) = text_event(data)?;
            (content.unwrap_or(0) == 0 && !text.is_empty()).then_some(Place { id, index })
        }
        EventKind::ContentPartDone => {
            let text = string(data, &path(&["part", "text"]))?;
            let first = number(data, "content_index").unwrap_or(0) == 0;
            (first && is_text(data, "part") && !text.is_empty()).then(|| Place {
                id: string(data, &path(&["item_id"])),
                index: number(data, "output_index"),
            })
        }
        EventKind::OutputItemDone => {
            let item = Item::at(data, &path(&["item"]))?;
            item.text?;
            let index = number(data, "output_index");
            Some(Place { id: item.id, index })
        }
        EventKind::Completed | EventKind::Incomplete => items(data).find_map(|(index, item)| {
            item.text?;
            let index = Some(index);
            Some(Place { id: item.id, index })
        }),
        _ => None,
    }
}

/// The event with `line` before the text at `place`, and that text as it was; `None` when this
/// event is not about it.
pub(super) fn insert(
    kind: EventKind,
    data: &Bytes,
    place: &Place,
    line: &str,
) -> Option<(Bytes, String)> {
    let at = match kind {
        EventKind::TextDelta | EventKind::TextDone | EventKind::ContentPartDone => {
            let id = string(data, &path(&["item_id"]));
            let index = number(data, "output_index");
            let first = number(data, "content_index").unwrap_or(0) == 0;
            if !first || !place.is(id, index) {
                return None;
            }
            match kind {
                EventKind::TextDelta => path(&["delta"]),
                EventKind::TextDone => path(&["text"]),
                _ => path(&["part", "text"]),
            }
        }
        EventKind::OutputItemDone => {
            let item = Item::at(data, &path(&["item"]))?;
            if !place.is(item.id, number(data, "output_index")) {
                return None;
            }
            item.text?
        }
        EventKind::Completed | EventKind::Incomplete => items(data).find_map(|(index, item)| {
            let found = place.is(item.id, Some(index));
            item.text.filter(|_| found)
        })?,
        _ => return None,
    };
    let text = string(data, &at)?;
    let edit = Patch::set_text(at, &format!("{line}{text}"));
    let edited = patch::apply(data, &[edit]).ok()?;
    Some((edited, text))
}

impl Place {
    /// Ids decide where there are any, else the place in the output.
    fn is(&self, id: Option<String>, index: Option<u64>) -> bool {
        match (&self.id, id) {
            (Some(one), Some(other)) => *one == other,
            _ => self.index.is_none() || index.is_none() || self.index == index,
        }
    }
}

type TextEvent = (Option<String>, Option<u64>, Option<u64>, String);

fn text_event(data: &[u8]) -> Option<TextEvent> {
    let (ResponseEvent::Delta(_, event) | ResponseEvent::Done(_, event)) =
        ResponseEvent::parse(data).ok()?
    else {
        return None;
    };
    let text = event.text?.text.into_owned();
    let id = event.item_id.map(std::borrow::Cow::into_owned);
    Some((id, event.output_index, event.content_index, text))
}

/// An item of the answer.
struct Item {
    id: Option<String>,
    /// The path of the first text, when this is a message of the assistant's that begins with one
    /// that is not empty.
    text: Option<Vec<PathPart>>,
}

impl Item {
    /// The item at a path, read on one way through the event; none when there is none.
    fn at(data: &[u8], path: &[PathPart]) -> Option<Self> {
        let inside = |more: &[PathPart]| [path, more].concat();
        let text = inside(&["content".into(), 0.into(), "text".into()]);
        let whole = 0..data.len();
        let [item, kind, role, id, part, literal] = patch::locate_each(
            data,
            &whole,
            [
                path,
                &inside(&["type".into()]),
                &inside(&["role".into()]),
                &inside(&["id".into()]),
                &inside(&["content".into(), 0.into(), "type".into()]),
                &text,
            ],
        );
        item?;
        let said = |span| literally(data, span);
        let is = |span, value: &str| said(span).is_none_or(|found| found == value);
        let is_message = is(kind, "message") && is(role, "assistant");
        let is_text = said(part).is_some_and(|kind| kind == "output_text");
        let begins = || said(literal).is_some_and(|text| !text.is_empty());
        Some(Self {
            id: said(id),
            text: (is_message && is_text && begins()).then_some(text),
        })
    }
}

/// The items of a whole answer, with their places.
fn items(data: &[u8]) -> impl Iterator<Item = (u64, Item)> {
    let items = (0..MOST_ITEMS).map_while(move |index| Item::at(data, &output(index)));
    (0..).zip(items)
}

/// Whether a part is `output_text`, not a refusal.
fn is_text(data: &[u8], part: &str) -> bool {
    string(data, &path(&[part, "type"])).is_some_and(|kind| kind == "output_text")
}

fn output(index: usize) -> Vec<PathPart> {
    vec!["response".into(), "output".into(), index.into()]
}

fn path(keys: &[&str]) -> Vec<PathPart> {
    keys.iter().map(|key| (*key).into()).collect()
}

fn string(data: &[u8], path: &[PathPart]) -> Option<String> {
    literally(data, patch::locate(data, &(0..data.len()), path))
}

/// What the string at a span says.
fn literally(data: &[u8], span: Option<Range<usize>>) -> Option<String> {
    serde_json::from_slice(data.get(span?)?).ok()
}

fn number(data: &[u8], key: &str) -> Option<u64> {
    let span = patch::locate(data, &(0..data.len()), &[key.into()])?;
    serde_json::from_slice(data.get(span)?).ok()
}
