//! What the load harness and its upstream share: the clock both read, the events one sends and
//! the other times, and the shape of a request.

pub mod event;
pub mod http;
