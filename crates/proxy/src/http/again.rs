//! Asks the upstream once more for an answer that a filter did not let end.

use std::sync::Arc;

use bytes::Bytes;
use codex_plus_wire::patch::{self, Patch, PatchOp};
use codex_plus_wire::request::{Dialect, RequestBody};
use http::{HeaderValue, Request, header};

use super::readable;
use crate::body::{AskAgain, OutBody, Source};
use crate::exchange::Exchange;
use crate::headers;
use crate::line::Line;
use crate::listeners::Again;

/// A way to send the request once more with what was said since.
pub(super) fn ask(
    line: &Arc<Line>,
    request: &Request<OutBody>,
    plain: Bytes,
    exchange: &mut Exchange,
) -> AskAgain {
    let line = Arc::clone(line);
    let (method, target) = (request.method().clone(), request.uri().clone());
    let mut fields = request.headers().clone();
    headers::without(&mut fields, &header::CONTENT_ENCODING);
    let inflow = exchange.inflow();
    let mut plain = plain;
    Box::new(move |again| {
        let Some(body) = longer(&plain, again) else {
            return Box::pin(std::future::ready(None));
        };
        plain = body.clone();
        let mut request = Request::new(OutBody::held([body.clone()], None));
        *request.method_mut() = method.clone();
        *request.uri_mut() = target.clone();
        *request.headers_mut() = fields.clone();
        let length = HeaderValue::from(body.len());
        request.headers_mut().insert(header::CONTENT_LENGTH, length);
        let (line, inflow) = (Arc::clone(&line), Arc::clone(&inflow));
        Box::pin(async move {
            let answer = match line.upstream.send(request, &inflow).await {
                Ok(answer) if readable(&answer).is_some() => answer,
                Ok(answer) => {
                    tracing::warn!(
                        status = answer.status().as_u16(),
                        "the upstream did not go on with an answer"
                    );
                    return None;
                }
                Err(error) => {
                    tracing::warn!(%error, "the upstream could not be asked to go on with an answer");
                    return None;
                }
            };
            let idle = line.config.timeouts.stream_idle.get();
            Some(Source::new(answer.into_body(), idle))
        })
    })
}

/// The body with the answer so far and what is said to it.
fn longer(plain: &Bytes, again: &Again) -> Option<Bytes> {
    let body = RequestBody::parse(plain.clone()).ok()?;
    let field = match body.dialect() {
        Dialect::Responses => "input",
        Dialect::Messages => "messages",
        Dialect::Unknown => return None,
    };
    let append = |item: &Bytes| Patch {
        op: PatchOp::Append,
        path: vec![field.into()],
        value: item.clone(),
    };
    let plain = match body.items() {
        // A plain string has no room for further items: it becomes the list it stands for.
        [only] if only.is_plain() => {
            let literal = String::from_utf8_lossy(only.raw());
            let list =
                format!("[{{\"type\":\"message\",\"role\":\"user\",\"content\":{literal}}}]");
            &patch::apply(plain, &[Patch::set(vec![field.into()], list)]).ok()?
        }
        _ => plain,
    };
    let edits: Vec<Patch> = again
        .output
        .iter()
        .chain(&again.input)
        .map(append)
        .collect();
    patch::apply(plain, &edits).ok()
}
