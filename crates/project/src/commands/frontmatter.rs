//! The head of a command file, between lines of `---`.

use serde::Deserialize;

use super::permission::AllowedTools;

/// What a command file says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontmatter {
    /// For people.
    pub description: Option<String>,
    /// What arguments it takes, for people.
    pub argument_hint: Option<String>,
    /// What its shell lines may run.
    pub allowed_tools: AllowedTools,
    /// The model it was written for. Shown, but not followed: changing the model within a
    /// conversation would cost its prompt cache, and files of other agents name models of theirs.
    pub model: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[derive(Default)]
struct Written {
    description: Option<String>,
    allowed_tools: Option<TextOrList>,
    model: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TextOrList {
    Text(String),
    List(Vec<String>),
}

impl Frontmatter {
    /// The head of a file and the text behind it. Never fails: a head that is no YAML is read line
    /// by line, as agents do (`argument-hint: [a] [b]` is none).
    pub fn split(text: &str) -> (Self, &str) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let Some((head, body)) = parts(text) else {
            return (Self::default(), text);
        };
        let line = |key: &str| plain_line(head, key);
        let found = match serde_saphyr::from_str::<Written>(head) {
            Ok(written) => Self {
                description: written.description,
                argument_hint: line("argument-hint"),
                allowed_tools: match written.allowed_tools {
                    Some(TextOrList::Text(text)) => AllowedTools::parse(&text),
                    Some(TextOrList::List(list)) => AllowedTools::parse(&list.join(",")),
                    None => AllowedTools::default(),
                },
                model: written.model,
            },
            Err(_) => Self {
                description: line("description"),
                argument_hint: line("argument-hint"),
                allowed_tools: AllowedTools::parse(&line("allowed-tools").unwrap_or_default()),
                model: line("model"),
            },
        };
        (found, body)
    }
}

/// Head and body; `None` when there is no head, or no end to it.
fn parts(text: &str) -> Option<(&str, &str)> {
    let first = text.lines().next()?;
    if first.trim_end() != "---" {
        return None;
    }
    let start = first.len() + text.get(first.len()..)?.find('\n')? + 1;
    let rest = text.get(start..)?;
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        if line.trim_end() == "---" {
            return Some((rest.get(..at)?, rest.get(at + line.len()..)?));
        }
        at += line.len();
    }
    None
}

/// `key: value` on one line, quotes around the value removed.
fn plain_line(head: &str, key: &str) -> Option<String> {
    let value = head
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?
        .trim();
    let quoted = ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    let value = quoted.unwrap_or(value);
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn heads_as_people_write_them() {
        let (head, body) = Frontmatter::split(
            "---\ndescription: Fix it\nargument-hint: [issue] [priority]\nallowed-tools: Bash(git add:*), Read\nmodel: some-model\n---\nDo $1\n",
        );
        assert_eq!(head.description.as_deref(), Some("Fix it"));
        assert_eq!(head.argument_hint.as_deref(), Some("[issue] [priority]"));
        assert_eq!(head.model.as_deref(), Some("some-model"));
        assert!(head.allowed_tools.permits_shell("git add x"));
        assert_eq!(body, "Do $1\n");

        let (head, _) = Frontmatter::split(
            "---\nallowed-tools:\n  - Bash(ls)\n  - Read\ndescription: \"a: b\"\n---\r\nx",
        );
        assert!(head.allowed_tools.permits_shell("ls"));
        assert_eq!(head.description.as_deref(), Some("a: b"));
        let (head, body) = Frontmatter::split("---\ndescription: not: yaml: at all\n---\nx");
        assert_eq!(head.description.as_deref(), Some("not: yaml: at all"));
        assert_eq!(body, "x");
    }

    #[test]
    fn text_without_a_head_is_all_body() {
        for text in [
            "",
            "plain",
            "---\nno end",
            "--- x\n---\n",
            "text\n---\na: b\n---\n",
        ] {
            assert_eq!(Frontmatter::split(text), (Frontmatter::default(), text));
        }
    }

    proptest! {
        #[test]
        fn the_body_is_the_end_of_the_file(text in "(---\r?\n)?[a-z:\\[\\]\" \n-]{0,60}") {
            let (_, body) = Frontmatter::split(&text);
            prop_assert!(text.ends_with(body));
        }
    }
}
