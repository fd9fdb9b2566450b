//! A client that sends one turn after the other on one connection, and takes the time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use codex_plus_wire::event::EventKind;
use codex_plus_wire::sse::SseFramer;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::socket::Socket;
use super::turns::{Kind, headers};

const LARGEST_EVENT: usize = 16 << 20;
/// A hook may take minutes; this only ends a bench that hangs.
const PATIENCE: Duration = Duration::from_mins(10);

/// What a turn took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Took {
    /// To the first bytes of the answer's body.
    pub(super) first: Duration,
    /// To the end of the answer.
    pub(super) whole: Duration,
}

/// One connection.
pub(super) struct Client {
    way: Way,
    address: SocketAddr,
    token: Option<String>,
    kind: Kind,
}

enum Way {
    Http(SendRequest<Full<Bytes>>),
    Socket(Box<Socket>),
}

impl Client {
    pub(super) async fn connect(
        address: SocketAddr,
        kind: Kind,
        token: Option<&str>,
    ) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let way = if kind == Kind::Socket {
            Way::Socket(Box::new(Socket::open(stream, address, token).await?))
        } else {
            let (sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            Way::Http(sender)
        };
        Ok(Self {
            way,
            address,
            token: token.map(ToOwned::to_owned),
            kind,
        })
    }

    /// One turn, to its end.
    pub(super) async fn turn(&mut self, body: Bytes) -> anyhow::Result<Took> {
        tokio::time::timeout(PATIENCE, self.send(body))
            .await
            .context("a turn took longer than ten minutes")?
    }

    async fn send(&mut self, body: Bytes) -> anyhow::Result<Took> {
        let sender = match &mut self.way {
            Way::Http(sender) => sender,
            Way::Socket(socket) => return socket.turn(body).await,
        };
        let mut request = Request::post("/v1/responses")
            .header("host", self.address.to_string())
            .header("content-type", "application/json");
        for (name, value) in headers() {
            request = request.header(name, value);
        }
        if let Some(token) = &self.token {
            request = request.header("x-codex-plus-token", token);
        }
        let request = request.body(Full::new(body))?;
        let began = Instant::now();
        sender.ready().await?;
        let answer = sender.send_request(request).await?;
        if !answer.status().is_success() {
            bail!("{NOT_ANSWERED} (status {})", answer.status());
        }
        let mut body = answer.into_body();
        let mut framer = SseFramer::new(LARGEST_EVENT);
        let mut first = None;
        let mut last = EventKind::Other;
        while let Some(piece) = body.frame().await {
            let Ok(data) = piece.context("the answer was cut")?.into_data() else {
                continue;
            };
            first.get_or_insert_with(|| began.elapsed());
            if self.kind != Kind::Stream {
                continue;
            }
            framer.push(data);
            while let Some(frame) = framer.next_frame() {
                if let Some(data) = frame.data() {
                    last = EventKind::peek(&data);
                }
            }
        }
        let whole = began.elapsed();
        if self.kind == Kind::Stream && last != EventKind::Completed {
            bail!("{NOT_ANSWERED} (the stream did not end with response.completed)");
        }
        Ok(Took {
            first: first.unwrap_or(whole),
            whole,
        })
    }
}

/// Why a turn may have no answer of the made-up provider's.
pub(super) const NOT_ANSWERED: &str = "the made-up prompt got no answer: a hook that blocks it \
     would be a reason; `codex-plus bench --no-hooks` leaves them out";
