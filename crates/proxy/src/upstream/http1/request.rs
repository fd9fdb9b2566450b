//! A request's head as bytes.

use std::io::Write as _;

use http::header::{self, HeaderName};
use http::request::Parts;
use http::{Method, Uri};

use super::fields;

/// How the end of a request's body is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// By its length.
    Length(u64),
    /// By its last chunk, behind which these trailers may stand.
    Chunked(Vec<HeaderName>),
}

/// What is known of a body before it is sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Extent {
    None,
    Known(u64),
    Unknown,
}

/// Writes the head of a request whose target is a whole URL. `Host` comes last, as the client
/// stack of Codex writes it; what is added for the body comes behind it.
pub(super) fn head(parts: &Parts, extent: Extent) -> (Vec<u8>, Framing) {
    let headers = &parts.headers;
    let coded = headers.contains_key(header::TRANSFER_ENCODING);
    let told = fields::length(headers).ok().flatten();
    let bodiless = matches!(parts.method, Method::GET | Method::HEAD | Method::CONNECT);
    // What the head says already is respected: it was said for a reason.
    let framing = match (extent, told) {
        (Extent::None, _) => Framing::Length(0),
        _ if coded => Framing::Chunked(fields::announced_trailers(headers)),
        (_, Some(length)) | (Extent::Known(length), None) => Framing::Length(length),
        (Extent::Unknown, None) if bodiless => Framing::Length(0),
        (Extent::Unknown, None) => Framing::Chunked(fields::announced_trailers(headers)),
    };
    let chunked = matches!(framing, Framing::Chunked(_));
    let mut bytes = Vec::with_capacity(room(parts));
    bytes.extend_from_slice(parts.method.as_str().as_bytes());
    bytes.push(b' ');
    target(&mut bytes, &parts.uri);
    bytes.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in headers {
        let replaced = *name == header::HOST
            || chunked && *name == header::CONTENT_LENGTH
            || matches!(extent, Extent::None) && *name == header::TRANSFER_ENCODING;
        if !replaced {
            fields::write(&mut bytes, name, value);
        }
    }
    if let Some(authority) = parts.uri.authority() {
        bytes.extend_from_slice(b"host: ");
        bytes.extend_from_slice(authority.as_str().as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    match (&framing, extent) {
        (Framing::Chunked(_), _) if !coded => {
            bytes.extend_from_slice(b"transfer-encoding: chunked\r\n");
        }
        (Framing::Length(length), Extent::Known(_)) if told.is_none() => {
            // Writing into memory cannot fail.
            let _ = write!(bytes, "content-length: {length}\r\n");
        }
        _ => {}
    }
    bytes.extend_from_slice(b"\r\n");
    (bytes, framing)
}

/// The target without scheme and authority.
fn target(bytes: &mut Vec<u8>, uri: &Uri) {
    bytes.extend_from_slice(uri.path().as_bytes());
    if let Some(query) = uri.query() {
        bytes.push(b'?');
        bytes.extend_from_slice(query.as_bytes());
    }
}

/// At least as much as a head has bytes.
fn room(parts: &Parts) -> usize {
    let lines = parts.headers.iter();
    let lines: usize = lines
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    let authority = parts.uri.authority().map_or(0, |a| a.as_str().len());
    let target = uri_length(&parts.uri);
    lines + authority + target + parts.method.as_str().len() + 72
}

fn uri_length(uri: &Uri) -> usize {
    uri.path().len() + uri.query().map_or(0, |query| query.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn written(request: http::request::Builder, extent: Extent) -> (String, Framing) {
        let parts = request.body(()).unwrap().into_parts().0;
        let (bytes, framing) = head(&parts, extent);
        assert!(bytes.len() <= room(&parts));
        (String::from_utf8(bytes).unwrap(), framing)
    }

    fn post() -> http::request::Builder {
        Request::post("http://localhost:9/v1/x?a=b").header("b", "1")
    }

    #[test]
    fn fields_keep_their_order_and_host_comes_last() {
        let request = post().header("host", "other").header("a", "2");
        let (head, framing) = written(request, Extent::None);
        assert_eq!(
            head,
            "POST /v1/x?a=b HTTP/1.1\r\nb: 1\r\na: 2\r\nhost: localhost:9\r\n\r\n"
        );
        assert_eq!(framing, Framing::Length(0));
        let (head, _) = written(Request::get("http://h"), Extent::None);
        assert_eq!(head, "GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    }

    #[test]
    fn a_body_is_framed_as_its_head_says_or_as_is_known() {
        let head = "POST /v1/x?a=b HTTP/1.1\r\nb: 1\r\n";
        let host = "host: localhost:9\r\n";
        let chunks = || Framing::Chunked(Vec::new());
        let told = |name, value| post().header(name, value);
        for (request, extent, fields, wanted) in [
            (
                post(),
                Extent::Known(7),
                "*content-length: 7\r\n",
                Framing::Length(7),
            ),
            (
                post(),
                Extent::Unknown,
                "*transfer-encoding: chunked\r\n",
                chunks(),
            ),
            (
                told("content-length", "3"),
                Extent::Unknown,
                "content-length: 3\r\n*",
                Framing::Length(3),
            ),
            (
                told("content-length", "3"),
                Extent::Known(3),
                "content-length: 3\r\n*",
                Framing::Length(3),
            ),
            (
                told("content-length", "0"),
                Extent::None,
                "content-length: 0\r\n*",
                Framing::Length(0),
            ),
            (
                told("transfer-encoding", "chunked"),
                Extent::Unknown,
                "transfer-encoding: chunked\r\n*",
                chunks(),
            ),
            (
                told("transfer-encoding", "chunked"),
                Extent::None,
                "*",
                Framing::Length(0),
            ),
            (
                told("content-length", "3").header("transfer-encoding", "chunked"),
                Extent::Unknown,
                "transfer-encoding: chunked\r\n*",
                chunks(),
            ),
            (
                told("trailer", "x-a, x-b"),
                Extent::Unknown,
                "trailer: x-a, x-b\r\n*transfer-encoding: chunked\r\n",
                Framing::Chunked(vec![
                    HeaderName::from_static("x-a"),
                    HeaderName::from_static("x-b"),
                ]),
            ),
        ] {
            let (written, framing) = written(request, extent);
            assert_eq!(written, format!("{head}{}\r\n", fields.replace('*', host)));
            assert_eq!(framing, wanted, "{written}");
        }
        let get = Request::get("http://h/").header("a", "1");
        let (head, framing) = written(get, Extent::Unknown);
        assert_eq!(head, "GET / HTTP/1.1\r\na: 1\r\nhost: h\r\n\r\n");
        assert_eq!(framing, Framing::Length(0), "nobody would expect a body");
    }
}
