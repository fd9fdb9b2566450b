//! Edits of a JSON text by path: each replaces, adds or takes out one value and leaves every
//! other byte of the text as it was.

use std::ops::Range;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::json::{self, Cursor, Malformed, Span};

/// A step into a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PathPart {
    /// Into an array.
    Index(usize),
    /// Into an object.
    Key(String),
}

impl From<&str> for PathPart {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for PathPart {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// What is done at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PatchOp {
    /// Replaces the value at the path, or adds the object key it ends with.
    Set,
    /// Puts a value before the array index the path ends with.
    Insert,
    /// Takes the object key or array index out.
    Remove,
    /// Puts a value at the end of the array at the path.
    Append,
}

/// One edit. Its path means the document as the edits before it left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// What to do.
    pub op: PatchOp,
    /// Where; empty is the whole document.
    pub path: Vec<PathPart>,
    /// The new value, as JSON; empty for [`PatchOp::Remove`].
    pub value: Bytes,
}

impl Patch {
    /// Replaces the value at `path`, or adds its last key.
    pub fn set(path: Vec<PathPart>, value: impl Into<Bytes>) -> Self {
        Self {
            op: PatchOp::Set,
            path,
            value: value.into(),
        }
    }

    /// Replaces the value at `path` by a string.
    pub fn set_text(path: Vec<PathPart>, text: &str) -> Self {
        Self::set(path, json::quote(text))
    }
}

/// An edit that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The document has no such place.
    #[error("an edit points to {0:?}, which is not in the document")]
    Path(Vec<PathPart>),
    /// The document, or a new value, is not JSON.
    #[error("an edit is about, or brings, text that is not JSON")]
    NotJson,
}

impl From<Malformed> for PatchError {
    fn from(_: Malformed) -> Self {
        Self::NotJson
    }
}

/// Applies edits in order to a whole JSON text.
///
/// # Errors
/// [`PatchError`] for the first edit that cannot be made; nothing is changed then.
pub fn apply(document: &Bytes, edits: &[Patch]) -> Result<Bytes, PatchError> {
    // The scanner minds the structure only: a string of other bytes is not JSON either.
    json::check_utf8(document).map_err(|_| PatchError::NotJson)?;
    let mut document = document.clone();
    if edits.is_empty() {
        whole(&document, 0)?;
    }
    for edit in edits {
        // Reads the document to its end, and so finds out whether it is JSON. What an edit brings
        // is JSON too and takes the place of a value, so the result need not be read.
        let (span, bytes) = match found(&document, edit)? {
            Some(found) => found,
            None => place(&document, &whole(&document, 0)?, edit)?,
        };
        let mut edited = Vec::with_capacity(document.len() + bytes.len() - span.len());
        edited.extend_from_slice(document.get(..span.start).unwrap_or_default());
        edited.extend_from_slice(&bytes);
        edited.extend_from_slice(document.get(span.end..).unwrap_or_default());
        document = edited.into();
    }
    Ok(document)
}

/// The one value of a text that stands inside of so many others.
fn whole(document: &[u8], depth: usize) -> Result<Span, PatchError> {
    let mut cursor = Cursor::within(document, 0, depth);
    let span = cursor.skip()?;
    cursor.end()?;
    Ok(span)
}

/// The place of the usual edit, which replaces a value, found on the one way through the whole
/// document; none when it is another edit.
fn found(document: &[u8], edit: &Patch) -> Result<Option<(Span, Bytes)>, PatchError> {
    if edit.op != PatchOp::Set {
        return Ok(None);
    }
    check(edit)?;
    let mut cursor = Cursor::new(document, 0);
    let span = find(&mut cursor, &edit.path)?;
    cursor.end()?;
    Ok(span.map(|span| (span, edit.value.clone())))
}

/// Checks what an edit brings: a value, and not one that is nested too deep for its place.
fn check(edit: &Patch) -> Result<(), PatchError> {
    json::check_utf8(&edit.value).map_err(|_| PatchError::NotJson)?;
    let around = edit.path.len() + usize::from(edit.op == PatchOp::Append);
    whole(&edit.value, around).map(drop)
}

/// Reads one value to its end and says where in it a path leads to. Of duplicate keys the last one
/// counts.
fn find(cursor: &mut Cursor<'_>, path: &[PathPart]) -> Result<Option<Span>, Malformed> {
    let mut found = None;
    match (path.split_first(), cursor.peek()?) {
        (None, _) => return cursor.skip().map(Some),
        (Some((PathPart::Index(wanted), rest)), b'[') => {
            let mut index = 0;
            cursor.array(|cursor| {
                if index == *wanted {
                    found = find(cursor, rest)?;
                } else {
                    cursor.skip()?;
                }
                index += 1;
                Ok::<(), Malformed>(())
            })?;
        }
        (Some((PathPart::Key(wanted), rest)), b'{') => cursor.object(|cursor, key| {
            if key == wanted.as_bytes() {
                found = find(cursor, rest)?;
            } else {
                cursor.skip()?;
            }
            Ok::<(), Malformed>(())
        })?,
        _ => {
            cursor.skip()?;
        }
    }
    Ok(found)
}

