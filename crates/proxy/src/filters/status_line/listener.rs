//! Puts the line into one answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use codex_plus_project::status_line::{Mode, StatusLines};
use codex_plus_wire::event::EventKind;
use codex_plus_wire::patch::Patch;

use super::insert::{Place, find, find_at, insert};
use super::turns::Turns;
use crate::history::{Amendment, History, ItemKey};
use crate::listeners::{BoxFuture, Event, EventFilter, EventVerdict};

/// How long the first text of an answer waits for the first line of a directory nobody asked for
/// before. Later lines are in the cache.
const FIRST_LOOK: Duration = Duration::from_millis(100);

/// The line of one answer.
pub(super) struct Listener {
    lines: StatusLines,
    cwd: PathBuf,
    history: Arc<History>,
    turn: Option<(Arc<Turns>, String)>,
    state: State,
}

enum State {
    /// No text of the assistant's has come yet.
    Waiting,
    /// It is in, at this place.
    In {
        place: Place,
        line: String,
        /// Whether the text's first piece went by: later ones are left alone.
        begun: bool,
    },
    /// There is none.
    Without,
}

impl Listener {
    pub(super) fn new(
        lines: StatusLines,
        cwd: PathBuf,
        history: Arc<History>,
        turn: Option<(Arc<Turns>, String)>,
    ) -> Self {
        Self {
            lines,
            cwd,
            history,
            turn,
            state: State::Waiting,
        }
    }

    /// The line as it is now, which is when the answer begins.
    async fn line(&self) -> Option<String> {
        let line = match self.lines.line_for(&self.cwd) {
            Some(line) if line.is_complete() => line,
            _ => self.lines.fresh_line(&self.cwd, FIRST_LOOK).await?,
        };
        if line.mode != Mode::Response {
            return None;
        }
        line.text.as_ref().map(|text| format!("{text}\n\n"))
    }

    async fn handle(&mut self, event: &Event) -> EventVerdict {
        let mut found = None;
        if let State::Waiting = self.state {
            let Some(first) = find(event.kind, &event.data) else {
                return EventVerdict::Pass;
            };
            self.state = match self.line().await {
                Some(line) => State::In {
                    place: first.place.clone(),
                    line,
                    begun: false,
                },
                None => State::Without,
            };
            found = Some(first);
        }
        let State::In { place, line, begun } = &mut self.state else {
            return EventVerdict::Pass;
        };
        if event.kind == EventKind::TextDelta && *begun {
            return EventVerdict::Pass;
        }
        let found = found.or_else(|| find_at(event.kind, &event.data, place));
        let Some(text) = found else {
            return EventVerdict::Pass;
        };
        let Some(edited) = insert(&event.data, &text, line) else {
            return EventVerdict::Pass;
        };
        match event.kind {
            EventKind::TextDelta => *begun = true,
            EventKind::OutputItemDone | EventKind::Completed | EventKind::Incomplete => {
                if let Some(id) = &place.id {
                    // An earlier event of this answer may have told already.
                    let key = ItemKey::of_id(id);
                    if self.history.recall(key).is_none()
                        && let Some(written) = event.data.get(text.literal)
                    {
                        let path = vec!["content".into(), 0.into(), "text".into()];
                        // A copy: the event is not to be kept for it.
                        let edit = Patch::set(path, Bytes::copy_from_slice(written));
                        self.history.remember(key, Amendment::edits(vec![edit]));
                    }
                }
                if event.kind != EventKind::OutputItemDone
                    && let Some((turns, thread)) = &self.turn
                {
                    turns.shown(thread);
                }
            }
            _ => {}
        }
        EventVerdict::Replace(vec![edited])
    }
}

impl EventFilter for Listener {
    fn event<'a>(&'a mut self, event: &'a Event) -> BoxFuture<'a, EventVerdict> {
        Box::pin(self.handle(event))
    }
}
