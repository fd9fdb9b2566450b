//! Exchanges with an upstream whose every byte is told.

use std::net::Ipv4Addr;

use http::{HeaderMap, HeaderValue, Request};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::body::OutBody;

/// The two ends of a connection: ours, and the upstream's.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap());
    let (ours, theirs) = tokio::join!(ours, listener.accept());
    let theirs = theirs.unwrap().0;
    theirs.set_nodelay(true).unwrap();
    (ours.unwrap(), theirs)
}

fn get() -> Box<Sending> {
    let request = Request::get("http://h/").body(OutBody::Empty);
    Box::new(Sending::new(request.unwrap()))
}

fn post(headers: &[(&str, &str)], chunks: &[&'static [u8]]) -> Box<Sending> {
    let trailers = [("x-sum", "9"), ("x-none", "1"), ("host", "evil")];
    let trailers: HeaderMap = trailers
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
        .into_iter()
        .collect();
    let body = OutBody::held(
        chunks.iter().copied().map(Bytes::from_static),
        Some(trailers),
    );
    let mut request = Request::post("http://h/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Box::new(Sending::new(request.body(body).unwrap()))
}

async fn head(exchange: &mut Exchange) -> Result<Response<()>, Broken> {
    poll_fn(|cx| exchange.poll_head(cx)).await
}

/// Whether it waits for its answer once it was polled.
async fn waits(exchange: &mut Exchange) -> bool {
    poll_fn(|cx| Poll::Ready(exchange.poll_head(cx).is_pending())).await
}

async fn frame(exchange: &mut Exchange) -> Option<Result<Frame<Bytes>, Broken>> {
    poll_fn(|cx| exchange.poll_frame(cx)).await
}

/// The data of a body to its end, in its pieces.
async fn pieces(exchange: &mut Exchange) -> Result<Vec<Bytes>, Broken> {
    let mut pieces = Vec::new();
    while let Some(frame) = frame(exchange).await.transpose()? {
        pieces.extend(frame.into_data().ok());
    }
    Ok(pieces)
}

/// What an upstream hears that answers only when all of it was said.
async fn heard(sending: Box<Sending>) -> Result<String, Broken> {
    let (ours, mut theirs) = pair().await;
    let mut exchange = Exchange::new(ours, sending);
    let asking = async move { head(&mut exchange).await.err().map_or(Ok(()), Err) };
    let hearing = async {
        let mut heard = Vec::new();
        while !heard.ends_with(b"END")
            && !heard.ends_with(b"\r\n0\r\n\r\n")
            && !heard.ends_with(b": 9\r\n\r\n")
        {
            if theirs.read_buf(&mut heard).await.unwrap() == 0 {
                break;
            }
        }
        let _ = theirs.write_all(b"HTTP/1.1 204 N\r\n\r\n").await;
        String::from_utf8(heard).unwrap()
    };
    let (asked, heard) = tokio::join!(asking, hearing);
    asked.map(|()| heard)
}

#[tokio::test]
async fn bodies_are_framed_as_their_heads_say() {
    let start = "POST / HTTP/1.1\r\n";
    for (headers, chunks, wanted) in [
        (
            &[("content-length", "6")][..],
            &[&b"one"[..], b"END"][..],
            "content-length: 6\r\nhost: h\r\n\r\noneEND",
        ),
        // What is said too much would be another request.
        (
            &[("content-length", "6")],
            &[b"one", b"ENDGET / HTTP/1.1\r\n\r\n"],
            "content-length: 6\r\nhost: h\r\n\r\noneEND",
        ),
        (
            &[("transfer-encoding", "chunked")],
            &[b"0123456789ab"],
            "transfer-encoding: chunked\r\nhost: h\r\n\r\nC\r\n0123456789ab\r\n0\r\n\r\n",
        ),
        (
            &[("transfer-encoding", "chunked"), ("trailer", "x-sum, host")],
            &[b"a", b"b"],
            "transfer-encoding: chunked\r\ntrailer: x-sum, host\r\nhost: h\r\n\r\n\
             1\r\na\r\n1\r\nb\r\n0\r\nx-sum: 9\r\n\r\n",
        ),
    ] {
        let heard = heard(post(headers, chunks)).await.unwrap();
        assert_eq!(heard, format!("{start}{wanted}"));
    }
    let short = heard(post(&[("content-length", "7")], &[b"short"])).await;
    assert!(matches!(short, Err(Broken::Short(2))), "{short:?}");
}

#[tokio::test]
async fn an_answer_is_the_same_however_it_comes() {
    let hints = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\na: b\r\n\r\n";
    let answer = format!(
        "{hints}HTTP/1.1 200 Fine\r\nx: \r\ntransfer-encoding: chunked\r\n\r\n\
         3\r\none\r\n3;x\r\ntwo\r\n0\r\nsum: 9\r\n\r\n"
    );
    for size in [1, 7, 64, answer.len()] {
        let (ours, mut theirs) = pair().await;
        let mut exchange = Exchange::new(ours, get());
        let bytes = answer.clone().into_bytes();
        let answering = tokio::spawn(async move {
            let _ = theirs.read(&mut [0; 100]).await;
            for piece in bytes.chunks(size) {
                theirs.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            theirs
        });
        let head = head(&mut exchange).await.unwrap();
        assert_eq!(head.status(), 200);
        assert_eq!(head.headers()["x"], "");
        let mut body = Vec::new();
        let trailers = loop {
            match frame(&mut exchange).await.unwrap().unwrap().into_data() {
                Ok(data) => body.extend(data),
                Err(trailers) => break trailers.into_trailers().ok().unwrap(),
            }
        };
        assert_eq!(
            (&body[..], &trailers["sum"]),
            (&b"onetwo"[..], &HeaderValue::from_static("9"))
        );
        assert!(exchange.is_over() && frame(&mut exchange).await.is_none());
        let _theirs = answering.await.unwrap();
        assert!(matches!(exchange.into_rest(), Rest::Free(_)));
    }
}

/// What becomes of the exchange when this is said in one packet, before the connection closes or
/// not.
async fn said(answer: &[u8], closes: bool) -> (Result<Vec<Bytes>, Broken>, Rest) {
    let (ours, mut theirs) = pair().await;
    let mut exchange = Exchange::new(ours, get());
    assert!(waits(&mut exchange).await);
    let _ = theirs.read(&mut [0; 100]).await;
    theirs.write_all(answer).await.unwrap();
    let open = (!closes).then_some(theirs);
    let pieces = match head(&mut exchange).await {
        Ok(_) => pieces(&mut exchange).await,
        Err(error) => Err(error),
    };
    drop(open);
    (pieces, exchange.into_rest())
}

#[tokio::test]
async fn nothing_that_broke_off_looks_whole() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfour",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfour",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfour\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n\r",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\nx: y\r\n",
    ] {
        let (pieces, _) = said(answer.as_bytes(), true).await;
        assert!(matches!(pieces, Err(Broken::Answer(_))), "{answer}");
    }
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\nx: y\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        let (pieces, _) = said(answer.as_bytes(), true).await;
        assert!(matches!(pieces, Err(Broken::Closed)), "{answer}");
    }
    let (pieces, rest) = said(b"HTTP/1.1 200 OK\r\n\r\nfour", true).await;
    assert_eq!(pieces.unwrap(), ["four"], "its end is the connection's");
    assert!(matches!(rest, Rest::Closed));
}

