//! How connections end: each side learns what the other did, and nothing is left open.

use codex_plus_stand_in::{Answer, Config, Ending, Reply, StandIn};
use codex_plus_wire::frame::{Close, CloseCode, Opcode};

use crate::support::proxy::Proxy;
use crate::support::socket::{masked, open};
use crate::support::until;

const CREATE: &[u8] = br#"{"type":"response.create","input":[]}"#;

fn close(code: u16, reason: &str) -> Vec<u8> {
    let reason = reason.to_owned();
    let code = CloseCode(code);
    Close { code, reason }.encode()
}

async fn hanging() -> (StandIn, Proxy) {
    let stand_in = StandIn::start(Config {
        default_answer: Answer {
            ending: Ending::Hang { after: 1 },
            ..Answer::default()
        },
        ..Config::default()
    })
    .await
    .unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    (stand_in, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_close_code_reaches_the_upstream_and_is_answered() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    let mut client = open(proxy.address).await;
    client
        .send(masked(Opcode::Close, &close(4002, "done here")))
        .await;
    assert_eq!(
        client.next(Opcode::Close).await[..2],
        4002_u16.to_be_bytes()
    );
    assert!(client.rest().await.unwrap().is_empty());
    assert_eq!(stand_in.closes(), [4002]);
    until("the connections' end", || stand_in.open_connections() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upstreams_close_code_and_reason_reach_the_client() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    // Every code that may be sent (RFC 6455, 7.4), and both ends of the free ranges.
    let codes = (1000..=1014).filter(|code| !(1004..=1006).contains(code));
    let codes = codes.chain([3000, 3999, 4000, 4001, 4999]);
    for (code, reason) in codes.zip(["", "restart", "too many"].into_iter().cycle()) {
        stand_in.push(Answer {
            reply: Reply::Close {
                code,
                reason: reason.to_owned(),
            },
            ..Answer::default()
        });
        let mut client = open(proxy.address).await;
        client.send(masked(Opcode::Text, CREATE)).await;
        assert_eq!(client.next(Opcode::Close).await, close(code, reason));
        client
            .send(masked(Opcode::Close, &close(code, reason)))
            .await;
        assert!(client.rest().await.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_frees_the_upstream() {
    let (stand_in, proxy) = hanging().await;
    let before = proxy.descriptors();
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = open(proxy.address).await;
        client.send(masked(Opcode::Text, CREATE)).await;
        client.next(Opcode::Text).await;
        clients.push(client);
    }
    assert_eq!(stand_in.live_streams(), 20);
    // Half say nothing and close, half are torn off by a reset.
    for (number, client) in clients.into_iter().enumerate() {
        if number % 2 == 0 {
            client.stream.set_zero_linger().unwrap();
        }
        drop(client);
    }
    until("the upstream to hear", || stand_in.cancelled() == 20).await;
    until("its connections' end", || stand_in.open_connections() == 0).await;
    until("descriptors to go back", || proxy.descriptors() <= before).await;
    for told in proxy.logged(40).await {
        assert_eq!(told["outcome"], "client_left", "{told}");
    }
}

/// A cut must look like one: with a close frame the client would take it for an end.
#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_breaks_off_is_no_clean_end() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    for ending in [Ending::Eof { after: 2 }, Ending::Reset { after: 2 }] {
        stand_in.push(Answer {
            ending,
            ..Answer::default()
        });
        let mut client = open(proxy.address).await;
        client.send(masked(Opcode::Text, CREATE)).await;
        let mut arrived = 0;
        // Ends by the connection's end only.
        while let Ok(frame) = client.try_frame().await {
            assert_eq!(frame.header.opcode, Opcode::Text, "{ending:?}");
            arrived += 1;
        }
        assert_eq!(arrived, 2, "what came before the break arrives: {ending:?}");
    }
    for told in proxy.logged(4).await {
        assert_eq!(told["outcome"], "upstream_cut", "{told}");
    }
}
