//! The one room that prints. Everywhere else `println!` and `eprintln!` are denied.

use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what was asked, or found it done already.
    Success,
    /// It could not.
    Failure,
    /// The command line or the settings are wrong.
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Success => Self::SUCCESS,
            Exit::Failure => Self::from(1),
            Exit::Usage => Self::from(2),
        }
    }
}

/// Ends quietly when the reader of our output is gone (`codex-plus logs | head`).
fn end_on_closed_pipe(result: &io::Result<()>) {
    if let Err(error) = result
        && error.kind() == io::ErrorKind::BrokenPipe
    {
        std::process::exit(0);
    }
}

/// Writes bytes to standard output and flushes them.
pub(crate) fn raw(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    end_on_closed_pipe(&out.write_all(bytes).and_then(|()| out.flush()));
}

/// Writes one line to standard output.
pub(crate) fn line(text: impl AsRef<str>) {
    let mut bytes = text.as_ref().as_bytes().to_vec();
    bytes.push(b'\n');
    raw(&bytes);
}

/// Text that a stranger may have written, on one line and without what moves a terminal's cursor
/// or turns its writing.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (number, part) in text.split('\t').enumerate() {
        if number > 0 {
            shown.push('\t');
        }
        crate::escape::escape(part, &mut shown);
    }
    shown
}

/// The same of text that may have several lines.
fn lines(text: &str) -> String {
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

/// Writes a JSON value to standard output, indented.
pub(crate) fn json(value: &serde_json::Value) {
    line(format!("{value:#}"));
}

/// Writes one line to standard error; a closed one is nobody's business.
pub(crate) fn note(text: impl AsRef<str>) {
    let _ = writeln!(io::stderr().lock(), "{}", text.as_ref());
}

/// Tells of something odd that did not stop the command.
pub(crate) fn warning(text: impl AsRef<str>) {
    let mark = Paint::for_stderr().yellow("warning:");
    note(format!("{mark} {}", lines(text.as_ref())));
}

/// Tells why the command failed.
pub(crate) fn error(text: impl AsRef<str>) {
    let mark = Paint::for_stderr().red("error:");
    note(format!("{mark} {}", lines(text.as_ref())));
}

/// Colours, or their absence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint(bool);

impl Paint {
    fn wanted(terminal: bool) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self(terminal && !refused && !dumb)
    }

    /// Coloured when standard output is a terminal and `NO_COLOR` is unset.
    pub(crate) fn for_stdout() -> Self {
        Self::wanted(io::stdout().is_terminal())
    }

    /// The same for standard error.
    pub(crate) fn for_stderr() -> Self {
        Self::wanted(io::stderr().is_terminal())
    }

    /// Whether colours are used.
    pub(crate) const fn is_on(self) -> bool {
        self.0
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        self.wrap("1;33", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.wrap("1;32", text)
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }
}
