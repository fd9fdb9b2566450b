//! Content encodings: round trips, limits, damage.
#![allow(clippy::unwrap_used, missing_docs)] // a test may fail where it stands

use bytes::Bytes;
use codex_plus_wire::encoding::{Coding, ContentEncoding, EncodingError};
use proptest::prelude::*;

fn parse(header: &str) -> ContentEncoding {
    ContentEncoding::parse([header.as_bytes()]).unwrap()
}

const EACH: [&str; 4] = ["gzip", "deflate", "br", "zstd"];

#[test]
fn headers_are_read_as_they_are_written() {
    let two = ContentEncoding::parse([&b"GZIP , identity,"[..], b"", b"x-gzip,zstd"]).unwrap();
    assert_eq!(two.codings(), [Coding::Gzip, Coding::Gzip, Coding::Zstd]);
    assert!(ContentEncoding::parse([]).unwrap().is_identity());
    assert!(parse("identity").is_identity());
    assert!(matches!(
        ContentEncoding::parse([&b"gzip, lzma\x07"[..]]),
        Err(EncodingError::Unsupported { coding }) if coding == "lzma"
    ));
    assert_eq!(
        ContentEncoding::parse([&b"br,br,br,br,br"[..]]),
        Err(EncodingError::TooMany)
    );
}

#[test]
fn identity_is_the_same_buffer() {
    let body = Bytes::from(vec![7; 1000]);
    let decoded = parse("identity").decode(&body, 1000).unwrap();
    assert_eq!(decoded.as_ptr(), body.as_ptr());
    assert_eq!(
        parse("").decode(&body, 999),
        Err(EncodingError::TooLarge { limit: 999 })
    );
}

#[test]
fn a_bomb_is_stopped_at_every_stage() {
    let bomb = vec![0; 50 << 20];
    for name in EACH {
        let encoding = parse(name);
        let small = Bytes::from(encoding.encode(&bomb).unwrap());
        assert!(small.len() < 1 << 20, "{name}");
        let limit = (1 << 20) - 1;
        assert_eq!(
            encoding.decode(&small, limit),
            Err(EncodingError::TooLarge { limit })
        );
        // The bomb goes off in the first of two stages, and would be small after the second.
        let nested = parse(&format!("gzip, {name}"));
        let twice = Bytes::from(encoding.encode(&bomb).unwrap());
        assert_eq!(
            nested.decode(&twice, limit),
            Err(EncodingError::TooLarge { limit })
        );
    }
}

#[test]
fn the_limit_is_exact() {
    let body = vec![b'x'; 100_000];
    for name in EACH {
        let encoding = parse(name);
        let encoded = Bytes::from(encoding.encode(&body).unwrap());
        assert_eq!(
            encoding.decode(&encoded, body.len()).unwrap(),
            body,
            "{name}"
        );
        let limit = body.len() - 1;
        assert_eq!(
            encoding.decode(&encoded, limit),
            Err(EncodingError::TooLarge { limit })
        );
    }
}

#[test]
fn cut_or_prolonged_bodies_are_errors() {
    let body = b"{\"model\":\"gpt-5.5\",\"input\":\"hello hello hello\"}".repeat(20);
    for name in EACH {
        let encoding = parse(name);
        let encoded = encoding.encode(&body).unwrap();
        for len in 0..encoded.len() {
            let cut = Bytes::copy_from_slice(&encoded[..len]);
            let result = encoding.decode(&cut, 1 << 20);
            assert!(
                matches!(result, Err(EncodingError::Corrupt { .. })),
                "{name} cut at {len}"
            );
        }
        let mut longer = encoded.clone();
        longer.extend_from_slice(b"garbage");
        let result = encoding.decode(&Bytes::from(longer), 1 << 20);
        assert!(
            matches!(result, Err(EncodingError::Corrupt { .. })),
            "{name} with garbage"
        );
    }
}

#[test]
fn members_frames_and_raw_deflate() {
    for name in ["gzip", "zstd"] {
        let encoding = parse(name);
        let mut twice = encoding.encode(b"one ").unwrap();
        twice.extend(encoding.encode(b"two").unwrap());
        assert_eq!(
            encoding.decode(&Bytes::from(twice), 100).unwrap(),
            "one two"
        );
    }
    let mut encoder = flate2::read::DeflateEncoder::new(&b"raw"[..], flate2::Compression::fast());
    let mut raw = Vec::new();
    std::io::Read::read_to_end(&mut encoder, &mut raw).unwrap();
    assert_eq!(
        parse("deflate").decode(&Bytes::from(raw), 100).unwrap(),
        "raw"
    );
}

#[test]
fn a_zstd_window_over_the_standard_is_refused() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    std::io::Write::write_all(&mut encoder, b"small").unwrap();
    let body = Bytes::from(encoder.finish().unwrap());
    let result = parse("zstd").decode(&body, 1 << 30);
    assert!(matches!(
        result,
        Err(EncodingError::Corrupt {
            coding: Coding::Zstd,
            ..
        })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_encoded_decodes_to_the_same(
        body in prop::collection::vec(any::<u8>(), 0..5000),
        names in prop::collection::vec(prop::sample::select(EACH.to_vec()), 0..=4),
    ) {
        let encoding = parse(&names.join(", "));
        let encoded = Bytes::from(encoding.encode(&body).unwrap());
        prop_assert_eq!(encoding.decode(&encoded, 1 << 20).unwrap(), body);
    }

    #[test]
    fn arbitrary_bytes_never_pass_the_limit(
        body in prop::collection::vec(any::<u8>(), 0..300),
        name in prop::sample::select(EACH.to_vec()),
        limit in 0_usize..200,
    ) {
        if let Ok(decoded) = parse(name).decode(&Bytes::from(body), limit) {
            prop_assert!(decoded.len() <= limit);
        }
    }
}
