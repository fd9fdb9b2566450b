//! A local Responses API with scripted answers.
//!
//! The stand-in plays the model provider so that the demo, the tests and the
//! benchmarks need no account and no network. It speaks HTTP/1.1, h2c and
//! WebSocket, takes its answers from a first-in-first-out script, and remembers
//! what it received. It is never linked into the request path.
//!
//! Rooms, in the order a request walks through them: [`StandIn`] accepts,
//! `service` sorts by path, `request` reads what is asked, `script` picks an
//! [`Answer`], `suited` invents one when the script is empty, `events` turns it
//! into Responses events, and `stream` or `websocket` carries them out.

mod answer;
mod build;
mod coding;
mod config;
mod control;
mod echo;
mod events;
mod plan;
mod received;
mod recorder;
mod request;
mod server;
mod service;
mod shared;
mod socket;
mod stream;
mod suited;
mod websocket;

pub use answer::{Answer, Encoding, Ending, Reply, Usage};
pub use config::{Config, WebSocketMode};
pub use received::{Outcome, Received, Transport};
pub use server::{StandIn, StartError, serve};
