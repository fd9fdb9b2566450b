//! One request in is one request out, or none: every known way to hide a second one.

use std::sync::{Arc, Mutex};

use crate::strict::{Seen, request};
use crate::support::peer::{Peer, get};
use crate::support::proxy::Proxy;
use crate::support::upstream::upstream;

/// What a careless reader would take for a request of its own.
pub(crate) const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nhost: localhost\r\nx: y\r\n\r\n";

/// Ends a case that would wait for ever; far below the times after which the proxy lets go.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// What may come of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// The upstream hears nothing, the client gets an error, the connection ends.
    Refused,
    /// The upstream hears nothing, the client gets an error; the connection may go on.
    Turned,
    /// The upstream may hear nothing, or a request that never becomes whole.
    Broken,
    /// The upstream gets one request with this body; the connection may go on.
    One(&'static str),
}
use Fate::{One, Refused};

pub(crate) type Heard = Arc<Mutex<Vec<Result<Seen, String>>>>;

/// A proxy, and all that its upstream hears; an answer holds the target it answers.
pub(crate) async fn line() -> (Proxy, Heard) {
    let heard = Heard::default();
    let told = Arc::clone(&heard);
    let address = upstream(move |mut peer| {
        let told = Arc::clone(&told);
        async move {
            let mut bytes = Vec::new();
            loop {
                match request(&bytes) {
                    Ok(Some((seen, length))) => {
                        bytes.drain(..length);
                        let body = if seen.method == "HEAD" {
                            ""
                        } else {
                            &seen.target
                        };
                        let length = seen.target.len();
                        let answer =
                            format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
                        told.lock().unwrap().push(Ok(seen));
                        if peer.try_send(answer).await.is_err() {
                            return;
                        }
                    }
                    Ok(None) => match peer.more().await {
                        Ok(true) => bytes.extend(peer.taken()),
                        // A request that broke off was cut on purpose, and is answered by nobody.
                        _ => return,
                    },
                    Err(why) => return told.lock().unwrap().push(Err(why)),
                }
            }
        }
    })
    .await;
    (Proxy::before(format!("http://{address}")), heard)
}

