//! Jumps of the wall clock, by years and both ways, under a running proxy: limits are kept by the
//! other clock, and only what tells the time is moved.

use codex_plus_stand_in::{Config, StandIn};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::peer::{Peer, ask, get, post};
use crate::support::proxy::Proxy;
use crate::support::tools::faketime;
use crate::support::upstream::upstream;
use crate::support::{until, within};

/// A proxy whose wall clock is moved by what the file `clock` says, seconds first.
fn proxy(upstream: impl std::fmt::Display, settings: &str, hooks: &str) -> Proxy {
    Proxy::started(upstream, settings, |home, command| {
        home.write("home/.codexplus/settings.json", hooks);
        command
            .env("LD_PRELOAD", faketime())
            .env("FAKETIME_TIMESTAMP_FILE", home.write("clock", "+0\n"))
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    })
}

fn jump(proxy: &Proxy, to: &str) {
    proxy.home().write("clock", &format!("{to}\n"));
}

fn year(told: &Value) -> u32 {
    told["time"].as_str().unwrap()[..4].parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_cuts_nothing_and_keeps_nothing_waiting() {
    let (gate, opened) = watch::channel(0);
    let address = upstream(move |mut peer| {
        let mut opened = opened.clone();
        async move {
            let (head, _) = peer.request().await;
            if head.line.starts_with("GET") {
                let _ = peer
                    .try_send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                    .await;
                return;
            }
            peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                .await;
            for number in 0..5 {
                within(opened.wait_for(|open| *open >= number))
                    .await
                    .unwrap();
                peer.send_chunk(format!("data: {number}\n\n")).await;
            }
            peer.send("0\r\n\r\n").await;
            let _ = peer.rest().await;
        }
    })
    .await;
    let proxy = proxy(format!("http://{address}"), "", "{}");
    let mut live = Peer::connect(proxy.address).await;
    live.send(post("/v1/responses", "", b"{}")).await;
    assert_eq!(live.head().await.status(), 200);
    assert_eq!(live.chunk().await, b"data: 0\n\n");
    let mut years = Vec::new();
    for (number, to) in [(1, "+10y"), (2, "-10y"), (3, "+0"), (4, "+1y")] {
        jump(&proxy, to);
        let (head, body) = get(proxy.address, "/v1/models").await;
        assert_eq!((head.status(), body.as_slice()), (200, &b"ok"[..]), "{to}");
        years.push(year(proxy.logged(number).await.last().unwrap()));
        gate.send_replace(number);
        assert_eq!(
            live.chunk().await,
            format!("data: {number}\n\n").into_bytes()
        );
    }
    assert!(live.try_chunk().await.unwrap().is_none());
    // The log tells the time there is, and how long things took by the other clock.
    assert_eq!(years[0], years[2] + 10, "{years:?}");
    assert_eq!(years[1], years[2] - 10, "{years:?}");
    let told = proxy.logged(5).await.remove(4);
    let total = told["total_ms"].as_f64().unwrap();
    assert!((0.0..600_000.0).contains(&total), "{told}");
    proxy.idle().await;
}

/// A limit ends what it is there to end, though the clock goes back while it runs.
#[tokio::test(flavor = "multi_thread")]
async fn limits_are_kept_while_the_clock_jumps() {
    let address = upstream(|mut peer| async move {
        peer.request().await;
        let _ = peer.rest().await;
    })
    .await;
    for to in ["-10y", "+10y"] {
        let settings = "[timeouts]\nstream_idle = '1s'\n";
        let proxy = proxy(format!("http://{address}"), settings, "{}");
        let mut client = Peer::connect(proxy.address).await;
        client.send(post("/v1/responses", "", b"{}")).await;
        jump(&proxy, to);
        let head = client.head().await;
        assert_eq!(head.status(), 504);
        let told = proxy.logged(1).await.remove(0);
        let total = told["total_ms"].as_f64().unwrap();
        assert!((999.0..600_000.0).contains(&total), "{to} {told}");
    }
}

/// Hook files are known by their bytes: dates in the future or before 1970 hide no change, and a
/// clock that went back does not either.
#[tokio::test(flavor = "multi_thread")]
async fn hooks_that_change_are_read_whatever_their_date() {
    let hooks = |word: &str| {
        json!({"hooks": {"UserPromptSubmit": [{"hooks": [
            {"type": "command", "command": format!("echo said-{word}")}]}]}})
        .to_string()
    };
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = proxy(stand_in.base_url(), "", &hooks("zero"));
    let future = std::time::UNIX_EPOCH + std::time::Duration::from_hours(2_500_000);
    let past = std::time::UNIX_EPOCH - std::time::Duration::from_hours(24);
    let now = std::time::SystemTime::now();
    let mut number = 0;
    for (word, clock, date) in [
        ("one", "+10y", now),
        ("two", "-10y", future),
        ("three", "+0", past),
        ("four", "+0", past),
    ] {
        jump(&proxy, clock);
        let path = proxy
            .home()
            .write("home/.codexplus/settings.json", &hooks(word));
        let file = std::fs::File::options().append(true).open(path).unwrap();
        file.set_modified(date).unwrap();
        let wanted = format!("said-{word}");
        // Watching takes a moment to tell.
        loop {
            number += 1;
            assert!(number < 600, "{word}: {}", proxy.log());
            let body = json!({"model": "m", "input": [{"type": "message", "role": "user",
                "id": format!("p{number}"), "content": [{"type": "input_text", "text": "x"}]}]});
            let request = post("/v1/responses", "", body.to_string().as_bytes());
            assert_eq!(ask(proxy.address, request).await.0.status(), 200);
            let sent = stand_in.received().pop().unwrap().json.unwrap();
            if sent.to_string().contains(&wanted) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
    until("the log", || !proxy.log().is_empty()).await;
}
