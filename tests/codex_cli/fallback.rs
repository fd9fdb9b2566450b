//! Providers without WebSocket: Codex falls back to POST at the first try, and quietly.

use crate::client::{Codex, Login, RUN, asks, assert_turn, handshakes, provider_refusing};
use crate::support::proxy::Proxy;

fn refused_upgrades(proxy: &Proxy) -> usize {
    let exchanges = proxy.exchanges();
    exchanges
        .iter()
        .filter(|told| told["status"] == 426)
        .count()
}

/// Any other answer than 426 costs seven tries, six seconds and a warning (seen with 0.169.0).
#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_refusal_one_try_is_enough() {
    for status in [426, 404, 405, 501] {
        let provider = provider_refusing(status).await;
        let proxy = Proxy::before(provider.base_url());
        let codex = Codex::new(Login::ApiKey);
        let said = codex.exec(&proxy.url(), &[], RUN).await;
        assert_turn(&said);
        assert_eq!(handshakes(&provider), 1, "{status}: {said:?}");
        assert_eq!(asks(&provider).len(), 2, "{status}");
        proxy.logged(3).await;
        assert_eq!(refused_upgrades(&proxy), 1, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_can_be_switched_off() {
    let provider = codex_plus_stand_in::StandIn::start(codex_plus_stand_in::Config::default());
    let provider = provider.await.unwrap();
    let proxy = Proxy::configured(provider.base_url(), "websocket = false\n");
    let codex = Codex::new(Login::ApiKey);
    let said = codex.exec(&proxy.url(), &[], RUN).await;
    assert_turn(&said);
    // The provider would have taken it, and never heard of it.
    assert_eq!(handshakes(&provider), 0);
    assert_eq!(asks(&provider).len(), 2);
    proxy.logged(3).await;
    assert_eq!(refused_upgrades(&proxy), 1);
}