#[tokio::test]
async fn only_a_connection_with_nothing_more_to_say_is_kept() {
    let length = "content-length: 4\r\n\r\nfour";
    let chunks = "transfer-encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n\r\n";
    for framed in [length, chunks] {
        for (answer, kept) in [
            (format!("HTTP/1.1 200 OK\r\n{framed}"), true),
            (
                format!("HTTP/1.1 200 OK\r\nconnection: x, Close\r\n{framed}"),
                false,
            ),
            (
                format!("HTTP/1.1 200 OK\r\n{framed}HTTP/1.1 200 OK\r\n\r\n"),
                false,
            ),
            (format!("HTTP/1.1 200 OK\r\n{framed}\r\n"), false),
        ] {
            let (pieces, rest) = said(answer.as_bytes(), false).await;
            assert_eq!(pieces.unwrap(), ["four"], "{answer}");
            assert_eq!(matches!(rest, Rest::Free(_)), kept, "{answer}");
        }
    }
    for answer in [
        "HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 204 No\r\n\r\nmore",
        "HTTP/1.1 304 No\r\ncontent-length: 4\r\n\r\nfour",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ] {
        let (pieces, rest) = said(answer.as_bytes(), false).await;
        assert!(pieces.unwrap().is_empty(), "{answer}");
        assert!(matches!(rest, Rest::Closed), "{answer}");
    }
}

