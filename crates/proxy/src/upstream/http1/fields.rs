//! Header fields that frame a message, and fields as bytes.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// What `Content-Length` says; an error when it says several things, or none that is a length.
pub(super) fn length(headers: &HeaderMap) -> Result<Option<u64>, ()> {
    let mut length = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        for part in value.as_bytes().split(|byte| *byte == b',') {
            let told = digits(part.trim_ascii()).ok_or(())?;
            if length.is_some_and(|length| length != told) {
                return Err(());
            }
            length = Some(told);
        }
    }
    Ok(length)
}

fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Whether the last transfer coding is chunked.
pub(super) fn is_chunked(headers: &HeaderMap) -> bool {
    let last = headers
        .get_all(header::TRANSFER_ENCODING)
        .iter()
        .next_back();
    let last = last.and_then(|value| value.as_bytes().rsplit(|byte| *byte == b',').next());
    last.is_some_and(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"chunked"))
}

/// Whether `Connection` has this option.
pub(super) fn connection_has(headers: &HeaderMap, option: &str) -> bool {
    let values = headers.get_all(header::CONNECTION).iter();
    values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|found| found.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
}

/// The names that a message announces for its trailers.
pub(super) fn announced_trailers(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(header::TRAILER).iter();
    values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect()
}

/// Whether a field may stand behind a body: not if it would frame, route or authorise the message.
pub(super) fn may_trail(name: &HeaderName) -> bool {
    ![
        header::AUTHORIZATION,
        header::CACHE_CONTROL,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_RANGE,
        header::CONTENT_TYPE,
        header::HOST,
        header::MAX_FORWARDS,
        header::SET_COOKIE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::TE,
    ]
    .contains(name)
}

/// Adds a field's line.
pub(super) fn write(line: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    line.extend_from_slice(name.as_str().as_bytes());
    line.extend_from_slice(b": ");
    line.extend_from_slice(value.as_bytes());
    line.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(name: &HeaderName, values: &[&'static str]) -> HeaderMap {
        let values = values.iter().map(|value| HeaderValue::from_static(value));
        values.map(|value| (name.clone(), value)).collect()
    }

    #[test]
    fn a_length_is_one_number_however_often_it_is_told() {
        for (values, told) in [
            (&[][..], Ok(None)),
            (&["12"], Ok(Some(12))),
            (&[" 0012 "], Ok(Some(12))),
            (&["12", "12"], Ok(Some(12))),
            (&["12, 12"], Ok(Some(12))),
            (&["12, 13"], Err(())),
            (&["12", "13"], Err(())),
            (&[""], Err(())),
            (&["12,"], Err(())),
            (&["+12"], Err(())),
            (&["-12"], Err(())),
            (&["1 2"], Err(())),
            (&["0x12"], Err(())),
            (&["18446744073709551615"], Ok(Some(u64::MAX))),
            (&["18446744073709551616"], Err(())),
        ] {
            assert_eq!(length(&map(&header::CONTENT_LENGTH, values)), told);
        }
    }

    #[test]
    fn only_the_last_coding_makes_chunks() {
        for (values, chunked) in [
            (&[][..], false),
            (&["CHUNKED "], true),
            (&["gzip, chunked"], true),
            (&["gzip", "chunked"], true),
            (&["chunked, gzip"], false),
            (&["chunked", "gzip"], false),
            (&["chunked,"], false),
            (&["xchunked"], false),
        ] {
            let headers = map(&header::TRANSFER_ENCODING, values);
            assert_eq!(is_chunked(&headers), chunked, "{values:?}");
        }
    }
}
