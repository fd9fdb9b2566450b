//! What stands between the two halves of a WebSocket connection, from handshake to end.

use std::sync::Arc;
use std::time::Duration;

use codex_plus_wire::event::EventKind;
use codex_plus_wire::frame::{CloseCode, FrameError};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;

use super::link::Link;
use super::live::Tap;
use super::pump::{self, PumpError, Source};
use super::side::{Side, Unwritable};
use crate::line::Place;
use crate::observe::Outcome;

/// A side that let this many pings pass in silence is gone.
const LOST_AFTER_PINGS: u32 = 4;
/// How long the goodbyes of a stop may take.
const GOODBYE: Duration = Duration::from_secs(1);
/// How long a client may take to receive what the upstream said last.
const LINGER: Duration = Duration::from_secs(5);
/// How often a stop looks at a connection whose exchanges cannot be told apart.
const LOOK: Duration = Duration::from_millis(100);

/// A connection being relayed.
pub(super) struct Relay(Link);

/// How a connection ended.
enum End {
    Client(Result<(), PumpError>),
    Upstream(Result<(), PumpError>),
    Silence(&'static str),
    Stop,
    Outgrown,
}

impl Relay {
    pub(super) fn new(link: Link) -> Self {
        Self(link)
    }

    /// Relays until either side ends, falls silent, or the proxy stops; `place` is the connection's
    /// until then.
    #[expect(
        clippy::manual_async_fn,
        reason = "an async fn would keep room for what it is given twice"
    )]
    pub(super) fn run(
        mut self,
        client: OnUpgrade,
        upstream: OnUpgrade,
        place: Option<Arc<Place>>,
    ) -> impl Future<Output = ()> + Send {
        async move {
            match tokio::try_join!(client, upstream) {
                Ok((client, upstream)) => {
                    let (outcome, reason) = self.relay(client, upstream).await;
                    self.0.live.end_all(outcome, &reason);
                    self.0.connection.conclude(outcome, Some(reason));
                }
                Err(error) => {
                    let reason = format!("the handshake was not completed: {error}");
                    self.0.connection.end(Outcome::ClientLeft, Some(reason));
                }
            }
            drop(place);
        }
    }

    async fn relay(&self, client: Upgraded, upstream: Upgraded) -> (Outcome, String) {
        let (from_client, to_client) = tokio::io::split(TokioIo::new(client));
        let (from_upstream, to_upstream) = tokio::io::split(TokioIo::new(upstream));
        let client = Side::new(to_client, false);
        let upstream = Side::new(to_upstream, true);
        let mut from_client = Source::new(from_client, &client);
        let mut from_upstream = Source::new(from_upstream, &upstream);
        let end = tokio::select! {
            ended = self.requests(&mut from_client, &upstream, &client) => End::Client(ended),
            ended = self.events(&mut from_upstream, &client, &upstream) => End::Upstream(ended),
            who = self.watch(&client, &upstream) => End::Silence(who),
            () = self.stop() => End::Stop,
            () = self.outgrown() => End::Outgrown,
        };
        let lingers = matches!(end, End::Upstream(_));
        let parted = Box::pin(self.part(end, &client, &upstream)).await;
        if lingers {
            self.linger(&mut from_client).await;
        }
        parted
    }

    /// Reads what a client still says. A connection that is closed on unread bytes is reset, and
    /// what the client has not received by then is lost.
    async fn linger(&self, client: &mut Source<'_>) {
        tokio::select! {
            () = client.discard() => {}
            () = tokio::time::sleep(LINGER) => {}
            () = self.0.line.stopped() => {}
        }
    }

    async fn requests(
        &self,
        from: &mut Source<'_>,
        to: &Side,
        back: &Side,
    ) -> Result<(), PumpError> {
        if !self.0.plan.is_empty() {
            // In a box: a connection that is only carried has no use for the room it takes.
            return Box::pin(pump::requests(&self.0, from, to, back)).await;
        }
        let mut tap = self.tap();
        pump::carry(from, to, |piece| {
            for message in tap.hear(piece) {
                self.0.classify(&message);
            }
            self.0.live.asked(tap.is_deaf());
        })
        .await
    }

    /// Reads along for the log. A message over the limit ends that for the connection, so the
    /// limit is the one of the settings and not a smaller one: images make requests of megabytes.
    fn tap(&self) -> Tap {
        Tap::new(!self.0.line.config.passthrough, self.0.message_limit())
    }

    async fn events(&self, from: &mut Source<'_>, to: &Side, back: &Side) -> Result<(), PumpError> {
        if !self.0.plan.is_empty() {
            return Box::pin(pump::events(&self.0, from, to, back)).await;
        }
        let mut tap = self.tap();
        pump::carry(from, to, |piece| {
            for message in tap.hear(piece) {
                self.0
                    .live
                    .passed(EventKind::peek(&message.payload), message.payload.len());
            }
            self.0.live.answered(tap.is_deaf());
        })
        .await
    }

    /// Keeps quiet sides alive with pings, and notices the ones that are gone.
    async fn watch(&self, client: &Side, upstream: &Side) -> &'static str {
        let period = self
            .0
            .line
            .config
            .timeouts
            .ping
            .get()
            .max(Duration::from_millis(10));
        loop {
            tokio::time::sleep(period / 2).await;
            for (side, other, name) in [
                (client, upstream, "the client"),
                (upstream, client, "the upstream"),
            ] {
                if side.is_lost(other, period * LOST_AFTER_PINGS) {
                    return name;
                }
                // A failed write shows in the pumps as well.
                if side.silence() >= period / 2
                    && let Err(error) = side.ping().await
                {
                    tracing::debug!(%error, "a ping could not be sent");
                }
            }
        }
    }

    /// Done when the proxy is to end and no exchange is under way.
    async fn stop(&self) {
        self.0.line.leaves().await;
        self.settled().await;
    }

    /// Done when hooks came that have to see more of this connection than it was opened for, and
    /// no exchange is under way. The client opens another one.
    async fn outgrown(&self) {
        self.0.line.outgrown(&self.0.plan, &self.0.head).await;
        self.settled().await;
    }

    async fn settled(&self) {
        while !self.0.live.is_settled() {
            tokio::select! {
                () = self.0.live.ended.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    fn ended_by(&self, who: Outcome) -> Outcome {
        if self.0.live.is_idle() {
            Outcome::Completed
        } else {
            who
        }
    }

    /// Tells the side that is left, as far as there is something to tell.
    async fn part(&self, end: End, client: &Side, upstream: &Side) -> (Outcome, String) {
        let (outcome, reason) = match end {
            // A connection that ends between two exchanges has done its work.
            End::Client(Ok(())) => (
                self.ended_by(Outcome::ClientLeft),
                "the client closed the connection".to_owned(),
            ),
            End::Upstream(Ok(())) => (
                self.ended_by(Outcome::UpstreamCut),
                "the upstream closed the connection".to_owned(),
            ),
            End::Client(Err(PumpError::Frame(error))) => {
                (Outcome::Refused, unreadable(error, client, upstream).await)
            }
            End::Upstream(Err(PumpError::Frame(error))) => {
                let outcome = match error {
                    FrameError::TooLarge { .. } => Outcome::Refused,
                    _ => Outcome::UpstreamCut,
                };
                (outcome, unreadable(error, client, upstream).await)
            }
            // Who does not take what the other sends is the one that is gone.
            End::Client(Err(error @ PumpError::Read(_)))
            | End::Upstream(Err(error @ PumpError::Write(_))) => {
                (self.ended_by(Outcome::ClientLeft), error.to_string())
            }
            End::Upstream(Err(error)) | End::Client(Err(error)) => {
                (Outcome::UpstreamCut, error.to_string())
            }
            End::Silence(who) => {
                let outcome = if who == "the client" {
                    Outcome::ClientLeft
                } else {
                    Outcome::UpstreamCut
                };
                (outcome, format!("{who} answered no ping (timeouts.ping)"))
            }
            End::Stop => {
                goodbye(client.close(CloseCode::RESTART, "Codex-Plus is stopping")).await;
                goodbye(upstream.close(CloseCode::GOING_AWAY, "")).await;
                (Outcome::Completed, "Codex-Plus is stopping".to_owned())
            }
            End::Outgrown => {
                goodbye(client.close(CloseCode::RESTART, "hooks changed")).await;
                goodbye(upstream.close(CloseCode::GOING_AWAY, "")).await;
                (
                    Outcome::Completed,
                    "new hooks need a new connection".to_owned(),
                )
            }
        };
        goodbye(client.shutdown()).await;
        goodbye(upstream.shutdown()).await;
        (outcome, reason)
    }
}

/// Tells both sides that filters cannot make anything of what one of them sent.
async fn unreadable(error: FrameError, client: &Side, upstream: &Side) -> String {
    let code = match error {
        FrameError::TooLarge { .. } => CloseCode::TOO_BIG,
        _ => CloseCode::PROTOCOL_ERROR,
    };
    let reason = PumpError::Frame(error).to_string();
    goodbye(client.close(code, &reason)).await;
    goodbye(upstream.close(code, "")).await;
    reason
}

/// Last words to a side that may not listen any more.
async fn goodbye(words: impl Future<Output = Result<(), Unwritable>>) {
    match tokio::time::timeout(GOODBYE, words).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a WebSocket side was gone before its goodbye"),
        Err(_) => tracing::debug!("a WebSocket side did not take its goodbye"),
    }
}
