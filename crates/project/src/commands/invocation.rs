//! A prompt that may name a command, and its arguments.

/// A command's name as it was typed, and what stands behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The name without its prefix, such as `git:sync`.
    pub name: String,
    /// Everything behind the name, white space around it removed.
    pub arguments: String,
}

impl Invocation {
    /// Reads a prompt that begins with one of the prefixes and something that could be a name;
    /// white space may stand before it. A path such as `/usr/bin` is no name.
    pub fn parse(prompt: &str, prefixes: &[String]) -> Option<Self> {
        let prompt = prompt.trim_start();
        let mut prefixes = prefixes.iter().filter(|prefix| !prefix.is_empty());
        let rest = prefixes.find_map(|prefix| prompt.strip_prefix(prefix.as_str()))?;
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (name, arguments) = rest.split_at(end);
        is_name(name).then(|| Self {
            name: name.to_owned(),
            arguments: arguments.trim().to_owned(),
        })
    }
}

/// Whether this could be a command: words of letters, digits, `_`, `-` and `.`, joined by `:`.
pub(super) fn is_name(name: &str) -> bool {
    name.len() <= 200 && name.split(':').all(is_word)
}

/// No word begins with a dot: it would lead to hidden files, or out of the folder.
pub(super) fn is_word(word: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    !word.is_empty() && !word.starts_with('.') && word.chars().all(plain)
}

/// Splits arguments as a shell would: quotes keep words together. Text with a quote that is never
/// closed, such as `don't`, is split at white space.
pub fn split_arguments(arguments: &str) -> Vec<String> {
    shlex::split(arguments).unwrap_or_else(|| {
        arguments
            .split_whitespace()
            .map(ToOwned::to_owned)
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(prompt: &str) -> Option<(String, String)> {
        let prefixes = ["/".to_owned(), ":".to_owned()];
        let found = Invocation::parse(prompt, &prefixes)?;
        Some((found.name, found.arguments))
    }

    #[test]
    fn what_is_a_command() {
        for (prompt, name, arguments) in [
            ("/review", "review", ""),
            (" /review  a b ", "review", "a b"),
            ("\n:git:sync now\nand then", "git:sync", "now\nand then"),
            ("/plus:help", "plus:help", ""),
            ("/v1.2 x", "v1.2", "x"),
            ("/überblick", "überblick", ""),
        ] {
            let wanted = Some((name.into(), arguments.into()));
            assert_eq!(parse(prompt), wanted, "{prompt}");
        }
        for prompt in [
            "",
            "/",
            "review",
            "/usr/bin",
            "a /review",
            "/a//b",
            "/..",
            "/.git",
            "/a:",
            "/a:..:b",
            "//x",
            "/ x",
            "/a*",
        ] {
            assert_eq!(parse(prompt), None, "{prompt}");
        }
    }

    #[test]
    fn arguments_are_split_as_in_a_shell() {
        for (text, words) in [
            ("", &[][..]),
            ("a  b", &["a", "b"]),
            ("'a b' \"c d\" e\\ f", &["a b", "c d", "e f"]),
            ("don't panic", &["don't", "panic"]),
            ("\"\" x", &["", "x"]),
        ] {
            assert_eq!(split_arguments(text), words, "{text}");
        }
    }

    proptest! {
        #[test]
        fn quoted_words_come_back(words in proptest::collection::vec("[^\0]{0,12}", 0..5)) {
            let line = shlex::try_join(words.iter().map(String::as_str)).unwrap();
            prop_assert_eq!(split_arguments(&line), words);
        }

        #[test]
        fn any_text_is_split(text in ".{0,60}") {
            let _ = split_arguments(&text);
        }

        #[test]
        fn a_name_never_leads_anywhere(prompt in "[/:a.\\\\ é~-]{0,12}") {
            if let Some((name, _)) = parse(&prompt) {
                prop_assert!(!name.contains(['/', '\\', '~']));
                prop_assert!(name.split(':').all(|word| !word.starts_with('.')));
            }
        }
    }
}
