//! The bytes on both sides of the proxy, taken off the wire, are the same.

use std::sync::Arc;

use codex_plus_stand_in::{Config, StandIn};

use crate::client::{Codex, Login, RUN, asks, assert_turn, provider_refusing};
use crate::support::proxy::Proxy;
use crate::support::{sha256, until};
use crate::tap::{Connection, Tap};

/// Codex, a tap, the proxy, a tap, the provider.
struct Taps {
    front: Tap,
    back: Tap,
    _proxy: Proxy,
}

async fn taps(provider: &StandIn) -> Taps {
    let back = Tap::before(provider.addr()).await;
    let proxy = Proxy::before(back.base());
    let front = Tap::before(proxy.address).await;
    Taps {
        front,
        back,
        _proxy: proxy,
    }
}

/// What follows the first head of a connection.
fn after_head(bytes: &[u8]) -> Vec<u8> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    bytes[end.expect("a head") + 4..].to_vec()
}

fn is_upgrade(connection: &Connection) -> bool {
    let answered = connection.answered.lock().unwrap();
    answered.starts_with(b"HTTP/1.1 101 ")
}

#[tokio::test(flavor = "multi_thread")]
async fn request_bodies_over_post() {
    for login in [Login::ApiKey, Login::ChatGpt] {
        let provider = provider_refusing(426).await;
        let taps = taps(&provider).await;
        let codex = Codex::new(login);
        assert_turn(&codex.exec(&taps.front.base(), &[], RUN).await);
        let sent: Vec<Vec<u8>> = taps
            .front
            .connections()
            .iter()
            .map(|connection| connection.sent.lock().unwrap().clone())
            .collect();
        let asks = asks(&provider);
        assert_eq!(asks.len(), 2);
        for ask in asks {
            assert!(ask.body_len > 1_000);
            assert_eq!(sha256(&ask.raw_body), ask.body_sha256);
            // Codex sends whole bodies with their length, so they stand in one piece.
            let length = format!("content-length: {}\r\n", ask.body_len);
            let found = sent.iter().any(|bytes| {
                contains(bytes, &ask.raw_body)
                    && contains(&bytes.to_ascii_lowercase(), length.as_bytes())
            });
            assert!(found, "Codex sent no such body: {}", ask.body_sha256);
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_websocket_connections_both_ways() {
    let provider = StandIn::start(Config::default()).await.unwrap();
    let taps = taps(&provider).await;
    let codex = Codex::new(Login::ApiKey);
    assert_turn(&codex.exec(&taps.front.base(), &[], RUN).await);
    let upgraded = |tap: &Tap| -> Vec<Arc<Connection>> {
        let all = tap.connections();
        all.into_iter().filter(|one| is_upgrade(one)).collect()
    };
    let (front, back) = (upgraded(&taps.front), upgraded(&taps.back));
    assert_eq!((front.len(), back.len()), (1, 1));
    let bytes = |side: &dyn Fn(&Connection) -> Vec<u8>| (side(&front[0]), side(&back[0]));
    let sent = |one: &Connection| after_head(&one.sent.lock().unwrap());
    let answered = |one: &Connection| after_head(&one.answered.lock().unwrap());
    // The last frame may still be under way when Codex has ended.
    until("the connection to have passed whole", || {
        let ((a, b), (c, d)) = (bytes(&sent), bytes(&answered));
        a.len() <= b.len() && c.len() <= d.len()
    })
    .await;
    let (from_codex, to_provider) = bytes(&sent);
    assert!(from_codex.len() > 10_000);
    assert_eq!(sha256(&from_codex), sha256(&to_provider));
    let (to_codex, from_provider) = bytes(&answered);
    assert!(to_codex.len() > 1_000);
    // Codex may leave before the provider's last frame, its close, has come.
    assert!(from_provider.starts_with(&to_codex));
}
