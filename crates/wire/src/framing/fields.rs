//! Header fields that frame a message, read from all values of their name.

use super::FramingError;

/// What `Content-Length` says.
///
/// # Errors
/// When it says several things, or none that is a length.
pub fn content_length<'a>(
    values: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Option<u64>, FramingError> {
    let mut length = None;
    for part in values.into_iter().flat_map(parts) {
        let told = digits(part).ok_or(FramingError::Length)?;
        if length.is_some_and(|length| length != told) {
            return Err(FramingError::Length);
        }
        length = Some(told);
    }
    Ok(length)
}

/// Whether the last coding of `Transfer-Encoding` is chunked.
pub fn is_chunked<'a>(codings: impl IntoIterator<Item = &'a [u8]>) -> bool {
    let last = codings.into_iter().flat_map(parts).last();
    last.is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"))
}

/// Whether `Connection` has this option.
pub fn has_option<'a>(values: impl IntoIterator<Item = &'a [u8]>, option: &str) -> bool {
    let mut options = values.into_iter().flat_map(parts);
    options.any(|found| found.eq_ignore_ascii_case(option.as_bytes()))
}

/// The members of a list.
fn parts(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let parts = value.split(|byte| *byte == b',');
    parts.map(<[u8]>::trim_ascii)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<'a>(values: &'a [&str]) -> impl Iterator<Item = &'a [u8]> {
        values.iter().map(|value| value.as_bytes())
    }

    #[test]
    fn a_length_is_one_number_however_often_it_is_told() {
        const NONE: Result<Option<u64>, FramingError> = Err(FramingError::Length);
        for (values, told) in [
            (&[][..], Ok(None)),
            (&["12"], Ok(Some(12))),
            (&[" 0012 "], Ok(Some(12))),
            (&["12", "12"], Ok(Some(12))),
            (&["12, 12"], Ok(Some(12))),
            (&["12, 13"], NONE),
            (&["12", "13"], NONE),
            (&[""], NONE),
            (&["12,"], NONE),
            (&["+12"], NONE),
            (&["-12"], NONE),
            (&["1 2"], NONE),
            (&["0x12"], NONE),
            (&["18446744073709551615"], Ok(Some(u64::MAX))),
            (&["18446744073709551616"], NONE),
        ] {
            assert_eq!(content_length(bytes(values)), told, "{values:?}");
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
            assert_eq!(is_chunked(bytes(values)), chunked, "{values:?}");
        }
    }

    #[test]
    fn an_option_is_found_in_any_case_and_place() {
        for (values, found) in [
            (&[][..], false),
            (&["close"], true),
            (&["x, Close "], true),
            (&["x", "CLOSE"], true),
            (&["closed"], false),
        ] {
            assert_eq!(has_option(bytes(values), "close"), found, "{values:?}");
        }
    }
}
