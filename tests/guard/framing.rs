//! Requests whose end could be seen in two places: what one side takes for a body must never be
//! a request to the other.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt as _;

use crate::support::peer::Peer;
use crate::support::proxy::Proxy;
use crate::support::upstream::upstream;
use crate::support::within;

const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// A proxy and the first lines of all requests its upstream takes; an upstream that meets bytes
/// it cannot read as a request writes those down as well.
async fn line() -> (Proxy, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let address = upstream(move |mut peer| {
        let told = Arc::clone(&told);
        async move {
            while let Ok(Some(head)) = peer.try_head().await {
                // Framing that is not beyond doubt would itself be the attack.
                let framings =
                    head.all("content-length").len() + head.all("transfer-encoding").len();
                assert!(framings <= 1, "{head:?}");
                told.lock().unwrap().push(head.line.clone());
                if peer.try_body(&head).await.is_err() {
                    return;
                }
                peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    .await;
            }
        }
    })
    .await;
    (Proxy::before(format!("http://{address}")), seen)
}

/// Sends the bytes, waits for an answer or the connection's end, then for all further answers.
async fn throw(proxy: &Proxy, bytes: &[u8]) -> Vec<u8> {
    let mut client = Peer::connect(proxy.address).await;
    let _ = client.try_send(bytes).await;
    let _ = client.more().await;
    let _ = client.stream.shutdown().await;
    client.rest().await.unwrap_or_default()
}

/// The upstream saw the open requests at most, each once.
fn nothing_hidden(seen: &Mutex<Vec<String>>, thrown: usize) {
    let seen = seen.lock().unwrap();
    let open = seen.iter().all(|line| line == "POST /open HTTP/1.1");
    assert!(open && seen.len() <= thrown, "{thrown} thrown: {seen:?}");
}

/// Forms that a careful server refuses; the hidden request stands where a careless one would
/// find it.
#[tokio::test(flavor = "multi_thread")]
async fn doubtful_lengths_are_refused() {
    let (proxy, seen) = line().await;
    let length = HIDDEN.len();
    for fields in [
        format!("content-length: 0\r\ncontent-length: {length}\r\n"),
        format!("content-length: {length}\r\ncontent-length: 0\r\n"),
        format!("content-length: 0, {length}\r\n"),
        "content-length: +0\r\n".to_owned(),
        "content-length: -1\r\n".to_owned(),
        "content-length: 0x0\r\n".to_owned(),
        "content-length: 0 0\r\n".to_owned(),
        "content-length: 99999999999999999999999\r\n".to_owned(),
        "content-length:\r\n".to_owned(),
        "content-length : 0\r\n".to_owned(),
        "transfer-encoding : chunked\r\n".to_owned(),
        " transfer-encoding: chunked\r\n".to_owned(),
        "transfer-encoding: xchunked\r\n".to_owned(),
        "transfer-encoding: chunked, identity\r\n".to_owned(),
        "transfer-encoding: \"chunked\"\r\n".to_owned(),
        "transfer-encoding: identity\r\n".to_owned(),
        "transfer-encoding:\r\n".to_owned(),
        "x: y\r\n transfer-encoding: chunked\r\n".to_owned(),
        "transfer-encoding\r\n: chunked\r\n".to_owned(),
    ] {
        let request = format!("POST /open HTTP/1.1\r\nhost: localhost\r\n{fields}\r\n{HIDDEN}");
        let answer = throw(&proxy, request.as_bytes()).await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{fields}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{fields}: {answer}");
    }
    assert!(seen.lock().unwrap().is_empty());
}

/// Chunks that a careless reader would measure differently.
#[tokio::test(flavor = "multi_thread")]
async fn doubtful_chunks_hide_nothing() {
    let length = HIDDEN.len();
    for body in [
        format!("0x0\r\n\r\n{HIDDEN}"),
        format!("+0\r\n\r\n{HIDDEN}"),
        format!("-1\r\n\r\n{HIDDEN}"),
        format!("\r\n0\r\n\r\n{HIDDEN}"),
        format!("10000000000000000\r\n{HIDDEN}"),
        format!("{length:x}\r\n{HIDDEN}0\r\n\r\n"),
        format!("3\r\nabcdef\r\n0\r\n\r\n{HIDDEN}"),
        format!("0\nX: y\n\n{HIDDEN}"),
    ] {
        let request = format!(
            "POST /open HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n{body}"
        );
        let (proxy, seen) = line().await;
        throw(&proxy, request.as_bytes()).await;
        proxy.logged(1).await;
        nothing_hidden(&seen, 1);
    }
}

/// Both framings at once are read by the chunks alone (RFC 9112, 6.1): one request here, and the
/// same one upstream.
#[tokio::test(flavor = "multi_thread")]
async fn both_framings_at_once_hide_nothing() {
    let hidden = format!("{:x}\r\n{HIDDEN}\r\n0\r\n\r\n", HIDDEN.len());
    for fields in [
        "content-length: 6\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 6\r\n",
        "transfer-encoding: chunked\r\nconnection: transfer-encoding\r\n",
        // Taken out by a careless reading of Connection, this would leave the body bare.
        &format!(
            "content-length: {}\r\nconnection: content-length\r\n",
            hidden.len()
        ),
    ] {
        let request = format!("POST /open HTTP/1.1\r\nhost: localhost\r\n{fields}\r\n{hidden}");
        // A line of its own for each, so that one sent twice cannot pass for another's.
        let (proxy, seen) = line().await;
        throw(&proxy, request.as_bytes()).await;
        assert_eq!(proxy.logged(1).await.len(), 1);
        assert_eq!(*seen.lock().unwrap(), ["POST /open HTTP/1.1"], "{fields}");
    }
    // HTTP/1.0 knows no chunks.
    let request = format!(
        "POST /open HTTP/1.0\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}"
    );
    let (proxy, seen) = line().await;
    throw(&proxy, request.as_bytes()).await;
    nothing_hidden(&seen, 1);
}

/// Transfer codings end with the proxy: one it cannot undo would be lost on the upstream.
#[tokio::test(flavor = "multi_thread")]
async fn other_transfer_codings_do_not_enter() {
    for fields in [
        "transfer-encoding: gzip, chunked\r\n",
        "content-length: 6\r\ntransfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
    ] {
        let request = format!("POST /open HTTP/1.1\r\nhost: localhost\r\n{fields}\r\n0\r\n\r\n");
        let (proxy, seen) = line().await;
        throw(&proxy, request.as_bytes()).await;
        assert_eq!(proxy.logged(1).await[0]["status"], 501, "{fields}");
        nothing_hidden(&seen, 0);
    }
}

/// HTTP/2 frames its bodies itself, so a wrong length there shows only when it becomes HTTP/1.1.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_length_over_http2_hides_nothing() {
    let (proxy, seen) = line().await;
    for length in [0, 3, 4_000] {
        let stream = tokio::net::TcpStream::connect(proxy.address).await.unwrap();
        let (mut client, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        let body = format!("abc{HIDDEN}");
        let request = hyper::Request::post("http://localhost/open")
            .header("content-length", length)
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        // A length that is too short may cut the body or break the request: both hide nothing.
        let _ = within(client.send_request(request)).await;
        nothing_hidden(&seen, 3);
    }
}
