//! Exchanges over WebSocket (seen with Codex 0.169.0: its first choice of transport).

use std::sync::Arc;

use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;

use crate::chain::Plan;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::http::AnswerBody;
use crate::line::Line;

pub(crate) fn is_offered(request: &Request<Incoming>) -> bool {
    request
        .headers()
        .get(http::header::UPGRADE)
        .is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

pub(crate) async fn carry(
    _line: &Arc<Line>,
    _plan: Plan,
    _head: &mut Parts,
    exchange: Exchange,
) -> Response<AnswerBody> {
    exchange.fail(&Error::UsePost("not yet".to_owned()))
}
