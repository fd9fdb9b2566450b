//! Requests hidden in chunks, trailers, odd heads and upgrades.

use crate::smuggling::Fate::{Broken, One, Refused, Turned};
use crate::smuggling::{HIDDEN, all, line, open};
use crate::support::peer::Peer;

#[tokio::test(flavor = "multi_thread")]
async fn chunks_and_trailers() {
    let chunked = |body: &str| open("transfer-encoding: chunked\r\n", body);
    let end = "\r\nabc\r\n0\r\n\r\n";
    let sized = |size: &str| chunked(&format!("{size}{end}{HIDDEN}"));
    let whole = |size: &str| chunked(&format!("{size}{end}"));
    let long = format!("3;{}", "x".repeat(100_000));
    let many = format!("{}0\r\n\r\n", "1;xxxxxxxxxxxxxxxx\r\na\r\n".repeat(20_000));
    let trailers = "content-length: 5\r\ntransfer-encoding: chunked\r\nhost: evil.example\r\nauthorization: x\r\n\
                    connection: close\r\nx-codex-plus-token: x\r\n";
    let names = "trailer: content-length, transfer-encoding, host, authorization, connection\r\n";
    let list = [
        ("extension", whole("3;a=b"), One("abc")),
        ("quoted extension", whole("3;a=\"b;c\""), One("abc")),
        ("space before an extension", whole("3 ;a"), One("abc")),
        (
            "upper case",
            chunked("A\r\n0123456789\r\n0\r\n\r\n"),
            One("0123456789"),
        ),
        ("zeros before", whole("00000003"), One("abc")),
        (
            "extension of the last",
            chunked("3\r\nabc\r\n0;x\r\n\r\n"),
            One("abc"),
        ),
        (
            "trailers",
            chunked(&format!("3\r\nabc\r\n0\r\n{trailers}\r\n")),
            One("abc"),
        ),
        (
            "announced trailers",
            open(
                &format!("transfer-encoding: chunked\r\n{names}"),
                &format!("3\r\nabc\r\n0\r\n{trailers}\r\n"),
            ),
            One("abc"),
        ),
        ("line end within an extension", sized("3;a\nb"), Broken),
        ("bare CR within an extension", sized("3;a\rb"), Broken),
        ("long extension", sized(&long), Broken),
        ("many extensions", chunked(&many), Broken),
        ("plus", sized("+3"), Broken),
        ("minus", sized("-3"), Broken),
        ("0x", sized("0x3"), Broken),
        ("underscore", sized("0_3"), Broken),
        ("space before", sized(" 3"), Broken),
        ("space within", sized("0 3"), Broken),
        ("no size", sized(""), Broken),
        ("just an extension", sized(";a"), Broken),
        ("2^64 + 3", sized("10000000000000003"), Broken),
        (
            "many digits",
            sized("00000000000000000000000000000003x"),
            Broken,
        ),
        ("NUL", sized("3\0"), Broken),
        ("letters", sized("3g"), Broken),
        (
            "longer than it says",
            chunked(&format!("2\r\nabc\r\n0\r\n\r\n{HIDDEN}")),
            Broken,
        ),
        (
            "no line end behind the data",
            chunked(&format!("3\r\nabc0\r\n\r\n{HIDDEN}")),
            Broken,
        ),
        (
            "another end behind the data",
            chunked(&format!("3\r\nabcXX0\r\n\r\n{HIDDEN}")),
            Broken,
        ),
        (
            "LF behind the size",
            chunked(&format!("3\nabc\r\n0\r\n\r\n{HIDDEN}")),
            Broken,
        ),
        (
            "CR behind the size",
            chunked(&format!("3\rabc\r\n0\r\n\r\n{HIDDEN}")),
            Broken,
        ),
        (
            "LF behind the last",
            chunked(&format!("3\r\nabc\r\n0\n\r\n{HIDDEN}")),
            Broken,
        ),
        (
            "folded trailer",
            chunked(&format!("3\r\nabc\r\n0\r\nx: y\r\n z\r\n\r\n{HIDDEN}")),
            Broken,
        ),
        (
            "trailer without a colon",
            chunked(&format!(
                "3\r\nabc\r\n0\r\nGET /hidden HTTP/1.1\r\n\r\n{HIDDEN}"
            )),
            Broken,
        ),
        (
            "trailer with a NUL",
            chunked(&format!("3\r\nabc\r\n0\r\nx: \0\r\n\r\n{HIDDEN}")),
            Broken,
        ),
        (
            "endless trailers",
            chunked(&format!("3\r\nabc\r\n0\r\n{}", "x: y\r\n".repeat(20_000))),
            Broken,
        ),
    ];
    all(&list).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_methods_and_upgrades() {
    let length = HIDDEN.len();
    let within =
        |start: &str| format!("{start}content-length: {length}\r\n\r\n{HIDDEN}").into_bytes();
    let raw = |text: &str| text.replace('\n', "\r\n").into_bytes();
    let list = [
        ("HTTP/0.9", b"GET /open\r\n\r\n".to_vec(), Refused),
        ("HTTP/2.0", format!("GET /open HTTP/2.0\r\nhost: localhost\r\n\r\n{HIDDEN}").into_bytes(), Refused),
        ("HTTP/1.2", format!("GET /open HTTP/1.2\r\nhost: localhost\r\n\r\n{HIDDEN}").into_bytes(), Refused),
        ("lower case version", format!("GET /open http/1.1\r\nhost: localhost\r\n\r\n{HIDDEN}").into_bytes(), Refused),
        ("two spaces", format!("GET  /open HTTP/1.1\r\nhost: localhost\r\n\r\n{HIDDEN}").into_bytes(), Refused),
        ("space in the target", format!("GET /open /x HTTP/1.1\r\nhost: localhost\r\n\r\n{HIDDEN}").into_bytes(), Refused),
        ("no name", format!("GET /open HTTP/1.1\r\nhost: localhost\r\n: x\r\n\r\n{HIDDEN}").into_bytes(), Refused),
        ("no colon", format!("GET /open HTTP/1.1\r\nhost: localhost\r\nx\r\n\r\n{HIDDEN}").into_bytes(), Refused),
        ("NUL in a value", b"GET /open HTTP/1.1\r\nhost: localhost\r\nx: a\0b\r\n\r\n".to_vec(), Refused),
        ("bare CR in a value", b"GET /open HTTP/1.1\r\nhost: localhost\r\nx: a\rb: c\r\n\r\n".to_vec(), Refused),
        ("bare CR as a line end", b"GET /open HTTP/1.1\rhost: localhost\r\rGET /hidden HTTP/1.1\r\r".to_vec(), Refused),
        ("two hosts", within("POST /open HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n"), Turned),
        ("whole URL and another host", within("POST http://evil.example/open HTTP/1.1\r\nhost: localhost\r\n"), Turned),
        ("whole URL", within("POST http://localhost/open HTTP/1.1\r\nhost: localhost\r\n"), Turned),
        ("another host", within("POST /open HTTP/1.1\r\nhost: evil.example\r\n"), Turned),
        ("CONNECT", format!("CONNECT localhost:1 HTTP/1.1\r\nhost: localhost\r\n\r\n{HIDDEN}").into_bytes(), Refused),
        (
            "refused, with chunks",
            format!("POST /../x HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{HIDDEN}\r\n0\r\n\r\n")
                .into_bytes(),
            Turned,
        ),
        ("bare LF", b"POST /open HTTP/1.1\nhost: localhost\ncontent-length: 3\n\nabc".to_vec(), One("abc")),
        ("GET with a body", raw("GET /open HTTP/1.1\nhost: localhost\ncontent-length: 3\n\nabc"), One("abc")),
        ("HEAD with a body", raw("HEAD /open HTTP/1.1\nhost: localhost\ncontent-length: 3\n\nabc"), One("abc")),
        ("OPTIONS with a body", raw("OPTIONS /open HTTP/1.1\nhost: localhost\ncontent-length: 3\n\nabc"), One("abc")),
        ("DELETE with chunks", raw("DELETE /open HTTP/1.1\nhost: localhost\ntransfer-encoding: chunked\n\n3\nabc\n0\n\n"), One("abc")),
        ("GET with chunks", raw("GET /open HTTP/1.1\nhost: localhost\ntransfer-encoding: chunked\n\n3\nabc\n0\n\n"), One("abc")),
        ("TRACE", raw("TRACE /open HTTP/1.1\nhost: localhost\n\n"), One("")),
        ("PRI", raw("PRI * HTTP/1.1\nhost: localhost\n\n"), Turned),
        ("more behind a last request", open("connection: close\r\ncontent-length: 3\r\n", &format!("abc{HIDDEN}")), One("abc")),
        ("h2c", raw("GET /open HTTP/1.1\nhost: localhost\nconnection: upgrade, http2-settings\nupgrade: h2c\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\n\n"), One("")),
        ("half a WebSocket", raw("POST /open HTTP/1.1\nhost: localhost\nconnection: upgrade\nupgrade: websocket\ncontent-length: 3\n\nabc"), One("abc")),
        (
            "names that only count here",
            raw("POST /open HTTP/1.1\nhost: localhost\nconnection: content-length, transfer-encoding, host, authorization\ncontent-length: 3\n\nabc"),
            One("abc"),
        ),
        ("expectation", raw("POST /open HTTP/1.1\nhost: localhost\nexpect: 100-nothing\ncontent-length: 3\n\nabc"), One("abc")),
    ];
    all(&list).await;
}

/// Names that a gateway behind the upstream could take for others, and what must end here.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_meant_for_this_hop_stays_here() {
    let (proxy, heard) = line().await;
    let fields = "connection: close, x-hop, authorization, te\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\nproxy-authorization: x\r\n\
        proxy-connection: keep-alive\r\nte: gzip, trailers\r\nupgrade: h2c\r\nforwarded: for=1\r\nx-forwarded-host: evil.example\r\n\
        x-codex-plus-token: x\r\nauthorization: Bearer x\r\n";
    let mut client = Peer::connect(proxy.address).await;
    client.send(open(fields, "")).await;
    assert_eq!(client.head().await.status(), 200);
    let heard = heard.lock().unwrap().clone();
    let [Ok(seen)] = &heard[..] else {
        panic!("{heard:?}")
    };
    let names: Vec<&str> = seen.fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(seen.all("authorization"), ["Bearer x"]);
    for name in names {
        assert!(
            matches!(name, "authorization" | "host" | "content-length"),
            "{seen:?}"
        );
    }
}
