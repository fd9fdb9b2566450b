//! Which headers cross the proxy.
//!
//! Maps are built anew rather than thinned out when something inside is left behind: removing from a `HeaderMap` moves its last entry
//! into the gap, and the order clients chose is to survive.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;

/// Headers that are the proxy's own begin like this; they are never sent upstream.
const OURS: &str = "x-codex-plus-";
/// The header that carries the proxy's own token.
pub(crate) static TOKEN_HEADER: HeaderName = HeaderName::from_static("x-codex-plus-token");
/// Asks for `Server-Timing` in the answer, whatever its value.
pub(crate) static TIMING_HEADER: HeaderName = HeaderName::from_static("x-codex-plus-timing");
/// Codex's own description of a request (seen with 0.169.0).
pub(crate) static METADATA_HEADER: HeaderName = HeaderName::from_static("x-codex-turn-metadata");
/// Codex's session (seen with 0.169.0).
pub(crate) static SESSION_HEADER: HeaderName = HeaderName::from_static("session-id");
/// Codex's conversation; a session's sub-agents have their own (seen with 0.169.0).
pub(crate) static THREAD_HEADER: HeaderName = HeaderName::from_static("thread-id");
/// The span of a trace that the request belongs to (W3C Trace Context).
pub(crate) static TRACE_HEADER: HeaderName = HeaderName::from_static("traceparent");
/// Names the sub-agent that a request belongs to (seen with Codex 0.169.0).
pub(crate) static SUBAGENT_HEADER: HeaderName = HeaderName::from_static("x-openai-subagent");

/// About how many bytes a request's head had on the wire.
pub(crate) fn size(head: &Parts) -> usize {
    let target = head.uri.path().len() + head.uri.query().map_or(0, |query| query.len() + 1);
    let fields = head.headers.iter();
    fields.fold(target, |size, (name, value)| {
        size + name.as_str().len() + value.len() + ": \r\n".len()
    })
}

/// Gives a head that is kept for long bytes of its own: as it was read it is a part of the
/// connection's whole buffer, and holds that.
pub(crate) fn settle(head: &mut Parts) {
    for value in head.headers.values_mut() {
        if let Ok(mut own) = HeaderValue::from_bytes(value.as_bytes()) {
            own.set_sensitive(value.is_sensitive());
            *value = own;
        }
    }
    if let Ok(own) = head.uri.to_string().parse() {
        head.uri = own;
    }
}

/// What a request carries on to the upstream. `Host` is left to the client stack, which writes
/// the upstream's as its last header, just as Codex's own stack does without a proxy.
pub(crate) fn request(from: HeaderMap) -> HeaderMap {
    forward(from, |name| {
        name == header::HOST
            || name.as_str().starts_with(OURS)
            || name == header::FORWARDED
            || name.as_str().starts_with("x-forwarded-")
    })
}

/// What an answer carries back to the client.
pub(crate) fn response(from: HeaderMap) -> HeaderMap {
    forward(from, |_| false)
}

/// All headers but one; the others stay in their order.
pub(crate) fn without(headers: &mut HeaderMap, name: &HeaderName) {
    if !headers.contains_key(name) {
        return;
    }
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (other, value) in headers.iter().filter(|(other, _)| *other != name) {
        kept.append(other.clone(), value.clone());
    }
    *headers = kept;
}

/// A WebSocket upgrade, which is hop-by-hop, agreed end to end.
pub(crate) fn keep_upgrade(from: &HeaderMap, to: &mut HeaderMap) {
    to.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Some(protocol) = from.get(header::UPGRADE) {
        to.insert(header::UPGRADE, protocol.clone());
    }
}

