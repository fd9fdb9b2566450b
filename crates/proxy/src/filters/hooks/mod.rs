//! The user's hooks on the line: which events an exchange brings, and what the hooks' answers do
//! to it.
//!
//! - `interest`: which exchanges have to be read at all.
//! - `occasion`: what all hooks of an exchange are told.
//! - `request`: prompts, tool outputs and compactions on their way to the model.
//! - `body`: edits of whole bodies by Python hooks.
//! - `answer`: tool calls and ends on their way to the client; `call`, `ending`.
//! - `memory`: what was met already, since every event fires once.

mod answer;
mod body;
mod call;
mod ending;
mod interest;
mod memory;
mod occasion;
mod output;
mod request;

use std::sync::Arc;

use codex_plus_hooks::engine::Engine;
use http::request::Parts;

use crate::chain::{Filter, Interest, Verdict};
use crate::headers::THREAD_HEADER;
use crate::inspection::Inspection;
use crate::listeners::{BoxFuture, EventFilter};
use answer::Hearing;
use memory::Memory;
use occasion::Occasion;

/// Runs the user's hooks.
pub struct Hooks {
    engine: Arc<Engine>,
    memory: Arc<Memory>,
}

impl Hooks {
    /// The filter for an engine.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            memory: Arc::default(),
        }
    }
}

impl Filter for Hooks {
    fn name(&self) -> &'static str {
        "hooks"
    }

    fn interest(&self, head: &Parts) -> Interest {
        interest::of(&self.engine, &self.memory, head)
    }

    fn request<'a>(&'a self, request: &'a mut Inspection<'_>) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            if let (Some(cwd), Some(thread)) =
                (request.cwd(), request.head.headers.get(&THREAD_HEADER))
                && let Ok(thread) = thread.to_str()
            {
                self.memory.works_in(thread, cwd);
            }
            let book = self.engine.book(request.cwd()).await;
            if book.is_empty() {
                return Verdict::Continue;
            }
            let mut occasion = Occasion::of(Arc::clone(&self.engine), book, request);
            let verdict = request::review(&mut occasion, &self.memory, request).await;
            request.notes.insert(Arc::new(occasion));
            verdict
        })
    }

    fn events(&self, request: &Inspection<'_>) -> Option<Box<dyn EventFilter>> {
        let occasion = request.notes.get::<Arc<Occasion>>()?;
        let hearing = Hearing::new(Arc::clone(occasion), Arc::clone(&self.memory), request);
        hearing.map(|hearing| Box::new(hearing) as Box<dyn EventFilter>)
    }
}
