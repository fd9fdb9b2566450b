//! The made-up provider, the demo, and what a stop does to a live stream.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use crate::home::{Home, Said, is_alive, signal, wait_for};

/// A running `codex-plus stand-in`.
struct StandIn {
    child: Child,
    url: String,
}

impl StandIn {
    fn start(home: &Home, script: &str) -> Self {
        let file = home.write("script.json", script);
        let mut command = home.codex_plus();
        command
            .args(["stand-in", "--no-websocket", "--script"])
            .arg(file);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut first)
            .unwrap();
        let url = first
            .split(' ')
            .find(|word| word.starts_with("http://"))
            .unwrap();
        let url = url.to_owned();
        Self { child, url }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        signal(self.child.id(), "TERM");
        self.child.wait().unwrap();
    }
}

/// Sends a streamed turn through the proxy and reads until `mark` or the end.
fn post(home: &Home, mark: &str) -> (TcpStream, String) {
    let body = r#"{"model":"m","stream":true,"input":"a secret prompt"}"#;
    let mut stream = TcpStream::connect(&home.listen).unwrap();
    write!(
        stream,
        "POST /v1/responses?api=secret HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer secret\r\n\
         session-id: session-1\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        home.listen,
        body.len()
    )
    .unwrap();
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while !String::from_utf8_lossy(&answer).contains(mark) {
        match stream.read(&mut piece) {
            Ok(read @ 1..) => answer.extend_from_slice(&piece[..read]),
            _ => break,
        }
    }
    (stream, String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn an_exchange_is_one_line_in_the_log_without_secrets() {
    let home = Home::new();
    let script = r#"[{"reply":{"text":{"text":"hello from the script"}}}]"#;
    let stand_in = StandIn::start(&home, script);
    home.ok(&["start", "--upstream", &stand_in.url]);
    let (_stream, answer) = post(&home, "response.completed");
    assert!(answer.contains("hello from the script"), "{answer}");
    wait_for("the exchange's line", || {
        home.log().contains("exchange id=")
    });
    let log = home.log();
    let line = log
        .lines()
        .find(|line| line.contains("exchange id="))
        .unwrap();
    for part in [
        " INFO exchange id=",
        " http ",
        " POST /v1/responses 200 in=53B ",
        "session=session-1",
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    assert!(!log.contains("secret"), "{log}");
}

#[test]
fn a_second_signal_ends_a_drain_at_once() {
    let home = Home::new();
    let script = r#"[{"reply":{"text":{"text":"hang"}},"ending":{"hang":{"after":1}}}]"#;
    let stand_in = StandIn::start(&home, script);
    let mut command = home.codex_plus();
    command
        .args(["start", "--upstream", &stand_in.url])
        .env("CODEX_PLUS_DRAIN", "1h");
    assert_eq!(Said::from(command.output().unwrap()).code, Some(0));
    let (_stream, answer) = post(&home, "response.created");
    assert!(answer.contains("response.created"), "{answer}");
    let pid = home.pid();
    signal(pid, "TERM");
    wait_for("the drain", || {
        home.log().contains("live streams may finish")
    });
    assert!(is_alive(pid));
    signal(pid, "TERM");
    wait_for("its end", || !is_alive(pid));
}

#[test]
fn stop_cuts_a_stream_that_outlives_the_drain() {
    let home = Home::new();
    let script = r#"[{"reply":{"text":{"text":"hang"}},"ending":{"hang":{"after":1}}}]"#;
    let stand_in = StandIn::start(&home, script);
    home.ok(&["start", "--upstream", &stand_in.url]);
    let (_stream, answer) = post(&home, "response.created");
    assert!(answer.contains("response.created"), "{answer}");
    let said = home.ok(&["stop"]);
    assert!(said.out.contains("stopped"), "{said:?}");
    assert!(
        said.err.contains("Live streams may finish, for up to 2.0s"),
        "{said:?}"
    );
    assert!(home.log().contains("stopped cut=1"), "{}", home.log());
}

#[test]
fn a_script_that_cannot_be_read_is_told_with_its_place() {
    let home = Home::new();
    let file = home.write("bad.json", "[\n  {\"reply\": {\"txt\": 1}}]\n");
    let said = home.run(&["stand-in", "--script", file.to_str().unwrap()]);
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains(&format!("{}:2:", file.display())),
        "{said:?}"
    );
    assert!(said.err.contains("[0].reply"), "{said:?}");
}

#[test]
fn the_demo_streams_a_turn_and_tells_where_the_time_went() {
    let home = Home::new();
    let mut command = home.codex_plus();
    // A company proxy in the environment is not for traffic on this machine.
    command
        .arg("demo")
        .env("HTTP_PROXY", "http://127.0.0.1:9")
        .env("http_proxy", "http://127.0.0.1:9");
    let said = Said::from(command.output().unwrap());
    assert_eq!(said.code, Some(0), "{said:?}");
    for part in [
        "made-up provider on this machine",
        "where the time went",
        "added by codex-plus",
        "provider, streaming",
    ] {
        assert!(said.out.contains(part), "{part} is not in {}", said.out);
    }
    assert!(!said.out.contains('\u{1b}'), "colours without a terminal");
    assert_eq!(home.status()["running"], false);
}
