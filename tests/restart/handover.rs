//! What a restart leaves untouched.

use std::net::SocketAddr;
use std::time::Duration;

use crate::support::home::{Home, free, install, is_alive};
use crate::support::peer::{Peer, get};
use crate::support::{until, within};
use crate::ticking::{Asking, Stream, started, ticking};

const SSE: usize = 100;
const WEBSOCKET: usize = 20;

async fn streams(address: SocketAddr) -> Vec<Stream> {
    let mut streams = Vec::new();
    for _ in 0..SSE {
        streams.push(Stream::sse(address).await);
    }
    for _ in 0..WEBSOCKET {
        streams.push(Stream::websocket(address).await);
    }
    until("all to tick", || streams.iter().all(|s| s.ticks() > 0)).await;
    streams
}

async fn restart(home: &Home, args: &[&str]) -> String {
    let mut command = home.codex_plus();
    command.arg("restart").args(args);
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = within(output).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

async fn pid_that_answers(address: SocketAddr) -> u64 {
    let (_, body) = get(address, "/codex-plus/status").await;
    let status: serde_json::Value = serde_json::from_slice(&body).unwrap();
    status["pid"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_cut_and_nobody_is_refused() {
    let (upstream, end) = ticking().await;
    let (home, address) = started(upstream);
    let old = home.pid();
    let streams = streams(address).await;
    let new_each = Asking::begin(address, false);
    let kept = Asking::begin(address, true);
    tokio::time::sleep(Duration::from_millis(200)).await;

    home.write(
        "home/.config/codex-plus/config.toml",
        "[log]\nlevel = 'debug'\n",
    );
    let said = restart(&home, &[]).await;
    assert!(said.contains(&format!("pid {old}")), "{said}");
    let new = home.pid();
    assert_ne!(new, old);
    assert!(is_alive(old), "it has streams to finish");
    assert_eq!(pid_that_answers(address).await, u64::from(new));
    assert_eq!(home.status()["pid"], new);
    tokio::time::sleep(Duration::from_millis(200)).await;
    // And once more, with the first ones still live: three processes in a row.
    restart(&home, &[]).await;
    let newest = home.pid();
    assert!(is_alive(old));
    assert_eq!(pid_that_answers(address).await, u64::from(newest));

    let before: Vec<usize> = streams.iter().map(Stream::ticks).collect();
    until("all to tick on", || {
        streams.iter().zip(&before).all(|(s, b)| s.ticks() > b + 5)
    })
    .await;
    new_each.end_after(30).await;
    kept.end_after(30).await;
    end.send_replace(true);
    for stream in streams {
        assert!(stream.end().await > 5);
    }
    until("the old ones' ends", || !is_alive(old) && !is_alive(new)).await;
    assert_eq!(home.pid(), newest);
    assert_eq!(pid_that_answers(address).await, u64::from(newest));
    assert!(!home.log().contains("outcome=upstream_cut"));
}

/// The program on disk was replaced while the old one ran.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_program_takes_over() {
    let (upstream, end) = ticking().await;
    let home = Home::new();
    let place = home.path("codex-plus");
    let built = env!("CARGO_BIN_EXE_codex-plus");
    install(built.as_ref(), &place);
    let flag = format!("http://{upstream}/v1");
    let mut start = home.program(&place);
    start.args(["start", "--upstream", &flag]);
    assert!(start.output().unwrap().status.success());
    let address = home.listen.parse().unwrap();
    let old = home.pid();
    let stream = Stream::sse(address).await;
    install(built.as_ref(), &place);
    let mut again = home.program(&place);
    assert!(again.arg("restart").output().unwrap().status.success());
    assert_ne!(home.pid(), old);
    assert_eq!(home.status()["upstream"], flag);
    stream.ticks_on().await;
    end.send_replace(true);
    assert!(stream.end().await > 0);
    until("the old one's end", || !is_alive(old)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_flags_and_another_address_cut_nothing_either() {
    let (upstream, end) = ticking().await;
    let (home, address) = started(upstream);
    let old = home.pid();
    let streams = [Stream::sse(address).await, Stream::websocket(address).await];
    let other = free().to_string();
    restart(&home, &["--listen", &other, "--passthrough"]).await;
    assert_eq!(home.status()["listen"], other.as_str());
    assert_eq!(home.status()["proxy"]["passthrough"], true);
    let there = other.parse().unwrap();
    assert_eq!(pid_that_answers(there).await, u64::from(home.pid()));
    assert!(is_alive(old));
    end.send_replace(true);
    for stream in streams {
        stream.end().await;
    }
    until("the old one's end", || !is_alive(old)).await;
    // The old address is nobody's now.
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

/// A connection that was accepted, but has not said anything yet, is answered by the old process.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_on_an_old_connection_is_answered_after_the_handover() {
    let (upstream, _end) = ticking().await;
    let (home, address) = started(upstream);
    let old = home.pid();
    let mut silent = Peer::connect(address).await;
    let mut half = Peer::connect(address).await;
    half.send("GET /v1/models HTTP/1.1\r\nhost: local").await;
    let mut kept = Peer::connect(address).await;
    let request = "GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n";
    kept.ask(request).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    restart(&home, &[]).await;
    for (client, request) in [
        (&mut silent, request),
        (&mut half, "host\r\n\r\n"),
        (&mut kept, request),
    ] {
        let (head, body) = client.ask(request).await;
        assert_eq!((head.status(), body), (200, b"ok".to_vec()));
        assert_eq!(head.get("connection"), Some("close"));
    }
    until("the old one's end", || !is_alive(old)).await;
}

/// Each is done when the new process has the place to itself: it answers whoever comes next, be it
/// a client or another restart.
#[tokio::test(flavor = "multi_thread")]
async fn restarts_may_follow_one_another_at_once() {
    let (upstream, _end) = ticking().await;
    let (home, address) = started(upstream);
    for round in 0..30 {
        restart(&home, &[]).await;
        let answers = pid_that_answers(address).await;
        assert_eq!(answers, u64::from(home.pid()), "{round} {}", home.log());
    }
}

/// The address of a socket has room for about a hundred bytes; folders are not held to that.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_folder_may_have_a_long_path() {
    let (upstream, end) = ticking().await;
    let home = Home::new();
    let state = home.path(&format!("other/{}/{}", "long".repeat(30), "way".repeat(40)));
    let state = state.to_str().unwrap();
    let url = format!("http://{upstream}/v1");
    home.ok(&["start", "--upstream", &url, "--state-dir", state]);
    let address = home.listen.parse().unwrap();
    let stream = Stream::sse(address).await;
    home.ok(&["restart", "--state-dir", state]);
    stream.ticks_on().await;
    end.send_replace(true);
    assert!(stream.end().await > 0, "the restart cut a stream");
    home.ok(&["stop", "--state-dir", state]);
}
