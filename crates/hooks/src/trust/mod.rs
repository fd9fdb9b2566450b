//! Whose hooks may run: what the user looked at, pinned by the SHA-256 of its content.
//!
//! An [`Inventory`] is what a project would run, read once; [`Pins`] are what the user trusted.
//! What matches runs from the very bytes that were compared: a [`Snapshot`] of them in the state
//! folder, so that a file changed a moment later changes nothing until it was looked at again.

mod digest;
mod inventory;
mod pins;
mod snapshot;

pub use digest::Digest;
pub(crate) use inventory::definition_digest;
pub use inventory::{Inventory, Item, ItemKind, Standing};
pub use pins::{Pins, TrustError, TrustStore};
pub use snapshot::Snapshot;
