//! Methods, paths, protocol versions and the ways clients begin a request.

use std::process::Command;

use bytes::Bytes;
use codex_plus_stand_in::{Config, StandIn};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::support::peer::{Peer, ask, post};
use crate::support::proxy::Proxy;
use crate::support::upstream::upstream;
use crate::support::{sha256, text, within};

#[tokio::test(flavor = "multi_thread")]
async fn v1_is_the_clients_and_the_rest_of_the_path_is_the_upstreams() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(format!("http://{}/base/path/", stand_in.addr()));
    let paths = [
        ("/v1/responses", "/base/path/responses"),
        ("/responses", "/base/path/responses"),
        ("/v1/responses?x=1", "/base/path/responses?x=1"),
        ("/v1/responses/compact", "/base/path/responses/compact"),
        (
            "/v1/models?client_version=0.169.0",
            "/base/path/models?client_version=0.169.0",
        ),
        ("/v12/x", "/base/path/v12/x"),
        ("//a//b/", "/base/path//a//b/"),
        (
            "/a%20b%2Fc/~!$&'()*+,;=:@?q=%2e%2e/?",
            "/base/path/a%20b%2Fc/~!$&'()*+,;=:@?q=%2e%2e/?",
        ),
    ];
    for (number, (path, expected)) in paths.into_iter().enumerate() {
        ask(proxy.address, post(path, "", b"{}")).await;
        assert_eq!(stand_in.received()[number].path_and_query, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_crosses() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    for (number, method) in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "QUERY", "POST"]
        .into_iter()
        .enumerate()
    {
        let request = format!(
            "{method} /v1/echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\n\r\nbody"
        );
        let (head, body) = ask(proxy.address, request).await;
        assert_eq!(head.status(), 200, "{method}");
        let told: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(told["method"], method);
        assert_eq!(told["body_sha256"], sha256(b"body"));
        assert_eq!(stand_in.received()[number].method, method);
    }
}

/// A HEAD answer has the length of a body that does not come; the next answer follows at once.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_have_no_body_get_none() {
    let address = upstream(|mut peer| async move {
        while let Ok(Some(head)) = peer.try_head().await {
            let answer = match head.target() {
                "/304" => "HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\n\r\n",
                "/204" => "HTTP/1.1 204 No Content\r\nx-a: 1\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n",
            };
            peer.send(answer).await;
        }
    })
    .await;
    let proxy = Proxy::before(format!("http://{address}"));
    let mut client = Peer::connect(proxy.address).await;
    for (request, status, length) in [
        ("HEAD /models", 200, Some("1234")),
        ("GET /304", 304, None),
        ("GET /204", 204, None),
        ("HEAD /models", 200, Some("1234")),
    ] {
        client
            .send(format!("{request} HTTP/1.1\r\nhost: localhost\r\n\r\n"))
            .await;
        let head = client.head().await;
        assert_eq!(head.status(), status);
        assert_eq!(head.get("content-length"), length, "{request}");
        assert!(!head.is_chunked());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_for_100_is_told_to_continue() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    let mut client = Peer::connect(proxy.address).await;
    client
        .send(
            "POST /v1/echo-body HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n\
             content-length: 5\r\n\r\n",
        )
        .await;
    assert_eq!(client.head().await.line, "HTTP/1.1 100 Continue");
    let (head, body) = client.ask("hello").await;
    assert_eq!((head.status(), body), (200, b"hello".to_vec()));
    assert_eq!(
        stand_in.received()[0].header("expect"),
        Some("100-continue")
    );
}

/// What is refused is refused before the body is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_for_100_can_be_refused_instead() {
    let proxy = Proxy::configured("http://127.0.0.1:9", "[limits]\nbody = '1KiB'\n");
    let mut client = Peer::connect(proxy.address).await;
    client
        .send(
            "POST /x HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n\
             content-length: 5000\r\n\r\n",
        )
        .await;
    assert_eq!(client.head().await.status(), 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_sends_what_it_likes() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    let folder = tempfile::tempdir().unwrap();
    let body = text(3 << 20);
    std::fs::write(folder.path().join("body"), &body).unwrap();
    let url = format!("{}/v1/echo-body", proxy.url());
    for (number, flags) in [
        // Over a megabyte curl asks for 100 by itself; here it does in any case.
        &["-H", "expect: 100-continue"][..],
        &["-H", "transfer-encoding: chunked"],
        &["--http2-prior-knowledge"],
    ]
    .into_iter()
    .enumerate()
    {
        let mut curl = Command::new("curl");
        curl.args([
            "-sS",
            "--noproxy",
            "*",
            "--max-time",
            "60",
            "--data-binary",
            "@body",
        ])
        .args(flags)
        .arg(&url)
        .current_dir(folder.path());
        let output = tokio::task::spawn_blocking(move || curl.output().expect("curl is installed"));
        let output = within(output).await.unwrap();
        assert!(output.status.success(), "{flags:?}: {output:?}");
        assert_eq!(sha256(&output.stdout), sha256(&body), "{flags:?}");
        assert_eq!(stand_in.received()[number].body_sha256, sha256(&body));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_clients_share_a_plain_connection() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = Proxy::before(stand_in.base_url());
    let stream = tokio::net::TcpStream::connect(proxy.address).await.unwrap();
    let (client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let body = text(1 << 20);
    let asking = (0..20).map(|number| {
        let mut client = client.clone();
        let request = hyper::Request::post(format!("http://localhost/v1/echo-body?{number}"))
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("authorization", "Bearer x")
            .body(Full::new(Bytes::from(body.clone())))
            .unwrap();
        tokio::spawn(async move {
            let response = client.send_request(request).await.unwrap();
            let status = response.status();
            (
                status,
                response.into_body().collect().await.unwrap().to_bytes(),
            )
        })
    });
    for asked in asking.collect::<Vec<_>>() {
        let (status, answer) = within(asked).await.unwrap();
        assert_eq!((status.as_u16(), sha256(&answer)), (200, sha256(&body)));
    }
    for received in stand_in.received() {
        assert_eq!(received.header("authorization"), Some("Bearer x"));
        assert_eq!(received.header_all("cookie").concat(), b"a=1b=2");
        let host = stand_in.addr().to_string();
        assert_eq!(received.header("host"), Some(host.as_str()));
    }
    assert_eq!(stand_in.received_count(), 20);
}
