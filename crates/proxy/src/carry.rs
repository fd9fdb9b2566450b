//! The life of an exchange, told once for every transport.
//!
//! ```text
//! guard ─▶ own endpoints ─▶ plan ─▶ [decode ─▶ turn ─▶ request filters] ─▶ upstream
//!                                                                             │
//! client ◀── [event filters] ◀── SSE events, WebSocket frames, a document ◀───┘
//! ```
//! What stands in brackets happens only when a filter is interested.

use std::net::SocketAddr;
use std::sync::Arc;

use ::http::{HeaderValue, Response, Version, header};
use hyper::Request;
use hyper::body::Incoming;

use crate::body::AnswerBody;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::headers;
use crate::http;
use crate::line::Line;
use crate::observe::Transport;
use crate::{admin, answers, websocket};

/// Carries one exchange, from the request's head to the answer's.
///
/// The answer's body finishes the story: the exchange travels inside it and is reported when the
/// body is done or dropped. A client that leaves drops this future or that body, and with it the
/// upstream's side.
pub(crate) async fn carry(
    line: &Arc<Line>,
    client: SocketAddr,
    request: Request<Incoming>,
) -> Response<AnswerBody> {
    let upgrade = websocket::is_offered(&request);
    let transport = if upgrade {
        Transport::WebSocket
    } else {
        Transport::Http
    };
    let (head, body) = request.into_parts();
    if let Err(refusal) = line.guard.admit(&head) {
        let exchange = Exchange::open(&line.ledger, client, transport, &head);
        let in_doubt = refusal.leaves_end_in_doubt() && head.version < Version::HTTP_2;
        let mut answer = answers::fail(exchange, &Error::Refused(refusal));
        if in_doubt {
            // Nothing behind such a request is read as another.
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(header::CONNECTION, close);
        }
        return answer;
    }
    if admin::is_ours(&head) {
        return Box::pin(admin::answer(line, &head, body)).await;
    }
    let mut exchange = Exchange::open(&line.ledger, client, transport, &head);
    let limit = line.config.limits.head.get();
    if headers::size(&head) > limit {
        return answers::fail(exchange, &Error::HeadTooLarge { limit });
    }
    if line.config.passthrough {
        exchange.is_unread();
    }
    let plan = line.plan(&head);
    match transport {
        Transport::Http => http::carry(line, &plan, head, body, exchange).await,
        // In a box, as is what else seldom happens: a future is copied when a request begins, and
        // is as large as the largest thing it may ever do.
        Transport::WebSocket => Box::pin(websocket::carry(line, plan, head, exchange)).await,
    }
}
