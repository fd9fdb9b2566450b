//! Numbers as collectors want them: families of samples, told apart by a few bounded labels.

use std::borrow::Cow;

/// Labels of one sample: names, and values out of a bounded set. No path, id, prompt or secret.
pub type Labels = Vec<(&'static str, Cow<'static, str>)>;

/// Something that has numbers to show at `/codex-plus/metrics`.
///
/// Called when somebody asks for them, on a worker of the line: it reads counters and does not wait.
pub trait MetricSource: Send + Sync + 'static {
    /// Adds its numbers.
    fn collect(&self, families: &mut Families);
}

/// What a family's numbers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from the proxy's start.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How values are spread.
    Histogram,
}

/// A sample's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Of a counter or a gauge.
    Number(f64),
    /// Of a histogram.
    Spread(Spread),
}

/// How values are spread over buckets.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Spread {
    /// Upper bounds of the buckets, ascending; one more bucket lies above the last.
    pub bounds: Vec<f64>,
    /// Values in each bucket by itself: one more than there are bounds.
    pub counts: Vec<u64>,
    /// The sum of all values.
    pub sum: f64,
}

impl Spread {
    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// One series' value now.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What tells it from the family's others.
    pub labels: Labels,
    /// Its value.
    pub value: Value,
}

/// Samples of one meaning.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Name as Prometheus writes it, unit and `_total` included.
    pub name: &'static str,
    /// What it counts, in one sentence.
    pub help: &'static str,
    /// What its numbers mean.
    pub kind: Kind,
    /// Its series.
    pub samples: Vec<Sample>,
}

/// Everything there is to tell, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Families(pub Vec<Family>);

impl Families {
    /// Begins a family; the samples added to it follow.
    pub fn family(&mut self, name: &'static str, help: &'static str, kind: Kind) -> &mut Family {
        self.0.push(Family {
            name,
            help,
            kind,
            samples: Vec::new(),
        });
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    /// A family of one number without labels.
    pub fn number(&mut self, name: &'static str, help: &'static str, kind: Kind, value: u64) {
        self.family(name, help, kind).number(Labels::new(), value);
    }
}

impl Family {
    /// Adds a number.
    #[allow(clippy::cast_precision_loss, reason = "exact up to 2^53")]
    pub fn number(&mut self, labels: Labels, value: u64) {
        self.samples.push(Sample {
            labels,
            value: Value::Number(value as f64),
        });
    }

    /// Adds a spread.
    pub fn spread(&mut self, labels: Labels, spread: Spread) {
        self.samples.push(Sample {
            labels,
            value: Value::Spread(spread),
        });
    }
}
