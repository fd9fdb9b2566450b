//! What git says of a working directory.
//!
//! Where the repository is, what `HEAD` says and which operation is under way are read from the
//! files git keeps, which takes microseconds; the rest comes from one `git status`, which is as
//! fast as any library and knows every format and setting.

mod facts;
mod operation;
mod place;
mod status;

pub use facts::{Changes, Facts, Git, Head, PullRequest, RepositoryKind, Standing, Upstream};
pub use operation::{Operation, OperationKind};
pub use place::Place;
pub use status::StatusReport;
