//! What `allowed-tools` permits a command's shell lines.

/// The patterns of `allowed-tools` that are about the shell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedTools {
    written: String,
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    /// `Bash`, `Bash(*)`: whatever a shell can do.
    Anything,
    /// `Bash(git status)`; stars stand for anything.
    Words(String),
    /// `Bash(git add:*)`: these words, and any arguments.
    Prefix(String),
}

impl AllowedTools {
    /// Reads a list such as `Bash(git add:*), Read`; tools that are no shell are passed over.
    pub fn parse(text: &str) -> Self {
        let mut patterns = Vec::new();
        for tool in split(text) {
            let Some(rest) = tool.strip_prefix("Bash") else {
                continue;
            };
            let within = rest.strip_prefix('(').and_then(|it| it.strip_suffix(')'));
            match within.map(str::trim) {
                None if rest.is_empty() => patterns.push(Pattern::Anything),
                Some("*" | ":*") => patterns.push(Pattern::Anything),
                None | Some("") => {}
                Some(pattern) => patterns.push(match pattern.strip_suffix(":*") {
                    Some(prefix) => Pattern::Prefix(prefix.trim().to_owned()),
                    None => Pattern::Words(pattern.to_owned()),
                }),
            }
        }
        Self {
            written: text.trim().to_owned(),
            patterns,
        }
    }

    /// The list as it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether a shell line may run: each of its commands is permitted. A line that runs or writes
    /// what its words do not tell (`$(...)`, backticks, redirections) takes a pattern for anything.
    pub fn permits_shell(&self, line: &str) -> bool {
        if self.patterns.contains(&Pattern::Anything) {
            return true;
        }
        simple_commands(line).is_some_and(|commands| {
            !commands.is_empty() && commands.iter().all(|command| self.permits(command))
        })
    }

    fn permits(&self, command: &str) -> bool {
        self.patterns.iter().any(|pattern| match pattern {
            Pattern::Anything => true,
            Pattern::Words(pattern) => matches(pattern, command),
            Pattern::Prefix(prefix) => command
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace)),
        })
    }
}

/// The tools of a list: commas and spaces part them, except within brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut tools, mut depth, mut start) = (Vec::new(), 0_u32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 && (c == ',' || c.is_whitespace()) => {
                tools.extend(text.get(start..at));
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    tools.extend(text.get(start..));
    tools.retain(|tool| !tool.is_empty());
    tools
}

/// The commands of a line; `None` when it has parts that its words do not tell.
fn simple_commands(line: &str) -> Option<Vec<String>> {
    let (mut commands, mut current) = (Vec::new(), String::new());
    let mut quote = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), _) => {}
            (_, '`') => return None,
            (_, '$') if matches!(chars.peek(), Some('(')) => return None,
            (_, '\\') => {
                current.push(c);
                current.extend(chars.next());
                continue;
            }
            (None, '\'' | '"') => quote = Some(c),
            (None, '<' | '>' | '(' | ')' | '{' | '}') => {
                // `${name}` is a word.
                let name = c == '{' && current.ends_with('$');
                let end = c == '}' && current.rfind("${").is_some();
                if !name && !end {
                    return None;
                }
            }
            (None, ';' | '&' | '|' | '\n') => {
                commands.push(std::mem::take(&mut current));
                continue;
            }
            _ => {}
        }
        current.push(c);
    }
    commands.push(current);
    if quote.is_some() {
        return None;
    }
    let commands = commands.iter().map(|command| command.trim().to_owned());
    Some(commands.filter(|command| !command.is_empty()).collect())
}

/// Whether a text is what a pattern with stars stands for. `git *` also stands for `git` alone.
fn matches(pattern: &str, text: &str) -> bool {
    if pattern.strip_suffix(" *") == Some(text) {
        return true;
    }
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else {
        return rest.is_empty();
    };
    for piece in pieces {
        let Some(at) = rest.find(piece) else {
            return false;
        };
        rest = rest.get(at + piece.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_permitted() {
        let tools = "Bash(git add:*), Bash(git status), Bash(npm run *:*),Read, Bash(ls *)";
        let tools = AllowedTools::parse(tools);
        for line in [
            "git add",
            "git add -A .",
            "git status",
            "ls",
            "ls -l a",
            "git add x && git status",
            "ls 'a;b'",
            "ls \"$1\"",
            "ls ${1}",
        ] {
            assert!(tools.permits_shell(line), "{line}");
        }
        for line in [
            "",
            "git",
            "git addx",
            "git status -s",
            "rm x",
            "git add x; rm y",
            "git add x & rm y",
            "git add $(rm y)",
            "git add `rm y`",
            "git add \"$(rm y)\"",
            "ls > file",
            "ls <(rm y)",
            "ls || rm x",
            "ls\nrm x",
            "{ rm; }",
            "(rm)",
            "ls 'unclosed",
        ] {
            assert!(!tools.permits_shell(line), "{line}");
        }
        for anything in ["Bash", "Bash(*)", "Read, Bash(:*)"] {
            assert!(
                AllowedTools::parse(anything).permits_shell("rm x > y"),
                "{anything}"
            );
        }
        for nothing in ["", "Read", "Bash()", "Bashful"] {
            assert!(
                !AllowedTools::parse(nothing).permits_shell("ls"),
                "{nothing}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_not_named_does_not_run(line in "[a-z ;&|$()`'\"\\\\<>{}\n]{0,30}") {
            let tools = AllowedTools::parse("Bash(git:*)");
            if tools.permits_shell(&line) {
                // The shell agrees that every command is git: with all else gone it finds nothing.
                let words = shlex::split(&line);
                prop_assert!(words.is_none_or(|words| words.first().is_none_or(|word| word == "git" || word.starts_with([';', '&', '|']))));
            }
        }
    }
}
