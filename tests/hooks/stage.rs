//! A stand-in, a proxy before it, and a client that asks over each transport.

use codex_plus_stand_in::{Config, StandIn};
use codex_plus_wire::frame::Opcode;
use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::peer::{Peer, post};
use crate::support::proxy::Proxy;
use crate::support::socket::{masked, offer};

/// How requests travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Stream,
    Document,
    Socket,
}

pub(crate) const ALL: [Over; 3] = [Over::Stream, Over::Document, Over::Socket];

/// The settings file of the home folder.
pub(crate) const SETTINGS: &str = "home/.codexplus/settings.json";

/// The stand-in and the proxy.
pub(crate) struct Stage {
    pub(crate) provider: StandIn,
    pub(crate) proxy: Proxy,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    /// The events; of a document one, under `response`.
    pub(crate) events: Vec<Value>,
}

impl Said {
    pub(crate) fn of(&self, kind: &str) -> Vec<&Value> {
        let events = self.events.iter();
        events.filter(|event| event["type"] == kind).collect()
    }

    pub(crate) fn last(&self) -> &Value {
        self.events.last().expect("an event")
    }

    /// The items of the last event.
    pub(crate) fn output(&self) -> &Vec<Value> {
        self.last()["response"]["output"]
            .as_array()
            .unwrap_or_else(|| panic!("no output: {self:#?}"))
    }
}

impl Stage {
    /// With files in the home folder or elsewhere.
    pub(crate) async fn with(files: &[(&str, &str)]) -> Self {
        Self::prepared("", |home| {
            for (name, text) in files {
                home.write(name, text);
            }
        })
        .await
    }

    pub(crate) async fn prepared(settings: &str, prepare: impl FnOnce(&Home)) -> Self {
        let provider = StandIn::start(Config::default()).await.unwrap();
        let proxy = Proxy::started(provider.base_url(), settings, |home, command| {
            command.env("CODEX_PLUS_LOG_LEVEL", "debug");
            prepare(home);
        });
        Self { provider, proxy }
    }

    pub(crate) fn client(&self, over: Over) -> Client {
        Client::at(self.proxy.address, over)
    }

    /// What hooks wrote to `events`, one JSON a line.
    pub(crate) fn told(&self) -> Vec<Value> {
        let told = std::fs::read_to_string(self.proxy.home().path("events"));
        let told = told.unwrap_or_default();
        told.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    pub(crate) fn told_names(&self) -> Vec<String> {
        let told = self.told();
        let names = told
            .iter()
            .map(|event| event["hook_event_name"].as_str().unwrap().to_owned());
        names.collect()
    }

    /// The items of each request that the provider got.
    pub(crate) fn inputs(&self) -> Vec<Value> {
        let received = self.provider.received();
        let asks = received.into_iter().filter_map(|ask| ask.json);
        asks.map(|ask| ask["input"].clone()).collect()
    }
}

/// One client, with one WebSocket connection if it is of that kind.
pub(crate) struct Client {
    pub(crate) over: Over,
    pub(crate) address: std::net::SocketAddr,
    pub(crate) fields: String,
    socket: Option<Peer>,
}

impl Client {
    pub(crate) fn at(address: std::net::SocketAddr, over: Over) -> Self {
        Self {
            over,
            address,
            fields: "session-id: s-1\r\n".to_owned(),
            socket: None,
        }
    }

    pub(crate) async fn ask(&mut self, body: Value) -> Said {
        if self.over == Over::Socket {
            self.tell(body).await;
            return self.hear().await;
        }
        let (status, bytes) = self.post(&self.written(body)).await;
        if self.over == Over::Stream && status == 200 {
            return Said {
                status,
                events: sse(&bytes),
            };
        }
        let document: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let events = vec![if status == 200 {
            json!({"type": "document", "response": document})
        } else {
            document
        }];
        Said { status, events }
    }

    fn written(&self, mut body: Value) -> Value {
        body["stream"] = json!(self.over != Over::Document);
        body
    }

