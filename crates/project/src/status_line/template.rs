//! What the line says: a text with placeholders.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::git::{Changes, Facts, Head, PullRequest, RepositoryKind, Standing};

/// Every placeholder and what stands in its place.
const FIELDS: [(&str, Field); 13] = [
    ("dir", dir),
    ("local", local),
    ("remote", remote),
    ("pr", pull_request),
    ("branch", branch),
    ("ahead", |facts| distance(facts).0.to_string()),
    ("behind", |facts| distance(facts).1.to_string()),
    ("staged", |facts| changes(facts).staged.to_string()),
    ("modified", |facts| changes(facts).modified.to_string()),
    ("untracked", |facts| changes(facts).untracked.to_string()),
    ("conflicts", |facts| changes(facts).conflicts.to_string()),
    ("operation", |facts| operation(facts).unwrap_or_default()),
    ("kind", |facts| kind(facts).unwrap_or_default().to_owned()),
];
const DEFAULT: &str = "[Dir: {dir} | Local: {local} | Remote: {remote} | PR: {pr}]";

/// Fewer bytes of its own text than this are too few to know a line by.
const LEAST_TO_RECOGNISE: usize = 8;

type Field = fn(&Facts) -> String;

/// A template that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// There is no such placeholder.
    #[error("`{{{0}}}` is no placeholder; use {known}", known = known())]
    Unknown(String),
    /// A brace without its other half.
    #[error("a brace stands alone; write `{{{{` or `}}}}` for the character itself")]
    Brace,
}

/// A template for the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    written: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// Index into [`FIELDS`].
    Field(usize),
}

impl Template {
    /// The line for these facts; `None` where there is nothing to tell: no such directory, or no
    /// repository.
    pub fn render(&self, facts: &Facts) -> Option<String> {
        if matches!(facts.standing, Standing::Gone | Standing::Outside) {
            return None;
        }
        let mut line = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => line.push_str(text),
                Part::Field(index) => {
                    if let Some((_, field)) = FIELDS.get(*index) {
                        line.push_str(&field(facts));
                    }
                }
            }
        }
        Some(super::output::plain(&line))
    }
}

impl Template {
    /// Whether a line looks as if it came from this template, or from a command that keeps to the
    /// form `[Dir: ...]`. A template with hardly a word of its own recognises nothing.
    pub fn recognises(&self, line: &str) -> bool {
        if line.contains('\n') {
            return false;
        }
        if line.starts_with("[Dir: ") && line.ends_with(']') {
            return true;
        }
        let texts = || {
            self.parts.iter().filter_map(|part| match part {
                Part::Text(text) if !text.is_empty() => Some(text.as_str()),
                _ => None,
            })
        };
        if texts().map(str::len).sum::<usize>() < LEAST_TO_RECOGNISE {
            return false;
        }
        let mut rest = line;
        if let Some(Part::Text(first)) = self.parts.first() {
            let Some(behind) = rest.strip_prefix(first.trim_start()) else {
                return false;
            };
            rest = behind;
        }
        if let Some(Part::Text(last)) = self.parts.last().filter(|_| self.parts.len() > 1) {
            let Some(before) = rest.strip_suffix(last.trim_end()) else {
                return false;
            };
            rest = before;
        }
        let inner = self.parts.get(1..self.parts.len().saturating_sub(1));
        inner.unwrap_or_default().iter().all(|part| match part {
            Part::Field(_) => true,
            Part::Text(text) => match rest.find(text.as_str()) {
                Some(at) => {
                    rest = rest.get(at + text.len()..).unwrap_or_default();
                    true
                }
                None => false,
            },
        })
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(written: &str) -> Result<Self, TemplateError> {
        let (mut parts, mut text) = (Vec::new(), String::new());
        let mut rest = written;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            text.push_str(before);
            if let Some(after) = brace.strip_prefix("{{") {
                text.push('{');
                rest = after;
            } else if let Some(after) = brace.strip_prefix("}}") {
                text.push('}');
                rest = after;
            } else {
                let field = brace
                    .strip_prefix('{')
                    .and_then(|name| name.split_once('}'));
                let (name, after) = field.ok_or(TemplateError::Brace)?;
                let index = FIELDS.iter().position(|(known, _)| *known == name);
                let index = index.ok_or_else(|| TemplateError::Unknown(name.to_owned()))?;
                parts.push(Part::Text(std::mem::take(&mut text)));
                parts.push(Part::Field(index));
                rest = after;
            }
        }
        text.push_str(rest);
        parts.push(Part::Text(text));
        Ok(Self {
            written: written.to_owned(),
            parts,
        })
    }
}

impl Default for Template {
    fn default() -> Self {
        DEFAULT.parse().unwrap_or(Self {
            written: String::new(),
            parts: Vec::new(),
        })
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl JsonSchema for Template {
    fn schema_name() -> Cow<'static, str> {
        "Template".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A text with placeholders in braces.",
            "examples": ["{dir} on {local}"],
        })
    }
}

fn known() -> String {
    let names: Vec<String> = FIELDS
        .iter()
        .map(|(name, _)| format!("{{{name}}}"))
        .collect();
    names.join(", ")
}

