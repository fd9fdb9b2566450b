//! Responses over WebSocket: each `response.create` gets its events as text frames.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    UPGRADE,
};
use http::{Method, Request as HttpRequest, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use crate::answer::{Answer, Ending, Reply};
use crate::config::WebSocketMode;
use crate::plan::{self, Plan};
use crate::received::Transport;
use crate::recorder::{Head, Note};
use crate::request::{Kind, Request};

use crate::shared::{Live, Shared};
use crate::socket::ResetSwitch;
use crate::stream::{AnswerBody, document};
use crate::suited::{self, ToolStyle, suit};

/// Messages a client may have waiting while one is answered.
const WAITING: usize = 1024;
/// How long a client may take to answer a close frame.
const FAREWELL: Duration = Duration::from_secs(5);

/// Whether this is a WebSocket handshake.
pub(crate) fn asked_for(request: &HttpRequest<Incoming>) -> bool {
    let upgrade = request.headers().get(UPGRADE).map(HeaderValue::as_bytes);
    request.method() == Method::GET
        && upgrade.is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"))
}

/// Records the handshake and accepts or refuses it.
pub(crate) fn handshake(
    mut request: HttpRequest<Incoming>,
    shared: &Arc<Shared>,
    reset: ResetSwitch,
) -> Response<AnswerBody> {
    let upgrade = hyper::upgrade::on(&mut request);
    let (parts, _) = request.into_parts();
    let head = Arc::new(Head {
        method: parts.method,
        uri: parts.uri,
        version: parts.version,
        headers: parts.headers,
    });
    shared
        .record(&head, note(Transport::Http, Bytes::new(), false))
        .finish();
    let key = head
        .headers
        .get(SEC_WEBSOCKET_KEY)
        .map(|key| derive_accept_key(key.as_bytes()));
    let accept = key.and_then(|key| HeaderValue::from_str(&key).ok());
    match (shared.config.websocket, accept) {
        (WebSocketMode::Refuse(status), _) => {
            let message = "The stand-in takes no WebSocket connections.";
            let code = StatusCode::from_u16(status).unwrap_or(StatusCode::UPGRADE_REQUIRED);
            document(
                code,
                &plan::error_body(status, "websocket_refused", message),
            )
        }
        (WebSocketMode::Accept, None) => document(
            StatusCode::BAD_REQUEST,
            &plan::error_body(
                400,
                "bad_handshake",
                "The handshake has no sec-websocket-key.",
            ),
        ),
        (WebSocketMode::Accept, Some(accept)) => {
            let mut response = Response::new(AnswerBody::whole(Bytes::new()));
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let headers = response.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
            if let Some(first) = first_subprotocol(&head) {
                headers.insert(SEC_WEBSOCKET_PROTOCOL, first);
            }
            tokio::spawn(converse(upgrade, Arc::clone(shared), head, reset));
            response
        }
    }
}

fn first_subprotocol(head: &Head) -> Option<HeaderValue> {
    let offered = head.headers.get(SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    HeaderValue::from_str(offered.split(',').next()?.trim()).ok()
}

fn note(transport: Transport, body: Bytes, binary: bool) -> Note {
    Note {
        transport,
        body,
        binary,
        trailers: None,
        body_error: None,
    }
}

async fn converse(upgrade: OnUpgrade, shared: Arc<Shared>, head: Arc<Head>, reset: ResetSwitch) {
    let mut stopping = shared.stopping.subscribe();
    let talk = async {
        let upgraded = match upgrade.await {
            Ok(upgraded) => upgraded,
            Err(error) => return tracing::debug!(%error, "the upgrade failed"),
        };
        // Small buffers: thousands of connections stand open at once.
        let limits = WebSocketConfig::default()
            .read_buffer_size(8 << 10)
            .max_message_size(Some(shared.config.body_limit))
            .max_frame_size(Some(shared.config.body_limit));
        let socket =
            WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(limits));
        let mut talk = Talk {
            socket: socket.await,
            shared: Arc::clone(&shared),
            head,
            reset,
            waiting: VecDeque::new(),
            style: None,
        };
        if let Err(error) = talk.run().await {
            tracing::debug!(%error, "a WebSocket connection ended early");
        }
    };
    tokio::select! {
        _ = stopping.wait_for(|stop| *stop) => {}
        () = talk => {}
    }
}

/// One WebSocket connection.
struct Talk {
    socket: WebSocketStream<TokioIo<Upgraded>>,
    shared: Arc<Shared>,
    head: Arc<Head>,
    reset: ResetSwitch,
    /// Messages that came while another was answered.
    waiting: VecDeque<(Bytes, Live)>,
    style: Option<ToolStyle>,
}

/// Whether the connection goes on after an answer.
#[derive(PartialEq, Eq)]
enum Next {
    Message,
    End,
}

impl Talk {
    async fn run(&mut self) -> Result<(), Error> {
        loop {
            while let Some((text, live)) = self.waiting.pop_front() {
                if self.answer(&text, live).await? == Next::End {
                    return Ok(());
                }
            }
            self.hear().await?;
        }
    }

    /// Takes one message in. Ends with `ConnectionClosed` when the client leaves.
    async fn hear(&mut self) -> Result<(), Error> {
        let message = self.socket.next().await.ok_or(Error::ConnectionClosed)??;
        match message {
            Message::Text(text) => {
                let body = Bytes::from(text);
                let live = self
                    .shared
                    .record(&self.head, note(Transport::WebSocket, body.clone(), false));
                if self.waiting.len() < WAITING {
                    self.waiting.push_back((body, live));
                }
            }
            Message::Binary(body) => {
                let note = note(Transport::WebSocket, body.clone(), true);
                let mut live = self.shared.record(&self.head, note);
                // Finished before it is sent: a pause that ends may drop this future,
                // and the frame then goes out with the next one.
                live.finish();
                self.socket.send(Message::Binary(body)).await?;
            }
            Message::Ping(_) => {
                self.shared.pings.fetch_add(1, Ordering::Relaxed);
                // The library has queued the pong; a flush sends it now.
                self.socket.flush().await?;
            }
            Message::Close(frame) => {
                let code = frame.map_or(CloseCode::Status, |frame| frame.code);
                self.shared.closed_with(code.into());
            }
            Message::Pong(_) | Message::Frame(_) => {}
        }
        Ok(())
    }

    /// Waits while listening: pings are answered and a client that leaves is noticed.
    async fn pause(&mut self, delay: Duration) -> Result<(), Error> {
        if delay.is_zero() {
            return Ok(());
        }
        let sleep = tokio::time::sleep(delay);
        tokio::pin!(sleep);
        loop {
            tokio::select! {
                () = &mut sleep => return Ok(()),
                heard = self.hear() => heard?,
            }
        }
    }

    async fn answer(&mut self, text: &Bytes, mut live: Live) -> Result<Next, Error> {
        let mut ask = Request::read(text, &self.head.headers);
        ask.stream = true;
        let mut answer = match ask.kind {
            Kind::Turn => self.shared.next_answer(),
            _ => Answer::default(),
        };
        let reply = self.choose(std::mem::take(&mut answer.reply), &ask, text);
        self.pause(answer.head_delay).await?;
        let plan = plan::render(reply, answer.usage, &ask, self.shared.next_id());
        let pieces: Box<dyn Iterator<Item = Message> + Send> = match plan {
            Plan::Events(events) => Box::new(events.map(|event| Message::text(event.json))),
            Plan::Chunks(chunks) => Box::new(chunks.into_iter().map(chunk)),
            Plan::Document { status, body, .. } => {
                Box::new(std::iter::once(Message::text(error_object(status, &body))))
            }
            Plan::Close { code, reason } => {
                live.finish();
                return self.close(code, reason).await;
            }
        };
        self.send(pieces, &answer, &mut live).await
    }

    fn choose(&mut self, reply: Reply, ask: &Request, text: &Bytes) -> Reply {
        if reply != Reply::Suited {
            return reply;
        }
        let request: Value = match ask.kind {
            Kind::Turn | Kind::Prewarm => serde_json::from_slice(text).unwrap_or_default(),
            Kind::Title | Kind::Compaction => return suit(ask.kind, text),
        };
        self.style = ToolStyle::of(&request).or(self.style);
        match ask.kind {
            Kind::Turn => suited::reply(&request, self.style),
            _ => reply,
        }
    }

    async fn send(
        &mut self,
        pieces: Box<dyn Iterator<Item = Message> + Send>,
        answer: &Answer,
        live: &mut Live,
    ) -> Result<Next, Error> {
        let mut sent = 0;
        let mut pieces = pieces;
        loop {
            match answer.ending {
                Ending::Reset { after } if after == sent => {
                    self.socket.flush().await?;
                    self.reset.arm();
                    live.cut();
                    return Ok(Next::End);
                }
                Ending::Eof { after } if after == sent => {
                    self.socket.flush().await?;
                    live.cut();
                    return Ok(Next::End);
                }
                Ending::Stop { after } if after == sent => {
                    live.finish();
                    return self.close(1000, String::new()).await;
                }
                Ending::Hang { after } if after == sent => loop {
                    self.hear().await?;
                },
                _ => {}
            }
            let wait = if sent == 0 {
                answer.first_event_delay
            } else {
                answer.event_delay
            };
            self.pause(wait).await?;
            let Some(piece) = pieces.next() else { break };
            self.socket.send(piece).await?;
            sent += 1;
        }
        live.finish();
        Ok(Next::Message)
    }

    /// Sends a close frame and waits for the client's.
    async fn close(&mut self, code: u16, reason: String) -> Result<Next, Error> {
        let frame = CloseFrame {
            code: CloseCode::from(code),
            reason: Utf8Bytes::from(reason),
        };
        self.socket.close(Some(frame)).await?;
        let farewell = async {
            while let Some(message) = self.socket.next().await {
                message?;
            }
            Ok::<(), Error>(())
        };
        // A client that never answers the close is left behind.
        if let Ok(ended) = tokio::time::timeout(FAREWELL, farewell).await {
            ended?;
        }
        Ok(Next::End)
    }
}

fn chunk(bytes: Bytes) -> Message {
    match Utf8Bytes::try_from(bytes.clone()) {
        Ok(text) => Message::Text(text),
        Err(_) => Message::Binary(bytes),
    }
}

/// The provider's error object on WebSocket, around the HTTP error body.
fn error_object(status: u16, body: &Bytes) -> String {
    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = match parsed.get("error") {
        Some(error) => error.clone(),
        None => json!({"message": String::from_utf8_lossy(body)}),
    };
    json!({"type": "error", "status": status, "error": error}).to_string()
}
