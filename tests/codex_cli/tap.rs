//! A wire tap: passes bytes on and keeps a copy, so that both sides of the proxy can be compared.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The bytes of one connection, each way.
#[derive(Default)]
pub(crate) struct Connection {
    pub(crate) sent: Mutex<Vec<u8>>,
    pub(crate) answered: Mutex<Vec<u8>>,
}

/// A tap in front of an address.
pub(crate) struct Tap {
    pub(crate) address: SocketAddr,
    connections: Arc<Mutex<Vec<Arc<Connection>>>>,
}

impl Tap {
    /// Listens, and passes on to what `target` says then; the proxy may not be up yet.
    pub(crate) async fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::<Mutex<Vec<Arc<Connection>>>>::default();
        let kept = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let copy = Arc::new(Connection::default());
                kept.lock().unwrap().push(Arc::clone(&copy));
                tokio::spawn(pass(client, target, copy));
            }
        });
        Self {
            address,
            connections,
        }
    }

    /// The connections so far, in the order they were made.
    pub(crate) fn connections(&self) -> Vec<Arc<Connection>> {
        self.connections.lock().unwrap().clone()
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

async fn pass(client: TcpStream, target: SocketAddr, copy: Arc<Connection>) {
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(
        one_way(from_client, to_server, &copy.sent),
        one_way(from_server, to_client, &copy.answered),
    );
}

async fn one_way(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    copy: &Mutex<Vec<u8>>,
) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(len @ 1..) = from.read(&mut buffer).await {
        copy.lock().unwrap().extend_from_slice(&buffer[..len]);
        if to.write_all(&buffer[..len]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