    async fn post(&self, body: &Value) -> (u16, Vec<u8>) {
        let request = post("/v1/responses", &self.fields, body.to_string().as_bytes());
        let mut peer = Peer::connect(self.address).await;
        peer.send(request).await;
        let head = peer.head().await;
        // A cut answer is told by what came of it.
        let mut bytes = Vec::new();
        if head.is_chunked() {
            while let Ok(Some(chunk)) = peer.try_chunk().await {
                bytes.extend(chunk);
            }
        } else {
            bytes = peer.try_body(&head).await.unwrap_or_default();
        }
        (head.status(), bytes)
    }

    /// The WebSocket connection, opened with the first request.
    pub(crate) async fn socket(&mut self) -> &mut Peer {
        if self.socket.is_none() {
            let mut peer = Peer::connect(self.address).await;
            peer.send(offer(&self.fields)).await;
            assert_eq!(peer.head().await.status(), 101);
            self.socket = Some(peer);
        }
        self.socket.as_mut().unwrap()
    }

    /// Sends a request over WebSocket.
    pub(crate) async fn tell(&mut self, body: Value) {
        let mut body = self.written(body);
        body["type"] = json!("response.create");
        let message = masked(Opcode::Text, body.to_string().as_bytes());
        self.socket().await.send(message).await;
    }

    /// Takes an answer over WebSocket to its last event.
    pub(crate) async fn hear(&mut self) -> Said {
        let mut events = Vec::new();
        loop {
            let Ok(frame) = self.socket().await.try_frame().await else {
                break;
            };
            if frame.header.opcode == Opcode::Close {
                break;
            }
            if frame.header.opcode != Opcode::Text {
                continue;
            }
            let event: Value = serde_json::from_slice(&frame.payload).unwrap();
            let kind = event["type"].as_str().unwrap_or_default().to_owned();
            events.push(event);
            if ["completed", "failed", "incomplete"]
                .iter()
                .any(|end| kind == format!("response.{end}"))
                || kind == "error"
            {
                break;
            }
        }
        Said {
            status: 200,
            events,
        }
    }
}

pub(crate) fn sse(bytes: &[u8]) -> Vec<Value> {
    let text = String::from_utf8_lossy(bytes);
    let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    data.filter_map(|data| serde_json::from_str(data).ok())
        .collect()
}

/// A request of the user's, as Codex puts it.
pub(crate) fn turn(input: Value) -> Value {
    of_kind("turn", "user", input)
}

pub(crate) fn of_kind(kind: &str, source: &str, input: Value) -> Value {
    let metadata = json!({"session_id": "s-1", "thread_id": "t-1", "turn_id": "u-1",
        "request_kind": kind, "thread_source": source});
    json!({"model": "m-1", "input": input,
        "client_metadata": {"x-codex-turn-metadata": metadata.to_string()}})
}

pub(crate) fn prompt(id: &str, words: &str) -> Value {
    json!({"type": "message", "role": "user", "id": id,
        "content": [{"type": "input_text", "text": words}]})
}

pub(crate) fn output(call_id: &str, value: impl Into<Value>) -> Value {
    json!({"type": "function_call_output", "call_id": call_id, "output": value.into()})
}

/// The settings for one hook of each event, each of which runs a command.
pub(crate) fn hooks(hooks: &[(&str, &str, &str)]) -> String {
    let mut events = serde_json::Map::new();
    for (event, matcher, command) in hooks {
        let hook = json!({"type": "command", "command": command});
        let group = json!({"matcher": matcher, "hooks": [hook]});
        let groups = events.entry(*event).or_insert_with(|| json!([]));
        groups.as_array_mut().unwrap().push(group);
    }
    json!({"hooks": events}).to_string()
}

/// A command that writes what it is told to `events` beside the home folder, as one line.
pub(crate) const RECORD: &str = "told=$(cat); printf '%s\\n' \"$told\" >> \"$HOME/../events\"";

/// The settings that record every one of these events.
pub(crate) fn recording(events: &[&str]) -> String {
    let all: Vec<_> = events.iter().map(|event| (*event, "", RECORD)).collect();
    hooks(&all)
}

/// A Python hook: its metadata and the body of its method.
pub(crate) fn python(metadata: &str, method: &str) -> String {
    let method = method.replace('\n', "\n        ");
    format!(
        "---\n{metadata}\n---\nimport os, time, asyncio\nfrom codex_plus.hooks import Hook\n\n\
         class Test(Hook):\n    async def {method}\n"
    )
}

pub(crate) fn text_of(value: &Value) -> String {
    value.to_string()
}
