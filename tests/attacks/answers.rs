//! Answers whose end could be seen in two places: what an upstream says too much must never be
//! the answer to another request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::peer::{Peer, get};
use crate::support::proxy::Proxy;
use crate::support::upstream::upstream;

/// What a careless reader would take for the next answer.
const POISON: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison";
/// Ends a case that would wait for ever.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the client gets.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// 502.
    Refused,
    /// A body that breaks off, with its head or before it.
    Cut,
    /// This status and body.
    Whole(u16, &'static str),
}
use Fate::{Cut, Refused, Whole};

fn ok(fields: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}\r\n{body}")
}

/// The cases: a name, a method, the whole answer, what becomes of it.
fn cases() -> Vec<(&'static str, &'static str, String, Fate)> {
    let poisoned = |fields: &str, body: &str| ok(fields, &format!("{body}{POISON}"));
    let long = format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(200_000));
    let many = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(50);
    let end = "\r\nabc\r\n0\r\n\r\n";
    let chunked = "transfer-encoding: chunked\r\n";
    vec![
        (
            "both framings",
            "GET",
            poisoned(
                "content-length: 60\r\ntransfer-encoding: chunked\r\n",
                "3\r\nabc\r\n0\r\n\r\n",
            ),
            Whole(200, "abc"),
        ),
        (
            "both framings, turned",
            "GET",
            poisoned(
                "transfer-encoding: chunked\r\ncontent-length: 0\r\n",
                "3\r\nabc\r\n0\r\n\r\n",
            ),
            Whole(200, "abc"),
        ),
        (
            "lengths that differ",
            "GET",
            poisoned("content-length: 3\r\ncontent-length: 9\r\n", "abc"),
            Refused,
        ),
        (
            "list of lengths",
            "GET",
            poisoned("content-length: 3, 9\r\n", "abc"),
            Refused,
        ),
        (
            "plus",
            "GET",
            poisoned("content-length: +3\r\n", "abc"),
            Refused,
        ),
        (
            "minus",
            "GET",
            poisoned("content-length: -3\r\n", "abc"),
            Refused,
        ),
        (
            "huge length",
            "GET",
            poisoned("content-length: 99999999999999999999\r\n", "abc"),
            Refused,
        ),
        (
            "empty length",
            "GET",
            poisoned("content-length:\r\n", "abc"),
            Refused,
        ),
        (
            "space before the colon",
            "GET",
            poisoned("content-length : 3\r\n", "abc"),
            Refused,
        ),
        (
            "folded",
            "GET",
            poisoned("x: y\r\n content-length: 3\r\n", "abc"),
            Refused,
        ),
        (
            "NUL",
            "GET",
            poisoned("x: \0\r\ncontent-length: 3\r\n", "abc"),
            Refused,
        ),
        (
            "bare CR",
            "GET",
            poisoned("x: y\rz: 1\r\ncontent-length: 3\r\n", "abc"),
            Refused,
        ),
        (
            "no colon",
            "GET",
            poisoned("x\r\ncontent-length: 3\r\n", "abc"),
            Refused,
        ),
        (
            "no status",
            "GET",
            format!("HTTP/1.1 OK\r\n\r\n{POISON}"),
            Refused,
        ),
        ("HTTP/0.9", "GET", "just text\r\n\r\n".to_owned(), Refused),
        (
            "HTTP/3",
            "GET",
            format!("HTTP/3.0 200 OK\r\ncontent-length: 0\r\n\r\n{POISON}"),
            Refused,
        ),
        (
            "switch nobody asked for",
            "GET",
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n{POISON}"
            ),
            Refused,
        ),
        (
            "more than its length",
            "GET",
            poisoned("content-length: 3\r\n", "abc"),
            Whole(200, "abc"),
        ),
        (
            "more than nothing",
            "GET",
            poisoned("content-length: 0\r\n", ""),
            Whole(200, ""),
        ),
        (
            "more than its chunks",
            "GET",
            poisoned(chunked, "3\r\nabc\r\n0\r\n\r\n"),
            Whole(200, "abc"),
        ),
        (
            "204 with a body",
            "GET",
            format!("HTTP/1.1 204 No Content\r\ncontent-length: 99\r\n\r\n{POISON}"),
            Whole(204, ""),
        ),
        (
            "204 with chunks",
            "GET",
            format!(
                "HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n{POISON}"
            ),
            Whole(204, ""),
        ),
        (
            "304 with a body",
            "GET",
            format!("HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n\r\nabc{POISON}"),
            Whole(304, ""),
        ),
        (
            "HEAD with a body",
            "HEAD",
            poisoned("content-length: 3\r\n", "abc"),
            Whole(200, ""),
        ),
        (
            "many hints",
            "GET",
            format!(
                "HTTP/1.1 100 Continue\r\n\r\n{many}{}",
                ok("content-length: 3\r\n", "abc")
            ),
            Whole(200, "abc"),
        ),
        (
            "trailers",
            "GET",
            poisoned(
                chunked,
                "3\r\nabc\r\n0\r\ncontent-length: 9\r\nset-cookie: x\r\n\r\n",
            ),
            Whole(200, "abc"),
        ),
        (
            "extension",
            "GET",
            ok(chunked, &format!("3;a=b{end}")),
            Whole(200, "abc"),
        ),
        (
            "upper case",
            "GET",
            ok("Transfer-Encoding: CHUNKED\r\n", &format!("3{end}")),
            Whole(200, "abc"),
        ),
        ("long extension", "GET", ok(chunked, &long), Cut),
        (
            "LF within an extension",
            "GET",
            ok(chunked, &format!("3;a\nb{end}{POISON}")),
            Cut,
        ),
        (
            "signed chunk",
            "GET",
            ok(chunked, &format!("+3{end}{POISON}")),
            Cut,
        ),
        (
            "0x chunk",
            "GET",
            ok(chunked, &format!("0x3{end}{POISON}")),
            Cut,
        ),
        (
            "2^64 + 3",
            "GET",
            ok(chunked, &format!("10000000000000003{end}{POISON}")),
            Cut,
        ),
        (
            "chunk longer than it says",
            "GET",
            ok(chunked, &format!("2{end}{POISON}")),
            Cut,
        ),
        (
            "LF behind the data",
            "GET",
            ok(chunked, &format!("3\r\nabc\n0\r\n\r\n{POISON}")),
            Cut,
        ),
    ]
}

