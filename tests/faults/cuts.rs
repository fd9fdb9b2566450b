//! Upstreams that break off in the middle: what came arrives, and the end is no clean end.

use codex_plus_stand_in::{Answer, Config, Ending, Reply, StandIn};

use crate::support::peer::{Peer, ask, post};
use crate::support::proxy::Proxy;
use crate::support::upstream::upstream;

#[tokio::test(flavor = "multi_thread")]
async fn events_before_a_cut_arrive_and_then_the_stream_breaks() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    let events: Vec<Vec<u8>> = (0..5)
        .map(|n| format!("data: {n}\n\n").into_bytes())
        .collect();
    for ending in [Ending::Eof { after: 3 }, Ending::Reset { after: 3 }] {
        stand_in.push(Answer {
            reply: Reply::Chunks(events.iter().map(|e| e.clone().into()).collect()),
            ending,
            ..Answer::default()
        });
        let mut client = Peer::connect(proxy.address).await;
        client
            .send(post("/v1/responses", "", b"{\"stream\":true}"))
            .await;
        assert_eq!(client.head().await.status(), 200);
        for event in &events[..3] {
            assert_eq!(&client.chunk().await, event);
        }
        assert!(
            client.try_chunk().await.is_err(),
            "{ending:?} looks like an end"
        );
    }
    for told in proxy.logged(2).await {
        assert_eq!(told["outcome"], "upstream_cut", "{told}");
        assert_eq!(told["level"], "WARN");
    }
    // A stream without its last event, but ended, is passed on as just that.
    stand_in.push(Answer {
        reply: Reply::Chunks(events.iter().map(|e| e.clone().into()).collect()),
        ending: Ending::Stop { after: 3 },
        ..Answer::default()
    });
    let (_, body) = ask(
        proxy.address,
        post("/v1/responses", "", b"{\"stream\":true}"),
    )
    .await;
    assert_eq!(body, events[..3].concat());
}

/// Everything comes in one packet with the end behind it: the events still arrive.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_right_behind_the_events_loses_none() {
    let address = upstream(|mut peer| async move {
        peer.request().await;
        peer.send(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n5\r\nth",
        )
        .await;
    })
    .await;
    let proxy = Proxy::before(format!("http://{address}"));
    let mut client = Peer::connect(proxy.address).await;
    client.send(post("/v1/responses", "", b"{}")).await;
    assert_eq!(client.head().await.status(), 200);
    let mut arrived = Vec::new();
    while let Ok(chunk) = client.try_chunk().await {
        arrived.extend(chunk.expect("a clean end"));
    }
    assert_eq!(arrived, b"onetwoth");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_known_length_that_breaks_off_stays_short() {
    let address = upstream(|mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
            .await;
    })
    .await;
    let proxy = Proxy::before(format!("http://{address}"));
    let mut client = Peer::connect(proxy.address).await;
    client.send(post("/v1/responses", "", b"{}")).await;
    let head = client.head().await;
    assert_eq!(head.get("content-length"), Some("10"));
    assert_eq!(client.exactly(4).await.unwrap(), b"half");
    assert!(client.rest().await.unwrap_or_default().is_empty());
    assert_eq!(proxy.logged(1).await[0]["outcome"], "upstream_cut");
}

/// The same over HTTP/2 to the client: its stream is reset, not ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_resets_the_stream_of_an_http2_client() {
    use http_body_util::BodyExt as _;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    stand_in.push(Answer {
        ending: Ending::Eof { after: 2 },
        ..Answer::default()
    });
    let stream = tokio::net::TcpStream::connect(proxy.address).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let body = http_body_util::Full::new(bytes::Bytes::from_static(b"{\"stream\":true}"));
    let request = hyper::Request::post("http://localhost/v1/responses").body(body);
    let response = client.send_request(request.unwrap()).await.unwrap();
    let collected = crate::support::within(response.into_body().collect()).await;
    assert!(collected.is_err(), "looks like an end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_falls_silent_is_broken_off() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let settings = "[timeouts]\nstream_idle = '1s'\n";
    let proxy = Proxy::configured(stand_in.base_url(), settings);
    stand_in.push(Answer {
        ending: Ending::Hang { after: 2 },
        ..Answer::default()
    });
    let mut client = Peer::connect(proxy.address).await;
    client
        .send(post("/v1/responses", "", b"{\"stream\":true}"))
        .await;
    assert_eq!(client.head().await.status(), 200);
    client.chunk().await;
    client.chunk().await;
    assert!(client.try_chunk().await.is_err());
    let told = proxy.logged(1).await.remove(0);
    assert!(
        told["reason"]
            .as_str()
            .unwrap()
            .contains("timeouts.stream_idle")
    );
    crate::support::until("the upstream to be let go", || stand_in.cancelled() == 1).await;
}
