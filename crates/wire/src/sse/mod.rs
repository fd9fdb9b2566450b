//! Server-sent events cut out of a byte stream (WHATWG HTML, "server-sent events").

mod framer;
mod record;

pub use framer::SseFramer;
pub use record::SseFrame;
