//! Control from another process: `/stand-in/received`, `/script`, `/state`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::json;

use crate::answer::Answer;
use crate::plan::error_body;

use crate::shared::Shared;
use crate::stream::{AnswerBody, document};

/// These requests are not recorded.
pub(crate) async fn answer(
    request: Request<Incoming>,
    shared: &Arc<Shared>,
) -> Response<AnswerBody> {
    let path = request.uri().path().to_owned();
    match (request.method(), path.trim_start_matches("/stand-in/")) {
        (&Method::GET, "received") => {
            let mut response = document(StatusCode::OK, &json!(null));
            match serde_json::to_vec(&shared.recorder.received()) {
                Ok(list) => *response.body_mut() = AnswerBody::whole(list),
                Err(error) => return refuse(500, &error.to_string()),
            }
            response
        }
        (&Method::DELETE, "received") => {
            shared.recorder.clear();
            document(StatusCode::OK, &json!({"received": 0}))
        }
        (&Method::GET, "state") => document(StatusCode::OK, &state(shared)),
        (&Method::POST, "script") => push(request, shared).await,
        _ => refuse(
            404,
            "There is /stand-in/received, /stand-in/script and /stand-in/state.",
        ),
    }
}

fn state(shared: &Shared) -> serde_json::Value {
    json!({
        "open_connections": shared.open_connections.load(Ordering::Relaxed),
        "live_streams": shared.live_streams.load(Ordering::Relaxed),
        "cancelled": shared.cancelled.load(Ordering::Relaxed),
        "answered": shared.answered.load(Ordering::Relaxed),
        "received": shared.recorder.count(),
        "script": shared.script_len(),
        "pings": shared.pings.load(Ordering::Relaxed),
        "closes": shared.closes(),
    })
}

/// Takes one answer or an array of them; all or nothing.
async fn push(request: Request<Incoming>, shared: &Shared) -> Response<AnswerBody> {
    let body = match Limited::new(request.into_body(), shared.config.body_limit)
        .collect()
        .await
    {
        Ok(body) => body.to_bytes(),
        Err(error) => return refuse(400, &error.to_string()),
    };
    let answers = match body.first() {
        Some(b'{') => serde_json::from_slice::<Answer>(&body).map(|answer| vec![answer]),
        _ => serde_json::from_slice::<Vec<Answer>>(&body),
    };
    match answers {
        Ok(answers) => {
            for answer in answers {
                shared.push(answer);
            }
            document(StatusCode::OK, &json!({"script": shared.script_len()}))
        }
        Err(error) => refuse(400, &format!("The script cannot be read: {error}")),
    }
}

fn refuse(status: u16, message: &str) -> Response<AnswerBody> {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    document(code, &error_body(status, "stand_in", message))
}