/// The bytes of `document` that an edit relative to the value at `within` replaces, and by what.
///
/// # Errors
/// [`PatchError`] when there is no such place.
pub fn place(
    document: &[u8],
    within: &Range<usize>,
    edit: &Patch,
) -> Result<(Range<usize>, Bytes), PatchError> {
    let missing = || PatchError::Path(edit.path.clone());
    if edit.op != PatchOp::Remove {
        check(edit)?;
    }
    if edit.op == PatchOp::Append {
        let list = locate(document, within, &edit.path).ok_or_else(missing)?;
        let elements = elements(document, &list).ok_or_else(missing)?;
        return Ok(behind(&list, elements.last(), &edit.value));
    }
    let Some((last, before)) = edit.path.split_last() else {
        return match edit.op {
            PatchOp::Set => Ok((within.clone(), edit.value.clone())),
            _ => Err(missing()),
        };
    };
    let parent = locate(document, within, before).ok_or_else(missing)?;
    match (edit.op, last) {
        (PatchOp::Set, PathPart::Key(key)) => {
            let members = members(document, &parent).ok_or_else(missing)?;
            if let Some(member) = members.iter().rfind(|member| member.key == *key) {
                return Ok((member.value.clone(), edit.value.clone()));
            }
            let mut pair = json::quote(key);
            pair.push(b':');
            pair.extend_from_slice(&edit.value);
            let last = members.last().map(|member| member.start..member.value.end);
            Ok(behind(&parent, last.as_ref(), &pair))
        }
        (PatchOp::Remove, PathPart::Key(key)) => {
            let members = members(document, &parent).ok_or_else(missing)?;
            let at = members
                .iter()
                .rposition(|member| member.key == *key)
                .ok_or_else(missing)?;
            let spans: Vec<Span> = members.iter().map(|m| m.start..m.value.end).collect();
            Ok((without(&spans, at).ok_or_else(missing)?, Bytes::new()))
        }
        (op, PathPart::Index(index)) => {
            let elements = elements(document, &parent).ok_or_else(missing)?;
            let element = elements.get(*index);
            match (op, element) {
                (PatchOp::Set, Some(element)) => Ok((element.clone(), edit.value.clone())),
                (PatchOp::Remove, Some(_)) => Ok((
                    without(&elements, *index).ok_or_else(missing)?,
                    Bytes::new(),
                )),
                (PatchOp::Insert, Some(element)) => {
                    let value = [&edit.value[..], b","].concat();
                    Ok((element.start..element.start, value.into()))
                }
                (PatchOp::Insert, None) if *index == elements.len() => {
                    Ok(behind(&parent, elements.last(), &edit.value))
                }
                _ => Err(missing()),
            }
        }
        _ => Err(missing()),
    }
}

/// Where the value at a path stands. Of duplicate keys the last one counts.
pub fn locate(document: &[u8], within: &Range<usize>, path: &[PathPart]) -> Option<Range<usize>> {
    find(&mut Cursor::new(document, within.start), path).ok()?
}

struct Member {
    key: String,
    /// Where the key begins.
    start: usize,
    value: Span,
}

fn members(document: &[u8], within: &Span) -> Option<Vec<Member>> {
    let mut cursor = Cursor::new(document, within.start);
    if cursor.peek().ok()? != b'{' {
        return None;
    }
    let mut members: Vec<Member> = Vec::new();
    // The first key stands behind the bracket, every other one behind the comma before it.
    let mut from = cursor.position() + 1;
    cursor
        .object(|cursor, key| {
            let value = cursor.skip()?;
            let gap = document.get(from..value.start).unwrap_or_default();
            let quote = memchr::memchr(b'"', gap).unwrap_or_default();
            let end = value.end;
            members.push(Member {
                key: String::from_utf8_lossy(key).into_owned(),
                start: from + quote,
                value,
            });
            from = end;
            Ok::<(), Malformed>(())
        })
        .ok()?;
    Some(members)
}

fn elements(document: &[u8], within: &Span) -> Option<Vec<Span>> {
    let mut cursor = Cursor::new(document, within.start);
    if cursor.peek().ok()? != b'[' {
        return None;
    }
    let mut elements = Vec::new();
    cursor
        .array(|cursor| {
            elements.push(cursor.skip()?);
            Ok::<(), Malformed>(())
        })
        .ok()?;
    Some(elements)
}

/// Behind the last part of a container, or into the empty one.
fn behind(container: &Span, last: Option<&Span>, bytes: &[u8]) -> (Span, Bytes) {
    match last {
        Some(last) => (last.end..last.end, [b",", bytes].concat().into()),
        None => (
            container.start + 1..container.start + 1,
            Bytes::copy_from_slice(bytes),
        ),
    }
}

/// A part of a container together with the comma that goes with it.
fn without(parts: &[Span], at: usize) -> Option<Span> {
    let part = parts.get(at)?;
    Some(
        match (
            at.checked_sub(1).and_then(|before| parts.get(before)),
            parts.get(at + 1),
        ) {
            (Some(before), _) => before.end..part.end,
            (None, Some(next)) => part.start..next.start,
            (None, None) => part.clone(),
        },
    )
}

#[cfg(test)]
mod tests;
