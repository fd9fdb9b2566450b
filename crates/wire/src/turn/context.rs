//! Items in the user's name that the client wrote: environment, instructions, skills, summaries.

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
    let kind = item.kind();
    match kind.as_deref() {
        Some("message") => message(item),
        Some(COMPACTION_TRIGGER) => Standing::CompactionTrigger,
        Some("reasoning" | "item_reference" | "compaction" | "compaction_summary") => {
            Standing::Model
        }
        Some(kind) if kind.ends_with("_call") => Standing::Model,
        Some(kind) if kind.ends_with("_call_output") || kind.ends_with("_output") => Standing::Tool,
        _ => Standing::Context,
    }
}

/// Whether an item is the client's trigger for a compaction.
pub(super) fn is_compaction_trigger(item: &Item) -> bool {
    item.kind().as_deref() == Some(COMPACTION_TRIGGER)
}

fn message(item: &Item) -> Standing {
    match item.role() {
        Role::Assistant => return Standing::Model,
        Role::Tool => return Standing::Tool,
        Role::User => {}
        Role::Developer | Role::System | Role::Other => return Standing::Context,
    }
    let parts = item.content_parts();
    // Chat-like clients send tool output in the user's name.
    if parts.iter().any(|part| part.kind == "tool_result") {
        return Standing::Tool;
    }
    if let Some(kinds) = item.content_item_kinds() {
        let prompt = kinds.iter().any(|kind| kind == USER_TEXT);
        return if prompt {
            Standing::Prompt
        } else {
            Standing::Context
        };
    }
    let mut texts = parts.iter().filter_map(|part| part.text.as_ref());
    let starts = |text: &TextPart<'_>, with: &str| text.text.trim_start().starts_with(with);
    if texts.clone().any(|text| starts(text, COMPACTION_PROMPT)) {
        Standing::CompactionPrompt
    } else if texts.clone().any(|text| starts(text, COMPACTION_SUMMARY)) {
        // What stands before a summary is history, as if the model had answered it.
        Standing::Model
    } else if texts.any(|text| !is_context(&text.text)) || is_wordless(&parts) {
        Standing::Prompt
    } else {
        Standing::Context
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

/// The part of a prompt item that holds what the user wrote.
pub(super) fn prompt_text(item: &Item) -> Option<TextPart<'_>> {
    let parts = item.content_parts();
    if let Some(kinds) = item.content_item_kinds() {
        // One kind for each part; if the client ever breaks that, the text decides below.
        if kinds.len() == parts.len() {
            let mut written = parts
                .into_iter()
                .zip(kinds)
                .filter(|(_, kind)| kind == USER_TEXT);
            return written.find_map(|(part, _)| part.text);
        }
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
