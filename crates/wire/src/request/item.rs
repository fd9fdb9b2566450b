//! One item of the conversation: a message, a call, its output, ...

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use super::scan::member;
use crate::json::{self, Cursor, Malformed, Span, TextPart};
use crate::patch::PathPart;

/// Who an item speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The person, or what the client says on their behalf.
    User,
    /// The model.
    Assistant,
    /// The client's instructions.
    Developer,
    /// Instructions in other dialects.
    System,
    /// A tool's output in the `messages` dialect.
    Tool,
    /// Another or no role.
    Other,
}

/// Where the members of an item stand; the last of duplicate keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Members {
    kind: Option<Span>,
    role: Option<Span>,
    id: Option<Span>,
    call_id: Option<Span>,
    name: Option<Span>,
    content: Option<Span>,
    output: Option<Span>,
    input: Option<Span>,
    arguments: Option<Span>,
    passthrough: Option<Span>,
}

impl Members {
    pub(super) fn set(&mut self, key: &[u8], value: Span) {
        let member = match key {
            b"type" => &mut self.kind,
            b"role" => &mut self.role,
            b"id" => &mut self.id,
            b"call_id" => &mut self.call_id,
            b"name" => &mut self.name,
            b"content" => &mut self.content,
            b"output" => &mut self.output,
            b"input" => &mut self.input,
            b"arguments" => &mut self.arguments,
            b"internal_chat_message_metadata_passthrough" => &mut self.passthrough,
            _ => return,
        };
        *member = Some(value);
    }

    /// The same, so many bytes further on.
    fn moved(&self, by: isize) -> Self {
        let moved = |span: &Option<Span>| span.as_ref().map(|span| moved(span, by));
        Self {
            kind: moved(&self.kind),
            role: moved(&self.role),
            id: moved(&self.id),
            call_id: moved(&self.call_id),
            name: moved(&self.name),
            content: moved(&self.content),
            output: moved(&self.output),
            input: moved(&self.input),
            arguments: moved(&self.arguments),
            passthrough: moved(&self.passthrough),
        }
    }
}

/// A span so many bytes further on.
pub(super) fn moved(span: &Span, by: isize) -> Span {
    span.start.saturating_add_signed(by)..span.end.saturating_add_signed(by)
}

/// One element of `input` or `messages`. The spans it tells are places in the whole body.
#[derive(Debug, Clone)]
pub struct Item {
    /// The buffer that it was read from, shared: the body as it came, or what an edit put in.
    source: Bytes,
    /// Where it stands in that buffer; so do its members.
    span: Span,
    members: Members,
    plain: bool,
    /// How much further on all of that is in the body.
    by: isize,
}

/// Two items are equal when they say the same at the same place, whatever buffer they are in.
impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.span() == other.span()
            && self.raw() == other.raw()
            && self.plain == other.plain
            && self.members.moved(self.by) == other.members.moved(other.by)
    }
}

impl Eq for Item {}

impl Item {
    pub(super) fn new(source: Bytes, span: Span, members: Members) -> Self {
        Self {
            source,
            span,
            members,
            plain: false,
            by: 0,
        }
    }

    /// The item a plain string `input` stands for.
    pub(super) fn plain(source: Bytes, span: Span) -> Self {
        let members = Members {
            content: Some(span.clone()),
            ..Members::default()
        };
        Self {
            source,
            span,
            members,
            plain: true,
            by: 0,
        }
    }

    /// The same item so many bytes further on in the body.
    pub(super) fn moved(self, by: isize) -> Self {
        let by = self.by.saturating_add(by);
        Self { by, ..self }
    }

    /// Where in the body a span of the buffer is.
    fn outer(&self, span: &Span) -> Span {
        moved(span, self.by)
    }

    /// Where the item stands.
    pub fn span(&self) -> Range<usize> {
        self.outer(&self.span)
    }

    /// The item's JSON.
    pub fn raw(&self) -> &[u8] {
        self.source.get(self.span.clone()).unwrap_or_default()
    }

    /// The same, shared.
    pub fn raw_bytes(&self) -> Bytes {
        self.source.slice(self.span.clone())
    }

