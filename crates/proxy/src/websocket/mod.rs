//! Exchanges over WebSocket: Codex's first choice of transport (seen with 0.169.0).
//!
//! The handshake is agreed end to end: keys, subprotocol and extensions cross as they are, so
//! there is nothing of ours in the connection but the relay between its two halves.

mod link;
mod live;
mod pump;
mod relay;
mod side;
mod split;

use std::sync::Arc;

use ::http::request::Parts;
use ::http::{HeaderMap, Method, Request, Response, StatusCode, Version, header};
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;

use crate::answers;
use crate::body::{AnswerBody, Arriving, OutBody};
use crate::chain::Plan;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::headers;
use crate::line::{Line, Place};
use link::Link;
use relay::Relay;

/// Whether a request asks for a WebSocket connection (RFC 6455, 4.2.1).
pub(crate) fn is_offered(request: &Request<Incoming>) -> bool {
    let lists = |name, wanted: &str| {
        request
            .headers()
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|token| token.trim().eq_ignore_ascii_case(wanted))
    };
    // Any other request that names an upgrade is carried as what it is besides.
    *request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && request.body().is_end_stream()
        && lists(header::UPGRADE, "websocket")
        && lists(header::CONNECTION, "upgrade")
}

/// Opens the connection on both sides and leaves a relay between them.
pub(crate) async fn carry(
    line: &Arc<Line>,
    plan: Plan,
    mut head: Parts,
    mut exchange: Exchange,
) -> Response<AnswerBody> {
    let response = match shake_hands(line, &plan, &head, &mut exchange).await {
        Ok(response) => response,
        Err(error) => return answers::fail(exchange, &error),
    };
    exchange.answered(response.status());
    let agreed = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let client = head.extensions.remove::<OnUpgrade>();
    let place = head.extensions.remove::<Arc<Place>>();
    let (true, Some(client)) = (agreed, client) else {
        let response = response.map(Arriving::Pooled);
        return answers::pass(response, exchange, line.config.timeouts.stream_idle.get());
    };
    let mut answer = Response::new(AnswerBody::whole(bytes::Bytes::new()));
    *answer.status_mut() = response.status();
    *answer.headers_mut() = headers::response(response.headers().clone());
    headers::keep_upgrade(response.headers(), answer.headers_mut());
    answers::tell_timings(answer.headers_mut(), &mut exchange);
    let upstream = hyper::upgrade::on(response);
    exchange.is_connection();
    headers::settle(&mut head);
    let relay = Relay::new(Link::new(Arc::clone(line), plan, head, exchange));
    tokio::spawn(relay.run(client, upstream, place));
    answer
}

async fn shake_hands(
    line: &Line,
    plan: &Plan,
    head: &Parts,
    exchange: &mut Exchange,
) -> Result<Response<Incoming>, Error> {
    if !line.config.websocket {
        return Err(Error::UsePost("`websocket = false`".to_owned()));
    }
    let mut request = Request::new(OutBody::Empty);
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = line.upstream.target(head)?;
    *request.headers_mut() = offer(plan, &head.headers);
    exchange.sending();
    let response = line.upstream.upgrade(request).await?;
    if means_use_post(response.status()) {
        return Err(Error::UsePost(format!(
            "the upstream answered {}",
            response.status()
        )));
    }
    Ok(response)
}

fn offer(plan: &Plan, from: &HeaderMap) -> HeaderMap {
    let mut to = headers::request(from.clone());
    headers::keep_upgrade(from, &mut to);
    if !plan.is_empty() {
        // What filters are to read must not be compressed; the extension is only ever an offer.
        headers::without(&mut to, &header::SEC_WEBSOCKET_EXTENSIONS);
    }
    to
}

/// A refusal that the client best answers by POST: told 426 it falls back at once and quietly,
/// told anything else it tries seven times and then warns (seen with Codex 0.169.0). Statuses
/// about credentials and of failing servers are passed on, as they would hold for a POST as well.
fn means_use_post(status: StatusCode) -> bool {
    let about_credentials = matches!(status.as_u16(), 401 | 403 | 407);
    (status.is_client_error() && !about_credentials)
        || status == StatusCode::NOT_IMPLEMENTED
        // A server that knows no upgrades answers the plain GET.
        || status.is_success()
}
