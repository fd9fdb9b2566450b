//! Decoding never passes the limit; what decodes can be encoded and decoded again.

use bytes::Bytes;
use codex_plus_wire::encoding::ContentEncoding;

const HEADERS: [&str; 8] = [
    "gzip",
    "deflate",
    "br",
    "zstd",
    "identity",
    "gzip, zstd",
    "br,deflate",
    "zstd,gzip,br",
];
const LIMIT: usize = 64 * 1024;

pub(crate) fn check(data: &[u8]) {
    let Some((pick, body)) = data.split_first() else {
        return;
    };
    let _ = ContentEncoding::parse([body]);
    let header = HEADERS[usize::from(*pick) % HEADERS.len()];
    let encoding = ContentEncoding::parse([header.as_bytes()]).expect("a known header");
    let body = Bytes::copy_from_slice(body);
    if let Ok(decoded) = encoding.decode(&body, LIMIT) {
        assert!(decoded.len() <= LIMIT);
        let again = Bytes::from(encoding.encode(&decoded).expect("memory does not fail"));
        // A stage in between may be a little longer than the end.
        assert_eq!(
            encoding.decode(&again, 2 * LIMIT).expect("our own bytes"),
            decoded
        );
    }
}
