//! What the two directions of one connection share.

use std::sync::Arc;
use std::time::Instant;

use ::http::request::Parts;
use codex_plus_wire::frame::Message;
use codex_plus_wire::request::RequestBody;

use super::live::Live;
use crate::chain::Plan;
use crate::exchange::Exchange;
use crate::line::Line;
use crate::timing::Stage;
use crate::turn::TurnHead;

/// One connection: its handshake, its filters, the exchanges on it.
pub(super) struct Link {
    pub(super) line: Arc<Line>,
    pub(super) plan: Plan,
    /// The head of the handshake, which stands for the head of every exchange.
    pub(super) head: Parts,
    pub(super) live: Live,
    /// The connection as an exchange of its own.
    pub(super) connection: Exchange,
}

impl Link {
    pub(super) fn new(line: Arc<Line>, plan: Plan, head: Parts, connection: Exchange) -> Self {
        Self {
            line,
            plan,
            head,
            live: Live::default(),
            connection,
        }
    }

    /// Longest message that filters read, in bytes.
    pub(super) fn message_limit(&self) -> usize {
        self.line.config.limits.websocket_message.get()
    }

    /// A `response.create` of `bytes` came at `began`, and was read since.
    pub(super) fn open_exchange(&self, bytes: usize, began: Instant) -> Exchange {
        self.connection.sibling(bytes, began, Stage::Decode)
    }

    /// Names the turn of a message that was only carried.
    pub(super) fn classify(&self, message: &Message) {
        // It has gone on already: while we read it, the upstream is at work.
        let began = Instant::now();
        let Ok(body) = RequestBody::parse(message.payload.clone()) else {
            return;
        };
        if is_request(&body) {
            let bytes = message.payload.len();
            let mut exchange = self.connection.sibling(bytes, began, Stage::Upstream);
            exchange.sending();
            let turn = self.line.seen.read(&TurnHead::of(&self.head), &body);
            exchange.classified(turn.kind.as_str());
            self.live.begin(exchange, None, None);
        }
    }
}

/// Whether a message asks for a response, which makes it an exchange.
pub(super) fn is_request(body: &RequestBody) -> bool {
    body.message_type().as_deref() == Some("response.create")
}
