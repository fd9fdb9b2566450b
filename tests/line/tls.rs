//! TLS to the upstream, straight and through the environment's proxy.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::net::TcpStream;

use crate::support::peer::{Peer, get, post};
use crate::support::proxy::Proxy;
use crate::support::secure::{secure, until_year};
use crate::support::upstream::nobody;

#[tokio::test(flavor = "multi_thread")]
async fn the_upstream_chooses_http_2_or_1() {
    for (protocols, version) in [
        (&["h2", "http/1.1"][..], "HTTP/2.0"),
        (&["http/1.1"], "HTTP/1.1"),
        (&[], "HTTP/1.1"),
    ] {
        let secure = secure(&["localhost"], protocols).await;
        let host = format!("localhost:{}", secure.port);
        let proxy = secure.proxy(&host, &[]);
        let mut client = Peer::connect(proxy.address).await;
        let fields = "authorization: Bearer x\r\nconnection: keep-alive\r\n";
        for _ in 0..2 {
            let (head, body) = client.ask(post("/v1/echo-body", fields, b"body")).await;
            assert_eq!(head.line, "HTTP/1.1 200 OK");
            assert_eq!(body, b"body");
        }
        let (head, body) = client
            .ask(post("/v1/responses", "", br#"{"stream":true}"#))
            .await;
        assert!(head.is_chunked());
        assert!(
            String::from_utf8(body)
                .unwrap()
                .contains("response.completed")
        );
        let received = secure.stand_in.received().remove(0);
        assert_eq!(received.version, version);
        assert_eq!(received.header("authorization"), Some("Bearer x"));
        assert_eq!(received.header("connection"), None);
        // HTTP/2 names the host in the target instead.
        let expected = (version == "HTTP/1.1").then_some(host.as_str());
        assert_eq!(received.header("host"), expected);
        assert_eq!(secure.stand_in.open_connections(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untrusted_certificate_is_a_clear_502() {
    let trusted = secure(&["localhost"], &[]).await;
    // Known, but for another name.
    let other = secure(&["other.example"], &[]).await;
    let ended = until_year(2020, &["localhost"], &[]).await;
    let unknown = format!("https://localhost:{}/v1", trusted.port);
    let proxies = [
        Proxy::before(&unknown),
        other.proxy(&format!("localhost:{}", other.port), &[]),
        ended.proxy(&format!("localhost:{}", ended.port), &[]),
    ];
    for proxy in proxies {
        let (head, body) = get(proxy.address, "/v1/models").await;
        assert_eq!(head.status(), 502);
        let error: Value = serde_json::from_slice(&body).unwrap();
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.contains("https://localhost:"), "{message}");
        assert!(message.contains("certificate"), "{message}");
        assert_eq!(error["error"]["code"], "upstream_unreachable");
    }
    assert_eq!(trusted.stand_in.received_count(), 0);
    assert_eq!(other.stand_in.received_count(), 0);
    assert_eq!(ended.stand_in.received_count(), 0);
}

/// A proxy that knows CONNECT only; it writes down the targets and leads them all to `port`.
async fn connect_proxy(port: u16) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let targets = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&targets);
    let address = crate::support::upstream::upstream(move |mut peer| {
        let told = Arc::clone(&told);
        async move {
            let head = peer.head().await;
            let auth = head.get("proxy-authorization").unwrap_or("-");
            told.lock().unwrap().push(format!("{} {auth}", head.line));
            let mut behind = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            peer.send("HTTP/1.1 200 Connected\r\n\r\n").await;
            let _ = tokio::io::copy_bidirectional(&mut peer.stream, &mut behind).await;
        }
    })
    .await;
    (address, targets)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environments_proxy_is_honoured() {
    let secure = secure(&["provider.test"], &["h2", "http/1.1"]).await;
    let (through, targets) = connect_proxy(secure.port).await;
    let variable = ("HTTPS_PROXY", format!("http://user:pass@{through}"));
    let proxy = secure.proxy("provider.test", &[variable]);
    let (head, _) = get(proxy.address, "/v1/models").await;
    assert_eq!(head.status(), 200);
    // The name is looked up by that proxy, not by us. "dXNlcjpwYXNz" is user:pass.
    let expected = "CONNECT provider.test:443 HTTP/1.1 Basic dXNlcjpwYXNz";
    assert_eq!(*targets.lock().unwrap(), [expected]);
    // The login is for that proxy alone.
    let received = secure.stand_in.received().remove(0);
    assert_eq!(received.header("proxy-authorization"), None);
}

/// 0.0.0.0 is this machine, but no loopback address: those never go through a proxy.
#[tokio::test(flavor = "multi_thread")]
async fn no_proxy_leads_straight_to_the_upstream() {
    let secure = secure(&["0.0.0.0", "127.0.0.1"], &[]).await;
    let (through, targets) = connect_proxy(secure.port).await;
    let variable = ("HTTPS_PROXY", format!("http://{through}"));
    let host = format!("0.0.0.0:{}", secure.port);
    let none = ("NO_PROXY", "example.org,0.0.0.0".to_owned());
    let ours = format!("127.0.0.1:{}", secure.port);
    for (host, variables, expected) in [
        (&host, &[variable.clone(), none][..], 0),
        (&ours, std::slice::from_ref(&variable), 0),
        (&host, std::slice::from_ref(&variable), 1),
    ] {
        let proxy = secure.proxy(host, variables);
        let (head, _) = get(proxy.address, "/v1/models").await;
        assert_eq!(head.status(), 200, "{host}");
        assert_eq!(targets.lock().unwrap().len(), expected, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_environment_proxy_is_a_502_without_its_login() {
    let variable = ("HTTPS_PROXY", format!("http://user:pass@{}", nobody()));
    let proxy = Proxy::started("https://provider.test/v1", "", |_, command| {
        command.envs([variable]);
    });
    let (head, body) = get(proxy.address, "/v1/models").await;
    assert_eq!(head.status(), 502);
    let body = String::from_utf8(body).unwrap();
    assert!(body.contains("provider.test"), "{body}");
    assert!(!body.contains("pass") && !proxy.log().contains("pass@"));
}
