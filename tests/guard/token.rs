//! The token that stands between the network and the user's login.

use codex_plus_stand_in::{Config, StandIn};

use crate::support::home::Home;
use crate::support::peer::{Peer, get, post};
use crate::support::proxy::Proxy;
use crate::support::socket::offer;

#[test]
fn listening_beyond_loopback_needs_a_token() {
    let home = Home::new();
    for listen in ["0.0.0.0:0", "[::]:0"] {
        for start in [&["start"][..], &["start", "--foreground"]] {
            let said = home.run(&[start, &["--listen", listen]].concat());
            assert_ne!(said.code, Some(0), "{said:?}");
            assert!(said.err.contains("guard.token"), "{said:?}");
            assert!(said.err.contains("x-codex-plus-token"), "{said:?}");
        }
    }
    // An empty one is none.
    home.write(
        "home/.config/codex-plus/config.toml",
        "[guard]\ntoken = ''\n",
    );
    let said = home.run(&["start", "--foreground", "--listen", "0.0.0.0:0"]);
    assert_ne!(said.code, Some(0), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_must_send_it_and_the_upstream_never_sees_it() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let settings = "[guard]\ntoken = 'open-sesame'\n[log]\nlevel = 'debug'\n";
    let proxy = Proxy::configured(stand_in.base_url(), settings);
    for fields in [
        "",
        "x-codex-plus-token:\r\n",
        "x-codex-plus-token: open-sesam\r\n",
        "x-codex-plus-token: open-sesame-\r\n",
        "x-codex-plus-token: OPEN-SESAME\r\n",
        "authorization: Bearer open-sesame\r\n",
        "x-codex-plus-token: wrong\r\nx-codex-plus-token: open-sesame\r\n",
    ] {
        for path in ["/v1/responses", "/codex-plus/status"] {
            let (head, body) =
                crate::support::peer::ask(proxy.address, post(path, fields, b"{}")).await;
            assert_eq!(head.status(), 403, "{fields}");
            let body = String::from_utf8(body).unwrap();
            assert!(body.contains("token_required"), "{body}");
        }
    }
    assert_eq!(get(proxy.address, "/v1/models").await.0.status(), 403);
    let mut client = Peer::connect(proxy.address).await;
    assert_eq!(client.ask(offer("")).await.0.status(), 403);
    assert_eq!(stand_in.received_count(), 0);

    let token = "X-Codex-Plus-Token: open-sesame\r\n";
    let (head, _) = client.ask(post("/v1/responses", token, b"{}")).await;
    assert_eq!(head.status(), 200);
    client.send(offer(token)).await;
    assert_eq!(client.head().await.status(), 101);
    for received in stand_in.received() {
        assert_eq!(received.header("x-codex-plus-token"), None);
        let sent = format!("{:?}", received.headers);
        assert!(!sent.contains("sesame"), "{sent}");
    }
    assert_eq!(stand_in.received_count(), 2);
    proxy.logged(3).await;
    assert!(!proxy.log().contains("sesame"));
}
