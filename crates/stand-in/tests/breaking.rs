//! Answers that break off, clients that leave, and the stop.

mod support;

use std::io::ErrorKind;

use codex_plus_stand_in::{Answer, Config, Ending, Outcome, StandIn};
use serde_json::json;
use support::{ask, parse, send, stand_in, turn, types, until};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const POST: &str = "POST /v1/responses HTTP/1.1";

#[tokio::test]
async fn a_cut_is_a_connection_reset_after_the_events_before_it() {
    let stand_in = stand_in().await;
    stand_in.push(Answer::text("hello").cut_after(3));
    let mut stream = send(stand_in.addr(), POST, b"{}").await;
    let mut all = Vec::new();
    let error = stream.read_to_end(&mut all).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let reply = parse(&all);
    assert_eq!(reply.events().len(), 3);
    until(|| stand_in.received()[0].outcome == Outcome::Cut).await;
}

#[tokio::test]
async fn an_eof_ends_without_the_last_chunk_and_a_stop_with_it() {
    let stand_in = stand_in().await;
    stand_in.push(Answer::text("hello").ending(Ending::Eof { after: 2 }));
    stand_in.push(Answer::text("hello").stop_after(4));
    let eof = turn(stand_in.addr(), &json!({})).await;
    assert_eq!((eof.chunks.len(), eof.complete()), (2, false));
    let stop = turn(stand_in.addr(), &json!({})).await;
    assert_eq!((stop.chunks.len(), stop.complete()), (4, true));
    assert!(!types(&stop.events()).contains(&"response.completed"));
}

#[tokio::test]
async fn a_close_over_http_ends_the_connection_without_an_event() {
    let stand_in = stand_in().await;
    stand_in.push(Answer::close(1011, "gone"));
    let mut stream = send(stand_in.addr(), POST, b"{}").await;
    let mut all = Vec::new();
    let error = stream.read_to_end(&mut all).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(!String::from_utf8_lossy(&all).contains("event:"));
}

#[tokio::test]
async fn garbage_is_neither_text_nor_events() {
    let stand_in = stand_in().await;
    stand_in.push(Answer::garbage(5000));
    let body = ask(stand_in.addr(), POST, b"{}").await.body();
    assert_eq!(body.len(), 5000);
    assert!(std::str::from_utf8(&body).is_err());
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_while_the_stream_is_silent() {
    let stand_in = stand_in().await;
    stand_in.push(Answer::text("hello").hang_after(1));
    let mut stream = send(stand_in.addr(), POST, b"{}").await;
    stream.read_u8().await.unwrap();
    assert_eq!(
        (stand_in.live_streams(), stand_in.open_connections()),
        (1, 1)
    );
    drop(stream);
    until(|| stand_in.cancelled() == 1).await;
    until(|| stand_in.live_streams() == 0 && stand_in.open_connections() == 0).await;
    assert_eq!(stand_in.received()[0].outcome, Outcome::Cancelled);
    assert_eq!(stand_in.answered(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_before_the_head_is_noticed_too() {
    let stand_in = stand_in().await;
    stand_in.push(Answer::text("late").head_delay(std::time::Duration::from_hours(1)));
    let stream = send(stand_in.addr(), POST, b"{}").await;
    assert!(stand_in.wait_for(1).await);
    drop(stream);
    until(|| stand_in.cancelled() == 1 && stand_in.open_connections() == 0).await;
}

#[tokio::test]
async fn stop_ends_streams_and_closes_the_port() {
    let stand_in = stand_in().await;
    stand_in.push(Answer::text("hello").hang_after(0));
    let addr = stand_in.addr();
    let mut stream = send(addr, POST, b"{}").await;
    assert!(stand_in.wait_for(1).await);
    stand_in.stop().await;
    let mut rest = Vec::new();
    // An end or a reset, as long as the connection does not linger.
    let _ = stream.read_to_end(&mut rest).await;
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn only_the_newest_requests_are_kept_and_long_bodies_only_hashed() {
    let config = Config {
        keep: 2,
        keep_body: 10,
        ..Config::default()
    };
    let stand_in = StandIn::start(config).await.unwrap();
    for body in ["{}", "{\"a\":1}", "{\"long\":\"body\"}"] {
        ask(stand_in.addr(), "POST /x HTTP/1.1", body.as_bytes()).await;
    }
    let got = stand_in.received();
    assert_eq!(
        (stand_in.received_count(), got.len(), got[0].index),
        (3, 2, 1)
    );
    assert_eq!(got[0].json, Some(json!({"a": 1})));
    assert_eq!((got[1].raw_body.len(), got[1].body_len), (0, 15));
    let echo = ask(
        stand_in.addr(),
        "POST /echo?q=1 HTTP/1.1",
        b"{\"long\":\"body\"}",
    )
    .await
    .json();
    assert_eq!(echo["body_sha256"], got[1].body_sha256);
    assert_eq!(echo["query"], "q=1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_streams_at_once_complete_and_leave_nothing_behind() {
    let default_answer = Answer::filler(10, 100).event_delay(std::time::Duration::from_millis(2));
    let config = Config {
        default_answer,
        keep: 0,
        ..Config::default()
    };
    let stand_in = StandIn::start(config).await.unwrap();
    let addr = stand_in.addr();
    let mut clients: JoinSet<usize> = (0..1000)
        .map(|_| async move { turn(addr, &json!({"input": "x"})).await.events().len() })
        .collect();
    while let Some(events) = clients.join_next().await {
        assert_eq!(events.unwrap(), 3 + 10 + 4);
    }
    until(|| stand_in.live_streams() == 0 && stand_in.open_connections() == 0).await;
    assert_eq!((stand_in.answered(), stand_in.cancelled()), (1000, 0));
    assert!(stand_in.received().is_empty());
}