fn forward(mut from: HeaderMap, is_ours: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    // The usual case: nothing stays behind, or only the last one, which can go without a gap.
    if !from.contains_key(header::CONNECTION) {
        let last = from.len().saturating_sub(1);
        let mut dropped = from
            .iter()
            .enumerate()
            .filter(|(_, (name, value))| is_hop_by_hop(name, value) || is_ours(name));
        match (dropped.next(), dropped.next()) {
            (None, _) => return from,
            (Some((at, (name, _))), None) if at == last => {
                let name = name.clone();
                from.remove(name);
                return from;
            }
            _ => {}
        }
    }
    let mut to = HeaderMap::with_capacity(from.len() + 2);
    // Without a Connection header nothing else can be named hop-by-hop: the usual case.
    let named = connection_options(&from);
    for (name, value) in &from {
        let dropped = is_hop_by_hop(name, value)
            || is_ours(name)
            || named.iter().any(|n| n.eq_ignore_ascii_case(name.as_str()));
        if !dropped {
            to.append(name.clone(), value.clone());
        }
    }
    to
}

/// The header names that `Connection` makes hop-by-hop (RFC 9110, 7.6.1).
fn connection_options(headers: &HeaderMap) -> Vec<&str> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        // Connection cannot take away what makes the message itself (a smuggling trick).
        .filter(|name| !name.is_empty() && !is_end_to_end(name))
        .collect()
}

fn is_end_to_end(name: &str) -> bool {
    [
        "authorization",
        "content-length",
        "content-type",
        "content-encoding",
        "host",
    ]
    .iter()
    .any(|kept| kept.eq_ignore_ascii_case(name))
}

fn is_hop_by_hop(name: &HeaderName, value: &HeaderValue) -> bool {
    match name.as_str() {
        "connection" | "keep-alive" | "transfer-encoding" | "upgrade" => true,
        // "TE: trailers" says that trailers are welcome, which they are on both sides.
        "te" => !value.as_bytes().eq_ignore_ascii_case(b"trailers"),
        name => name.starts_with("proxy-"),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        map
    }

    fn names(map: &HeaderMap) -> Vec<&str> {
        map.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn a_head_that_is_kept_lets_go_of_what_it_was_read_from() {
        let read = Bytes::from(b"/v1/responses?a=b Bearer caf\xe9".to_vec());
        let mut head = http::Request::new(()).into_parts().0;
        head.uri = http::Uri::from_maybe_shared(read.slice(..17)).unwrap();
        let mut value = HeaderValue::from_maybe_shared(read.slice(18..)).unwrap();
        value.set_sensitive(true);
        head.headers.insert(header::AUTHORIZATION, value);
        let before = head.clone();
        settle(&mut head);
        assert_eq!((&head.uri, &head.headers), (&before.uri, &before.headers));
        assert!(head.headers[header::AUTHORIZATION].is_sensitive());
        drop(before);
        assert!(read.is_unique());
    }

    #[test]
    fn keeps_order_and_duplicates_of_what_crosses() {
        let from = map(&[
            ("host", "localhost"),
            ("zeta", "1"),
            ("connection", "keep-alive, x-hop"),
            ("authorization", "Bearer x"),
            ("x-hop", "1"),
            ("proxy-authorization", "secret"),
            ("x-forwarded-for", "10.0.0.1"),
            ("cookie", "a"),
            ("cookie", "b"),
            ("te", "trailers"),
            ("x-codex-plus-timing", "1"),
            ("alpha", "2"),
        ]);
        let to = request(from);
        assert_eq!(
            names(&to),
            ["zeta", "authorization", "cookie", "cookie", "te", "alpha"]
        );
    }

    #[test]
    fn taking_one_out_leaves_the_order() {
        let mut headers = map(&[
            ("b", "1"),
            ("gone", "2"),
            ("a", "3"),
            ("c", "4"),
            ("a", "5"),
        ]);
        without(&mut headers, &HeaderName::from_static("gone"));
        assert_eq!(names(&headers), ["b", "a", "a", "c"]);
    }

    #[test]
    fn connection_cannot_strip_the_message() {
        let from = map(&[
            ("connection", "Content-Length, authorization"),
            ("content-length", "3"),
            ("authorization", "x"),
        ]);
        assert_eq!(names(&request(from)), ["content-length", "authorization"]);
    }
}
