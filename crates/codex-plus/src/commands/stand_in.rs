//! `codex-plus stand-in`: a made-up provider on this machine.

use std::path::Path;

use anyhow::Context as _;
use codex_plus_stand_in::{Answer, Config, StandIn, WebSocketMode};

use crate::cli::StandInArgs;
use crate::output::{self, Exit};

/// The status that makes Codex fall back to POST at once (seen with Codex 0.169.0).
const UPGRADE_REQUIRED: u16 = 426;

pub(crate) fn stand_in(args: &StandInArgs) -> anyhow::Result<Exit> {
    let websocket = if args.no_websocket {
        WebSocketMode::Refuse(UPGRADE_REQUIRED)
    } else {
        WebSocketMode::Accept
    };
    let config = Config {
        listen: args.listen,
        websocket,
        script: args
            .script
            .as_deref()
            .map(read_script)
            .transpose()?
            .unwrap_or_default(),
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the worker threads")?;
    runtime.block_on(async {
        let stand_in = StandIn::start(config).await?;
        let url = stand_in.base_url();
        output::line(format!("A made-up provider answers on {url} until Ctrl-C."));
        output::line(format!("  codex-plus start --upstream {url}"));
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
                .context("cannot listen for SIGTERM")?;
        tokio::select! {
            _ = terminate.recv() => {}
            ended = tokio::signal::ctrl_c() => ended.context("cannot listen for Ctrl-C")?,
        }
        stand_in.stop().await;
        Ok(Exit::Success)
    })
}

/// A script is a JSON list of answers; errors name their place in it.
fn read_script(path: &Path) -> anyhow::Result<Vec<Answer>> {
    let shown = path.display();
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read the script {shown}"))?;
    let mut reader = serde_json::Deserializer::from_str(&text);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let at = error.path().to_string();
        let inner = error.into_inner();
        anyhow::anyhow!(
            "{shown}:{}:{}: answer {at}: {inner}; `[{{}}]` is the shortest script",
            inner.line(),
            inner.column()
        )
    })
}
