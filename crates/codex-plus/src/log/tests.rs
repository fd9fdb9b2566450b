//! What a reader of the log sees.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use codex_plus_proxy::{ExchangeRecord, FilterTime, Outcome, Timings, Transport};
use tracing::Level;
use tracing_subscriber::EnvFilter;

use super::entry::{Entry, Event, Value};
use super::render::render;
use super::*;
use crate::settings::LogFormat;

/// 2026-11-23T18:40:01.123Z
fn moment() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_459_201_123)
}

fn record() -> Box<ExchangeRecord> {
    Box::new(ExchangeRecord {
        id: 7,
        started: moment(),
        client: "127.0.0.1:5000".parse().unwrap(),
        transport: Transport::Http,
        session: Some("0199-ab".to_owned()),
        thread: None,
        trace_parent: None,
        turn: Some("prompt"),
        method: "POST".to_owned(),
        path: "/responses".to_owned(),
        status: Some(200),
        bytes_in: 43_700,
        bytes_out: 12_100,
        outcome: Outcome::Completed,
        reason: None,
        timings: Timings {
            total: Duration::from_millis(3_200),
            decode: Duration::from_micros(50),
            own: Duration::from_micros(130),
            upstream: Duration::from_millis(412),
            stream: Duration::from_micros(2_787_820),
            upstream_first_byte: Some(Duration::from_millis(412)),
            ..Timings::default()
        },
    })
}

fn exchange(record: Box<ExchangeRecord>) -> Entry {
    Entry::Exchange {
        level: Level::INFO,
        record,
        ended: moment(),
    }
}

fn event(message: &str) -> Entry {
    Entry::Event(Box::new(Event {
        time: moment(),
        level: Level::WARN,
        target: "test".to_owned(),
        fields: vec![
            ("message", Value::Text(message.to_owned())),
            ("n", Value::Unsigned(3)),
        ],
    }))
}

fn line(entry: &Entry, format: LogFormat) -> String {
    let mut out = String::new();
    render(entry, format, false, &mut out);
    out
}

#[test]
fn an_exchange_is_one_readable_line() {
    assert_eq!(
        line(&exchange(record()), LogFormat::Text),
        "2026-11-23T18:40:01.123Z INFO exchange id=7 http prompt POST /responses 200 in=43.7kB \
         out=12.1kB first=412ms total=3.2s added=0.18ms session=0199-ab outcome=completed\n"
    );
}

#[test]
fn an_exchange_tells_each_filter() {
    let mut record = record();
    record.timings.read = Duration::from_millis(40);
    record.timings.filters = vec![FilterTime {
        name: "hooks",
        began: Duration::ZERO,
        took: Duration::from_millis(12),
    }];
    let text = line(&exchange(record.clone()), LogFormat::Text);
    assert!(
        text.contains(" total=3.2s added=12ms read=40ms hooks=12ms session="),
        "{text}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&line(&exchange(record), LogFormat::Json)).unwrap();
    assert_eq!(json["filters_ms"], serde_json::json!({"hooks": 12.0}));
    assert_eq!(json["read_ms"], 40.0);
}

#[test]
fn no_format_lets_a_value_steer_a_terminal() {
    let hostile = "/a\u{1b}[2J\u{202e}\u{2028}\u{9b}\n\u{7f}b";
    let mut record = record();
    record.path = hostile.to_owned();
    for format in [LogFormat::Text, LogFormat::Json] {
        let line = line(&exchange(record.clone()), format);
        let steering = |c: char| c.is_control() || matches!(c, '\u{202e}' | '\u{2028}');
        assert!(!line.trim_end().contains(steering), "{format:?}: {line:?}");
    }
    let json = line(&exchange(record), LogFormat::Json);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["path"], hostile);
}

#[test]
fn an_exchange_in_json_has_the_same_facts() {
    let line = line(&exchange(record()), LogFormat::Json);
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(json["time"], "2026-11-23T18:40:01.123Z");
    assert_eq!(json["bytes_in"], 43_700);
    assert_eq!(json["added_ms"], 0.18);
    assert_eq!(json["turn"], "prompt");
    assert_eq!(json["reason"], serde_json::Value::Null);
}

