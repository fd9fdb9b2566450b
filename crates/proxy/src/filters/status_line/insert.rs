//! Where the line stands in each event of an answer, so that all of them agree.

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
            (first && is_text(data, &[], "part") && !text.is_empty()).then(|| Place {
                id: string(data, &path(&["item_id"])),
                index: number(data, "output_index"),
            })
        }
        EventKind::OutputItemDone => {
            message(data, &path(&["item"]))?;
            Some(Place {
                id: string(data, &path(&["item", "id"])),
                index: number(data, "output_index"),
            })
        }
        EventKind::Completed | EventKind::Incomplete => (0..MOST_ITEMS).find_map(|index| {
            let item = output(index);
            patch::locate(data, &(0..data.len()), &item)?;
            message(data, &item)?;
            let mut id = item;
            id.push("id".into());
            Some(Place {
                id: string(data, &id),
                index: u64::try_from(index).ok(),
            })
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
            let id = string(data, &path(&["item", "id"]));
            if !place.is(id, number(data, "output_index")) {
                return None;
            }
            message(data, &path(&["item"]))?
        }
        EventKind::Completed | EventKind::Incomplete => {
            let whole = 0..data.len();
            (0..MOST_ITEMS)
                .map(output)
                .take_while(|item| patch::locate(data, &whole, item).is_some())
                .zip(0_u64..)
                .find_map(|(item, index)| {
                    let mut id = item.clone();
                    id.push("id".into());
                    let found = place.is(string(data, &id), Some(index));
                    found.then(|| message(data, &item)).flatten()
                })?
        }
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

/// The path of a message's first text, when it begins with one that is not empty.
fn message(data: &[u8], item: &[PathPart]) -> Option<Vec<PathPart>> {
    let inside = |more: &[PathPart]| [item, more].concat();
    let is = |key: &str, value: &str| {
        string(data, &inside(&[key.into()])).is_none_or(|found| found == value)
    };
    let part = inside(&["content".into(), 0.into()]);
    if !is("type", "message") || !is("role", "assistant") || !is_text(data, &part, "") {
        return None;
    }
    let text = [&part[..], &["text".into()]].concat();
    string(data, &text).filter(|text| !text.is_empty())?;
    Some(text)
}

/// Whether a part is `output_text`, not a refusal.
fn is_text(data: &[u8], part: &[PathPart], key: &str) -> bool {
    let mut kind = part.to_vec();
    if !key.is_empty() {
        kind.push(key.into());
    }
    kind.push("type".into());
    string(data, &kind).is_some_and(|kind| kind == "output_text")
}

fn output(index: usize) -> Vec<PathPart> {
    vec!["response".into(), "output".into(), index.into()]
}

fn path(keys: &[&str]) -> Vec<PathPart> {
    keys.iter().map(|key| (*key).into()).collect()
}

fn string(data: &[u8], path: &[PathPart]) -> Option<String> {
    let span = patch::locate(data, &(0..data.len()), path)?;
    serde_json::from_slice(data.get(span)?).ok()
}

fn number(data: &[u8], key: &str) -> Option<u64> {
    let span = patch::locate(data, &(0..data.len()), &[key.into()])?;
    serde_json::from_slice(data.get(span)?).ok()
}
