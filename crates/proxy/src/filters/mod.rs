//! The filters: each a small adapter of the line to what another room or crate knows.

pub mod hooks;
mod slash;
mod status_line;

pub use slash::{Answer, BuiltIn, SlashFilter};
pub use status_line::StatusLineFilter;

use crate::headers::{METADATA_HEADER, SESSION_HEADER};
use http::Method;
use http::request::Parts;

/// Whether a request asks a model for something: a POST to `.../responses`, or the handshake of a
/// connection of Codex's for such requests.
fn is_ask(head: &Parts) -> bool {
    let path = head.uri.path().trim_end_matches('/');
    let asks = path.ends_with("/responses") || path.ends_with("/messages");
    let upgrade = head.headers.contains_key(http::header::UPGRADE);
    let codex = [&METADATA_HEADER, &SESSION_HEADER];
    let codex = codex.iter().any(|name| head.headers.contains_key(*name));
    asks && (head.method == Method::POST || (upgrade && codex))
}
