//! `Server-Timing` for clients that ask for it.

use std::time::Duration;

use codex_plus_stand_in::{Answer, Config, StandIn};

use crate::support::peer::{Head, Peer, ask, get, post};
use crate::support::proxy::Proxy;
use crate::support::socket::offer;

const HEAD: Duration = Duration::from_millis(40);
const STREAM: &[u8] = br#"{"stream":true}"#;
const ASKS: &str = "x-codex-plus-timing: 1\r\n";

/// One metric of the header, in milliseconds.
fn metric(head: &Head, name: &str) -> f64 {
    let value = head.all("server-timing").join(", ");
    let mut metrics = value.split(", ").filter_map(|it| it.split_once(";dur="));
    let found = metrics.find(|(known, _)| *known == name);
    let (_, dur) = found.unwrap_or_else(|| panic!("{name} in {value}"));
    dur.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_is_told_at_the_head() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    let mut answer = Answer::text("hi").head_delay(HEAD);
    answer.headers = vec![("server-timing".to_owned(), "db;dur=1.5".to_owned())];
    stand_in.push(answer);
    let (head, _) = ask(proxy.address, post("/v1/responses", ASKS, STREAM)).await;
    // The provider's own stays, and ours stands behind it.
    assert_eq!(head.all("server-timing").len(), 2);
    assert!((metric(&head, "db") - 1.5).abs() < 1e-9);
    assert!(metric(&head, "upstream") >= HEAD.as_secs_f64() * 1e3);
    let parts = metric(&head, "own") + metric(&head, "upstream");
    let total = metric(&head, "total");
    // A short body may or may not have been waited for.
    let value = head.all("server-timing").join(", ");
    let read = if value.contains("read;") {
        metric(&head, "read")
    } else {
        0.0
    };
    assert!(((parts + read) / total - 1.0).abs() <= 0.05, "{value}");
    // The question is between the client and us.
    let received = stand_in.received();
    assert!(
        received[0]
            .headers
            .iter()
            .all(|(name, _)| !name.starts_with("x-codex-plus"))
    );
    // Ours as well: an error of the proxy's own, and a WebSocket handshake.
    let request = format!("GET /a/../b HTTP/1.1\r\nhost: localhost\r\n{ASKS}\r\n");
    let (head, _) = ask(proxy.address, request).await;
    assert_eq!(head.status(), 400);
    metric(&head, "total");
    let mut socket = Peer::connect(proxy.address).await;
    socket.send(offer(ASKS)).await;
    let head = socket.head().await;
    assert_eq!(head.status(), 101);
    metric(&head, "upstream");
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_told_only_by_setting() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    let (head, _) = get(proxy.address, "/v1/models").await;
    assert_eq!(head.get("server-timing"), None);
    let telling = Proxy::configured(stand_in.base_url(), "server_timing = true");
    let (head, _) = get(telling.address, "/v1/models").await;
    metric(&head, "total");
}
