//! What settings say of an HTTP hook's requests, made ready once for all of them.

use std::collections::BTreeMap;
use std::fmt;

use http::Uri;
use http::header::{
    ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING,
};

use crate::output::HookFailure;

/// Where an HTTP hook's requests go, and with what headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// As it is written; it may hold secrets.
    pub(crate) url: String,
    pub(super) way: Result<Way, HookFailure>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// `http`, and the head of a request.
    Plain(Uri, Head),
    /// `https`.
    Secure(Uri, HeaderMap),
}

/// A request's head up to the value of its `Content-Length`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Head(pub(super) Vec<u8>);

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its fields may hold secrets.
        f.debug_tuple("Head").finish_non_exhaustive()
    }
}

impl Target {
    /// Reads a hook's `url`, `headers` and `allowedEnvVars`. What is wrong with them is told when
    /// the hook is to run.
    pub fn new(url: &str, headers: &BTreeMap<String, String>, allowed: &[String]) -> Self {
        Self {
            url: url.to_owned(),
            way: way(url, headers, allowed),
        }
    }
}

fn way(
    url: &str,
    headers: &BTreeMap<String, String>,
    allowed: &[String],
) -> Result<Way, HookFailure> {
    let unusable = |_| HookFailure::Unreachable("its url is not usable");
    let uri: Uri = url.parse().map_err(unusable)?;
    let headers = fields(headers, allowed)?;
    match uri.scheme_str() {
        Some("http") => {
            let head = head(&uri, &headers);
            Ok(Way::Plain(uri, head))
        }
        Some("https") => Ok(Way::Secure(uri, headers)),
        _ => Err(HookFailure::Unreachable(
            "its url is neither http nor https",
        )),
    }
}

fn head(uri: &Uri, headers: &HeaderMap) -> Head {
    let (path, query) = (uri.path(), uri.query());
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    let mut head = format!("POST {path}{query} HTTP/1.1\r\n").into_bytes();
    let mut field = |name: &HeaderName, value: &[u8]| {
        for part in [name.as_str().as_bytes(), b": ", value, b"\r\n"] {
            head.extend_from_slice(part);
        }
    };
    // How long the body is, is ours to say.
    let framing = [CONTENT_LENGTH, TRANSFER_ENCODING];
    for (name, value) in headers.iter().filter(|(name, _)| !framing.contains(name)) {
        field(name, value.as_bytes());
    }
    if !headers.contains_key(HOST) {
        field(&HOST, host(uri).as_bytes());
    }
    head.extend_from_slice(b"content-length: ");
    Head(head)
}

/// The server without user information, and without the port that goes without saying.
fn host(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    match uri.port_u16().filter(|port| *port != 80) {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn fields(
    written: &BTreeMap<String, String>,
    allowed: &[String],
) -> Result<HeaderMap, HookFailure> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    for (name, value) in written {
        let unusable = HookFailure::Unreachable("one of its headers is not usable");
        let value = expand(value, allowed, |name| std::env::var(name).ok());
        let (Ok(name), Ok(mut value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>())
        else {
            return Err(unusable);
        };
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Puts in the allowed variables; any other one becomes nothing.
fn expand(text: &str, allowed: &[String], env: impl Fn(&str) -> Option<String>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let braced = after.strip_prefix('{').and_then(|s| s.split_once('}'));
        let (name, tail) = braced.unwrap_or_else(|| {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            after.split_at(after.find(|c| !is_name(c)).unwrap_or(after.len()))
        });
        if name.is_empty() {
            expanded.push('$');
        } else if allowed.iter().any(|allowed| allowed == name) {
            expanded.push_str(&env(name).unwrap_or_default());
        }
        rest = tail;
    }
    expanded + rest
}

/// A URL as logs may show it: user information, query and fragment often hold keys.
pub(crate) fn without_secrets(url: &str) -> String {
    let shown = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = shown.split_once("://") else {
        return shown.to_owned();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_what_settings_say_and_frames_as_it_must() {
        for (url, first, host) in [
            ("http://h:9/a?b=c#d", "/a?b=c", "h:9"),
            ("http://me:key@h:80", "/", "h"),
            ("http://[::1]:9/", "/", "[::1]:9"),
            ("http://h?b", "/?b", "h"),
        ] {
            let written = [("Accept", "text/plain"), ("content-length", "3")];
            let written = written.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let target = Target::new(url, &BTreeMap::from(written), &[]);
            let Ok(Way::Plain(_, head)) = target.way else {
                panic!("{url}");
            };
            let wanted = format!(
                "POST {first} HTTP/1.1\r\ncontent-type: application/json\r\naccept: text/plain\r\n\
                 host: {host}\r\ncontent-length: "
            );
            assert_eq!(String::from_utf8(head.0).unwrap(), wanted);
        }
    }

    #[test]
    fn what_a_header_says_is_not_shown() {
        let headers = BTreeMap::from([("x-key".to_owned(), "s3cret".to_owned())]);
        for url in ["http://h/", "https://h/"] {
            let target = Target::new(url, &headers, &[]);
            assert!(!format!("{target:?}").contains("s3cret"), "{url}");
        }
    }

    #[test]
    fn urls_are_shown_without_what_may_be_a_key() {
        for (url, shown) in [
            ("http://localhost:8080/a/b", "http://localhost:8080/a/b"),
            ("https://me:key@host/a?key=1#2", "https://host/a"),
            ("https://me:k@y@host?at=a/b@c", "https://host"),
            ("http://host/@user?x", "http://host/@user"),
            ("nothing?key", "nothing"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }

    #[test]
    fn only_allowed_variables_are_put_in() {
        let env = |name: &str| Some(format!("<{name}>"));
        let cases = [
            ("Bearer $A", "Bearer <A>"),
            ("${A}x$A", "<A>x<A>"),
            ("$B|${B}|$AB", "||"),
            ("$ 5$", "$ 5$"),
            ("${A", "${A"),
            ("plain", "plain"),
        ];
        for (text, wanted) in cases {
            assert_eq!(expand(text, &["A".to_owned()], env), wanted, "{text}");
        }
    }
}
