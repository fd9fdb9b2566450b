//! The protocols clients speak to us, and which of them a connection begins with.

use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;

use crate::line::Line;

/// How a connection begins that goes on as HTTP/2 (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What serves connections, made once from the settings.
pub(crate) struct Protocols {
    /// Nearly every client. Left to itself it reads into one buffer of the usual size; behind the
    /// other one's look at the preface it would need two.
    pub(crate) http1: http1::Builder,
    /// For a connection that begins as HTTP/2 does.
    pub(crate) either: auto::Builder<TokioExecutor>,
}

impl Protocols {
    pub(crate) fn of(line: &Line) -> Self {
        let head = line.config.limits.head.get();
        let slowest = line.config.timeouts.head.get();
        // hyper reads heads and bodies through one buffer, of 8 KiB at least.
        let buffer = head.max(8_192);
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(slowest)
            .max_buf_size(buffer)
            // The answer's Date is the upstream's, or absent as the upstream left it.
            .auto_date_header(false);
        let mut either = auto::Builder::new(TokioExecutor::new());
        either
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(slowest)
            .max_buf_size(buffer)
            .auto_date_header(false);
        either
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX))
            .keep_alive_interval(Duration::from_mins(1))
            .auto_date_header(false);
        Self { http1, either }
    }
}

/// Waits for a client's first bytes, which stay where they are, and tells whether they can only be
/// those of HTTP/1.1. An error is left to whoever reads next.
pub(crate) async fn begins_as_http1(stream: &TcpStream) -> bool {
    let mut first = [0; PREFACE.len()];
    let peeked = stream.peek(&mut first).await.unwrap_or(0);
    !PREFACE.starts_with(&first[..peeked]) || peeked == 0
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn only_a_preface_may_be_http2() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        for (sent, http1) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], true),
            (b"POST / HTTP/1.1\r\n\r\n", true),
            (b"PRI * HTTP/1.1\r\n\r\n", true),
            (b"G", true),
            (b"", true),
            // Whoever reads on finds out.
            (b"P", false),
            (b"PRI * HTTP/2.0\r\n", false),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04", false),
        ] {
            let mut client = TcpStream::connect(listener.local_addr().unwrap())
                .await
                .unwrap();
            client.write_all(sent).await.unwrap();
            client.shutdown().await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            assert_eq!(begins_as_http1(&stream).await, http1, "{sent:?}");
        }
    }
}
