//! What was changed in items of a conversation, so that it is changed the same way whenever the
//! client sends them again.
//!
//! Codex sends the whole conversation with every request over HTTP, as it knows it: without the
//! edits that filters made on the way. A provider's prompt cache holds the conversation as it was
//! sent. So an edit of a new item is remembered under the item's id, and repeated to the byte
//! when the item comes back; items the model has answered are never edited for the first time.

mod amendment;
mod journal;
mod key;
mod line;
mod memory;
mod replay;
mod writer;

pub use amendment::Amendment;
pub use key::ItemKey;
pub use line::{read_line, write_line};
pub use memory::History;
pub(crate) use replay::{Slot, SlotState, apply, remove, replay, write};
pub use writer::Entry;
