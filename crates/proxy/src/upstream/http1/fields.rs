//! Header fields that frame a message, and fields as bytes.

use codex_plus_wire::framing::{self, FramingError};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// What `Content-Length` says; an error when it says several things, or none that is a length.
pub(super) fn length(headers: &HeaderMap) -> Result<Option<u64>, FramingError> {
    framing::content_length(values(headers, &header::CONTENT_LENGTH))
}

/// Whether the last transfer coding is chunked.
pub(super) fn is_chunked(headers: &HeaderMap) -> bool {
    framing::is_chunked(values(headers, &header::TRANSFER_ENCODING))
}

/// Whether `Connection` has this option.
pub(super) fn connection_has(headers: &HeaderMap, option: &str) -> bool {
    framing::has_option(values(headers, &header::CONNECTION), option)
}

fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let values = headers.get_all(name).into_iter();
    values.map(HeaderValue::as_bytes)
}

/// The names that a message announces for its trailers.
pub(super) fn announced_trailers(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(header::TRAILER).iter();
    values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect()
}

/// Whether a field may stand behind a body: not if it would frame, route or authorise the message.
pub(super) fn may_trail(name: &HeaderName) -> bool {
    ![
        header::AUTHORIZATION,
        header::CACHE_CONTROL,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_RANGE,
        header::CONTENT_TYPE,
        header::HOST,
        header::MAX_FORWARDS,
        header::SET_COOKIE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::TE,
    ]
    .contains(name)
}

/// Adds a field's line.
pub(super) fn write(line: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    line.extend_from_slice(name.as_str().as_bytes());
    line.extend_from_slice(b": ");
    line.extend_from_slice(value.as_bytes());
    line.extend_from_slice(b"\r\n");
}
