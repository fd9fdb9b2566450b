//! What a misspelt name was probably meant to be.

/// The known name closest to what was written, if one is close.
pub(crate) fn nearest<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // Compared as written in full and by the last part, so that `guard.tokn` and a `tokn` that
    // lost its section are both recognised.
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let written_last = last(written);
    known
        .into_iter()
        .map(|name| {
            let whole = strsim::jaro_winkler(written, name);
            let part = strsim::jaro_winkler(&written_last, &last(name)) * 0.98;
            (whole.max(part), name)
        })
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
