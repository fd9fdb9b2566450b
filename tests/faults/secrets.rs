//! What the log must never hold, whatever happened and however much it tells.

use codex_plus_stand_in::{Answer, Config, Ending, Reply, StandIn, WebSocketMode};
use codex_plus_wire::frame::Opcode;

use crate::support::gzip;
use crate::support::peer::{Peer, ask, post};
use crate::support::proxy::Proxy;
use crate::support::socket::{masked, offer};
use crate::support::upstream::nobody;

const HEADER: &str = "canary-in-authorization";
const COOKIE: &str = "canary-in-cookie";
const QUERY: &str = "canary-in-query";
const PROMPT: &str = "canary-in-prompt";
const ANSWER: &str = "canary-in-answer";
const CANARIES: [&str; 5] = [HEADER, COOKIE, QUERY, PROMPT, ANSWER];

fn secrets() -> String {
    format!(
        "authorization: Bearer {HEADER}\r\ncookie: session={COOKIE}\r\nchatgpt-account-id: {HEADER}\r\n\
         x-api-key: {HEADER}\r\nproxy-authorization: Basic {HEADER}\r\n"
    )
}

fn prompt() -> String {
    format!(
        "{{\"type\":\"response.create\",\"stream\":true,\"input\":[{{\"type\":\"message\",\"role\":\"user\",\"id\":\"1\",\
         \"content\":[{{\"type\":\"input_text\",\"text\":\"{PROMPT}\"}}]}}]}}"
    )
}

/// One proxy's share of trouble: everything that is logged in one way or another.
async fn run(proxy: &Proxy, stand_in: Option<&StandIn>) {
    let path = format!("/v1/responses?key={QUERY}");
    let fields = secrets();
    for ending in [
        Ending::Complete,
        Ending::Eof { after: 1 },
        Ending::Reset { after: 0 },
    ] {
        if let Some(stand_in) = stand_in {
            let reply = Reply::Text {
                text: ANSWER.to_owned(),
                deltas: 2,
            };
            stand_in.push(Answer {
                reply,
                ending,
                headers: vec![("set-cookie".into(), COOKIE.into())],
                ..Answer::default()
            });
        }
        let mut client = Peer::connect(proxy.address).await;
        client.send(post(&path, &fields, prompt().as_bytes())).await;
        let head = client.head().await;
        let _ = client.try_body(&head).await;
    }
    let zipped = format!("{fields}content-encoding: gzip\r\n");
    ask(
        proxy.address,
        post(&path, &zipped, &gzip(prompt().as_bytes())),
    )
    .await;
    // Refused by the guard, by a limit, and by HTTP itself.
    for fields in [
        format!("{fields}origin: https://evil.example\r\n"),
        format!("{fields}x-codex-plus-token: {HEADER}\r\nsec-fetch-site: cross-site\r\n"),
        format!("{fields}x-bad: {HEADER}\u{1}\r\n"),
    ] {
        ask(proxy.address, post(&path, &fields, prompt().as_bytes())).await;
    }
    let long = prompt().repeat(1_000);
    let mut client = Peer::connect(proxy.address).await;
    let _ = client.try_send(post(&path, &fields, long.as_bytes())).await;
    assert_eq!(client.head().await.status(), 413);
    let malformed = format!("{PROMPT} {{ not json");
    ask(proxy.address, post(&path, &fields, malformed.as_bytes())).await;
    // A body that breaks off, and a WebSocket connection that does.
    let mut client = Peer::connect(proxy.address).await;
    let half = post(&path, &fields, prompt().as_bytes());
    client.send(&half[..half.len() - 20]).await;
    drop(client);
    let mut client = Peer::connect(proxy.address).await;
    let handshake = offer(&fields).replace("/v1/responses", &path);
    client.send(handshake).await;
    if client.head().await.status() == 101 {
        client.send(masked(Opcode::Text, prompt().as_bytes())).await;
        client.try_frame().await.unwrap();
        client
            .send(masked(Opcode::Text, malformed.as_bytes()))
            .await;
        client.send([0x8f, 0xff]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_prompt_is_ever_logged() {
    let refusing = Config {
        websocket: WebSocketMode::Refuse(404),
        ..Config::default()
    };
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let refusing = StandIn::start(refusing).await.unwrap();
    for level in ["info", "debug", "trace"] {
        for format in ["text", "json"] {
            for upstream in [Some(&stand_in), Some(&refusing), None] {
                let url =
                    upstream.map_or_else(|| format!("http://{}", nobody()), StandIn::base_url);
                let settings = format!("[log]\nlevel = '{level}'\n[limits]\nbody = '64KiB'\n");
                let proxy = Proxy::started(url, &settings, |_, command| {
                    command.env("CODEX_PLUS_LOG_FORMAT", format);
                });
                run(&proxy, upstream).await;
                // Three answers, one zipped, three refused (one by HTTP: no exchange), one too
                // long, one malformed, one broken off, one connection.
                let told = || proxy.log().matches("/v1/responses").count();
                crate::support::until("the log", || told() >= 10).await;
                let log = proxy.log();
                for canary in CANARIES {
                    assert!(!log.contains(canary), "{canary} at {level} in {log}");
                }
            }
        }
    }
}
