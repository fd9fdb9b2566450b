//! Secrets hunted after a long mixed run: in every file, log, page and metric.

use std::path::Path;

use codex_plus_stand_in::{Answer, Config, StandIn};

use crate::support::gzip;
use crate::support::home::Home;
use crate::support::peer::{Peer, ask, get, post};
use crate::support::proxy::Proxy;

const REQUESTS: usize = 10_000;
const HEADER: &str = "canary-7f3a-header";
const COOKIE: &str = "canary-7f3a-cookie";
const KEY: &str = "canary-7f3a-api-key";
const PROMPT: &str = "canary-7f3a-prompt";
const TOOL: &str = "canary-7f3a-tool";
const ANSWER: &str = "canary-7f3a-answer";
const QUERY: &str = "canary-7f3a-query";
/// All of them begin so.
const CANARY: &str = "canary-7f3a";

fn body(id: usize) -> String {
    format!(
        "{{\"model\":\"m\",\"stream\":true,\"input\":[{{\"type\":\"message\",\"role\":\"user\",\"id\":\"{id}\",\
         \"content\":[{{\"type\":\"input_text\",\"text\":\"{PROMPT}\"}}]}},{{\"type\":\"function_call_output\",\
         \"call_id\":\"c{id}\",\"output\":\"{TOOL}\"}}]}}"
    )
}

fn request(number: usize) -> Vec<u8> {
    let fields = format!(
        "authorization: Bearer {HEADER}\r\ncookie: s={COOKIE}\r\nx-api-key: {KEY}\r\nchatgpt-account-id: {KEY}\r\n"
    );
    let path = format!("/v1/responses?key={QUERY}");
    let body = body(number);
    match number % 10 {
        0 => post(
            &path,
            &format!("{fields}content-encoding: gzip\r\n"),
            &gzip(body.as_bytes()),
        ),
        1 => post(&path, &fields, format!("{PROMPT} {{").as_bytes()),
        2 => post(
            &path,
            &format!("{fields}origin: https://page.example\r\n"),
            body.as_bytes(),
        ),
        3 => post(
            &format!("/v1/nowhere?key={QUERY}"),
            &fields,
            body.as_bytes(),
        ),
        4 => post(
            &path,
            &format!("{fields}content-encoding: zstd\r\n"),
            body.as_bytes(),
        ),
        _ => post(&path, &fields, body.as_bytes()),
    }
}

/// Files below a folder that hold a canary.
fn holding(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            holding(&entry.path(), found);
        } else if kind.is_file() {
            let text = String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned();
            if text.contains(CANARY) {
                found.push(entry.path().display().to_string());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_requests_leave_no_secret_behind() {
    let config = Config {
        default_answer: Answer::text(ANSWER),
        keep: 0,
        ..Config::default()
    };
    let stand_in = StandIn::start(config).await.unwrap();
    let mut folder = None;
    let proxy = Proxy::started(
        stand_in.base_url(),
        "[log]\nlevel = 'debug'\n",
        |home: &Home, _| {
            folder = Some(home.path(""));
        },
    );
    let mut lanes = Vec::new();
    for lane in 0..8 {
        let address = proxy.address;
        lanes.push(tokio::spawn(async move {
            let mut client = Peer::connect(address).await;
            let mut told = Vec::new();
            for number in (lane..REQUESTS).step_by(8) {
                // A connection does not outlive what is refused on it.
                let (head, body) = if number % 10 == 2 {
                    ask(address, request(number)).await
                } else {
                    client.ask(request(number)).await
                };
                // An answer of the proxy's own, or a provider's refusal.
                if head.status() >= 400 {
                    told.extend(body);
                }
            }
            told
        }));
    }
    for lane in lanes {
        let told = lane.await.unwrap();
        let told = String::from_utf8_lossy(&told).into_owned();
        let at = told
            .find(CANARY)
            .map(|at| &told[at.saturating_sub(200)..at + 30]);
        assert_eq!(at, None, "in an error");
    }
    proxy.logged(REQUESTS / 2).await;
    for path in [
        "/health",
        "/codex-plus/status",
        "/codex-plus/metrics",
        "/codex-plus/hooks",
    ] {
        let (head, page) = get(proxy.address, path).await;
        assert_eq!(head.status(), 200, "{path}");
        assert!(!String::from_utf8_lossy(&page).contains(CANARY), "{path}");
    }
    let mut found = Vec::new();
    holding(&folder.unwrap(), &mut found);
    assert!(found.is_empty(), "{found:?}");
}
