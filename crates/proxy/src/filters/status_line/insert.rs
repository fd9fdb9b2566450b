//! Where the line stands in each event of an answer, so that all of them agree.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use codex_plus_wire::event::{EventKind, OutputItem, ResponseEvent, TextEvent, outputs};
use codex_plus_wire::patch::{self, Patch, PathPart};

/// The part of an answer that begins with the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The message's id, by which it comes back as history.
    pub(super) id: Option<String>,
    /// Its place in the output.
    pub(super) index: Option<u64>,
}

/// A text of an event that the line may stand before: a message begins with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opening {
    /// Which message.
    pub(super) place: Place,
    /// Where its literal stands in the event.
    pub(super) literal: Range<usize>,
    is_empty: bool,
}

/// The first text of an assistant's message in this event, if it has one.
pub(super) fn find(kind: EventKind, data: &[u8]) -> Option<Opening> {
    let found = opening(kind, data, |_| true).filter(|found| !found.is_empty)?;
    (kind != EventKind::ContentPartDone || is_text(data, "part")).then_some(found)
}

/// The text at `place` in this event; `None` when this event is not about it.
pub(super) fn find_at(kind: EventKind, data: &[u8], place: &Place) -> Option<Opening> {
    opening(kind, data, |found| place.is(found))
}

/// The event with `line` before the text, which stays as it was written.
pub(super) fn insert(data: &[u8], text: &Opening, line: &str) -> Option<Bytes> {
    let quoted = Patch::set_text(Vec::new(), line).value;
    let line = quoted.get(1..quoted.len().checked_sub(1)?)?;
    // Behind the quote that the literal begins with.
    let (before, behind) = data.split_at_checked(text.literal.start + 1)?;
    Some([before, line, behind].concat().into())
}

/// The first text of those wanted.
fn opening(kind: EventKind, data: &[u8], is_wanted: impl Fn(&Place) -> bool) -> Option<Opening> {
    match kind {
        EventKind::TextDelta | EventKind::TextDone => match ResponseEvent::parse(data).ok()? {
            ResponseEvent::Delta(_, event) | ResponseEvent::Done(_, event) => of_text(event),
            _ => None,
        },
        EventKind::ContentPartDone => of_part(data),
        EventKind::OutputItemDone => match ResponseEvent::parse(data).ok()? {
            ResponseEvent::ItemDone(item) => of_item(&item, item.output_index),
            _ => None,
        },
        EventKind::Completed | EventKind::Incomplete => {
            let items = outputs(data);
            let mut items = (0..).zip(&items);
            return items.find_map(|(index, item)| {
                of_item(item, Some(index)).filter(|found| is_wanted(&found.place))
            });
        }
        _ => None,
    }
    .filter(|found| is_wanted(&found.place))
}

fn of_text(event: TextEvent<'_>) -> Option<Opening> {
    let text = event
        .text
        .filter(|_| event.content_index.unwrap_or(0) == 0)?;
    Some(Opening {
        place: Place {
            id: event.item_id.map(Cow::into_owned),
            index: event.output_index,
        },
        literal: text.span,
        is_empty: text.text.is_empty(),
    })
}

fn of_part(data: &[u8]) -> Option<Opening> {
    let literal = patch::locate(data, &(0..data.len()), &path(&["part", "text"]))?;
    let text: String = serde_json::from_slice(data.get(literal.clone())?).ok()?;
    let first = number(data, "content_index").unwrap_or(0) == 0;
    first.then(|| Opening {
        place: Place {
            id: string(data, &path(&["item_id"])),
            index: number(data, "output_index"),
        },
        literal,
        is_empty: text.is_empty(),
    })
}

/// The text that an item begins with, when it is a message of the assistant's.
fn of_item(item: &OutputItem<'_>, index: Option<u64>) -> Option<Opening> {
    let is = |said: &Option<Cow<'_, str>>, what: &str| said.as_ref().is_none_or(|it| it == what);
    let is_message = is(&item.item_type, "message") && is(&item.role, "assistant");
    let text = item.texts.first()?;
    let begins = is_message && item.begins_with_text && !text.text.is_empty();
    begins.then(|| Opening {
        place: Place {
            id: item.id.as_deref().map(ToOwned::to_owned),
            index,
        },
        literal: text.span.clone(),
        is_empty: false,
    })
}

