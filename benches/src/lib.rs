//! What the load harness, its upstream and the instruction counts share: the clock, the events one
//! sends and the other times, a client, and the shape of a request.

pub mod conversation;
pub mod event;
pub mod http;
