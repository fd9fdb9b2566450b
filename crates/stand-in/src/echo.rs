//! `/echo` tells what arrived; `/echo-body` sends the body back.

use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::recorder::{Head, sha256_hex};
use crate::stream::AnswerBody;

/// The request as JSON: header values with replacement characters where not UTF-8.
pub(crate) fn facts(head: &Head, body: &Bytes) -> Value {
    let pair = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())])
    };
    json!({
        "method": head.method.as_str(),
        "path": head.uri.path(),
        "query": head.uri.query(),
        "version": format!("{:?}", head.version),
        "headers": head.headers.iter().map(pair).collect::<Vec<_>>(),
        "body_len": body.len(),
        "body_sha256": sha256_hex(body),
    })
}

/// The same bytes under the same content-type and content-encoding.
pub(crate) fn body(head: &Head, body: Bytes) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::whole(body));
    for name in [CONTENT_TYPE, CONTENT_ENCODING] {
        if let Some(value) = head.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}
