//! The counts that were kept, in `benches/instructions.json`, and what became of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use serde_json::{Value, json};

/// A count this much above the kept one is a regression, in percent. Between two builds of the
/// same code by the same compiler counts move by less than one.
pub(crate) const TOLERANCE: f64 = 3.0;

/// Kept counts, by the work's name.
#[derive(Debug, Default)]
pub(crate) struct Baseline {
    counts: BTreeMap<String, u64>,
    /// Which compiler built what was counted, for which processor.
    made_by: String,
}

impl Baseline {
    /// What was kept; nothing when there is no file.
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        if !file.exists() {
            return Ok(Self::default());
        }
        let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let kept: Value = serde_json::from_slice(&text)
            .with_context(|| format!("{} is no JSON", file.display()))?;
        let counts = kept["instructions"].as_object().into_iter().flatten();
        Ok(Self {
            counts: counts
                .filter_map(|(name, count)| Some((name.clone(), count.as_u64()?)))
                .collect(),
            made_by: kept["made_by"].as_str().unwrap_or_default().to_owned(),
        })
    }

    /// Keeps these counts in its place.
    pub(crate) fn keep(file: &Path, counts: &[(&str, u64)]) -> anyhow::Result<()> {
        let counts: serde_json::Map<String, Value> = counts
            .iter()
            .map(|(name, count)| ((*name).to_owned(), json!(count)))
            .collect();
        let kept = json!({"made_by": made_by(), "instructions": counts});
        fs::write(file, format!("{kept:#}\n"))
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// The change of a count against the kept one, in percent.
    pub(crate) fn change(&self, name: &str, count: u64) -> Option<f64> {
        let kept = self.counts.get(name).copied().filter(|kept| *kept > 0)?;
        #[allow(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
        let (count, kept) = (count as f64, kept as f64);
        Some((count / kept - 1.0) * 100.0)
    }

    /// Why the counts should not be compared, when another compiler or processor made them.
    pub(crate) fn stranger(&self) -> Option<String> {
        let here = made_by();
        (!self.counts.is_empty() && self.made_by != here)
            .then(|| format!("kept counts are by {}, these by {here}", self.made_by))
    }
}

/// The compiler and the kind of processor: both change counts by themselves.
fn made_by() -> String {
    let said = Command::new("rustc").arg("--version").output().ok();
    let said = said.and_then(|said| String::from_utf8(said.stdout).ok());
    let said = said.unwrap_or_default();
    let version = said.split(' ').nth(1).unwrap_or("an unknown version");
    format!("rustc {version}, {}", std::env::consts::ARCH)
}
