//! The floor for WebSocket: the least that tungstenite can do to relay messages both ways.

use std::net::Ipv4Addr;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::{accept_hdr_async, client_async};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut ports = std::env::args().skip(1).map(|port| port.parse::<u16>());
    let (Some(Ok(listen)), Some(Ok(upstream))) = (ports.next(), ports.next()) else {
        anyhow::bail!("usage: bench-floor-websocket LISTEN_PORT UPSTREAM_PORT");
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, listen)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(relay(stream, upstream));
    }
}

async fn relay(stream: TcpStream, upstream: u16) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut path = String::new();
    #[allow(clippy::result_large_err, reason = "tungstenite's own signature")]
    let client = accept_hdr_async(stream, |request: &Request, response: Response| {
        path = request.uri().to_string();
        Ok(response)
    })
    .await?;
    let onward = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)).await?;
    onward.set_nodelay(true)?;
    let url = format!("ws://127.0.0.1:{upstream}{path}");
    let (server, _) = client_async(url, onward).await?;
    let (mut to_client, mut from_client) = client.split();
    let (mut to_server, mut from_server) = server.split();
    let out = async {
        while let Some(Ok(message)) = from_client.next().await {
            if to_server.send(message).await.is_err() {
                break;
            }
        }
    };
    let back = async {
        while let Some(Ok(message)) = from_server.next().await {
            if to_client.send(message).await.is_err() {
                break;
            }
        }
    };
    // Either side's end is the end of both.
    tokio::select! { () = out => {}, () = back => {} }
    Ok(())
}
