//! A request's head, read for the little that matters here.

use std::io;

/// What the answer is to be, when it is no stream.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// One JSON document.
    #[default]
    Document,
    /// The stub's own counts.
    Counts,
    /// The request's body.
    Mirror,
    /// Nothing: it is the call of a hook.
    Empty,
}

/// A request's head, as far as it matters here.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// Length of the head, in bytes.
    pub(crate) head: usize,
    pub(crate) length: u64,
    pub(crate) chunked: bool,
    /// The key of a WebSocket upgrade.
    pub(crate) upgrade: Option<String>,
    pub(crate) wanted: Wanted,
    /// Events wanted; 0 for one document.
    pub(crate) stream: u64,
    /// Milliseconds between two events.
    pub(crate) every: u64,
}

impl Asked {
    /// The request at the start of these bytes, once its head is whole.
    pub(crate) fn parse(bytes: &[u8]) -> io::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(length) = head.parse(bytes).map_err(io::Error::other)?
        else {
            return Ok(None);
        };
        let mut asked = Self {
            head: length,
            every: 100,
            ..Self::default()
        };
        let (path, query) = head
            .path
            .unwrap_or_default()
            .split_once('?')
            .unwrap_or((head.path.unwrap_or_default(), ""));
        asked.wanted = match path {
            "/stub/counts" => Wanted::Counts,
            "/stub/hook" => Wanted::Empty,
            _ => Wanted::Document,
        };
        for pair in query.split('&') {
            match pair.split_once('=') {
                Some(("stream", value)) => asked.stream = value.parse().unwrap_or_default(),
                Some(("mirror", _)) => asked.wanted = Wanted::Mirror,
                Some(("every", value)) => asked.every = value.parse().unwrap_or(100).max(1),
                _ => {}
            }
        }
        for header in head.headers.iter() {
            let value = std::str::from_utf8(header.value).unwrap_or_default().trim();
            if header.name.eq_ignore_ascii_case("content-length") {
                asked.length = value.parse().map_err(io::Error::other)?;
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                asked.chunked = true;
            } else if header.name.eq_ignore_ascii_case("sec-websocket-key") {
                asked.upgrade = Some(value.to_owned());
            }
        }
        Ok(Some(asked))
    }
}
