//! Header fields, both ways: what belongs to the exchange crosses, what belongs to the
//! connection does not.

use crate::support::peer::{Head, Peer, ask};
use crate::support::proxy::Proxy;
use crate::support::upstream::upstream;

/// An upstream that answers with the given bytes, after which it sends back nothing more.
async fn answering(answer: &'static str) -> Proxy {
    let address = upstream(move |mut peer| async move {
        peer.request().await;
        peer.send(answer).await;
        peer.rest().await.unwrap();
    })
    .await;
    Proxy::before(format!("http://{address}"))
}

/// What the upstream was asked, head and body, when the proxy is asked this.
async fn asked(request: &str) -> (Head, Vec<u8>, std::net::SocketAddr) {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let address = upstream(move |mut peer| {
        let tell = tell.clone();
        async move {
            tell.send(peer.request().await).unwrap();
            peer.send("HTTP/1.1 204 No Content\r\n\r\n").await;
            peer.rest().await.unwrap();
        }
    })
    .await;
    let proxy = Proxy::before(format!("http://{address}"));
    let mut client = Peer::connect(proxy.address).await;
    client.send(request).await;
    assert_eq!(client.head().await.status(), 204);
    let (head, body) = told.recv().await.unwrap();
    (head, body, address)
}

fn pairs(fields: &[(String, String)]) -> Vec<(&str, &str)> {
    fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn request_fields_keep_their_order_and_their_doubles() {
    let (head, body, address) = asked(
        "POST /v1/responses?b=2&a=1&a=%20+&&= HTTP/1.1\r\n\
         zeta: 1\r\nHost: localhost:10000\r\nauthorization: Bearer sk-\u{e4}\r\nx-codex-turn-metadata: {\"a\": 1}\r\n\
         x-codex-turn-state: s\r\nchatgpt-account-id: acc\r\nuser-agent: codex_exec/0.169.0\r\naccept: text/event-stream\r\n\
         cookie: a=1\r\ncookie: b=2\r\nempty:\r\nsession-id: s1\r\ncontent-length: 2\r\nalpha: 2\r\n\r\n{}",
    )
    .await;
    assert_eq!(head.line, "POST /responses?b=2&a=1&a=%20+&&= HTTP/1.1");
    let upstream = address.to_string();
    assert_eq!(
        pairs(&head.fields),
        [
            ("zeta", "1"),
            ("authorization", "Bearer sk-\u{e4}"),
            ("x-codex-turn-metadata", "{\"a\": 1}"),
            ("x-codex-turn-state", "s"),
            ("chatgpt-account-id", "acc"),
            ("user-agent", "codex_exec/0.169.0"),
            ("accept", "text/event-stream"),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
            ("empty", ""),
            ("session-id", "s1"),
            ("content-length", "2"),
            ("alpha", "2"),
            // Nothing is added but the upstream's own name.
            ("host", &upstream),
        ]
    );
    assert_eq!(body, b"{}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_the_connection_do_not_reach_the_upstream() {
    let (head, _, address) = asked(
        "GET /models HTTP/1.1\r\nhost: localhost\r\nconnection: keep-alive, x-named, authorization\r\n\
         keep-alive: timeout=5\r\nx-named: 1\r\nauthorization: Bearer kept\r\nproxy-authorization: secret\r\n\
         proxy-connection: keep-alive\r\nproxy-anything: 1\r\nte: gzip\r\nupgrade: foo\r\n\
         x-forwarded-for: 10.0.0.1\r\nx-forwarded-proto: https\r\nx-forwarded-host: h\r\nforwarded: for=1\r\n\
         x-codex-plus-token: t\r\nx-forward: kept\r\n\r\n",
    )
    .await;
    assert_eq!(
        pairs(&head.fields),
        [
            ("authorization", "Bearer kept"),
            ("x-forward", "kept"),
            ("host", &address.to_string()),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_fields_and_the_reason_phrase_cross() {
    let proxy = answering(
        "HTTP/1.1 429 Slow Down Please\r\nx-codex-primary-used-percent: 12\r\nset-cookie: a=1; Path=/\r\n\
         x-request-id: req_1\r\nset-cookie: b=2\r\nretry-after: 3\r\nx-models-etag: \"e\"\r\nopenai-model: m\r\n\
         server: upstream\r\ndate: Mon, 01 Jan 2024 00:00:00 GMT\r\ncontent-length: 2\r\nx-latin: \u{e9}\r\n\
         connection: keep-alive, x-hop\r\nkeep-alive: timeout=4\r\nx-hop: 1\r\nproxy-authenticate: Basic\r\n\r\nno",
    )
    .await;
    let (head, body) = ask(proxy.address, "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(head.line, "HTTP/1.1 429 Slow Down Please");
    assert_eq!(body, b"no");
    let mut expected = vec![
        ("x-codex-primary-used-percent", "12"),
        ("set-cookie", "a=1; Path=/"),
        // A name's values stand together; HTTP gives the order of different names no meaning.
        ("set-cookie", "b=2"),
        ("x-request-id", "req_1"),
        ("retry-after", "3"),
        ("x-models-etag", "\"e\""),
        ("openai-model", "m"),
        ("server", "upstream"),
        ("date", "Mon, 01 Jan 2024 00:00:00 GMT"),
        ("content-length", "2"),
        ("x-latin", "\u{e9}"),
    ];
    assert_eq!(pairs(&head.fields), expected);
    // Where the upstream says no date, neither do we.
    let proxy = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let (head, _) = ask(proxy.address, "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    expected = vec![("content-length", "0")];
    assert_eq!(pairs(&head.fields), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_cross_both_ways() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let address = upstream(move |mut peer| {
        let tell = tell.clone();
        async move {
            let head = peer.head().await;
            while peer.try_chunk().await.unwrap().is_some() {}
            let trailers = peer.fields().await.unwrap();
            tell.send((head, trailers)).unwrap();
            peer.send(
                "HTTP/1.1 200 OK\r\ntrailer: x-sum, x-more\r\ntransfer-encoding: chunked\r\n\r\n\
                 2\r\nhi\r\n0\r\nx-sum: 9\r\nx-more: b\r\n\r\n",
            )
            .await;
            peer.rest().await.unwrap();
        }
    })
    .await;
    let proxy = Proxy::before(format!("http://{address}"));
    let mut client = Peer::connect(proxy.address).await;
    client
        .send(
            "POST /x HTTP/1.1\r\nhost: localhost\r\nte: trailers\r\ntrailer: x-check\r\n\
             transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-check: 1\r\n\r\n",
        )
        .await;
    let (head, trailers) = told.recv().await.unwrap();
    assert_eq!(head.get("trailer"), Some("x-check"));
    assert_eq!(head.get("te"), Some("trailers"));
    assert_eq!(pairs(&trailers), [("x-check", "1")]);
    let head = client.head().await;
    assert_eq!(head.get("trailer"), Some("x-sum, x-more"));
    assert_eq!(client.chunk().await, b"hi");
    assert_eq!(client.try_chunk().await.unwrap(), None);
    let trailers = client.fields().await.unwrap();
    assert_eq!(pairs(&trailers), [("x-sum", "9"), ("x-more", "b")]);
}