impl Place {
    /// Ids decide where there are any, else the place in the output.
    fn is(&self, other: &Self) -> bool {
        match (&self.id, &other.id) {
            (Some(one), Some(other)) => one == other,
            _ => self.index.is_none() || other.index.is_none() || self.index == other.index,
        }
    }
}

/// Whether a part is `output_text`, not a refusal.
fn is_text(data: &[u8], part: &str) -> bool {
    string(data, &path(&[part, "type"])).is_some_and(|kind| kind == "output_text")
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What an event is with the line in it, wherever it begins.
    fn with_line(kind: EventKind, data: &str) -> Option<String> {
        let text = find(kind, data.as_bytes())?;
        let edited = insert(data.as_bytes(), &text, "\"main\"\n\n").unwrap();
        Some(String::from_utf8(edited.to_vec()).unwrap())
    }

    #[test]
    fn only_the_line_is_put_in_and_the_text_stays_as_it_was_written() {
        let text = r#""\u0048i \/ 1.0""#;
        let with = text.replacen('"', r#""\"main\"\n\n"#, 1);
        let item = r#"{ "id":"m", "type":"message","role":"assistant","content":[{"type":"output_text","text":TEXT , "annotations":[]},{"type":"output_text","text":"two"}]}"#;
        for (kind, event) in [
            (
                EventKind::TextDelta,
                r#"{"type":"response.output_text.delta", "item_id":"m","delta":TEXT,"x":1.0}"#,
            ),
            (
                EventKind::TextDone,
                r#"{"type":"response.output_text.done","text":TEXT ,"item_id":"m","content_index":0}"#,
            ),
            (
                EventKind::ContentPartDone,
                r#"{"type":"response.content_part.done","part":{"text":TEXT,"type":"output_text"}}"#,
            ),
            (
                EventKind::OutputItemDone,
                r#"{"type":"response.output_item.done","output_index":3,"item":ITEM}"#,
            ),
            (
                EventKind::Completed,
                r#"{"type":"response.completed","response":{"output":[{"type":"reasoning"},ITEM],"id": "r"} }"#,
            ),
        ] {
            let event = event.replace("ITEM", item);
            let expected = event.replace("TEXT", &with);
            assert_eq!(
                with_line(kind, &event.replace("TEXT", text)),
                Some(expected)
            );
        }
    }

    #[test]
    fn nothing_is_put_where_no_answer_begins() {
        for (kind, event) in [
            (
                EventKind::TextDelta,
                r#"{"type":"response.output_text.delta","content_index":1,"delta":"a"}"#,
            ),
            (
                EventKind::TextDelta,
                r#"{"type":"response.output_text.delta","delta":""}"#,
            ),
            (
                EventKind::ContentPartDone,
                r#"{"type":"response.content_part.done","part":{"type":"refusal","text":"a"}}"#,
            ),
            (
                EventKind::OutputItemDone,
                r#"{"type":"response.output_item.done","item":{"type":"message","role":"user","content":[{"type":"output_text","text":"a"}]}}"#,
            ),
            (
                EventKind::Completed,
                r#"{"type":"response.completed","response":{"output":[{"type":"message","content":[{"type":"refusal","refusal":"a"},{"type":"output_text","text":"a"}]}]}}"#,
            ),
        ] {
            assert_eq!(with_line(kind, event), None, "{event}");
        }
    }

    #[test]
    fn later_events_are_about_the_same_message() {
        let place = |id: Option<&str>, index| Place {
            id: id.map(ToOwned::to_owned),
            index,
        };
        let data = r#"{"type":"response.completed","response":{"output":[{"id":"a","type":"message","content":[{"type":"output_text","text":"one"}]},{"id":"b","type":"message","content":[{"type":"output_text","text":"two"}]}]}}"#;
        let found = |place: &Place| {
            let text = find_at(EventKind::Completed, data.as_bytes(), place)?;
            Some(&data[text.literal])
        };
        assert_eq!(found(&place(Some("b"), Some(0))), Some("\"two\""));
        assert_eq!(found(&place(None, Some(1))), Some("\"two\""));
        assert_eq!(found(&place(Some("c"), Some(0))), None);
    }
}
