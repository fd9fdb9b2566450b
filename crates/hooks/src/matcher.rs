//! Which hooks an event is for: the `matcher` and the `if` of a settings file.

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use crate::input::ToolCall;

/// Longest pattern, in bytes, and largest compiled one.
const LONGEST_PATTERN: usize = 1024;
const LARGEST_PROGRAM: usize = 1 << 20;
/// Where tools keep what a condition is about: a command, a file, an address.
const ARGUMENTS: [&str; 7] = [
    "command",
    "cmd",
    "file_path",
    "path",
    "url",
    "query",
    "pattern",
];
/// Names of the client's shell tools (seen with Codex 0.169.0): settings written for other
/// clients call them `Bash`.
const SHELLS: [&str; 5] = [
    "exec_command",
    "shell",
    "shell_command",
    "local_shell",
    "local_shell_call",
];

/// A matcher or condition that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MatcherError {
    /// Too long.
    #[error("the pattern is longer than {LONGEST_PATTERN} bytes; make it shorter")]
    TooLong,
    /// No regular expression.
    #[error("the matcher is not a usable regular expression; correct it, or list names with `|`")]
    Pattern,
    /// Not `Tool` or `Tool(pattern)`.
    #[error("`if` cannot be read; write it like `Bash` or `Bash(git *)`")]
    Condition,
}

/// A compiled `matcher`.
#[derive(Debug, Clone)]
pub enum Matcher {
    /// Everything: `*` or nothing was written.
    All,
    /// Exactly one of these.
    Names(Vec<String>),
    /// An unanchored regular expression.
    Pattern(Regex),
}

impl Matcher {
    /// Reads a matcher as it is written.
    pub fn parse(text: &str) -> Result<Self, MatcherError> {
        let text = text.trim();
        if text.is_empty() || text == "*" {
            return Ok(Self::All);
        }
        if text.len() > LONGEST_PATTERN {
            return Err(MatcherError::TooLong);
        }
        if text.chars().all(is_name_or_separator) {
            let names = text.split(['|', ',']).map(str::trim);
            let names = names.filter(|name| !name.is_empty());
            return Ok(Self::Names(names.map(str::to_owned).collect()));
        }
        compile(text, false).map(Self::Pattern)
    }

    /// Whether it is for this subject. An event without a subject is for every matcher.
    pub fn matches(&self, subject: Option<&str>) -> bool {
        let Some(subject) = subject else { return true };
        let alias = SHELLS.contains(&subject).then_some("Bash");
        std::iter::once(subject)
            .chain(alias)
            .any(|name| match self {
                Self::All => true,
                Self::Names(names) => names.iter().any(|n| n == name),
                Self::Pattern(pattern) => pattern.is_match(name),
            })
    }
}

fn is_name_or_separator(c: char) -> bool {
    c.is_alphanumeric() || "_-,| ".contains(c)
}

fn compile(pattern: &str, dot_is_anything: bool) -> Result<Regex, MatcherError> {
    RegexBuilder::new(pattern)
        .size_limit(LARGEST_PROGRAM)
        .dot_matches_new_line(dot_is_anything)
        .build()
        .map_err(|_| MatcherError::Pattern)
}

/// A compiled `if`: a tool, and a wildcard pattern for its argument.
#[derive(Debug, Clone)]
pub struct Condition {
    tool: Matcher,
    argument: Option<Regex>,
}

impl Condition {
    /// Reads `Tool` or `Tool(pattern)`, where `*` stands for anything.
    pub fn parse(text: &str) -> Result<Self, MatcherError> {
        let text = text.trim();
        if text.len() > LONGEST_PATTERN {
            return Err(MatcherError::TooLong);
        }
        let (tool, argument) = match text.split_once('(') {
            None => (text, None),
            Some((tool, rest)) => {
                let pattern = rest.strip_suffix(')').ok_or(MatcherError::Condition)?;
                (tool, Some(pattern.trim()))
            }
        };
        let named = tool
            .chars()
            .all(|c| c.is_alphanumeric() || "_-".contains(c));
        if tool.is_empty() || !named {
            return Err(MatcherError::Condition);
        }
        let argument = argument.filter(|pattern| !matches!(*pattern, "" | "*"));
        Ok(Self {
            tool: Matcher::Names(vec![tool.to_owned()]),
            argument: argument.map(wildcard).transpose()?,
        })
    }

    /// Whether it holds for a tool call. Of a compound command, one part is enough.
    pub fn holds(&self, call: &ToolCall) -> bool {
        if !self.tool.matches(Some(&call.tool_name)) {
            return false;
        }
        let Some(pattern) = &self.argument else {
            return true;
        };
        let Some(argument) = argument(&call.tool_input) else {
            return false;
        };
        // Splits inside quotes, too: asking a hook once too often is better than not at all.
        pattern.is_match(argument.trim())
            || argument
                .split(['&', '|', ';', '\n', '(', ')', '`'])
                .any(|part| pattern.is_match(part.trim()))
    }
}

/// `git *` also stands for `git` alone; `git:*` is the older spelling of it.
fn wildcard(pattern: &str) -> Result<Regex, MatcherError> {
    let (stem, tail) = match pattern
        .strip_suffix(":*")
        .or_else(|| pattern.strip_suffix(" *"))
    {
        Some(stem) => (stem, r"(\s.*)?"),
        None => (pattern, ""),
    };
    let stem = regex::escape(stem).replace(r"\*", ".*");
    compile(&format!("^{stem}{tail}$"), true)
}

/// The argument a condition is about: the text of a free-form tool, or the first known field.
fn argument(input: &Value) -> Option<String> {
    let fields = match input {
        Value::String(text) => return Some(text.clone()),
        Value::Object(fields) => fields,
        _ => return None,
    };
    match ARGUMENTS.iter().find_map(|name| fields.get(*name))? {
        Value::String(text) => Some(text.clone()),
        // `["bash", "-lc", "git status"]`: the script is what counts.
        Value::Array(words) => {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            match words.as_slice() {
                [_, flag, script] if flag.starts_with('-') && flag.ends_with('c') => {
                    Some((*script).to_owned())
                }
                words => Some(words.join(" ")),
            }
        }
        _ => None,
    }
}
