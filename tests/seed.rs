//! `docs/performance_test.md`, run as it is written: the same commands and snippets, one step
//! after the other, against the built proxy on port 10000 in front of the stand-in; then every
//! expected result and the checklist are held against what was printed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

#[path = "seed/checkout.rs"]
mod checkout;
#[path = "seed/document.rs"]
mod document;
#[path = "seed/figures.rs"]
mod figures;
#[path = "seed/steps.rs"]
mod steps;

use codex_plus_stand_in::{Config, StandIn};

use checkout::Checkout;
use document::Document;
use figures::Figures;

#[tokio::test(flavor = "multi_thread")]
async fn the_performance_test_passes_as_written() {
    let document = Document::read();
    let provider = StandIn::start(Config::default()).await.unwrap();
    let upstream = provider.base_url();
    let figures = tokio::task::spawn_blocking(move || {
        let checkout = Checkout::prepare(&upstream);
        let mut figures = Figures::default();
        steps::run_all(&document, &checkout, &mut figures);
        figures.tell(&document.checklist);
        figures
    })
    .await
    .unwrap();
    figures.assert_met();
}
