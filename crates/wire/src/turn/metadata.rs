//! `x-codex-turn-metadata`: what the client says about a turn, as JSON in a header or string.

use crate::json::{self, Cursor, Malformed};

/// The fields of `x-codex-turn-metadata` (seen with Codex 0.169.0). All are optional; a field of
/// the wrong type is absent, an unknown one is ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TurnMetadata {
    /// The session the turn belongs to.
    pub session_id: Option<String>,
    /// The conversation; a session's sub-agents have their own.
    pub thread_id: Option<String>,
    /// The turn. Typing mid-turn keeps it, so it does not tell prompts apart.
    pub turn_id: Option<String>,
    /// The turn of the user a sub-agent's turn serves.
    pub root_turn_id: Option<String>,
    /// `turn`, `prewarm` or `compaction`.
    pub request_kind: Option<String>,
    /// `user`, `thread_title` or `subagent`.
    pub thread_source: Option<String>,
    /// What set the turn off.
    pub turn_trigger: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The sandbox the client runs tools in.
    pub sandbox: Option<String>,
    /// The git roots the client works in: the keys of `workspaces`.
    pub workspaces: Vec<String>,
}

/// Most workspaces that are kept.
const MAX_WORKSPACES: usize = 64;

impl TurnMetadata {
    /// Reads the JSON; `None` when it is not an object.
    pub fn parse(json: &str) -> Option<Self> {
        let bytes = json.as_bytes();
        let mut metadata = Self::default();
        let mut cursor = Cursor::new(bytes, 0);
        let text = |cursor: &mut Cursor<'_>| {
            let span = cursor.skip()?;
            let text = bytes.get(span).and_then(json::unescape);
            Ok::<_, Malformed>(text.map(std::borrow::Cow::into_owned))
        };
        let read = cursor.object(|cursor, key| {
            let field = match key {
                b"session_id" => &mut metadata.session_id,
                b"thread_id" => &mut metadata.thread_id,
                b"turn_id" => &mut metadata.turn_id,
                b"root_turn_id" => &mut metadata.root_turn_id,
                b"request_kind" => &mut metadata.request_kind,
                b"thread_source" => &mut metadata.thread_source,
                b"turn_trigger" => &mut metadata.turn_trigger,
                b"model" => &mut metadata.model,
                b"sandbox" => &mut metadata.sandbox,
                b"workspaces" => {
                    metadata.workspaces = keys(cursor)?;
                    return Ok(());
                }
                _ => return cursor.skip().map(|_| ()),
            };
            *field = text(cursor)?;
            Ok(())
        });
        read.and_then(|()| cursor.end()).ok()?;
        Some(metadata)
    }

    /// Only [`workspaces`](Self::workspaces), for a fraction of the price; none when the JSON is not
    /// an object.
    pub fn workspaces_in(json: &str) -> Vec<String> {
        let mut workspaces = Vec::new();
        // Outside of repositories Codex names none; a backslash may hide the name.
        let bytes = json.as_bytes();
        let named = memchr::memmem::find(bytes, b"workspaces").is_some();
        if !named && memchr::memchr(b'\\', bytes).is_none() {
            return workspaces;
        }
        let mut cursor = Cursor::new(json.as_bytes(), 0);
        let read = cursor.object(|cursor, key| {
            if key == b"workspaces" {
                workspaces = keys(cursor)?;
                return Ok(());
            }
            cursor.skip().map(|_| ())
        });
        match read.and_then(|()| cursor.end()) {
            Ok(()) => workspaces,
            Err(Malformed { .. }) => Vec::new(),
        }
    }
}

/// The keys of an object; none for another value.
fn keys(cursor: &mut Cursor<'_>) -> Result<Vec<String>, Malformed> {
    let mut keys = Vec::new();
    if cursor.peek()? != b'{' {
        cursor.skip()?;
        return Ok(keys);
    }
    cursor.object(|cursor, key| {
        cursor.skip()?;
        let key = String::from_utf8_lossy(key).into_owned();
        if keys.len() < MAX_WORKSPACES && !keys.contains(&key) {
            keys.push(key);
        }
        Ok::<(), Malformed>(())
    })?;
    Ok(keys)
}
