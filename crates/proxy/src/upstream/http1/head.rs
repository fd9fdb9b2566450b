//! An answer's head.

use std::mem::MaybeUninit;

use bytes::Bytes;
use codex_plus_wire::framing::BodyReader;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode, Version};
use httparse::{ParserConfig, Status};
use hyper::ext::ReasonPhrase;

use super::error::BadHead;
use super::fields;

/// Bounds on a head: its bytes while it is not whole, and its fields.
pub(super) const LONGEST: usize = (8 << 10) + (400 << 10);
const MOST_FIELDS: usize = 100;

/// A head, and what it says of the rest.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) response: Response<()>,
    pub(super) body: BodyReader,
    /// Whether the connection may serve another request.
    pub(super) keeps: bool,
}

/// Reads heads until one is an answer's: hints (1xx) are passed over. Returns how many bytes were
/// read, whether or not the head was among them.
pub(super) fn read(bytes: &[u8], to_head: bool) -> Result<(usize, Option<Head>), BadHead> {
    let mut used = 0;
    loop {
        let rest = &bytes[used..];
        if rest.is_empty() {
            return Ok((used, None));
        }
        let Some((length, head)) = read_one(rest, to_head)? else {
            if rest.len() >= LONGEST {
                return Err(BadHead::TooLarge);
            }
            return Ok((used, None));
        };
        used += length;
        if head.is_some() {
            return Ok((used, head));
        }
    }
}

/// Whether the bytes from `looked` on may be the end of a head: nobody has to read it for less.
pub(super) fn may_end(bytes: &[u8], looked: usize) -> bool {
    let from = looked.saturating_sub(3);
    let fresh = &bytes[from..];
    fresh.windows(2).any(|pair| pair == b"\n\n") || fresh.windows(3).any(|three| three == b"\n\r\n")
}

/// One head with its length; none of it for a hint, nothing when it is not whole.
fn read_one(bytes: &[u8], to_head: bool) -> Result<Option<(usize, Option<Head>)>, BadHead> {
    let mut room = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let status = ParserConfig::default().parse_response_with_uninit_headers(
        &mut parsed,
        bytes,
        &mut room,
    )?;
    let Status::Complete(length) = status else {
        return Ok(None);
    };
    let status = parsed.code.map(StatusCode::from_u16);
    let status = status.and_then(Result::ok).ok_or(BadHead::Status)?;
    if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(Some((length, None)));
    }
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = headers(&bytes[..length], parsed.headers)?;
    if parsed.version != Some(1) {
        *response.version_mut() = Version::HTTP_10;
    }
    let reason = parsed.reason.unwrap_or_default();
    if Some(reason) != status.canonical_reason()
        && let Ok(reason) = ReasonPhrase::try_from(reason.as_bytes())
    {
        response.extensions_mut().insert(reason);
    }
    let body = body(&response, to_head)?;
    // A kept connection of HTTP/1.0 would have to be spoken to in HTTP/1.0.
    let keeps = response.version() == Version::HTTP_11
        && status != StatusCode::SWITCHING_PROTOCOLS
        && !fields::connection_has(response.headers(), "close");
    let head = Head {
        response,
        body,
        keeps,
    };
    Ok(Some((length, Some(head))))
}

/// The fields; their values share one copy of the head.
fn headers(bytes: &[u8], parsed: &[httparse::Header<'_>]) -> Result<HeaderMap, BadHead> {
    let copy = Bytes::copy_from_slice(bytes);
    let mut headers = HeaderMap::with_capacity(parsed.len());
    for field in parsed {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| BadHead::Field)?;
        // An empty value may lie anywhere.
        let value = if field.value.is_empty() {
            Bytes::new()
        } else {
            let start = field.value.as_ptr() as usize - bytes.as_ptr() as usize;
            copy.slice(start..start + field.value.len())
        };
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| BadHead::Field)?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// Where the body ends (RFC 9112, 6.3).
fn body(response: &Response<()>, to_head: bool) -> Result<BodyReader, BadHead> {
    let headers = response.headers();
    let bodiless = to_head || matches!(response.status().as_u16(), 101 | 204 | 304);
    if bodiless {
        return Ok(BodyReader::length(0));
    }
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return match response.version() {
            Version::HTTP_10 => Err(BadHead::Coding),
            _ if fields::is_chunked(headers) => Ok(BodyReader::chunked()),
            _ => Ok(BodyReader::until_close()),
        };
    }
    match fields::length(headers) {
        // The last ones are no lengths to whoever counts with them.
        Ok(Some(length)) if length >= u64::MAX - 1 => Err(BadHead::TooLarge),
        Ok(Some(length)) => Ok(BodyReader::length(length)),
        Ok(None) => Ok(BodyReader::until_close()),
        Err(_) => Err(BadHead::Length),
    }
}

/// The fields behind a chunked body.
pub(super) fn trailers(bytes: &[u8]) -> Result<HeaderMap, BadHead> {
    let mut room = [httparse::EMPTY_HEADER; MOST_FIELDS];
    match httparse::parse_headers(bytes, &mut room)? {
        Status::Complete((_, parsed)) => headers(bytes, parsed),
        Status::Partial => Err(BadHead::Field),
    }
}
