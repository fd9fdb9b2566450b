//! Bodies in layers and frames that promise more than they hold, and documents that two readers
//! could read differently.

use codex_plus_stand_in::{Config, StandIn};
use serde_json::json;

use crate::bodies::{ROOM, is_well, peak, reading};
use crate::support::peer::{Peer, post};
use crate::support::proxy::Proxy;
use crate::support::{gzip, sha256, zstd};

/// zstd frames by hand (RFC 8878, 3.1.1): one that asks for a window of 2^41 bytes.
fn wide_window() -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8];
    // A last block of one byte, repeated 2^21 - 1 times.
    let header = 1 | 1 << 1 | ((1_u32 << 21) - 1) << 3;
    frame.extend(&header.to_le_bytes()[..3]);
    frame.push(b' ');
    frame
}

/// A frame that says it holds 2^62 bytes.
fn boast() -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0xe0];
    frame.extend((1_u64 << 62).to_le_bytes());
    frame.extend([1 | 1 << 3, 0, 0, b' ']);
    frame
}

/// A frame that is to be skipped, of this length as it says.
fn skippable(says: u32, holds: usize) -> Vec<u8> {
    let mut frame = vec![0x50, 0x2a, 0x4d, 0x18];
    frame.extend(says.to_le_bytes());
    frame.resize(frame.len() + holds, 0);
    frame
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_and_frames_stay_within_the_limit() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = reading(stand_in.base_url(), "");
    let zeros = vec![b' '; 24 << 20];
    let document = br#"{"input":"a"}"#.to_vec();
    let mut deep = gzip(&zeros);
    for _ in 0..9 {
        deep = gzip(&deep);
    }
    let members = gzip(&zeros[..64 << 10]).repeat(400);
    let frames = zstd(&zeros[..64 << 10]).repeat(400);
    let nothing = zstd(b"").repeat(100_000);
    let skipped = [skippable(1 << 20, 1 << 20).repeat(8), zstd(&document)].concat();
    let cases = [
        ("zstd", wide_window()),
        ("zstd", boast()),
        ("zstd", frames),
        ("zstd", nothing),
        ("zstd", skipped),
        ("zstd", skippable(u32::MAX, 10)),
        ("zstd", skippable(0, 0).repeat(200_000)),
        ("zstd", [zstd(&document), b"tail".to_vec()].concat()),
        ("gzip", members),
        ("gzip", [gzip(&document), b"tail".to_vec()].concat()),
        ("gzip, zstd", zstd(&gzip(&zeros))),
        ("zstd, gzip, zstd, gzip", gzip(&zstd(&gzip(&zstd(&zeros))))),
        (
            "gzip, gzip, gzip, gzip, gzip, gzip, gzip, gzip, gzip, gzip",
            deep,
        ),
        ("identity, identity, , gzip", gzip(&zeros)),
        ("zstd", gzip(&zeros)),
        ("deflate", zeros.clone()),
        ("br", vec![0xff; 1 << 20]),
        ("a\u{fc}", document.clone()),
    ];
    drop(zeros);
    let before = peak(&proxy);
    for (coding, body) in cases {
        let fields = format!("content-type: application/json\r\ncontent-encoding: {coding}\r\n");
        let count = stand_in.received_count();
        let mut client = Peer::connect(proxy.address).await;
        let _ = client.try_send(post("/v1/responses", &fields, &body)).await;
        let status = client.head().await.status();
        assert!(matches!(status, 200..500), "{coding}: {status}");
        // What passed, passed as it was.
        if stand_in.received_count() > count {
            let last = stand_in.received().pop().unwrap();
            assert_eq!(last.body_sha256, sha256(&body), "{coding}");
        }
    }
    let grown = peak(&proxy) - before;
    assert!(grown < ROOM, "{grown} KiB");
    is_well(&proxy).await;
}

