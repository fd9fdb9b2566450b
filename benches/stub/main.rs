//! An upstream that answers at once: as little work as can be between a request's last byte and
//! its answer's first, so that a run measures what stands before it.
//!
//! The request's query says what is wanted: nothing for one JSON document, `stream=N&every=MS` for
//! N events, MS milliseconds apart; `mirror=1` for the body it sent. A WebSocket upgrade with the same query streams so for every
//! message it gets.

mod asked;
mod conductor;
mod serve;

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::net::TcpListener;

use serve::Stub;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let port = std::env::args().nth(1).map(|port| port.parse::<u16>());
    let Some(Ok(port)) = port else {
        anyhow::bail!("usage: bench-stub PORT");
    };
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    rustix::net::listen(&listener, 16_384)?;
    let listener = TcpListener::from_std(listener)?;
    let stub = Arc::new(Stub::default());
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            continue;
        };
        stream.set_nodelay(true)?;
        let stub = Arc::clone(&stub);
        tokio::spawn(async move {
            // A client that leaves early is its own affair.
            let _ = serve::connection(&stub, stream).await;
        });
    }
}
