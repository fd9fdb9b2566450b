//! Whole bodies, both ways: the same bytes, however large, compressed or framed.

use codex_plus_stand_in::{Answer, Config, Encoding, Reply, StandIn};

use crate::support::peer::{Peer, ask, post};
use crate::support::proxy::Proxy;
use crate::support::{gzip, sha256, text, zstd};

const SIZES: [usize; 4] = [1 << 10, 100 << 10, 1 << 20, 20 << 20];

/// Pieces that fall on no power of two.
fn chunked(body: &[u8]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(body.len() + 4096);
    for chunk in body.chunks(300_007) {
        framed.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        framed.extend_from_slice(chunk);
        framed.extend_from_slice(b"\r\n");
    }
    framed.extend_from_slice(b"0\r\n\r\n");
    framed
}

async fn there_and_back(encoding: &str, encode: fn(&[u8]) -> Vec<u8>) {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    let field = match encoding {
        "" => String::new(),
        encoding => format!("content-encoding: {encoding}\r\n"),
    };
    let mut number = 0;
    for size in SIZES {
        let body = encode(&text(size));
        let sent = sha256(&body);
        let length = post("/v1/echo-body", &field, &body);
        let head = format!(
            "POST /v1/echo-body HTTP/1.1\r\nhost: localhost\r\n{field}transfer-encoding: chunked\r\n\r\n"
        );
        let chunks = [head.into_bytes(), chunked(&body)].concat();
        for (request, announced) in [(length, true), (chunks, false)] {
            let (head, answer) = ask(proxy.address, request).await;
            assert_eq!(head.status(), 200);
            assert_eq!(sha256(&answer), sent, "back, {size} bytes {encoding}");
            assert_eq!(head.get("content-encoding").unwrap_or(""), encoding);
            let received = stand_in.received().remove(number);
            assert_eq!(received.body_sha256, sent, "there, {size} bytes {encoding}");
            assert_eq!(received.body_len, body.len());
            assert_eq!(received.header("content-encoding").unwrap_or(""), encoding);
            // How a body is framed is kept too.
            let length = body.len().to_string();
            let expected = announced.then_some(length.as_str());
            assert_eq!(received.header("content-length"), expected);
            number += 1;
        }
    }
    let told = proxy.logged(number).await;
    let sizes: Vec<u64> = told
        .iter()
        .map(|e| e["bytes_in"].as_u64().unwrap())
        .collect();
    let received = stand_in.received();
    let expected: Vec<u64> = received.iter().map(|r| r.body_len as u64).collect();
    assert_eq!(sizes, expected, "the log tells the bytes on the wire");
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_bodies_cross_unchanged() {
    there_and_back("", <[u8]>::to_vec).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_bodies_cross_unchanged() {
    there_and_back("gzip", gzip).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn zstd_bodies_cross_unchanged() {
    there_and_back("zstd", zstd).await;
}

/// What comes straight from the stand-in is what must come through the proxy.
#[tokio::test(flavor = "multi_thread")]
async fn event_streams_cross_unchanged() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    let request = post("/v1/responses", "", br#"{"stream":true}"#);
    let mut odd = text(1 << 20);
    odd.extend_from_slice(b"\r\n\r\ndata: x\r\n\r\n: comment\n\ndata: \xff\xfe\n\n");
    let pieces: Vec<bytes::Bytes> = odd
        .chunks(4_099)
        .map(bytes::Bytes::copy_from_slice)
        .collect();
    for encoding in [None, Some(Encoding::Gzip), Some(Encoding::Zstd)] {
        let answer = Answer {
            reply: Reply::Chunks(pieces.clone()),
            encoding,
            ..Answer::default()
        };
        stand_in.push(answer.clone());
        stand_in.push(answer);
        let (_, straight) = ask(stand_in.addr(), &request).await;
        let (head, through) = ask(proxy.address, &request).await;
        assert_eq!(head.get("content-type"), Some("text/event-stream"));
        assert_eq!(head.get("content-encoding").is_some(), encoding.is_some());
        assert!(head.is_chunked());
        assert_eq!(sha256(&through), sha256(&straight), "{encoding:?}");
        if encoding.is_none() {
            assert_eq!(sha256(&through), sha256(&odd));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_json_is_not_our_business() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    for (number, body) in [&br#"{"input": ["#[..], b"\x00\xff\x00", b"", b"null"]
        .into_iter()
        .enumerate()
    {
        let request = post("/responses", "content-type: application/json\r\n", body);
        let (head, _) = ask(proxy.address, request).await;
        assert_eq!(head.status(), 200);
        assert_eq!(stand_in.received()[number].raw_body, body);
    }
    // Nor is a body that says it is compressed and is not.
    let request = post("/echo-body", "content-encoding: zstd\r\n", b"not zstd");
    let (_, body) = ask(proxy.address, request).await;
    assert_eq!(body, b"not zstd");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_carries_one_request_after_the_other() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    let mut client = Peer::connect(proxy.address).await;
    for size in [1, 70_000, 0, 5] {
        let body = text(size);
        let (head, answer) = client.ask(post("/echo-body", "", &body)).await;
        assert_eq!((head.status(), answer), (200, body));
    }
    // Pipelined: both are sent before the first is answered.
    let two = [
        post("/echo-body", "", b"one"),
        post("/echo-body", "", b"two"),
    ];
    client.send(two.concat()).await;
    for expected in [b"one", b"two"] {
        let head = client.head().await;
        assert_eq!(client.body(&head).await, expected);
    }
    assert_eq!(
        stand_in.open_connections(),
        1,
        "upstream connections are kept"
    );
}
