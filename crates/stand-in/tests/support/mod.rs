//! A raw HTTP/1.1 client: what the stand-in writes is seen byte for byte.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test file uses its part of this"
)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::net::SocketAddr;
use std::time::Duration;

use codex_plus_stand_in::{Config, StandIn};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub async fn stand_in() -> StandIn {
    StandIn::start(Config::default()).await.unwrap()
}

/// One answer, its chunks undone.
pub struct Reply {
    pub head: String,
    pub chunks: Vec<Vec<u8>>,
    /// What follows the last chunk, trailers included.
    pub tail: String,
}

impl Reply {
    pub fn body(&self) -> Vec<u8> {
        self.chunks.concat()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body()).unwrap()
    }

    /// The events of an SSE body, each checked to be a chunk of its own.
    pub fn events(&self) -> Vec<Value> {
        let event = |chunk: &Vec<u8>| {
            let text = std::str::from_utf8(chunk).unwrap();
            let (name, data) = text.split_once('\n').unwrap();
            let data = data
                .strip_prefix("data: ")
                .unwrap()
                .strip_suffix("\n\n")
                .unwrap();
            let value: Value = serde_json::from_str(data).unwrap();
            assert_eq!(name.strip_prefix("event: ").unwrap(), value["type"]);
            value
        };
        self.chunks.iter().map(event).collect()
    }

    pub fn complete(&self) -> bool {
        self.tail.starts_with("0\r\n") && self.tail.ends_with("\r\n\r\n")
    }
}

pub fn types(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect()
}

pub async fn send(addr: SocketAddr, head: &str, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let head = format!(
        "{head}\r\nhost: {addr}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    stream
}

/// Sends a request with `connection: close` and reads the answer to its end.
pub async fn ask(addr: SocketAddr, head: &str, body: &[u8]) -> Reply {
    let mut stream = send(addr, &format!("{head}\r\nconnection: close"), body).await;
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    parse(&all)
}

pub async fn turn(addr: SocketAddr, body: &Value) -> Reply {
    ask(
        addr,
        "POST /v1/responses HTTP/1.1",
        body.to_string().as_bytes(),
    )
    .await
}

pub fn parse(all: &[u8]) -> Reply {
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(all[..end].to_vec()).unwrap();
    let mut rest = &all[end + 4..];
    let mut chunks = Vec::new();
    if !head.contains("transfer-encoding: chunked") {
        return Reply {
            head,
            chunks: vec![rest.to_vec()],
            tail: String::new(),
        };
    }
    while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            break;
        }
        chunks.push(rest[line + 2..line + 2 + size].to_vec());
        rest = &rest[line + 4 + size..];
    }
    Reply {
        head,
        chunks,
        tail: String::from_utf8(rest.to_vec()).unwrap(),
    }
}

/// Waits for something that becomes true soon; the limit is a hang guard.
pub async fn until(what: impl Fn() -> bool) {
    let poll = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), poll)
        .await
        .expect("it never became true");
}
