//! What each hook took, as the proxy that ran them counted it.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::daemon::Probe;

use super::report::short;
use super::target::Target;

/// One hook's runs.
#[derive(Debug)]
pub(super) struct HookCost {
    name: String,
    stats: Stats,
}

/// What `/codex-plus/hooks` tells of them.
#[derive(Debug, Deserialize)]
struct Stats {
    runs: u64,
    failures: u64,
    p50_us: u64,
    p99_us: u64,
    max_us: u64,
}

/// Asks the proxy which hooks ran; nothing when it does not tell.
pub(super) fn ask(target: &Target, token: Option<&str>) -> Option<Vec<HookCost>> {
    let told = Probe::new(target.address(), token).get("/codex-plus/hooks")?;
    let python = told["hooks"].as_array().into_iter().flatten();
    let events = told["settings_hooks"].as_object().into_iter().flatten();
    let settings = events.filter_map(|(_, hooks)| hooks.as_array()).flatten();
    Some(python.chain(settings).filter_map(cost).collect())
}

/// The cost of one hook, when it ran.
fn cost(told: &Value) -> Option<HookCost> {
    Some(HookCost {
        name: told["name"].as_str()?.to_owned(),
        stats: Stats::deserialize(&told["stats"]).ok()?,
    })
}

impl HookCost {
    pub(super) fn json(&self) -> Value {
        json!({
            "hook": self.name,
            "runs": self.stats.runs,
            "failures": self.stats.failures,
            "p50_us": self.stats.p50_us,
            "p99_us": self.stats.p99_us,
            "max_us": self.stats.max_us,
        })
    }

    /// One line for people.
    pub(super) fn line(&self) -> String {
        let time = |us| short(Duration::from_micros(us));
        let failed = match self.stats.failures {
            0 => String::new(),
            failures => format!("  {failures} failed"),
        };
        format!(
            "{:<44} {:>9} p50 {:>9} p99 {:>9} max {:>7} runs{failed}",
            self.name,
            time(self.stats.p50_us),
            time(self.stats.p99_us),
            time(self.stats.max_us),
            self.stats.runs,
        )
    }
}
