//! A stand-in provider, the line in front of it, and a client for each transport.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use codex_plus_proxy::{Config, ExchangeRecord, Facts, Filter, Observer, Proxy};
use codex_plus_stand_in::StandIn;
use futures_util::{SinkExt, StreamExt};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Message;

/// Keeps every record it is told of.
#[derive(Default)]
pub(crate) struct Records(Mutex<Vec<ExchangeRecord>>);

impl Records {
    pub(crate) fn all(&self) -> Vec<ExchangeRecord> {
        self.0.lock().unwrap().clone()
    }

    /// All records once `enough` holds: one may follow the last byte that a client sees.
    pub(crate) async fn once(
        &self,
        enough: impl Fn(&[ExchangeRecord]) -> bool,
    ) -> Vec<ExchangeRecord> {
        for _ in 0..1_000 {
            let all = self.all();
            if enough(&all) {
                return all;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        self.all()
    }
}

impl Observer for Records {
    fn exchange_ended(&self, record: Box<ExchangeRecord>) {
        self.0.lock().unwrap().push(*record);
    }
}

/// The whole way: client, line, provider.
pub(crate) struct Way {
    pub(crate) stand_in: StandIn,
    pub(crate) proxy: SocketAddr,
    pub(crate) records: Arc<Records>,
    _stop: oneshot::Sender<()>,
}

impl Way {
    pub(crate) async fn with(
        filters: Vec<Arc<dyn Filter>>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let stand_in = StandIn::start(codex_plus_stand_in::Config::default())
            .await
            .unwrap();
        let mut config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            upstream: stand_in.base_url(),
            ..Config::default()
        };
        change(&mut config);
        let records = Arc::new(Records::default());
        let observer: Arc<dyn Observer> = Arc::clone(&records) as _;
        let proxy = Proxy::bind(&config, observer, filters, Facts::new()).unwrap();
        let address = proxy.local_addr();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(proxy.run(async {
            let _ = stopped.await;
        }));
        Self {
            stand_in,
            proxy: address,
            records,
            _stop: stop,
        }
    }

    pub(crate) async fn post(
        &self,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<Bytes> {
        let mut request = Request::post("/v1/responses").header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request, body).await
    }

    pub(crate) async fn send(
        &self,
        request: http::request::Builder,
        body: impl Into<Bytes>,
    ) -> Response<Bytes> {
        let stream = TcpStream::connect(self.proxy).await.unwrap();
        let (mut client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let request = request.header("host", self.proxy.to_string());
        let request = request.body(Full::new(body.into())).unwrap();
        let (head, body) = client.send_request(request).await.unwrap().into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }
}

/// What a client sees of a turn, whichever way it came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) deltas: String,
    pub(crate) final_text: String,
    pub(crate) failure: Option<String>,
}

/// The three transports.
#[derive(Debug, Clone, Copy)]
pub(crate) enum By {
    Stream,
    Document,
    WebSocket,
}

pub(crate) const TRANSPORTS: [By; 3] = [By::Stream, By::Document, By::WebSocket];

pub(crate) fn body(by: By, prompt: &str) -> Value {
    let mut body = json!({
        "model": "gpt-5.5",
        "zebra": {"kept": [1, 2.50, null]},
        "input": [{"type": "message", "role": "user", "id": "msg_1",
                   "content": [{"type": "input_text", "text": prompt}]}],
    });
    match by {
        By::Stream => body["stream"] = json!(true),
        By::Document => body["stream"] = json!(false),
        By::WebSocket => body["type"] = json!("response.create"),
    }
    body
}

/// Sends a prompt and reads the turn to its end.
pub(crate) async fn ask(way: &Way, by: By, prompt: &str) -> Seen {
    let body = body(by, prompt).to_string();
    match by {
        By::Stream => {
            let answer = way.post(&[], body).await;
            let text = String::from_utf8(answer.into_body().to_vec()).unwrap();
            let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
            gather(data.map(|data| serde_json::from_str(data).unwrap()))
        }
        By::Document => {
            let answer = way.post(&[], body).await;
            let document: Value = serde_json::from_slice(answer.body()).unwrap();
            if document.get("error").is_some_and(|error| !error.is_null()) {
                let failure = document["error"]["message"].as_str().map(str::to_owned);
                return Seen {
                    deltas: String::new(),
                    final_text: String::new(),
                    failure,
                };
            }
            gather([json!({"type": "response.completed", "response": document})])
        }
        By::WebSocket => gather(converse(way, &[body]).await),
    }
}

/// Sends messages on one WebSocket connection, each after the answer to the one before.
pub(crate) async fn converse(way: &Way, messages: &[String]) -> Vec<Value> {
    let url = format!("ws://{}/v1/responses", way.proxy);
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let mut events = Vec::new();
    for message in messages {
        socket.send(Message::text(message.clone())).await.unwrap();
        loop {
            let Message::Text(text) = socket.next().await.unwrap().unwrap() else {
                continue;
            };
            let event: Value = serde_json::from_str(&text).unwrap();
            let kind = event["type"].as_str().unwrap().to_owned();
            events.push(event);
            if ["response.completed", "response.failed", "error"].contains(&kind.as_str()) {
                break;
            }
        }
    }
    events
}

fn gather(events: impl IntoIterator<Item = Value>) -> Seen {
    let mut seen = Seen {
        deltas: String::new(),
        final_text: String::new(),
        failure: None,
    };
    for event in events {
        match event["type"].as_str().unwrap() {
            "response.output_text.delta" => seen.deltas += event["delta"].as_str().unwrap(),
            "response.completed" => {
                let content = &event["response"]["output"][0]["content"][0]["text"];
                content
                    .as_str()
                    .unwrap_or_default()
                    .clone_into(&mut seen.final_text);
            }
            "response.failed" => {
                let message = &event["response"]["error"]["message"];
                seen.failure = message.as_str().map(str::to_owned);
            }
            _ => {}
        }
    }
    seen
}
