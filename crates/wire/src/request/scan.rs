//! The one scan over a request body.

use crate::json::{self, Cursor, Malformed, Span};

use bytes::Bytes;

use super::item::{Item, Members};
use super::{BodyError, Dialect, MAX_ITEMS};

/// Where the fields of a body stand. Of duplicate keys the last one wins, as for `serde_json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) model: Option<Span>,
    pub(super) stream: Option<Span>,
    pub(super) generate: Option<Span>,
    pub(super) previous_response_id: Option<Span>,
    pub(super) prompt_cache_key: Option<Span>,
    pub(super) client_metadata: Option<Span>,
    pub(super) message_type: Option<Span>,
    pub(super) text: Option<Span>,
    pub(super) dialect: Dialect,
    pub(super) items: Vec<Item>,
    pub(super) items_span: Option<Span>,
}

/// About how long the items of conversations are, in bytes.
const USUAL_ITEM: usize = 1 << 10;

/// A list of items and where it stands.
type List = Option<(Span, Vec<Item>)>;

impl Fields {
    pub(super) fn scan(source: &Bytes) -> Result<Self, BodyError> {
        let mut cursor = Cursor::new(source, 0);
        let read = Self::read(&mut cursor, source);
        // Most bodies are ASCII, and then one look was enough.
        if read.is_err() || cursor.is_beyond_ascii() {
            json::check_utf8(source).map_err(|offset| BodyError::Utf8 { offset })?;
        }
        read
    }

    fn read(cursor: &mut Cursor<'_>, source: &Bytes) -> Result<Self, BodyError> {
        let mut fields = Self {
            model: None,
            stream: None,
            generate: None,
            previous_response_id: None,
            prompt_cache_key: None,
            client_metadata: None,
            message_type: None,
            text: None,
            dialect: Dialect::Unknown,
            items: Vec::new(),
            items_span: None,
        };
        let (mut input, mut messages): (List, List) = (None, None);
        cursor.object(|cursor, key| {
            let field = match key {
                b"input" => {
                    input = items(cursor, source, true)?;
                    return Ok(());
                }
                b"messages" => {
                    messages = items(cursor, source, false)?;
                    return Ok(());
                }
                b"model" => &mut fields.model,
                b"stream" => &mut fields.stream,
                b"generate" => &mut fields.generate,
                b"previous_response_id" => &mut fields.previous_response_id,
                b"prompt_cache_key" => &mut fields.prompt_cache_key,
                b"client_metadata" => &mut fields.client_metadata,
                b"type" => &mut fields.message_type,
                b"text" => &mut fields.text,
                _ => {
                    cursor.skip()?;
                    return Ok(());
                }
            };
            *field = Some(cursor.skip()?);
            Ok::<(), BodyError>(())
        })?;
        cursor.end()?;
        let found = match (input, messages) {
            (Some(list), _) => Some((Dialect::Responses, list)),
            (None, Some(list)) => Some((Dialect::Messages, list)),
            (None, None) => None,
        };
        if let Some((dialect, (span, items))) = found {
            fields.dialect = dialect;
            fields.items = items;
            fields.items_span = Some(span);
        }
        Ok(fields)
    }
}

/// Reads a list of items, or a plain string where that is allowed; another value is no list.
fn items(cursor: &mut Cursor<'_>, source: &Bytes, string: bool) -> Result<List, BodyError> {
    match cursor.peek()? {
        b'[' => {}
        b'"' if string => {
            let span = cursor.skip()?;
            return Ok(Some((
                span.clone(),
                vec![Item::plain(source.clone(), span)],
            )));
        }
        _ => {
            cursor.skip()?;
            return Ok(None);
        }
    }
    let start = cursor.position();
    // Room for as many as there usually are, for moving them is a good part of reading a long list.
    let likely = source.len().saturating_sub(start) / USUAL_ITEM + 4;
    let mut items = Vec::with_capacity(likely.min(MAX_ITEMS));
    cursor.array(|cursor| {
        if items.len() == MAX_ITEMS {
            return Err(BodyError::TooManyItems);
        }
        items.push(item(cursor, source)?);
        Ok(())
    })?;
    Ok(Some((start..cursor.position(), items)))
}

/// Reads one item.
pub(super) fn item(cursor: &mut Cursor<'_>, source: &Bytes) -> Result<Item, Malformed> {
    let mut members = Members::default();
    let first = cursor.peek()?;
    let start = cursor.position();
    if first == b'{' {
        cursor.object(|cursor, key| {
            let value = cursor.skip()?;
            members.set(key, value);
            Ok::<(), Malformed>(())
        })?;
    } else {
        cursor.skip()?;
    }
    Ok(Item::new(source.clone(), start..cursor.position(), members))
}

/// The last value of `name` in the object at `within`; `None` when there is none.
pub(super) fn member(source: &[u8], within: &Span, name: &[u8]) -> Option<Span> {
    let mut cursor = Cursor::new(source, within.start);
    if cursor.peek().ok()? != b'{' {
        return None;
    }
    let mut found = None;
    cursor
        .object(|cursor, key| {
            let value = cursor.skip()?;
            if key == name {
                found = Some(value);
            }
            Ok::<(), Malformed>(())
        })
        .ok()?;
    found
}
