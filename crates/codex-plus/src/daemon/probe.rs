//! Asks a port who it is: a few lines of HTTP/1.1 over loopback, with limits.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::instance::reachable;

/// The longest answer that is read.
const LONGEST: u64 = 4 * 1024 * 1024;
/// A healthy proxy answers in well under a millisecond; a busy machine may take longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What listens at an address.
#[derive(Debug)]
pub(crate) enum Health {
    /// Nothing does.
    Free,
    /// A codex-plus; this is what `/codex-plus/status` says.
    CodexPlus(Value),
    /// Something else, or something that does not answer.
    Other,
}

/// Asks one address.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    address: SocketAddr,
    token: Option<String>,
}

impl Probe {
    /// A probe of `listen`; the token is what `guard.token` asks for.
    pub(crate) fn new(listen: SocketAddr, token: Option<&str>) -> Self {
        Self {
            address: reachable(listen),
            token: token.map(ToOwned::to_owned),
        }
    }

    /// Whether `/health` says healthy.
    pub(crate) fn is_healthy(&self) -> bool {
        self.connect()
            .and_then(|stream| self.exchange(stream, "/health", PATIENCE))
            .and_then(|(_, body)| serde_json::from_slice::<Value>(&body).ok())
            .is_some_and(|answer| answer.get("status").and_then(Value::as_str) == Some("healthy"))
    }

    /// Who listens there.
    pub(crate) fn ask(&self) -> Health {
        let Some(stream) = self.connect() else {
            return Health::Free;
        };
        let told = self
            .exchange(stream, "/codex-plus/status", PATIENCE)
            .filter(|(status, _)| *status == 200)
            .and_then(|(_, body)| serde_json::from_slice::<Value>(&body).ok());
        match told {
            Some(status) if status.get("name").and_then(Value::as_str) == Some("codex-plus") => {
                Health::CodexPlus(status)
            }
            _ => Health::Other,
        }
    }

    /// The status of a GET, waiting up to `patience`; `None` without an HTTP answer.
    pub(crate) fn status_of(&self, path: &str, patience: Duration) -> Option<u16> {
        let (status, _) = self.exchange(self.connect()?, path, patience)?;
        Some(status)
    }

    /// What an endpoint of the proxy's own says to a GET; `None` unless it is JSON with status 200.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        let (status, body) = self.exchange(self.connect()?, path, PATIENCE)?;
        let told = serde_json::from_slice(&body).ok()?;
        (status == 200).then_some(told)
    }

    /// The same for a POST without a body.
    pub(crate) fn post(&self, path: &str) -> Option<Value> {
        let (status, body) = self.request(self.connect()?, "POST", path, PATIENCE)?;
        let told = serde_json::from_slice(&body).ok()?;
        (status == 200).then_some(told)
    }

    fn connect(&self) -> Option<TcpStream> {
        TcpStream::connect_timeout(&self.address, PATIENCE).ok()
    }

    /// One GET: status and body.
    fn exchange(
        &self,
        stream: TcpStream,
        path: &str,
        patience: Duration,
    ) -> Option<(u16, Vec<u8>)> {
        self.request(stream, "GET", path, patience)
    }

    fn request(
        &self,
        mut stream: TcpStream,
        method: &str,
        path: &str,
        patience: Duration,
    ) -> Option<(u16, Vec<u8>)> {
        stream.set_read_timeout(Some(patience)).ok()?;
        stream.set_write_timeout(Some(PATIENCE)).ok()?;
        let token = self
            .token
            .as_ref()
            .map(|token| format!("x-codex-plus-token: {token}\r\n"))
            .unwrap_or_default();
        // HTTP/1.0: the answer ends with the connection, so no framing has to be read.
        let request = format!(
            "{method} {path} HTTP/1.0\r\nhost: {}\r\n{token}content-length: 0\r\nconnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.take(LONGEST).read_to_end(&mut answer).ok()?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
        let body = answer.split_off(end + 4);
        let head = String::from_utf8(answer).ok()?;
        let status = head.split_ascii_whitespace().nth(1)?.parse().ok()?;
        Some((status, body))
    }
}
