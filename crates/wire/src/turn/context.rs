//! Items in the user's name that the client wrote: environment, instructions, skills, summaries.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::request::{ContentPart, Item, Role, TextPart};

/// How text begins that stands in a user item but is no prompt (Codex 0.169.0 and earlier).
const CONTEXT: [&str; 11] = [
    "<environment_context>",
    "# AGENTS.md instructions",
    "<user_instructions>",
    "<skill>",
    "<skills>",
    "<skills_instructions>",
    "<hook_prompt",
    "<user_shell_command>",
    "<turn_aborted>",
    "<subagent_notification>",
    "<collaboration_mode>",
];

/// How the request for a summary begins, where the provider has no compaction of its own.
const COMPACTION_PROMPT: &str = "You are performing a CONTEXT CHECKPOINT COMPACTION";

/// How the summary begins that takes the place of the history afterwards.
const COMPACTION_SUMMARY: &str = "Another language model started to solve this problem";

/// The type of the item by which the client asks for a compaction.
const COMPACTION_TRIGGER: &str = "compaction_trigger";

/// The kind the client gives a part that the user wrote.
const USER_TEXT: &str = "user.text";

/// Finds the tag of an environment; made once, for that takes longer than to read a short item.
static ENVIRONMENT: LazyLock<Finder<'static>> =
    LazyLock::new(|| Finder::new("environment_context"));

/// What one item is to the question "is there a new prompt?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The user wrote it.
    Prompt,
    /// The request for a summary.
    CompactionPrompt,
    /// The client's own trigger item for a compaction.
    CompactionTrigger,
    /// The model made it, or it stands for history the model has seen.
    Model,
    /// A tool's output.
    Tool,
    /// Context of any role, or something unknown.
    Context,
}

/// Judges one item.
pub(super) fn standing(item: &Item) -> Standing {
    judge(item).0
}

/// Judges one item; of a prompt also the text that holds what the user wrote.
pub(super) fn judge(item: &Item) -> (Standing, Option<TextPart<'_>>) {
    let kind = item.kind();
    let standing = match kind.as_deref() {
        Some("message") => return message(item),
        Some(COMPACTION_TRIGGER) => Standing::CompactionTrigger,
        Some("reasoning" | "item_reference" | "compaction" | "compaction_summary") => {
            Standing::Model
        }
        Some(kind) if kind.ends_with("_call") => Standing::Model,
        Some(kind) if kind.ends_with("_call_output") || kind.ends_with("_output") => Standing::Tool,
        _ => Standing::Context,
    };
    (standing, None)
}

/// Whether an item is the client's trigger for a compaction.
pub(super) fn is_compaction_trigger(item: &Item) -> bool {
    item.kind().as_deref() == Some(COMPACTION_TRIGGER)
}

fn message(item: &Item) -> (Standing, Option<TextPart<'_>>) {
    let standing = match item.role() {
        Role::Assistant => Standing::Model,
        Role::Tool => Standing::Tool,
        Role::User => return of_user(item),
        Role::Developer | Role::System | Role::Other => Standing::Context,
    };
    (standing, None)
}

fn of_user(item: &Item) -> (Standing, Option<TextPart<'_>>) {
    let parts = item.content_parts();
    // Chat-like clients send tool output in the user's name.
    if parts.iter().any(|part| part.kind == "tool_result") {
        return (Standing::Tool, None);
    }
    let kinds = item.content_item_kinds();
    let mut texts = parts.iter().filter_map(|part| part.text.as_ref());
    let starts = |text: &TextPart<'_>, with: &str| text.text.trim_start().starts_with(with);
    let is_prompt = if let Some(kinds) = &kinds {
        kinds.iter().any(|kind| kind == USER_TEXT)
    } else if texts.clone().any(|text| starts(text, COMPACTION_PROMPT)) {
        return (Standing::CompactionPrompt, None);
    } else if texts.clone().any(|text| starts(text, COMPACTION_SUMMARY)) {
        // What stands before a summary is history, as if the model had answered it.
        return (Standing::Model, None);
    } else {
        texts.any(|text| !is_context(&text.text)) || is_wordless(&parts)
    };
    if is_prompt {
        (Standing::Prompt, written(parts, kinds))
    } else {
        (Standing::Context, None)
    }
}

/// A picture or file alone is a prompt too, though without text.
fn is_wordless(parts: &[ContentPart<'_>]) -> bool {
    !parts.is_empty()
        && parts
            .iter()
            .all(|part| part.text.is_none() && !part.kind.is_empty())
}

fn is_context(text: &str) -> bool {
    let text = text.trim_start();
    CONTEXT.iter().any(|start| text.starts_with(start))
}

/// The tags around an attached picture; they stand in text parts of their own.
fn is_picture_tag(text: &str) -> bool {
    let text = text.trim();
    text == "</image>" || (text.starts_with("<image") && text.ends_with('>'))
}

/// The part of a prompt that holds what the user wrote; `kinds` is what the client says each is.
fn written<'a>(
    parts: Vec<ContentPart<'a>>,
    kinds: Option<Vec<Cow<'a, str>>>,
) -> Option<TextPart<'a>> {
    // One kind for each part; if the client ever breaks that, the text decides below.
    if let Some(kinds) = kinds.filter(|kinds| kinds.len() == parts.len()) {
        let mut written = parts
            .into_iter()
            .zip(kinds)
            .filter(|(_, kind)| kind == USER_TEXT);
        return written.find_map(|(part, _)| part.text);
    }
    let mut texts: Vec<_> = parts.into_iter().filter_map(|part| part.text).collect();
    let wanted = |text: &TextPart<'_>| !is_context(&text.text) && !is_picture_tag(&text.text);
    let at = texts.iter().position(wanted)?;
    Some(texts.swap_remove(at))
}

/// `<environment_context>...<cwd>...</cwd>` of the newest item that has one.
pub(super) fn cwd(items: &[Item]) -> Option<String> {
    let of_user = |item: &&Item| item.role() == Role::User;
    items.iter().rev().filter(of_user).find_map(|item| {
        // A cheap look at the bytes first: prompts may be long and are not this one.
        ENVIRONMENT.find(item.raw())?;
        item.text_parts()
            .iter()
            .rev()
            .find_map(|part| cwd_in(&part.text))
    })
}

fn cwd_in(text: &str) -> Option<String> {
    let context = text.trim_start().strip_prefix("<environment_context>")?;
    let (_, rest) = context.split_once("<cwd>")?;
    let (cwd, _) = rest.split_once("</cwd>")?;
    let cwd = cwd.trim();
    (!cwd.is_empty()).then(|| cwd.to_owned())
}
