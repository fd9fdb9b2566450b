//! Python hooks, run in persistent worker processes.
