//! An upstream whose every byte a test decides.

use std::future::Future;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::home::free;
use super::peer::Peer;

/// Hands each connection to `answer`, until the test's runtime ends.
pub(crate) async fn upstream<F>(answer: impl Fn(Peer) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(Peer::new(stream)));
        }
    });
    address
}

/// An address that refuses connections.
pub(crate) fn nobody() -> SocketAddr {
    free()
}