    /// True when `input` is a plain string and this item is all of it.
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    fn text(&self, span: Option<&Span>) -> Option<Cow<'_, str>> {
        json::unescape(self.source.get(span?.clone())?)
    }

    /// The item's `type`. Items without one are messages when they have a role.
    pub fn kind(&self) -> Option<Cow<'_, str>> {
        match self.text(self.members.kind.as_ref()) {
            None if self.plain || self.members.role.is_some() => Some(Cow::Borrowed("message")),
            kind => kind,
        }
    }

    /// The item's `role`.
    pub fn role(&self) -> Role {
        match self.text(self.members.role.as_ref()).as_deref() {
            Some("user") => Role::User,
            None if self.plain => Role::User,
            Some("assistant") => Role::Assistant,
            Some("developer") => Role::Developer,
            Some("system") => Role::System,
            Some("tool") => Role::Tool,
            _ => Role::Other,
        }
    }

    /// The item's `id`: stable over requests where the client sends one.
    pub fn id(&self) -> Option<Cow<'_, str>> {
        self.text(self.members.id.as_ref())
    }

    /// The `call_id` that ties a call to its output.
    pub fn call_id(&self) -> Option<Cow<'_, str>> {
        self.text(self.members.call_id.as_ref())
    }

    /// The `name` of a called tool.
    pub fn name(&self) -> Option<Cow<'_, str>> {
        self.text(self.members.name.as_ref())
    }

    /// Where `content` stands.
    pub fn content(&self) -> Option<Range<usize>> {
        let content = self.members.content.as_ref()?;
        Some(self.outer(content))
    }

    /// Where the `output` of a call output stands: a string or an array of parts.
    pub fn output(&self) -> Option<Range<usize>> {
        let output = self.members.output.as_ref()?;
        Some(self.outer(output))
    }

    /// Where the `input` of a `custom_tool_call` stands.
    pub fn input(&self) -> Option<Range<usize>> {
        let input = self.members.input.as_ref()?;
        Some(self.outer(input))
    }

    /// Where the `arguments` of a `function_call` stand.
    pub fn arguments(&self) -> Option<Range<usize>> {
        let arguments = self.members.arguments.as_ref()?;
        Some(self.outer(arguments))
    }

    /// The text of `content`: the string itself, or its text parts in order.
    pub fn text_parts(&self) -> Vec<TextPart<'_>> {
        self.texts(self.members.content.as_ref())
    }

    /// The text of `output`, read like `content`.
    pub fn output_parts(&self) -> Vec<TextPart<'_>> {
        self.texts(self.members.output.as_ref())
    }

    /// The way from the item to one of its text literals (of `content` or `output`).
    pub fn path_to(&self, literal: &Range<usize>) -> Option<Vec<PathPart>> {
        if self.plain {
            return Some(Vec::new());
        }
        for (name, within) in [
            ("content", &self.members.content),
            ("output", &self.members.output),
        ] {
            let Some(within) = within else { continue };
            let outer = self.outer(within);
            if outer == *literal {
                return Some(vec![name.into()]);
            }
            if outer.contains(&literal.start) {
                let mut texts = self.parts(Some(within)).into_iter().map(|part| part.text);
                let at = texts.position(|text| text.is_some_and(|text| text.span == *literal))?;
                return Some(vec![name.into(), at.into(), "text".into()]);
            }
        }
        None
    }

    fn texts(&self, within: Option<&Span>) -> Vec<TextPart<'_>> {
        self.parts(within)
            .into_iter()
            .filter_map(|part| part.text)
            .collect()
    }

    /// The parts of `content` in order, whatever they hold.
    pub fn content_parts(&self) -> Vec<ContentPart<'_>> {
        self.parts(self.members.content.as_ref())
    }

    fn parts(&self, within: Option<&Span>) -> Vec<ContentPart<'_>> {
        let mut parts = Vec::new();
        let Some(span) = within else { return parts };
        let mut cursor = Cursor::new(&self.source, span.start);
        match cursor.peek() {
            Ok(b'"') => {
                let text = self.part_text(span.clone());
                parts.push(ContentPart {
                    kind: Cow::Borrowed("text"),
                    text,
                });
            }
            Ok(b'[') => {
                // The scan has validated this value, so reading it again cannot fail.
                let _ = cursor.array(|cursor| {
                    parts.extend(self.part(cursor)?);
                    Ok::<(), Malformed>(())
                });
            }
            _ => {}
        }
        parts
    }

    /// One element of a content array; one that is not an object counts as a part without kind.
    fn part(&self, cursor: &mut Cursor<'_>) -> Result<Option<ContentPart<'_>>, Malformed> {
        let (mut kind, mut text) = (None, None);
        if cursor.peek()? == b'{' {
            cursor.object(|cursor, key| {
                let value = cursor.skip()?;
                match key {
                    b"type" => kind = Some(value),
                    b"text" => text = Some(value),
                    _ => {}
                }
                Ok::<(), Malformed>(())
            })?;
        } else {
            cursor.skip()?;
        }
        let kind = self.text(kind.as_ref()).unwrap_or_default();
        let is_text = matches!(&*kind, "input_text" | "output_text" | "text");
        let text = text
            .filter(|_| is_text)
            .and_then(|span| self.part_text(span));
        Ok(Some(ContentPart { kind, text }))
    }

    fn part_text(&self, span: Span) -> Option<TextPart<'_>> {
        let text = self.text(Some(&span))?;
        let span = self.outer(&span);
        Some(TextPart { span, text })
    }

    /// `internal_chat_message_metadata_passthrough.content_item_kinds`: what the client says each
    /// part is, `user.text` for a real prompt (seen with Codex 0.169.0 and an `OpenAI` provider).
    pub fn content_item_kinds(&self) -> Option<Vec<Cow<'_, str>>> {
        let within = self.members.passthrough.as_ref()?;
        let span = member(&self.source, within, b"content_item_kinds")?;
        let mut cursor = Cursor::new(&self.source, span.start);
        if cursor.peek().ok()? != b'[' {
            return None;
        }
        let mut kinds = Vec::new();
        cursor
            .array(|cursor| {
                let span = cursor.skip()?;
                kinds.push(self.text(Some(&span)).unwrap_or_default());
                Ok::<(), Malformed>(())
            })
            .ok()?;
        Some(kinds)
    }
}

/// One part of an item's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentPart<'a> {
    /// The part's `type`; empty when it has none.
    pub kind: Cow<'a, str>,
    /// Its text, for `input_text`, `output_text` and `text`.
    pub text: Option<TextPart<'a>>,
}
