//! The status line in the conversation: shown as the first line of an answer and taken out again
//! when it comes back, or asked of the model.

mod insert;
mod listener;
mod remove;
mod turns;

use std::path::Path;
use std::sync::Arc;

use codex_plus_project::status_line::{Mode, StatusLines};
use codex_plus_wire::event::{EventKind, EventKinds};
use codex_plus_wire::request::RequestBody;
use codex_plus_wire::turn::{TurnKind, TurnMetadata};
use http::request::Parts;

use super::is_ask;
use crate::chain::{Filter, Interest, Reads, Verdict};
use crate::headers::METADATA_HEADER;
use crate::inspection::Inspection;
use crate::listeners::{BoxFuture, EventFilter};
use crate::thread::thread_id;
use listener::Listener;
use turns::Turns;

/// The events that the line stands in.
const EVENTS: EventKinds = EventKinds::EMPTY
    .with(EventKind::TextDelta)
    .with(EventKind::TextDone)
    .with(EventKind::ContentPartDone)
    .with(EventKind::OutputItemDone)
    .with(EventKind::Completed)
    .with(EventKind::Incomplete);

/// Shows the status line in conversations.
pub struct StatusLineFilter {
    lines: StatusLines,
    turns: Arc<Turns>,
}

impl StatusLineFilter {
    /// A filter that shows these lines.
    pub fn new(lines: StatusLines) -> Self {
        Self {
            lines,
            turns: Arc::default(),
        }
    }

    /// Whether the line may be for this client: it is switched on for everyone, or by the settings
    /// of a folder the client works in, or those are not known yet.
    fn may_show(&self, head: &Parts) -> bool {
        if self.lines.config().mode != Mode::Off {
            return true;
        }
        let metadata = head.headers.get(&METADATA_HEADER);
        let metadata = metadata.and_then(|value| value.to_str().ok());
        let folders = metadata.map_or_else(Vec::new, TurnMetadata::workspaces_in);
        folders.iter().any(|folder| {
            let line = self.lines.line_for(Path::new(folder));
            line.is_none_or(|line| line.mode != Mode::Off)
        })
    }

    fn handle(&self, request: &mut Inspection<'_>) {
        // Also when it is not shown: this is what keeps the line of a directory in use fresh.
        let line = request.cwd().and_then(|cwd| self.lines.line_for(cwd));
        let config = self.lines.config();
        if line.as_ref().map_or(config.mode, |line| line.mode) == Mode::Response {
            remove::recognised(request, &config.template);
        }
        let kind = request.turn.kind;
        if !matches!(
            kind,
            TurnKind::Prompt | TurnKind::Resend | TurnKind::Continuation
        ) {
            return;
        }
        if kind != TurnKind::Continuation
            && let Some(thread) = thread_id(request.head, &request.turn, request.body.as_ref())
        {
            self.turns.begin(thread);
        }
        let Some(line) = line.filter(|line| line.mode == Mode::Prompt) else {
            return;
        };
        if let Some(text) = line.text.as_ref().filter(|_| kind == TurnKind::Prompt) {
            let ask = format!(
                "Begin your next message to the user with this status line, on a line of its own and exactly as it stands here:\n{text}"
            );
            if let Err(error) = request.add_context(&ask) {
                tracing::debug!(exchange = request.exchange, %error, "the status line was not asked for");
            }
        }
    }
}

impl Filter for StatusLineFilter {
    fn name(&self) -> &'static str {
        "status_line"
    }

    fn interest(&self, head: &Parts) -> Interest {
        if is_ask(head) && self.may_show(head) {
            return Interest {
                request: Reads::Body,
                events: EVENTS,
            };
        }
        Interest::default()
    }

    fn request<'a>(&'a self, request: &'a mut Inspection<'_>) -> BoxFuture<'a, Verdict> {
        self.handle(request);
        Box::pin(std::future::ready(Verdict::Continue))
    }

    fn events(&self, request: &Inspection<'_>) -> Option<Box<dyn EventFilter>> {
        let cwd = request.cwd()?.to_owned();
        let mode = match self.lines.line_for(&cwd) {
            Some(line) => line.mode,
            None => self.lines.config().mode,
        };
        let thread = thread_id(request.head, &request.turn, request.body.as_ref());
        let due = match (request.turn.kind, &thread) {
            (TurnKind::Prompt | TurnKind::Resend, _) => true,
            (TurnKind::Continuation, Some(thread)) => self.turns.is_due(thread),
            _ => false,
        };
        if mode != Mode::Response || !due || request.body.as_ref().is_some_and(is_structured) {
            return None;
        }
        Some(Box::new(Listener::new(
            self.lines.clone(),
            cwd,
            Arc::clone(request.history()),
            thread.map(|thread| (Arc::clone(&self.turns), thread)),
        )))
    }
}

/// Whether the answer is to have a form in which a line of ours would be a mistake.
fn is_structured(body: &RequestBody) -> bool {
    let format = body.text_format();
    format.is_some_and(|format| format.starts_with("json"))
}