#[test]
fn hostile_values_stay_inside_their_field() {
    let mut hostile = record();
    hostile.path = "/x\n2026 INFO exchange id=8 forged\u{1b}[2J\u{202e}".to_owned();
    hostile.session = Some("a b=\"c\"\\".to_owned());
    let line = line(&exchange(hostile), LogFormat::Text);
    assert_eq!(line.matches('\n').count(), 1);
    assert!(!line.contains('\u{1b}') && !line.contains('\u{202e}'));
    assert!(line.contains(r#"session="a b=\"c\"\\""#), "{line}");
    assert!(line.contains("\"/x\\n2026 INFO"), "{line}");
}

#[test]
fn libraries_do_not_write_details_whatever_the_filter_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.log");
    let (pipe, guard) = log_to(Rotating::open(path.clone(), 1 << 20, 1));
    tracing::subscriber::with_default(install::subscriber(&pipe, EnvFilter::new("trace")), || {
        tracing::trace!(target: "h2::hpack", header = "authorization: Bearer secret");
        tracing::debug!(target: "codex_plus_proxy::upstream", n = 3, "ours");
        tracing::warn!(target: "h2", "theirs");
    });
    drop(guard);
    let text = read(&path);
    assert!(!text.contains("secret"), "{text}");
    assert!(
        text.contains("DEBUG codex_plus_proxy::upstream ours n=3"),
        "{text}"
    );
    assert!(text.contains("WARN h2 theirs"), "{text}");
}

#[test]
fn a_panic_is_in_the_log_before_the_process_can_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.log");
    let (pipe, _guard) = log_to(Rotating::open(path.clone(), 1 << 20, 1));
    let before = std::panic::take_hook();
    install::install_panic_hook(pipe.clone());
    let subscriber = install::subscriber(&pipe, EnvFilter::new("info"));
    let panicked = std::thread::spawn(|| {
        tracing::subscriber::with_default(subscriber, || panic!("a made-up\npanic"));
    });
    assert!(panicked.join().is_err());
    std::panic::set_hook(before);
    let text = read(&path);
    assert!(text.contains("ERROR panic a made-up\\npanic"), "{text}");
    assert!(text.contains("log/tests.rs:"), "{text}");
}

#[test]
fn sizes_and_times_are_short() {
    assert_eq!(human_bytes(812), "812B");
    assert_eq!(human_bytes(1_234_567), "1.2MB");
    assert_eq!(human_time(Duration::from_micros(180)), "0.18ms");
    assert_eq!(human_time(Duration::from_secs(245)), "4m05s");
}

/// A log that goes to a file alone, as text.
fn log_to(file: Rotating) -> (Pipe, Guard) {
    let sinks = Sinks {
        file: Some(file),
        terminal: None,
        format: LogFormat::Text,
    };
    Pipe::start(sinks).unwrap()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn lines_reach_the_file_in_order_through_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.log");
    let (pipe, guard) = log_to(Rotating::open(path.clone(), 2_000, 9));
    for number in 0..100 {
        pipe.send(event(&format!("line-{number:03}")));
    }
    drop(guard);
    let files = (1..=9)
        .rev()
        .map(|number| numbered(&path, number))
        .chain([path.clone()]);
    let files: Vec<_> = files.filter(|file| file.exists()).collect();
    assert!(files.len() > 2);
    let mut all = String::new();
    for file in &files {
        let meta = file.metadata().unwrap();
        assert!(meta.len() <= 2_000);
        assert_eq!(meta.permissions().mode() & 0o777, 0o600);
        all.push_str(&read(file));
    }
    let seen: Vec<_> = all
        .lines()
        .map(|line| line.split(' ').nth(3).unwrap().to_owned())
        .collect();
    let sent: Vec<_> = (0..100).map(|number| format!("line-{number:03}")).collect();
    assert_eq!(seen, sent);
}

#[test]
fn only_so_many_old_files_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.log");
    let mut log = Rotating::open(path.clone(), 10, 2);
    for number in 0..6 {
        log.write(format!("line {number}\n").as_bytes());
    }
    assert_eq!(read(&path), "line 5\n");
    assert_eq!(read(&numbered(&path, 2)), "line 3\n");
    assert!(!numbered(&path, 3).exists());
}

#[test]
fn a_log_that_cannot_be_written_is_no_reason_to_stop_and_is_taken_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gone/proxy.log");
    let mut log = Rotating::open(path.clone(), 1_000, 1);
    log.write(b"lost\n");
    std::fs::create_dir(folder.path().join("gone")).unwrap();
    std::thread::sleep(Duration::from_millis(1_100));
    log.write(b"kept\n");
    let text = read(&path);
    // The gap stands where the lines are missing.
    assert_eq!(text, "(log: 5 bytes could not be written here)\nkept\n");
}

#[test]
fn a_link_in_the_logs_place_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("precious");
    std::fs::write(&target, "precious").unwrap();
    let path = folder.path().join("proxy.log");
    std::os::unix::fs::symlink(&target, &path).unwrap();
    Rotating::open(path, 1_000, 1).write(b"line\n");
    assert_eq!(read(&target), "precious");
}

#[test]
fn a_moved_log_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.log");
    let mut log = Rotating::open(path.clone(), 1_000, 1);
    log.write(b"one\n");
    std::fs::rename(&path, folder.path().join("moved")).unwrap();
    std::thread::sleep(Duration::from_millis(1_100));
    log.write(b"two\n");
    assert_eq!(read(&path), "two\n");
}

#[test]
fn a_full_queue_drops_and_says_how_many() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.log");
    let (pipe, guard) = log_to(Rotating::open(path.clone(), 1 << 30, 1));
    // Far more than the queue holds, faster than the writer rests.
    for _ in 0..100_000 {
        pipe.send(event("flood"));
    }
    pipe.flush();
    pipe.send(event("after"));
    drop(guard);
    let text = read(&path);
    let written = text.lines().filter(|line| line.contains("flood")).count();
    let dropped: usize = text
        .lines()
        .filter_map(|line| line.split_once("lines=")?.1.parse::<usize>().ok())
        .sum();
    assert_eq!(
        written + dropped,
        100_000,
        "{written} written, {dropped} told as dropped"
    );
    assert!(dropped > 0);
}
