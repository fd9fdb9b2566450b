//! What all hooks of one exchange are told.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use codex_plus_hooks::engine::{Book, Engine, Session};
use codex_plus_hooks::input::{EventInput, HookInput};
use codex_plus_hooks::merge::Merged;
use codex_plus_hooks::python::{Call, Method, PythonHook, Reply, RequestMeta};
use codex_plus_wire::request::RequestBody;
use codex_plus_wire::turn::TurnKind;
use http::request::Parts;
use serde_json::{Map, Value, json};

use crate::inspection::Inspection;
use crate::thread::thread_id;

/// One exchange, as its hooks know it.
pub(super) struct Occasion {
    pub(super) engine: Arc<Engine>,
    pub(super) book: Arc<Book>,
    pub(super) kind: TurnKind,
    /// The conversation; a sub-agent has its own.
    pub(super) thread: Option<String>,
    /// The kind of sub-agent, when it is one's.
    pub(super) agent: Option<String>,
    base: HookInput,
    /// For Python hooks, if there are any.
    meta: Arc<RequestMeta>,
    state: Mutex<Map<String, Value>>,
}

impl Occasion {
    pub(super) fn of(engine: Arc<Engine>, book: Arc<Book>, request: &Inspection<'_>) -> Self {
        let turn = &request.turn;
        let body = request.body.as_ref();
        let session = turn.metadata.session_id.clone();
        let session = session.or_else(|| header(request.head, "session-id"));
        let thread = thread_id(request.head, turn, body);
        let model = body
            .and_then(RequestBody::model)
            .map(std::borrow::Cow::into_owned);
        let prompt = turn.prompt.as_ref().and_then(|prompt| prompt.id.clone());
        let base = HookInput {
            session_id: session.or_else(|| thread.clone()),
            turn_id: turn.metadata.turn_id.clone(),
            prompt_id: prompt,
            cwd: request.cwd.clone(),
            model: model.or_else(|| turn.metadata.model.clone()),
            ..HookInput::default()
        };
        let agent = header(request.head, crate::headers::SUBAGENT_HEADER.as_str());
        let meta = if book.has_any_python() {
            meta(request.head, &base).into()
        } else {
            Arc::default()
        };
        Self {
            engine,
            book,
            kind: turn.kind,
            thread,
            agent,
            meta,
            base,
            state: Mutex::default(),
        }
    }

    /// Whether it is an exchange of the user's own conversation.
    pub(super) fn is_users(&self) -> bool {
        matches!(
            self.kind,
            TurnKind::Prompt | TurnKind::Resend | TurnKind::Continuation | TurnKind::Other
        )
    }

    /// What hooks of an event are told.
    pub(super) fn input(&self, event: EventInput) -> HookInput {
        HookInput {
            event,
            ..self.base.clone()
        }
    }

    /// Runs the command and HTTP hooks of an event.
    pub(super) async fn dispatch(&self, event: EventInput) -> Merged {
        let input = self.input(event);
        let merged = self.engine.dispatch(&self.book, &input).await;
        for message in &merged.system_messages {
            tracing::info!(target: "hook", event = %input.event(), "for the user: {message}");
        }
        merged
    }

    /// Runs the hooks of an event that nobody waits for.
    pub(super) fn observe(self: &Arc<Self>, event: EventInput) {
        let occasion = Arc::clone(self);
        tokio::spawn(async move { occasion.dispatch(event).await });
    }

    /// Calls a method of a Python hook; none when it failed.
    pub(super) async fn call(
        &self,
        hook: &PythonHook,
        method: Method,
        payload: impl Into<bytes::Bytes>,
    ) -> Option<Reply> {
        let call = Call {
            method,
            request: Arc::clone(&self.meta),
            state: self.state().clone(),
            payload: payload.into(),
            timeout: None,
        };
        let reply = self.engine.call(&self.book, hook, call).await?;
        if let Some(state) = &reply.state {
            self.state().clone_from(state);
        }
        Some(reply)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, Map<String, Value>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session was seen; true when it is the first time.
    pub(super) fn meets_session(&self) -> bool {
        let Some(id) = self.base.session_id.clone() else {
            return false;
        };
        self.engine.meet(Session {
            id,
            cwd: self.base.cwd.clone(),
            model: self.base.model.clone(),
            seen: Instant::now(),
        })
    }

    /// The id of the session, if the client has one.
    pub(super) fn session(&self) -> Option<&str> {
        self.base.session_id.as_deref()
    }
}

fn header(head: &Parts, name: &str) -> Option<String> {
    let value = head.headers.get(name)?.to_str().ok()?;
    (!value.is_empty() && value.len() <= 128).then(|| value.to_owned())
}

fn meta(head: &Parts, base: &HookInput) -> RequestMeta {
    let known = json!({
        "session_id": base.session_id, "turn_id": base.turn_id, "prompt_id": base.prompt_id,
        "cwd": base.cwd, "model": base.model,
    });
    let meta = match known {
        Value::Object(known) => known.into_iter().filter(|(_, v)| !v.is_null()).collect(),
        _ => Map::new(),
    };
    RequestMeta {
        method: head.method.to_string(),
        path: head
            .uri
            .path_and_query()
            .map_or("/", |p| p.as_str())
            .to_owned(),
        headers: head.headers.clone(),
        meta,
    }
}
