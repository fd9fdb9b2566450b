//! The floor: the least that hyper can do to carry bytes from a client to one upstream and back.
//! What the proxy costs above this is what its work costs. Ready-made parts, default settings.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri, header, server::conn::http1};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

type Pool = Client<HttpConnector, Incoming>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut ports = std::env::args().skip(1).map(|port| port.parse::<u16>());
    let (Some(Ok(listen)), Some(Ok(upstream))) = (ports.next(), ports.next()) else {
        anyhow::bail!("usage: bench-floor LISTEN_PORT UPSTREAM_PORT");
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, listen)).await?;
    let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, upstream));
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let pool: Pool = Client::builder(TokioExecutor::new()).build(connector);
    loop {
        let (stream, _) = listener.accept().await?;
        let pool = pool.clone();
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let service = service_fn(|request| carry(&pool, upstream, request));
            // A client that leaves early is its own affair.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn carry(
    pool: &Pool,
    upstream: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<Incoming>, Infallible> {
    let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
    let Ok(target) = format!("http://{upstream}{path}").parse::<Uri>() else {
        std::process::exit(1);
    };
    *request.uri_mut() = target;
    request.headers_mut().remove(header::HOST);
    match pool.request(request).await {
        Ok(response) => Ok(response),
        // A failed exchange would spoil the figures: better none at all.
        Err(_) => std::process::exit(1),
    }
}