#[tokio::test]
async fn heads_that_frame_two_ways_or_none_are_refused() {
    use error::BadHead;
    let many = "x: y\r\n".repeat(101);
    let long = format!("x: {}", "y".repeat(500 << 10));
    for (answer, error) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\n",
            BadHead::Length,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: +4\r\n\r\n",
            BadHead::Length,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551615\r\n\r\n",
            BadHead::TooLarge,
        ),
        (
            "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            BadHead::Coding,
        ),
        ("HTTP/1.1 200 OK\r\nx : y\r\n\r\n", BadHead::Field),
        ("HTTP/1.1 200 OK\r\nx: y\r\n z\r\n\r\n", BadHead::Field),
        ("HTTP/1.1 200 OK\r\nx: \0\r\n\r\n", BadHead::Field),
        ("HTTP/2.0 200 OK\r\n\r\n", BadHead::Version),
        ("SSH-2.0-OpenSSH\r\n", BadHead::Version),
        ("HTTP/1.1 2000 OK\r\n\r\n", BadHead::Status),
        (&format!("HTTP/1.1 200 OK\r\n{many}\r\n"), BadHead::TooLarge),
        (&format!("HTTP/1.1 200 OK\r\n{long}"), BadHead::TooLarge),
    ] {
        let (pieces, _) = said(answer.as_bytes(), false).await;
        let refused = matches!(&pieces, Err(Broken::Head(found)) if *found == error);
        assert!(refused, "{answer:.80}: {pieces:?}");
    }
}

#[tokio::test]
async fn what_is_said_unasked_costs_the_connection_and_not_the_request() {
    for says in [true, false] {
        let (ours, mut theirs) = pair().await;
        if says {
            theirs.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        }
        drop(theirs);
        ours.readable().await.unwrap();
        let mut exchange = Exchange::new(ours, post(&[("content-length", "3")], &[b"END"]));
        let error = head(&mut exchange).await.unwrap_err();
        assert!(
            matches!(error, Broken::Unasked | Broken::Closed),
            "{error:?}"
        );
        let unsent = exchange.into_unsent(&error).unwrap();
        assert!(heard(unsent).await.unwrap().ends_with("\r\n\r\nEND"));
    }
}

#[tokio::test]
async fn the_rest_of_a_request_is_owed_after_an_early_answer() {
    static LONG: [u8; 8 << 20] = [b'x'; 8 << 20];
    let length = LONG.len().to_string();
    for reads in [true, false] {
        let (ours, mut theirs) = pair().await;
        let mut exchange = Exchange::new(ours, post(&[("content-length", &length)], &[&LONG]));
        assert!(waits(&mut exchange).await);
        let early = b"HTTP/1.1 413 No\r\ncontent-length: 2\r\n\r\nno";
        theirs.write_all(early).await.unwrap();
        let status = head(&mut exchange).await.unwrap().status();
        let said = pieces(&mut exchange).await.unwrap();
        assert_eq!(
            (status.as_u16(), &said[..]),
            (413, &[Bytes::from_static(b"no")][..])
        );
        let Rest::Owed(owed) = exchange.into_rest() else {
            panic!("all of it was sent");
        };
        let reading = async move {
            if reads {
                let mut heard = Vec::new();
                while !heard.windows(4).any(|end| end == b"\r\n\r\n") {
                    theirs.read_buf(&mut heard).await.unwrap();
                }
                let start = heard.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
                let mut rest = vec![0; start + LONG.len() - heard.len()];
                theirs.read_exact(&mut rest).await.unwrap();
            }
            theirs
        };
        let (paid, _) = tokio::join!(owed.pay(), async {
            let theirs = reading.await;
            // Kept open where all of it was read.
            reads.then_some(theirs)
        });
        assert_eq!(paid.is_some(), reads);
    }
}

#[tokio::test]
async fn a_long_body_is_whole() {
    let body: Vec<u8> = (0..5_000_000_u32)
        .map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1])
        .collect();
    for chunked in [false, true] {
        let (ours, mut theirs) = pair().await;
        let mut exchange = Exchange::new(ours, get());
        let mut answer = b"HTTP/1.1 200 OK\r\n".to_vec();
        if chunked {
            answer.extend(b"transfer-encoding: chunked\r\n\r\n");
            for chunk in body.chunks(300_007) {
                answer.extend(format!("{:x}\r\n", chunk.len()).bytes());
                answer.extend(chunk);
                answer.extend(b"\r\n");
            }
            answer.extend(b"0\r\n\r\n");
        } else {
            answer.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
            answer.extend(&body);
        }
        let answering = tokio::spawn(async move {
            let _ = theirs.read(&mut [0; 100]).await;
            theirs.write_all(&answer).await.unwrap();
            theirs
        });
        head(&mut exchange).await.unwrap();
        let left = exchange.size_hint().exact();
        assert_eq!(left, (!chunked).then_some(body.len() as u64));
        assert!(pieces(&mut exchange).await.unwrap().concat() == body);
        let _theirs = answering.await.unwrap();
        assert!(matches!(exchange.into_rest(), Rest::Free(_)));
    }
}
