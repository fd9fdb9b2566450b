//! The edits a hook's call comes to.

use codex_plus_wire::patch::Patch;
use serde::Deserialize;
use serde_json::Value;

pub use codex_plus_wire::patch::{PatchOp as EditOp, PathPart};

/// One edit. The path means the document as the edits before it left it; edits of one list come
/// back to front, so its indexes are the original ones too.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Edit {
    /// What to do.
    pub op: EditOp,
    /// Where; empty is the whole document.
    pub path: Vec<PathPart>,
    /// The new value; `null` for [`EditOp::Remove`].
    #[serde(default)]
    pub value: Value,
}

impl Edit {
    /// The edit as one of bytes.
    pub fn to_patch(&self) -> Patch {
        let value = match self.op {
            EditOp::Remove => String::new(),
            _ => self.value.to_string(),
        };
        Patch {
            op: self.op,
            path: self.path.clone(),
            value: value.into(),
        }
    }
}

/// An edit's path that the document does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an edit points to {0:?}, which is not in the document")]
pub struct PathError(pub Vec<PathPart>);

/// Applies edits to a small document held as a tree. For a request body edit its bytes instead.
pub fn apply(document: &mut Value, edits: &[Edit]) -> Result<(), PathError> {
    edits
        .iter()
        .try_for_each(|edit| apply_one(document, edit).ok_or_else(|| PathError(edit.path.clone())))
}

fn apply_one(document: &mut Value, edit: &Edit) -> Option<()> {
    if edit.op == EditOp::Append {
        let list = edit
            .path
            .iter()
            .try_fold(document, |at, part| step(at, part))?;
        list.as_array_mut()?.push(edit.value.clone());
        return Some(());
    }
    let Some((last, before)) = edit.path.split_last() else {
        if edit.op == EditOp::Set {
            *document = edit.value.clone();
            return Some(());
        }
        return None;
    };
    let parent = before
        .iter()
        .try_fold(document, |at, part| step(at, part))?;
    match (edit.op, last) {
        (EditOp::Set, PathPart::Key(key)) => {
            parent
                .as_object_mut()?
                .insert(key.clone(), edit.value.clone());
        }
        (EditOp::Set, part) => *step(parent, part)? = edit.value.clone(),
        (EditOp::Insert, PathPart::Index(index)) => {
            let items = parent.as_array_mut()?;
            (*index <= items.len()).then(|| items.insert(*index, edit.value.clone()))?;
        }
        (EditOp::Remove, PathPart::Index(index)) => {
            let items = parent.as_array_mut()?;
            (*index < items.len()).then(|| items.remove(*index))?;
        }
        (EditOp::Remove, PathPart::Key(key)) => {
            parent.as_object_mut()?.remove(key)?;
        }
        _ => return None,
    }
    Some(())
}

fn step<'a>(at: &'a mut Value, part: &PathPart) -> Option<&'a mut Value> {
    match part {
        PathPart::Index(index) => at.get_mut(index),
        PathPart::Key(key) => at.get_mut(key),
    }
}
