use std::time::Duration;

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

/// One request (HTTP) or message (WebSocket) as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// Position in the order of arrival, from 0.
    pub index: usize,
    /// How it came. A WebSocket handshake counts as HTTP, its messages as WebSocket.
    pub transport: Transport,
    /// HTTP method; a message has that of its handshake, `GET`.
    pub method: String,
    /// Request target as sent, without scheme and authority.
    pub path_and_query: String,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub version: String,
    /// Header names (lower case) and values, in order; repeats of a name stand together.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body as it came over the wire; empty when over the `keep_body` limit.
    pub raw_body: Bytes,
    /// SHA-256 of the body as it came, lower-case hex.
    pub body_sha256: String,
    /// Length of the body as it came, in bytes.
    pub body_len: usize,
    /// The body as JSON after undoing its content-encoding, when it is JSON.
    pub json: Option<Value>,
    /// Whether a WebSocket message was binary.
    pub binary: bool,
    /// Time since the stand-in started, when the body was complete.
    pub at: Duration,
    /// How the answer went.
    pub outcome: Outcome,
    /// Request trailers.
    pub trailers: Vec<(String, Vec<u8>)>,
    /// Why the body could not be read to its end, if so.
    pub body_error: Option<String>,
}

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Transport {
    Http,
    WebSocket,
}

/// How the answer to a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Not ended yet.
    Answering,
    /// Sent in full, as scripted.
    Finished,
    /// Broken off by the script.
    Cut,
    /// The client left first.
    Cancelled,
}

impl Received {
    /// The first value of a header, as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// All values of a header, in order.
    pub fn header_all(&self, name: &str) -> Vec<&[u8]> {
        let matching = self
            .headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name));
        matching.map(|(_, value)| value.as_slice()).collect()
    }
}

/// Bodies appear as JSON, or else as text with replacement characters.
impl Serialize for Received {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("index", &self.index)?;
        map.serialize_entry("transport", &self.transport)?;
        map.serialize_entry("method", &self.method)?;
        map.serialize_entry("path_and_query", &self.path_and_query)?;
        map.serialize_entry("version", &self.version)?;
        map.serialize_entry("headers", &lossy(&self.headers))?;
        map.serialize_entry("body_len", &self.body_len)?;
        map.serialize_entry("body_sha256", &self.body_sha256)?;
        match &self.json {
            Some(json) => map.serialize_entry("body", json)?,
            None => map.serialize_entry("body", &String::from_utf8_lossy(&self.raw_body))?,
        }
        map.serialize_entry("binary", &self.binary)?;
        map.serialize_entry("at_ms", &(self.at.as_secs_f64() * 1000.0))?;
        map.serialize_entry("outcome", &self.outcome)?;
        map.serialize_entry("trailers", &lossy(&self.trailers))?;
        map.serialize_entry("body_error", &self.body_error)?;
        map.end()
    }
}

fn lossy(fields: &[(String, Vec<u8>)]) -> Vec<(&str, String)> {
    fields
        .iter()
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value).into_owned()))
        .collect()
}
