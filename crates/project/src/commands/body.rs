//! The text of a command, in the pieces that expansion is about.

/// A command's text, read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    pub(super) pieces: Vec<Piece>,
}

/// A piece of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// As it stands.
    Text(String),
    /// `$ARGUMENTS`, `${ARGUMENTS:-default}`
    All { default: String },
    /// `$1` to `$9`, `${1:-default}`
    Nth { index: usize, default: String },
    /// `${NAME:-default}`
    Variable { name: String, default: String },
    /// A shell line: what stands between the backticks.
    Shell(String),
}

impl Body {
    /// Reads a text. Whatever is no placeholder stands for itself, `\$` for a dollar sign.
    pub fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['$', '!', '\\']) {
            let (before, found) = rest.split_at(at);
            plain.push_str(before);
            let starts_word = plain
                .chars()
                .next_back()
                .is_none_or(|c| !c.is_alphanumeric());
            let placeholder = match found.as_bytes().first() {
                Some(b'$') => dollar(found),
                Some(b'!') if starts_word => shell(found),
                _ => None,
            };
            if let Some((piece, after)) = placeholder {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                pieces.push(piece);
                rest = after;
            } else if let Some(after) = found.strip_prefix("\\$") {
                plain.push('$');
                rest = after;
            } else {
                // All three are one byte long.
                plain.push_str(found.get(..1).unwrap_or_default());
                rest = found.get(1..).unwrap_or_default();
            }
        }
        plain.push_str(rest);
        pieces.push(Piece::Text(plain));
        pieces.retain(|piece| *piece != Piece::Text(String::new()));
        Self { pieces }
    }

    /// Whether its shell lines are any.
    pub fn runs_shell(&self) -> bool {
        let mut pieces = self.pieces.iter();
        pieces.any(|piece| matches!(piece, Piece::Shell(_)))
    }

    /// Whether it says more to the trusted than to others.
    pub(super) fn asks_for_trust(&self) -> bool {
        let mut pieces = self.pieces.iter();
        pieces.any(|piece| matches!(piece, Piece::Shell(_) | Piece::Variable { .. }))
    }

    /// Whether it says where its arguments go.
    pub(super) fn takes_arguments(&self) -> bool {
        let mut pieces = self.pieces.iter();
        pieces.any(|piece| match piece {
            Piece::All { .. } | Piece::Nth { .. } => true,
            Piece::Shell(line) => line.contains("$ARGUMENTS") || line.contains("$1"),
            Piece::Text(_) | Piece::Variable { .. } => false,
        })
    }
}

/// A placeholder that begins with a dollar sign, and what stands behind it.
fn dollar(text: &str) -> Option<(Piece, &str)> {
    let rest = text.strip_prefix('$')?;
    if let Some(braced) = rest.strip_prefix('{') {
        let (within, after) = braced.split_once('}')?;
        let (name, default) = match within.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (within, None),
        };
        let text = default.unwrap_or_default().to_owned();
        let piece = match (argument(name, text.clone()), default) {
            (Some(piece), _) => piece,
            // Without a default it may be anything: a template of another language, say.
            (None, Some(_)) if is_variable(name) => Piece::Variable {
                name: name.to_owned(),
                default: text,
            },
            (None, _) => return None,
        };
        return Some((piece, after));
    }
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
    let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
    // `$100` is a price.
    argument(name, String::new()).map(|piece| (piece, after))
}

fn argument(name: &str, default: String) -> Option<Piece> {
    match name.as_bytes() {
        b"ARGUMENTS" => Some(Piece::All { default }),
        [digit @ b'1'..=b'9'] => Some(Piece::Nth {
            index: usize::from(digit - b'1'),
            default,
        }),
        _ => None,
    }
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn shell(text: &str) -> Option<(Piece, &str)> {
    let (line, after) = text.strip_prefix("!`")?.split_once('`')?;
    (!line.trim().is_empty()).then(|| (Piece::Shell(line.to_owned()), after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Piece {
        Piece::Text(text.into())
    }

    #[test]
    fn placeholders_are_found() {
        let body = Body::parse(
            "A $ARGUMENTS, $1${2:-two}. ${HOME:-none} !`git log $1` \\$1 $100 $X ${Y} a!`b` $0",
        );
        let wanted = [
            text("A "),
            Piece::All {
                default: String::new(),
            },
            text(", "),
            Piece::Nth {
                index: 0,
                default: String::new(),
            },
            Piece::Nth {
                index: 1,
                default: "two".into(),
            },
            text(". "),
            Piece::Variable {
                name: "HOME".into(),
                default: "none".into(),
            },
            text(" "),
            Piece::Shell("git log $1".into()),
            text(" $1 $100 $X ${Y} a!`b` $0"),
        ];
        assert_eq!(body.pieces, wanted);
    }

    proptest! {
        #[test]
        fn text_without_placeholders_stands_for_itself(written in "[a-zé @`{}\n:-]{0,60}") {
            let body = Body::parse(&written);
            prop_assert_eq!(body.pieces, if written.is_empty() { vec![] } else { vec![text(&written)] });
        }

        #[test]
        fn nothing_is_lost(written in "[a1$!`{}:\\\\ -]{0,40}") {
            // What is no placeholder is all there, in order.
            let mut rest = written.as_str();
            for piece in Body::parse(&written).pieces {
                if let Piece::Text(text) = piece {
                    for c in text.chars() {
                        let at = rest.find(c);
                        prop_assert!(at.is_some());
                        rest = &rest[at.unwrap() + c.len_utf8()..];
                    }
                }
            }
        }
    }
}
