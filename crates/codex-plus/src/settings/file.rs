//! Reads a settings file into assignments, keeping each value's line and column.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::assignment::{join, keys};
use super::{Assignment, Origin, SettingsError};
use crate::spelling::nearest;

/// Larger files are refused; a settings file is a page, not a book.
const LARGEST: u64 = 1 << 20;

/// Reads `path`; `None` when there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<Assignment>>, SettingsError> {
    let fail = |problem: String| SettingsError {
        origin: Origin::File {
            path: path.to_owned(),
            line: 1,
            column: 1,
        },
        problem,
    };
    match path.metadata() {
        Ok(meta) if !meta.is_file() => return Err(fail("not a regular file".to_owned())),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(format!("cannot be read: {error}"))),
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(|error| fail(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > LARGEST {
        return Err(fail("larger than 1 MiB; no settings file is".to_owned()));
    }
    let text =
        String::from_utf8(bytes).map_err(|_| fail("is not UTF-8; save it as UTF-8".to_owned()))?;
    parse(&text, path).map(Some)
}

/// Reads the text of a settings file.
pub(crate) fn parse(text: &str, path: &Path) -> Result<Vec<Assignment>, SettingsError> {
    let reader = Reader { text, path };
    let spans = DeTable::parse(text).map_err(|error| reader.broken(&error))?;
    let values: toml::Table = text.parse().map_err(|error| reader.broken(&error))?;
    let mut found = Vec::new();
    reader.walk("", spans.get_ref(), &values, &mut found)?;
    for assignment in &found {
        assignment.check()?;
    }
    Ok(found)
}

struct Reader<'a> {
    text: &'a str,
    path: &'a Path,
}

impl Reader<'_> {
    fn broken(&self, error: &toml::de::Error) -> SettingsError {
        let at = error.span().map_or(0, |span| span.start);
        SettingsError {
            origin: self.place(at),
            problem: format!("not valid TOML: {}", error.message()),
        }
    }

    /// Line and column of a byte offset, both from 1, the column in characters.
    fn place(&self, offset: usize) -> Origin {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Origin::File {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        }
    }

    fn walk(
        &self,
        prefix: &str,
        spans: &DeTable<'_>,
        values: &toml::Table,
        found: &mut Vec<Assignment>,
    ) -> Result<(), SettingsError> {
        let known = keys();
        for (name, span) in spans {
            let Some(value) = values.get(name.get_ref().as_ref()) else {
                continue;
            };
            let key = join(prefix, name.get_ref());
            let is_section = known.keys().any(|known| {
                known
                    .strip_prefix(&key)
                    .is_some_and(|rest| rest.starts_with('.'))
            });
            match (span.get_ref(), value) {
                (DeValue::Table(spans), toml::Value::Table(values)) if is_section => {
                    self.walk(&key, spans, values, found)?;
                }
                _ if is_section => {
                    return Err(SettingsError {
                        origin: self.place(span.span().start),
                        problem: format!("{key} is a section; write its keys under [{key}]"),
                    });
                }
                _ if known.contains_key(&key) => found.push(Assignment {
                    value: self.absolute(&key, value.clone()),
                    origin: self.place(span.span().start),
                    key,
                }),
                _ => {
                    let near = nearest(&key, known.keys().map(String::as_str));
                    return Err(SettingsError {
                        origin: self.place(name.span().start),
                        problem: match near {
                            Some(near) => format!("unknown key `{key}`; did you mean `{near}`?"),
                            None => format!(
                                "unknown key `{key}`; `codex-plus config show` lists the known ones"
                            ),
                        },
                    });
                }
            }
        }
        Ok(())
    }

    /// Files named in a settings file are looked for beside it.
    fn absolute(&self, key: &str, value: toml::Value) -> toml::Value {
        let toml::Value::Array(items) = value else {
            return value;
        };
        if key != "tls.ca_files" {
            return toml::Value::Array(items);
        }
        let folder = self.path.parent().map_or_else(PathBuf::new, Path::to_owned);
        let absolute = |item| match item {
            toml::Value::String(file) => {
                toml::Value::String(folder.join(file).to_string_lossy().into_owned())
            }
            other => other,
        };
        toml::Value::Array(items.into_iter().map(absolute).collect())
    }
}
