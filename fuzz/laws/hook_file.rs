//! A hook file's metadata: found without running it, the same every time, and within its bounds.

use codex_plus_hooks::python::Metadata;

pub(crate) fn check(data: &[u8]) {
    let source = &*String::from_utf8_lossy(data);
    let read = Metadata::parse(source, "stem");
    assert_eq!(read, Metadata::parse(source, "stem"));
    match read {
        Ok(Some(found)) => {
            assert!(!found.name.is_empty());
            let seconds = found.timeout().map_or(1.0, |timeout| timeout.as_secs_f64());
            assert!((0.0..=3600.0).contains(&seconds));
            assert!(
                source.contains("---") || source.to_ascii_lowercase().contains("hook metadata:")
            );
        }
        Ok(None) => {}
        Err(error) => {
            assert!(
                error.line > 0 && error.line <= source.split('\n').count() + 1,
                "{error}"
            );
            assert!(!error.message.contains('\n'), "{error}");
        }
    }
}
