//! Names the turn of a request that is only carried, beside the line: the body is read after it
//! has gone on, while the upstream is thinking.

use std::sync::Arc;

use bytes::Bytes;
use codex_plus_wire::encoding::ContentEncoding;
use codex_plus_wire::request::RequestBody;
use http::request::Parts;
use http::{HeaderValue, header};

use crate::body::Tap;
use crate::exchange::{Exchange, Inflow};
use crate::headers::METADATA_HEADER;
use crate::line::Line;
use crate::turn::TurnHead;

/// A body that unpacks to more than this, in bytes, keeps the kind that its head tells: reading it
/// would take a worker, and memory, from the exchanges on the line.
const LONGEST: usize = 16 << 20;

/// A tap on the body of a request of Codex's, unless nothing is to be read.
pub(super) fn tap(line: &Arc<Line>, head: &Parts, exchange: &mut Exchange) -> Option<Tap> {
    if line.config.passthrough || !head.headers.contains_key(&METADATA_HEADER) {
        return None;
    }
    let values = head.headers.get_all(header::CONTENT_ENCODING);
    let encoding = ContentEncoding::parse(values.iter().map(HeaderValue::as_bytes)).ok()?;
    let (line, turn_head, inflow) = (Arc::clone(line), TurnHead::of(head), exchange.inflow());
    Some(Tap::new(move |pieces| {
        tokio::spawn(async move { classify(&line, &turn_head, &encoding, pieces, &inflow) });
    }))
}

fn classify(
    line: &Line,
    head: &TurnHead,
    encoding: &ContentEncoding,
    pieces: Vec<Bytes>,
    inflow: &Inflow,
) {
    let raw = match <[Bytes; 1]>::try_from(pieces) {
        Ok([whole]) => whole,
        Err(pieces) => pieces.concat().into(),
    };
    // What cannot be read keeps the kind that the head tells.
    let Ok(plain) = encoding.decode(&raw, line.config.limits.decoded.get().min(LONGEST)) else {
        return;
    };
    if let Ok(body) = RequestBody::parse(plain) {
        inflow.classified(line.seen.read(head, &body).kind);
    }
}
