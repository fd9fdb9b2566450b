//! `codex-plus demo`: a made-up provider, the proxy and a Codex-shaped client in one process.

mod client;
mod table;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use codex_plus_proxy::{Config, ExchangeRecord, Facts, Observer, Proxy};
use codex_plus_stand_in::{Answer, StandIn};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::output::{self, Exit, Paint};

/// What the made-up model says.
const ANSWER: &str = "This answer came from a made-up provider on this machine, piece by piece, \
through the proxy. Nothing left your computer and no account was used.\n\nThe proxy carried the \
request and every event of the answer byte for byte. Below is where the time went.";
const PIECES: usize = 48;

/// Hands the one record of the one exchange on.
struct Tap(UnboundedSender<ExchangeRecord>);

impl Observer for Tap {
    fn exchange_ended(&self, record: Box<ExchangeRecord>) {
        // The receiver waits for the first one only.
        let _ = self.0.send(*record);
    }
}

pub(crate) fn demo() -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the worker threads")?;
    runtime.block_on(turn())?;
    Ok(Exit::Success)
}

async fn turn() -> anyhow::Result<()> {
    let answer = Answer::text(ANSWER)
        .deltas(PIECES)
        .head_delay(Duration::from_millis(250))
        .event_delay(Duration::from_millis(20));
    let stand_in = StandIn::start(codex_plus_stand_in::Config::default()).await?;
    stand_in.push(answer);

    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        upstream: stand_in.base_url(),
        ..Config::default()
    };
    let (told, mut records) = unbounded_channel();
    let proxy = Proxy::bind(&config, Arc::new(Tap(told)), Vec::new(), Facts::new())?;
    let listen = proxy.local_addr();
    let (stop, is_stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(proxy.run(async move {
        let _ = is_stopped.await;
    }));

    let paint = Paint::for_stdout();
    let way = format!(
        "client → codex-plus on {listen} → made-up provider on {}",
        stand_in.addr()
    );
    output::line(paint.dim(&way));
    output::line(format!("{} {}\n", paint.dim("prompt:"), client::PROMPT));
    let seen = client::send(listen).await?;
    output::line("\n");
    let record = tokio::time::timeout(Duration::from_secs(10), records.recv())
        .await
        .ok()
        .flatten()
        .context("the proxy did not report its exchange; please tell us, this is a fault")?;
    table::show(&record, &seen, paint);

    let _ = stop.send(());
    serving
        .await
        .context("the proxy broke")?
        .context("the listener failed")?;
    stand_in.stop().await;
    Ok(())
}