fn changes(facts: &Facts) -> Changes {
    facts.changes.unwrap_or_default()
}

fn distance(facts: &Facts) -> (u64, u64) {
    let upstream = facts.upstream.as_ref();
    upstream.and_then(|it| it.distance).unwrap_or_default()
}

fn dir(facts: &Facts) -> String {
    facts.name.clone()
}

fn branch(facts: &Facts) -> String {
    match (facts.branch(), &facts.head) {
        (Some(name), _) => name.to_owned(),
        (None, Head::Detached(commit)) => {
            format!("detached at {}", commit.get(..7).unwrap_or(commit))
        }
        (None, _) if facts.standing == Standing::Broken => "broken".to_owned(),
        (None, _) => "unknown".to_owned(),
    }
}

/// The branch, and in brackets all that is special about it.
fn local(facts: &Facts) -> String {
    let mut notes: Vec<String> = Vec::new();
    let (ahead, behind) = distance(facts);
    if ahead > 0 {
        notes.push(format!("ahead {ahead}"));
    }
    if behind > 0 {
        notes.push(format!("behind {behind}"));
    }
    if changes(facts).any() {
        notes.push("dirty".to_owned());
    }
    if changes(facts).conflicts > 0 {
        notes.push("conflicts".to_owned());
    }
    notes.extend(operation(facts));
    if matches!(facts.head, Head::Unborn(_)) {
        notes.push("no commits yet".to_owned());
    }
    notes.extend(kind(facts).map(ToOwned::to_owned));
    let mut text = branch(facts);
    if !notes.is_empty() {
        // Writing to a string cannot fail.
        let _ = write!(text, " ({})", notes.join(", "));
    }
    text
}

fn operation(facts: &Facts) -> Option<String> {
    let operation = facts.operation.as_ref()?;
    let name = operation.kind.as_str();
    Some(match operation.step {
        Some((step, last)) => format!("{name} {step}/{last}"),
        None => name.to_owned(),
    })
}

fn kind(facts: &Facts) -> Option<&'static str> {
    match facts.kind {
        RepositoryKind::Main => None,
        RepositoryKind::Worktree => Some("worktree"),
        RepositoryKind::Submodule => Some("submodule"),
        RepositoryKind::Bare => Some("bare"),
    }
}

fn remote(facts: &Facts) -> String {
    match &facts.upstream {
        Some(upstream) if upstream.distance.is_none() => format!("{} (gone)", upstream.name),
        Some(upstream) => upstream.name.clone(),
        None if facts.changes.is_none() && facts.kind != RepositoryKind::Bare => {
            "unknown".to_owned()
        }
        None => "none".to_owned(),
    }
}

/// `none` is also said when nobody asked: none is known.
fn pull_request(facts: &Facts) -> String {
    match &facts.pull_request {
        PullRequest::NotAsked | PullRequest::None => "none".to_owned(),
        PullRequest::Found { number, state } if state == "open" => format!("#{number}"),
        PullRequest::Found { number, state } => format!("#{number} ({state})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Upstream;

    fn facts() -> Facts {
        Facts {
            name: "codex_plus".into(),
            standing: Standing::Repository,
            head: Head::Branch("feature".into()),
            upstream: Some(Upstream {
                name: "origin/feature".into(),
                distance: Some((1, 0)),
            }),
            changes: Some(Changes {
                modified: 2,
                ..Changes::default()
            }),
            ..Facts::default()
        }
    }

    #[test]
    fn the_line_as_it_is_without_a_setting() {
        assert_eq!(
            Template::default().render(&facts()).as_deref(),
            Some(
                "[Dir: codex_plus | Local: feature (ahead 1, dirty) | Remote: origin/feature | PR: none]"
            )
        );
    }

    #[test]
    fn a_template_says_what_it_is_told() {
        let template: Template = "{{{branch}}} +{ahead} ~{modified}".parse().unwrap();
        assert_eq!(template.render(&facts()).unwrap(), "{feature} +1 ~2");
        let wrong = "{brnach}".parse::<Template>().unwrap_err();
        assert!(wrong.to_string().contains("{branch}"), "{wrong}");
        assert_eq!("a {".parse::<Template>(), Err(TemplateError::Brace));
        assert_eq!("a }".parse::<Template>(), Err(TemplateError::Brace));
    }

    #[test]
    fn a_line_is_known_again() {
        let other: Template = "on {branch}, {modified} modified".parse().unwrap();
        let bare: Template = "{dir}".parse().unwrap();
        for template in [&Template::default(), &other] {
            assert!(template.recognises(&template.render(&facts()).unwrap()));
            for line in ["", "on", "Here it is.", "[Dir: a", "on a\nb, 2 modified"] {
                assert!(!template.recognises(line), "{line}");
            }
        }
        assert!(!bare.recognises("codex_plus"));
    }

    #[test]
    fn names_cannot_break_out_of_the_line() {
        let mut facts = facts();
        facts.name = "a\nb\x1b[31mc".into();
        facts.head = Head::Branch("x\u{202e}y".into());
        let line = Template::default().render(&facts).unwrap();
        assert!(line.starts_with("[Dir: a b"), "{line}");
        assert!(!line.contains(char::is_control), "{line}");
    }
}
