//! A request and its answer over a TCP connection, moved by the one who waits for the answer:
//! there is no task beside it that would have to be woken, and to wake.

use std::pin::pin;
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tower_service::Service as _;

use super::answer::Answer;
use super::kept::Kept;
use super::target::Head;
use super::{BROKE, NO_CONNECTION};
use crate::output::HookFailure;

/// Asks over TCP. Whoever stops waiting for an answer closes its connection.
#[derive(Debug)]
pub(super) struct Plain {
    connector: HttpConnector,
    kept: Arc<Kept>,
}

/// Why there is no answer.
enum Stop {
    /// Nothing of the request was written.
    Unsent,
    Failed(HookFailure),
}

impl Default for Plain {
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            connector,
            kept: Arc::default(),
        }
    }
}

impl Plain {
    /// Posts the input and gives the body of an answer that means success.
    pub(super) async fn ask(
        &self,
        uri: &Uri,
        head: &Head,
        input: &Bytes,
        limit: usize,
    ) -> Result<Vec<u8>, HookFailure> {
        let server = uri.authority().map_or("", |server| server.as_str());
        let length = format!("{}\r\n\r\n", input.len());
        let head = [&head.0[..], length.as_bytes()].concat();
        loop {
            let kept = self.kept.take(server);
            let was_kept = kept.is_some();
            let mut stream = match kept {
                Some(stream) => stream,
                None => self.connect(uri).await?,
            };
            match exchange(&mut stream, &head, input, limit).await {
                Ok((body, keeps)) => {
                    if keeps {
                        self.kept.put(server, stream);
                    }
                    return Ok(body);
                }
                // It had been closed: another one may take it.
                Err(Stop::Unsent) if was_kept => {}
                Err(Stop::Unsent) => return Err(HookFailure::Unreachable(BROKE)),
                Err(Stop::Failed(failure)) => return Err(failure),
            }
        }
    }

    async fn connect(&self, uri: &Uri) -> Result<TcpStream, HookFailure> {
        // Boxed: most hooks find a connection, and none should carry the room for making one.
        let stream = Box::pin(self.connector.clone().call(uri.clone())).await;
        let failed = |_| HookFailure::Unreachable(NO_CONNECTION);
        Ok(stream.map_err(failed)?.into_inner())
    }
}

/// Sends a request and reads its answer; the body, and whether the connection can be kept.
async fn exchange(
    stream: &mut TcpStream,
    head: &[u8],
    input: &[u8],
    limit: usize,
) -> Result<(Vec<u8>, bool), Stop> {
    let (mut reader, mut writer) = stream.split();
    let mut answer = Answer::within(limit);
    let mut request = head.chain(input);
    let whole = request.remaining();
    let sent = {
        let mut sending = pin!(writer.write_all_buf(&mut request));
        tokio::select! {
            biased;
            sent = &mut sending => Some(sent),
            // An answer need not wait for the end of the request.
            early = answer.read(&mut reader) => {
                early.map_err(Stop::Failed)?;
                None
            }
        }
    };
    let is_sent = matches!(sent, Some(Ok(())));
    if sent.is_some() {
        if !is_sent && request.remaining() == whole {
            return Err(Stop::Unsent);
        }
        // Where the server takes no more of the request, what it said before still counts.
        answer.read(&mut reader).await.map_err(Stop::Failed)?;
    }
    let (body, keeps) = answer.into_parts();
    Ok((body, keeps && is_sent))
}