/// Each case is asked for on a connection that goes on, and followed at once by a request whose
/// answer must be its own.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_too_much_answers_nobody() {
    let address = upstream(|mut peer| async move {
        while let Ok(Some(head)) = peer.try_head().await {
            let number = head.target().rsplit('/').next().unwrap().parse::<usize>();
            let answer = match number {
                Ok(number) => cases()[number].2.clone(),
                Err(_) => ok("content-length: 5\r\n", "clean"),
            };
            if peer.try_send(answer).await.is_err() {
                return;
            }
        }
    })
    .await;
    let proxy = Proxy::before(format!("http://{address}"));
    let mut wrong = Vec::new();
    for (number, (name, method, _, fate)) in cases().into_iter().enumerate() {
        let mut client = Peer::connect(proxy.address).await;
        client
            .send(format!(
                "{method} /case/{number} HTTP/1.1\r\nhost: localhost\r\n\r\n"
            ))
            .await;
        let told = tokio::time::timeout(PATIENCE, async {
            let head = client.try_head().await.ok()??;
            let bodiless = method == "HEAD" || matches!(head.status(), 204 | 304);
            let body = if bodiless {
                Ok(Vec::new())
            } else {
                client.try_body(&head).await
            };
            Some((
                head,
                body.map(|body| String::from_utf8_lossy(&body).into_owned()),
            ))
        });
        let told = told.await;
        let as_meant = match (&told, fate) {
            (Ok(Some((head, _))), Refused) => head.status() == 502,
            (Ok(None), Cut) => true,
            (Ok(Some((head, body))), Cut) => head.status() == 200 && body.is_err(),
            (Ok(Some((head, Ok(body)))), Whole(status, wanted)) => {
                let framings =
                    head.all("content-length").len() + head.all("transfer-encoding").len();
                head.status() == status && body == wanted && framings <= 1
            }
            _ => false,
        };
        if !as_meant {
            wrong.push(format!("{name}: {told:?}"));
        }
        // On the same connection where it goes on, and on others.
        for _ in 0..3 {
            let next = "GET /next HTTP/1.1\r\nhost: localhost\r\n\r\n";
            if client.try_send(next).await.is_ok()
                && let Ok(Some(head)) = client.try_head().await
                && client.body(&head).await != b"clean"
            {
                wrong.push(format!("{name}: the next one got its answer"));
            }
            let (head, body) = get(proxy.address, "/next").await;
            if (head.status(), &body[..]) != (200, b"clean") {
                wrong.push(format!("{name}: another one got {head:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An answer that comes unasked while the connection waits for its next request.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_nobody_asked_for_is_given_to_nobody() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let address = upstream(move |mut peer| {
        counted.fetch_add(1, Ordering::SeqCst);
        let tell = tell.clone();
        async move {
            while peer.try_head().await.ok().flatten().is_some() {
                let clean = ok("content-length: 5\r\n", "clean");
                if peer.try_send(clean).await.is_err() {
                    return;
                }
                // By then the answer is read, and the connection waits.
                tokio::time::sleep(Duration::from_millis(50)).await;
                let _ = peer.try_send(POISON).await;
                let _ = tell.send(());
            }
        }
    })
    .await;
    let proxy = Proxy::before(format!("http://{address}"));
    for _ in 0..20 {
        let (head, body) = get(proxy.address, "/next").await;
        assert_eq!((head.status(), &body[..]), (200, &b"clean"[..]));
        told.recv().await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // A connection that spoke unasked is not asked again.
    assert_eq!(connections.load(Ordering::SeqCst), 20);
}

/// Hints without an end are no sign of an answer.
#[tokio::test(flavor = "multi_thread")]
async fn endless_hints_are_given_up() {
    let address = upstream(|mut peer| async move {
        peer.request().await;
        while peer
            .try_send("HTTP/1.1 103 Early Hints\r\n\r\n")
            .await
            .is_ok()
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let settings = "[timeouts]\nstream_idle = '1s'\n";
    let proxy = Proxy::configured(format!("http://{address}"), settings);
    assert_eq!(get(proxy.address, "/hints").await.0.status(), 504);
}
