//! The log splits an exchange's time into parts that make up the whole.

use std::time::Duration;

use codex_plus_stand_in::{Answer, Config, StandIn};
use serde_json::Value;

use crate::support::peer::Peer;
use crate::support::proxy::Proxy;

const PAUSE: Duration = Duration::from_millis(60);
const HEAD: Duration = Duration::from_millis(40);
const EVENT: Duration = Duration::from_millis(10);

/// A part of the record, in milliseconds.
fn ms(record: &Value, part: &str) -> f64 {
    record[part]
        .as_f64()
        .unwrap_or_else(|| panic!("{part} in {record}"))
}

fn assert_parts_make_the_whole(record: &Value) {
    let mut parts = ["read_ms", "decode_ms", "own_ms", "upstream_ms", "stream_ms"]
        .iter()
        .map(|part| ms(record, part))
        .sum::<f64>();
    for took in record["filters_ms"].as_object().unwrap().values() {
        parts += took.as_f64().unwrap();
    }
    let total = ms(record, "total_ms");
    assert!((parts / total - 1.0).abs() <= 0.05, "{parts} of {record}");
}

/// A client that is slow to send is not the provider's fault.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_a_slow_head_and_a_slow_stream_are_told_apart() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    stand_in.push(
        Answer::text("a b c d")
            .deltas(4)
            .head_delay(HEAD)
            .event_delay(EVENT),
    );
    // Nobody reads the body, so nothing is decoded.
    let proxy = Proxy::configured(
        stand_in.base_url(),
        "commands.enabled = false\nhooks.enabled = false",
    );
    let mut client = Peer::connect(proxy.address).await;
    client
        .send("POST /v1/responses HTTP/1.1\r\nhost: localhost\r\ncontent-length: 15\r\n\r\n{\"stream\"")
        .await;
    tokio::time::sleep(PAUSE).await;
    client.send(":true}").await;
    assert_eq!(client.head().await.status(), 200);
    while client.try_chunk().await.unwrap().is_some() {}
    let told = proxy.logged(1).await;
    let record = &told[0];
    assert_parts_make_the_whole(record);
    // The client's pause may begin a moment before the proxy has seen its head.
    assert!(
        ms(record, "read_ms") >= 0.8 * PAUSE.as_secs_f64() * 1e3,
        "{record}"
    );
    assert!(
        ms(record, "upstream_ms") >= HEAD.as_secs_f64() * 1e3,
        "{record}"
    );
    assert!(
        ms(record, "stream_ms") >= 4e3 * EVENT.as_secs_f64(),
        "{record}"
    );
    assert_eq!(record["decode_ms"], 0.0);
    assert_eq!(record["upstream_ms"], record["upstream_first_byte_ms"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_our_own_and_quick_ones_are_split_too() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    crate::support::peer::get(proxy.address, "/v1/models").await;
    let (head, _) = crate::support::peer::get(proxy.address, "/a/../b").await;
    assert_eq!(head.status(), 400);
    for record in proxy.logged(2).await {
        assert_parts_make_the_whole(&record);
    }
}
