//! From the first connection to the last.

/// How far a proxy is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It takes connections and serves them.
    Serving,
    /// Another process takes the connections; those that are here may finish at leisure.
    HandedOver,
    /// It is to end, within the drain limit.
    Stopping,
}