/// Throws each case at a proxy; says what came out differently.
pub(crate) async fn all(cases: &[(&str, Vec<u8>, Fate)]) {
    let (proxy, heard) = line().await;
    let mut wrong = Vec::new();
    for (name, bytes, fate) in cases {
        heard.lock().unwrap().clear();
        let mut client = Peer::connect(proxy.address).await;
        let _ = client.try_send(bytes).await;
        let mut say = |what: String| wrong.push(format!("{name}: {what}"));
        if matches!(fate, Refused | Fate::Broken) {
            // Ends by itself: this side stays open.
            let ended = tokio::time::timeout(PATIENCE, client.rest_or_reset()).await;
            if ended.is_err() {
                say("the connection stayed open".to_owned());
            }
            let answer = ended.unwrap_or_else(|_| client.taken());
            let answer = String::from_utf8_lossy(&answer).into_owned();
            let refused = ["HTTP/1.1 4", "HTTP/1.1 5"];
            let refused =
                answer.is_empty() || refused.iter().any(|start| answer.starts_with(start));
            if !refused || answer.matches("HTTP/1.1 ").count() > 1 {
                say(format!("answered {answer:?}"));
            }
        } else {
            let is_head = bytes.starts_with(b"HEAD");
            let told = tokio::time::timeout(PATIENCE, client.try_head()).await;
            match told.unwrap_or(Ok(None)) {
                Ok(Some(first)) if (first.status() == 200) != matches!(fate, Fate::Turned) => {
                    if !is_head {
                        let body = client.body(&first).await;
                        if first.status() == 200 && body != b"/open" {
                            say(format!("got {:?}", String::from_utf8_lossy(&body)));
                        }
                    }
                    // What comes next on the connection is answered for itself.
                    let next = "GET /next HTTP/1.1\r\nhost: localhost\r\n\r\n";
                    if client.try_send(next).await.is_ok()
                        && let Ok(Some(head)) = client.try_head().await
                        && client.body(&head).await != b"/next"
                    {
                        say("the next request got another's answer".to_owned());
                    }
                }
                other => say(format!("answered {other:?}")),
            }
        }
        let mut requests = Vec::new();
        for heard in heard.lock().unwrap().iter() {
            match heard {
                Ok(seen) if seen.target == "/next" => {}
                Ok(seen) if seen.target == "/open" => requests.push(seen.clone()),
                other => say(format!("the upstream heard {other:?}")),
            }
        }
        match (fate, &requests[..]) {
            (Refused | Fate::Broken | Fate::Turned, []) => {}
            (One(body), [seen]) if seen.body == body.as_bytes() && seen.trailers.is_empty() => {}
            _ => say(format!("the upstream heard {requests:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(get(proxy.address, "/health").await.0.status(), 200);
}

pub(crate) fn open(fields: &str, body: &str) -> Vec<u8> {
    format!("POST /open HTTP/1.1\r\nhost: localhost\r\n{fields}\r\n{body}").into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn lengths_in_every_spelling() {
    let with = |value: &str| {
        open(
            &format!("content-length: {value}\r\n"),
            &format!("abc{HIDDEN}"),
        )
    };
    let whole = |fields: &str| open(fields, "abc");
    let list = [
        ("plus", with("+3"), Refused),
        ("minus", with("-3"), Refused),
        ("hexadecimal", with("0x3"), Refused),
        ("point", with("3.0"), Refused),
        ("exponent", with("3e0"), Refused),
        ("space within", with("3 3"), Refused),
        ("tab within", with("3\t3"), Refused),
        ("list of two", with("3, 4"), Refused),
        ("list with nothing", with("3,"), Refused),
        ("list that begins with nothing", with(",3"), Refused),
        ("empty", with(""), Refused),
        ("just white space", with(" \t "), Refused),
        ("quoted", with("\"3\""), Refused),
        ("in brackets", with("(3)"), Refused),
        ("with a semicolon", with("3;x=1"), Refused),
        ("2^64", with("18446744073709551616"), Refused),
        ("2^64 - 1", with("18446744073709551615"), Refused),
        ("2^64 + 3", with("18446744073709551619"), Refused),
        ("wide digits", with("\u{ff13}"), Refused),
        (
            "two that differ",
            open(
                "content-length: 3\r\ncontent-length: 0\r\n",
                &format!("abc{HIDDEN}"),
            ),
            Refused,
        ),
        (
            "two that differ, far apart",
            open(
                "content-length: 0\r\nx: y\r\nContent-Length: 3\r\n",
                &format!("abc{HIDDEN}"),
            ),
            Refused,
        ),
        (
            "space before the colon",
            open("content-length : 3\r\n", &format!("abc{HIDDEN}")),
            Refused,
        ),
        (
            "tab before the colon",
            open("content-length\t: 3\r\n", &format!("abc{HIDDEN}")),
            Refused,
        ),
        (
            "folded",
            open("content-length:\r\n 3\r\n", &format!("abc{HIDDEN}")),
            Refused,
        ),
        (
            "folded on",
            open("content-length: 3\r\n\t4\r\n", &format!("abc{HIDDEN}")),
            Refused,
        ),
        (
            "vertical tab",
            open("content-length: \x0b3\r\n", &format!("abc{HIDDEN}")),
            Refused,
        ),
        (
            "NUL",
            open("content-length: 3\0\r\n", &format!("abc{HIDDEN}")),
            Refused,
        ),
        (
            "bare CR",
            open("content-length: 3\r4\r\n", &format!("abc{HIDDEN}")),
            Refused,
        ),
        (
            "bare CR before the name",
            open("x: y\rcontent-length: 3\r\n", HIDDEN),
            Refused,
        ),
        (
            "zeros before",
            whole("content-length: 0003\r\n"),
            One("abc"),
        ),
        (
            "spaces around",
            whole("content-length:   3  \r\n"),
            One("abc"),
        ),
        ("tabs around", whole("content-length:\t3\t\r\n"), One("abc")),
        (
            "two alike",
            whole("content-length: 3\r\ncontent-length: 3\r\n"),
            One("abc"),
        ),
        ("upper case", whole("CONTENT-LENGTH: 3\r\n"), One("abc")),
        (
            "another name",
            open("content_length: 99\r\ncontent-length: 3\r\n", "abc"),
            One("abc"),
        ),
    ];
    all(&list).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transfer_codings_in_every_spelling() {
    let body = format!("0\r\n\r\n{HIDDEN}");
    let with = |fields: &str| open(fields, &body);
    let whole = |fields: &str| open(fields, "3\r\nabc\r\n0\r\n\r\n");
    let mut list = vec![
        (
            "upper case",
            whole("transfer-encoding: CHUNKED\r\n"),
            One("abc"),
        ),
        (
            "upper case name",
            whole("TRANSFER-ENCODING: chunked\r\n"),
            One("abc"),
        ),
        ("tab", whole("transfer-encoding:\tchunked\r\n"), One("abc")),
        (
            "white space around",
            whole("transfer-encoding:  chunked \t\r\n"),
            One("abc"),
        ),
        (
            "length before",
            whole("content-length: 4\r\ntransfer-encoding: chunked\r\n"),
            One("abc"),
        ),
        (
            "length behind",
            whole("transfer-encoding: chunked\r\ncontent-length: 0\r\n"),
            One("abc"),
        ),
        (
            "huge length",
            whole("content-length: 9999\r\ntransfer-encoding: chunked\r\n"),
            One("abc"),
        ),
        (
            "space before the colon",
            with("transfer-encoding : chunked\r\n"),
            Refused,
        ),
        (
            "line of its own",
            with("transfer-encoding\r\n: chunked\r\n"),
            Refused,
        ),
        (
            "begins with a space",
            with(" transfer-encoding: chunked\r\n"),
            Refused,
        ),
        (
            "folded",
            with("transfer-encoding:\r\n chunked\r\n"),
            Refused,
        ),
        (
            "folded into another",
            with("x: y\r\n\ttransfer-encoding: chunked\r\n"),
            Refused,
        ),
        (
            "NUL in the name",
            with("transfer-encoding\0: chunked\r\n"),
            Refused,
        ),
        (
            "wrong length and a coding",
            with("content-length: 5, 6\r\ntransfer-encoding: chunked\r\n"),
            Refused,
        ),
    ];
    for coding in [
        "xchunked",
        "chunkedx",
        "x chunked",
        "chunked x",
        "chunked;q=1",
        "\"chunked\"",
        "'chunked'",
        "identity",
        "",
        "chunked, identity",
        "identity, chunked",
        "chunked, chunked",
        "chunked,",
        ",chunked",
        "gzip",
        "gzip, chunked",
        "chunked, gzip",
        "cow",
        "\x0bchunked",
        "chunked\x0b",
        "\x0cchunked",
        "chunked\0",
        "\u{212a}",
        "chun\u{212a}ed",
        "chunked\u{a0}",
        "[chunked]",
    ] {
        list.push((
            "coding",
            with(&format!("transfer-encoding: {coding}\r\n")),
            Refused,
        ));
    }
    for second in ["chunked", "identity", "cow", "", "x"] {
        for fields in [
            format!("transfer-encoding: chunked\r\ntransfer-encoding: {second}\r\n"),
            format!("transfer-encoding: {second}\r\nTransfer-Encoding: chunked\r\n"),
        ] {
            list.push(("two codings", with(&fields), Refused));
        }
    }
    list.push((
        "HTTP/1.0",
        format!(
            "POST /open HTTP/1.0\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n{body}"
        )
        .into_bytes(),
        Refused,
    ));
    let named: Vec<_> = list
        .iter()
        .map(|(name, bytes, fate)| {
            (
                format!("{name} {}", bytes[45..].escape_ascii()),
                bytes.clone(),
                *fate,
            )
        })
        .collect();
    let named: Vec<_> = named
        .iter()
        .map(|(name, bytes, fate)| (name.as_str(), bytes.clone(), *fate))
        .collect();
    all(&named).await;
}
