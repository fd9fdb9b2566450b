//! The words of a shell command, as far as they can be known without running it.
//!
//! Used to find the scripts that a command names. What only a shell can know (other variables,
//! command substitution, patterns) makes a word unknown, and an unknown word is left alone.

use std::ops::Range;

/// One word of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// Where it stands in the command, quotes included.
    pub(crate) span: Range<usize>,
    /// Its value after quoting and `$CLAUDE_PROJECT_DIR`; `None` when only a shell can tell.
    pub(crate) value: Option<String>,
    /// Its place in its simple command: 0 for the program, assignments before it not counted.
    pub(crate) position: usize,
}

/// The words of a command; `project` is what `$CLAUDE_PROJECT_DIR` stands for.
pub(crate) fn words(command: &str, project: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut scanner = Scanner {
        command,
        project,
        at: 0,
    };
    let mut position = 0;
    while let Some(next) = scanner.peek() {
        match next {
            ' ' | '\t' => scanner.skip(next),
            '\n' | ';' | '&' | '|' | '(' | ')' | '{' | '}' => {
                scanner.skip(next);
                position = 0;
            }
            // The file of a redirection is no word of the command.
            '<' | '>' => {
                while let Some(c @ ('<' | '>' | '&' | ' ')) = scanner.peek() {
                    scanner.skip(c);
                }
                scanner.word();
            }
            '#' => {
                let rest = command.get(scanner.at..).unwrap_or_default();
                scanner.at += rest.find('\n').unwrap_or(rest.len());
            }
            _ => {
                let start = scanner.at;
                let value = scanner.word();
                let span = start..scanner.at;
                if position == 0 && is_assignment(command.get(span.clone()).unwrap_or_default()) {
                    continue;
                }
                words.push(Word {
                    span,
                    value,
                    position,
                });
                position += 1;
            }
        }
    }
    words
}

/// Quotes a text so that a shell takes it as one word.
pub(crate) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

struct Scanner<'a> {
    command: &'a str,
    project: &'a str,
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<char> {
        self.command.get(self.at..)?.chars().next()
    }

    fn skip(&mut self, c: char) {
        self.at += c.len_utf8();
    }

    /// Reads up to the end of a word; always moves when something is left.
    fn word(&mut self) -> Option<String> {
        let (mut value, mut known) = (String::new(), true);
        let mut quoted = false;
        while let Some(c) = self.peek() {
            if !quoted && " \t\n;&|()<>".contains(c) {
                break;
            }
            self.skip(c);
            match c {
                '"' => quoted = !quoted,
                '\'' if !quoted => {
                    let rest = self.command.get(self.at..).unwrap_or_default();
                    let length = rest.find('\'').unwrap_or(rest.len());
                    value.push_str(rest.get(..length).unwrap_or_default());
                    self.at = (self.at + length + 1).min(self.command.len());
                }
                '\\' => {
                    if let Some(next) = self.peek() {
                        self.skip(next);
                        if quoted && !"$`\"\\\n".contains(next) {
                            value.push(c);
                        }
                        value.push(next);
                    }
                }
                '$' => known &= self.variable(&mut value),
                '`' => known = false,
                '*' | '?' | '[' | '~' if !quoted => known = false,
                _ => value.push(c),
            }
        }
        known.then_some(value)
    }

    fn variable(&mut self, value: &mut String) -> bool {
        let rest = self.command.get(self.at..).unwrap_or_default();
        for spelling in ["{CLAUDE_PROJECT_DIR}", "CLAUDE_PROJECT_DIR"] {
            let Some(after) = rest.strip_prefix(spelling) else {
                continue;
            };
            let goes_on = after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            if spelling.starts_with('{') || !goes_on {
                self.at += spelling.len();
                value.push_str(self.project);
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_of_commands() {
        let cases: &[(&str, &[(&str, usize)])] = &[
            ("a b  c", &[("a", 0), ("b", 1), ("c", 2)]),
            ("'a b' \"c d\" e\\ f", &[("a b", 0), ("c d", 1), ("e f", 2)]),
            ("A=1 B='x y' run it", &[("run", 0), ("it", 1)]),
            (
                "a && b || c; d | e & f\ng",
                &[
                    ("a", 0),
                    ("b", 0),
                    ("c", 0),
                    ("d", 0),
                    ("e", 0),
                    ("f", 0),
                    ("g", 0),
                ],
            ),
            ("a >out 2>&1 <in b", &[("a", 0), ("2", 1), ("b", 2)]),
            ("a # b\nc", &[("a", 0), ("c", 0)]),
            ("$CLAUDE_PROJECT_DIR/x", &[("/p/x", 0)]),
            ("\"${CLAUDE_PROJECT_DIR}\"/x", &[("/p/x", 0)]),
            ("'$CLAUDE_PROJECT_DIR'", &[("$CLAUDE_PROJECT_DIR", 0)]),
            ("\"a\\b\"", &[("a\\b", 0)]),
        ];
        for (command, wanted) in cases {
            let found = words(command, "/p");
            let found: Vec<_> = found
                .iter()
                .map(|word| (word.value.as_deref().unwrap(), word.position))
                .collect();
            assert_eq!(&found, wanted, "{command}");
        }
        for unknown in [
            "$X",
            "\"$(y)\"",
            "`z`",
            "*.sh",
            "~/x",
            "$CLAUDE_PROJECT_DIRS",
            "a?",
        ] {
            let found = words(unknown, "/p");
            assert!(
                found.iter().all(|word| word.value.is_none()
                    || word.position > 0
                    || word.value.as_deref() == Some("y")),
                "{unknown}"
            );
            assert_eq!(found.first().unwrap().value, None, "{unknown}");
        }
    }

    proptest! {
        #[test]
        fn any_text_ends_and_spans_are_in_order(command in "[a-z '\"\\\\$`;&|<>(){}#\n=é]{0,40}") {
            let mut end = 0;
            for word in words(&command, "/p") {
                prop_assert!(word.span.start >= end && word.span.end > word.span.start);
                prop_assert!(command.get(word.span.clone()).is_some());
                end = word.span.end;
            }
        }

        #[test]
        fn what_is_quoted_is_one_word(text in ".{0,20}") {
            let found = words(&quote(&text), "/p");
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(found[0].value.as_deref(), Some(text.as_str()));
        }
    }
}
