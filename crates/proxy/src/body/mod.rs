//! Bodies on their way: out to the upstream, back to the client.

mod answer;
mod arriving;
mod filtered;
mod idle;
mod out;
mod source;
mod tap;

pub(crate) use answer::AnswerBody;
pub(crate) use arriving::Arriving;
pub(crate) use filtered::{AskAgain, FilteredBody};
pub(crate) use out::{BodyFault, OutBody};
pub(crate) use source::Source;
pub(crate) use tap::Tap;