/// Of keys that stand twice, what a hook is shown is what the provider reads: the last, as every
/// common reader of JSON has it. Otherwise a hook could be shown one prompt and the model another.
#[tokio::test(flavor = "multi_thread")]
async fn a_hook_is_shown_what_the_provider_reads() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let hook = "#!/bin/sh\nif grep -q forbidden; then echo no >&2; exit 2; fi\n";
    let proxy = Proxy::started(stand_in.base_url(), "", |home, _| {
        let script = home.script("home/look.sh", hook);
        let hooks = json!([{"hooks": [{"type": "command", "command": script}]}]);
        let settings = json!({"hooks": {"UserPromptSubmit": hooks}});
        home.write("home/.codexplus/settings.json", &settings.to_string());
    });
    let item = |text: &str, id: &str| {
        format!(
            r#"[{{"type":"message","role":"user","id":"{id}","content":[{{"type":"input_text","text":"{text}"}}]}}]"#
        )
    };
    let meta = r#""client_metadata":{"x-codex-turn-metadata":"{\"session_id\":\"s\",\"thread_id\":\"t\",\"turn_id\":\"u\",\"request_kind\":\"turn\",\"thread_source\":\"user\"}"}"#;
    for (number, (first, second, passes)) in [
        ("harmless", "forbidden", false),
        ("forbidden", "harmless", true),
    ]
    .into_iter()
    .enumerate()
    {
        let (a, b) = (
            item(first, &format!("a{number}")),
            item(second, &format!("b{number}")),
        );
        // The key plain, and the key spelled with an escape.
        for (at, key) in ["input", r"\u0069nput"].into_iter().enumerate() {
            let body = format!(r#"{{"model":"x","input":{a},"{key}":{b},"model":"m",{meta}}}"#)
                .replace("\"a", &format!("\"a{at}"))
                .replace("\"b", &format!("\"b{at}"));
            let count = stand_in.received_count();
            let mut client = Peer::connect(proxy.address).await;
            let (head, answer) = client
                .ask(post(
                    "/v1/responses",
                    "content-type: application/json\r\n",
                    body.as_bytes(),
                ))
                .await;
            let answer = String::from_utf8_lossy(&answer).into_owned();
            let went = stand_in.received_count() > count;
            assert_eq!(
                went, passes,
                "{first} {second} {key}: {} {answer}",
                head.line
            );
            if went {
                let read = stand_in.received().pop().unwrap();
                assert_eq!(read.body_sha256, sha256(body.as_bytes()));
            }
        }
    }
}

/// Numbers, marks and halves of characters that readers stumble over: as they are, or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn odd_documents_pass_as_they_are() {
    let stand_in = StandIn::start(Config::default()).await.unwrap();
    let proxy = reading(stand_in.base_url(), "");
    let digits = "9".repeat(100_000);
    for body in [
        format!("{{\"input\":{digits}}}").into_bytes(),
        format!("{{\"input\":1e{digits}}}").into_bytes(),
        format!("{{\"{}\":1}}", "k".repeat(1 << 20)).into_bytes(),
        format!("{{{}\"input\":\"a\"}}", "\"k\":1,".repeat(200_000)).into_bytes(),
        b"\xef\xbb\xbf{\"input\":\"a\"}".to_vec(),
        b"\xff\xfe{\0\"\0i\0".to_vec(),
        b"{\"input\":\"\xed\xa0\x80\"}".to_vec(),
        b"{\"input\":\"\\udc00\\ud800\"}".to_vec(),
        b"{\"input\":\"a\\u0000b\"}".to_vec(),
        b"{\"input\":\"a\0b\"}".to_vec(),
        b"{\"input\":\"a\"}{\"input\":\"b\"}".to_vec(),
        b"{\"input\":\"a\",}".to_vec(),
        b"{\"input\":NaN}".to_vec(),
        b"[]".to_vec(),
        b"null".to_vec(),
        b" ".to_vec(),
    ] {
        let count = stand_in.received_count();
        let mut client = Peer::connect(proxy.address).await;
        client
            .send(post(
                "/v1/responses",
                "content-type: application/json\r\n",
                &body,
            ))
            .await;
        let head = client.head().await;
        assert!((200..500).contains(&head.status()), "{}", head.line);
        client.body(&head).await;
        if stand_in.received_count() > count {
            let last = stand_in.received().pop().unwrap();
            assert_eq!(last.body_sha256, sha256(&body));
        }
    }
    is_well(&proxy).await;
}
