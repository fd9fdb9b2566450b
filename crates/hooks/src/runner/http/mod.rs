//! HTTP hooks: a POST of the same JSON that a command reads.
//!
//! - `target`: what settings say of the requests, made ready once.
//! - `plain`: a request and its answer over TCP; `answer`, and `kept` connections.
//! - `tls`: the same over TLS.

mod answer;
mod kept;
mod plain;
mod target;
mod tls;

use std::time::Duration;

use bytes::Bytes;

use crate::output::{HookFailure, RawOutput};
use plain::Plain;
pub use target::Target;
use target::Way;
pub(crate) use target::without_secrets;
use tls::Secure;

/// Idle connections are kept this long, and this many to each server.
const IDLE_FOR: Duration = Duration::from_secs(30);
const IDLE_CONNECTIONS: usize = 8;

const NO_CONNECTION: &str = "no connection";
const NOT_HTTP: &str = "its answer is not HTTP";
const BROKE: &str = "the connection broke";

fn broke_off() -> HookFailure {
    HookFailure::Unreachable("the answer broke off")
}

/// Asks HTTP hooks, over connections that are kept.
#[derive(Debug, Default)]
pub struct HttpRunner {
    plain: Plain,
    secure: Secure,
}

/// Everything an HTTP hook is run with.
#[derive(Debug, Clone)]
pub struct HttpRun<'a> {
    /// Where to, and with what headers.
    pub target: &'a Target,
    /// The JSON.
    pub input: Bytes,
    /// How long it may take, connecting included.
    pub timeout: Duration,
    /// Largest answer, in bytes.
    pub output_limit: usize,
}

impl HttpRunner {
    /// Asks a hook. Redirects are not followed: the input is for the server that was named.
    pub async fn run(&self, run: HttpRun<'_>) -> Result<RawOutput, HookFailure> {
        let timeout = run.timeout;
        tokio::time::timeout(timeout, self.ask(run))
            .await
            .unwrap_or(Err(HookFailure::Timeout(timeout)))
    }

    async fn ask(&self, run: HttpRun<'_>) -> Result<RawOutput, HookFailure> {
        let limit = run.output_limit;
        let body = match &run.target.way {
            Ok(Way::Plain(uri, head)) => self.plain.ask(uri, head, &run.input, limit).await?,
            Ok(Way::Secure(uri, headers)) => {
                // Boxed: few hooks need the room that its future takes.
                Box::pin(self.secure.ask(uri, headers, run.input, limit)).await?
            }
            Err(failure) => return Err(failure.clone()),
        };
        json(body)
    }
}

/// An answer is empty or a JSON object; text is not taken for context here.
fn json(body: Vec<u8>) -> Result<RawOutput, HookFailure> {
    let text = body.trim_ascii();
    if !text.is_empty() && !text.starts_with(b"{") {
        return Err(HookFailure::Json { line: 1, column: 1 });
    }
    Ok(RawOutput {
        code: Some(0),
        stdout: body,
        ..RawOutput::default()
    })
}
