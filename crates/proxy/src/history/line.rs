//! What a line of `history.jsonl` says, and how it is written.

use std::io::{self, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use codex_plus_wire::patch::{Patch, PatchOp, PathPart};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::amendment::Amendment;
use super::key::{ItemKey, Tag};
use super::writer::Entry;

/// A line, as it is read.
#[derive(Deserialize)]
struct Line {
    key: String,
    #[serde(default)]
    tag: Tag,
    #[serde(default)]
    edits: Vec<Edit>,
    #[serde(default)]
    before: Vec<Box<RawValue>>,
    #[serde(default)]
    after: Vec<Box<RawValue>>,
    #[serde(default)]
    removed: Option<String>,
    #[serde(default)]
    forgotten: bool,
}

#[derive(Deserialize)]
struct Edit {
    op: PatchOp,
    path: Vec<PathPart>,
    #[serde(default, deserialize_with = "present")]
    value: Option<Box<RawValue>>,
}

/// A value that is there, even if it is `null`.
fn present<'a, D: Deserializer<'a>>(from: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(from).map(Some)
}

/// The line of `history.jsonl` that says this; empty when it cannot be said in one line.
pub fn write_line((key, amendment): &Entry) -> Vec<u8> {
    let mut line = Vec::with_capacity(256);
    match write(&mut line, *key, amendment.as_deref()) {
        // JSON that somebody wrote over several lines has no place here.
        Ok(()) if !line.contains(&b'\n') => line.push(b'\n'),
        _ => line.clear(),
    }
    line
}

/// Writes what is JSON already as it is.
fn write(line: &mut Vec<u8>, key: ItemKey, amendment: Option<&Amendment>) -> io::Result<()> {
    write!(line, "{{\"key\":\"{}\"", key.to_hex())?;
    if !key.tag().is_unknown() {
        line.extend_from_slice(b",\"tag\":");
        serde_json::to_writer(&mut *line, &key.tag())?;
    }
    let Some(amendment) = amendment else {
        line.extend_from_slice(b",\"forgotten\":true}");
        return Ok(());
    };
    write_list(line, "edits", &amendment.edits, |line, edit| {
        line.extend_from_slice(b"{\"op\":");
        serde_json::to_writer(&mut *line, &edit.op)?;
        line.extend_from_slice(b",\"path\":");
        serde_json::to_writer(&mut *line, &edit.path)?;
        if !edit.value.is_empty() {
            line.extend_from_slice(b",\"value\":");
            line.extend_from_slice(&edit.value);
        }
        line.push(b'}');
        Ok(())
    })?;
    for (name, items) in [("before", &amendment.before), ("after", &amendment.after)] {
        write_list(line, name, items, |line, item| {
            line.extend_from_slice(item);
            Ok(())
        })?;
    }
    if let Some(reason) = &amendment.removed {
        line.extend_from_slice(b",\"removed\":");
        serde_json::to_writer(&mut *line, reason)?;
    }
    line.push(b'}');
    Ok(())
}

/// Writes a member that is a list, unless there is nothing in it.
fn write_list<T>(
    line: &mut Vec<u8>,
    name: &str,
    list: &[T],
    element: impl Fn(&mut Vec<u8>, &T) -> io::Result<()>,
) -> io::Result<()> {
    for (index, one) in list.iter().enumerate() {
        match index {
            0 => write!(line, ",\"{name}\":[")?,
            _ => line.push(b','),
        }
        element(line, one)?;
    }
    if !list.is_empty() {
        line.push(b']');
    }
    Ok(())
}

/// What a line of `history.jsonl` says; none when it cannot be read.
pub fn read_line(text: &[u8]) -> Option<Entry> {
    let line: Line = serde_json::from_slice(text).ok()?;
    let key = ItemKey::written(&line.key, line.tag)?;
    if line.forgotten {
        return Some((key, None));
    }
    let bytes = |json: Box<RawValue>| Bytes::from(Box::<str>::from(json).into_string());
    let edits = line.edits.into_iter().map(|edit| Patch {
        op: edit.op,
        path: edit.path,
        value: edit.value.map(bytes).unwrap_or_default(),
    });
    let amendment = Amendment {
        edits: edits.collect(),
        before: line.before.into_iter().map(bytes).collect(),
        after: line.after.into_iter().map(bytes).collect(),
        removed: line.removed,
    };
    Some((key, Some(Arc::new(amendment))))
}
