//! An answer on its way to the client, as hooks follow it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use codex_plus_hooks::event::HookEvent;
use codex_plus_hooks::python::{HookType, Method, Outcome, apply};
use codex_plus_wire::event::{EventKinds, OutputItem, ResponseEvent, outputs};
use codex_plus_wire::patch::{self, Patch};
use http::response;
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::call::{self, Decided};
use super::ending::Ending;
use super::interest;
use super::memory::Memory;
use super::occasion::Occasion;
use crate::history::History;
use crate::inspection::Inspection;
use crate::listeners::{AnswerEnd, BoxFuture, Event, EventFilter, EventVerdict};

/// Listens to one answer.
pub(super) struct Hearing {
    occasion: Arc<Occasion>,
    memory: Arc<Memory>,
    history: Arc<History>,
    kinds: EventKinds,
    /// The events of calls that are held back until hooks decided, by the item's place.
    held: BTreeMap<u64, Vec<Bytes>>,
    /// What was decided about calls, by call id.
    decided: BTreeMap<String, Decided>,
    ending: Ending,
}

impl Hearing {
    /// A listener, when any hook is for answers.
    pub(super) fn new(
        occasion: Arc<Occasion>,
        memory: Arc<Memory>,
        request: &Inspection<'_>,
    ) -> Option<Self> {
        let kinds = interest::events(&occasion.book);
        let history = Arc::clone(request.history());
        let ending = Ending::new(Arc::clone(&occasion), Arc::clone(&history));
        (!kinds.is_empty()).then_some(Self {
            occasion,
            memory,
            history,
            kinds,
            held: BTreeMap::new(),
            decided: BTreeMap::new(),
            ending,
        })
    }

    async fn hear(&mut self, event: &Event) -> EventVerdict {
        match ResponseEvent::parse(&event.data) {
            Ok(ResponseEvent::ItemAdded(item)) => self.added(event, &item),
            Ok(ResponseEvent::Delta(_, text) | ResponseEvent::Done(_, text)) => {
                let held = text.output_index.and_then(|at| self.held.get_mut(&at));
                held.map_or(EventVerdict::Pass, |held| {
                    held.push(event.data.clone());
                    EventVerdict::Replace(Vec::new())
                })
            }
            Ok(ResponseEvent::ItemDone(item)) => self.done(event, &item).await,
            Ok(ResponseEvent::Completed(completion)) => {
                let data = self.completed(&event.data).await;
                let again = self.ending.completed(completion.has_call).await;
                match again {
                    Some(again) => EventVerdict::Again(again),
                    None if data == event.data => EventVerdict::Pass,
                    None => EventVerdict::Replace(vec![data]),
                }
            }
            Ok(ResponseEvent::Failed(failure) | ResponseEvent::Error(failure)) => {
                let code = failure.code.as_deref().unwrap_or("unknown");
                self.ending
                    .failed(code, failure.message.map(|text| text.text.into_owned()));
                EventVerdict::Pass
            }
            _ => EventVerdict::Pass,
        }
    }

    /// Holds a call back that hooks will decide about.
    fn added(&mut self, event: &Event, item: &OutputItem<'_>) -> EventVerdict {
        let Some((call, at)) = item.call.as_ref().zip(item.output_index) else {
            return EventVerdict::Pass;
        };
        if !call::concerns(&self.occasion, call) {
            return EventVerdict::Pass;
        }
        self.held.insert(at, vec![event.data.clone()]);
        EventVerdict::Replace(Vec::new())
    }

    async fn done(&mut self, event: &Event, item: &OutputItem<'_>) -> EventVerdict {
        let Some(call) = &item.call else {
            self.ending.said(&event.data, item);
            return EventVerdict::Pass;
        };
        self.ending.called();
        let held = item.output_index.and_then(|at| self.held.remove(&at));
        let decided = self.decide(&event.data, call).await;
        let mut events = held.unwrap_or_default();
        let is_held = !events.is_empty();
        events.push(event.data.clone());
        let within = vec!["item".into()];
        match decided.and_then(|decided| decided.rewrite(&events, &within)) {
            Some(events) => EventVerdict::Replace(events),
            None if is_held => EventVerdict::Replace(events),
            None => EventVerdict::Pass,
        }
    }

    /// What hooks say about a call; once for each.
    async fn decide(
        &mut self,
        data: &Bytes,
        call: &codex_plus_wire::event::Call<'_>,
    ) -> Option<Decided> {
        let id = call.call_id.as_deref().unwrap_or_default().to_owned();
        if let Some(decided) = self.decided.get(&id) {
            return Some(decided.clone());
        }
        let decided = call::decide(&self.occasion, call).await;
        self.memory.call(&id, call::known(call, decided.as_ref()));
        if let Some(decided) = &decided {
            // The model reads its own words again, not ours.
            decided.remember_original(&self.history, data, call);
            self.decided.insert(id, decided.clone());
        }
        decided
    }

    /// The last event, with the calls in it as they were decided.
    async fn completed(&mut self, data: &Bytes) -> Bytes {
        let mut edits: Vec<Patch> = Vec::new();
        for (index, item) in outputs(data).into_iter().enumerate() {
            let Some(call) = &item.call else {
                self.ending.said_at_last(index, data, &item);
                continue;
            };
            let id = call.call_id.as_deref().unwrap_or_default();
            let is_new = !self.decided.contains_key(id) && self.memory.known_call(id).is_none();
            let decided = if is_new && call::concerns(&self.occasion, call) {
                self.ending.called();
                self.decide(data, call).await
            } else {
                self.decided.get(id).cloned()
            };
            if let Some(decided) = decided {
                let within = vec!["response".into(), "output".into(), index.into()];
                edits.extend(decided.edits(&within));
            }
        }
        if edits.is_empty() {
            return data.clone();
        }
        patch::apply(data, &edits).unwrap_or_else(|error| {
            tracing::warn!(%error, "the end of an answer could not be made to agree with its calls");
            data.clone()
        })
    }

    /// Calls the `post-output` hooks; the document they leave.
    async fn post_output(
        &self,
        head: &mut response::Parts,
        document: Option<&Bytes>,
    ) -> Option<Bytes> {
        let mut changed = None;
        for hook in self.occasion.book.python(HookType::PostOutput) {
            let body = changed.as_ref().or(document);
            let body = body.and_then(|body| serde_json::from_slice::<Value>(body).ok());
            let fields = head.headers.iter().map(|(name, value)| {
                let hidden = name == http::header::SET_COOKIE
                    && !hook.metadata.asks_for_header(name.as_str());
                let value = String::from_utf8_lossy(value.as_bytes());
                json!([name.as_str(), if hidden { "***".into() } else { value }])
            });
            let mut payload = json!({
                "status_code": head.status.as_u16(),
                "headers": fields.collect::<Vec<_>>(),
                "body": body,
            });
            let reply = self
                .occasion
                .call(hook, Method::PostOutput, payload.to_string())
                .await;
            let Some(Outcome::Patch(edits)) = reply.map(|reply| reply.outcome) else {
                continue;
            };
            if let Err(error) = apply(&mut payload, &edits) {
                tracing::warn!(hook = hook.metadata.name, %error, "its edits were left out");
                continue;
            }
            set_headers(&mut head.headers, &payload["headers"]);
            if let Some(status) = payload["status_code"].as_u64()
                && let Ok(status) = u16::try_from(status)
                && let Ok(status) = http::StatusCode::from_u16(status)
                && status.as_u16() >= 200
            {
                head.status = status;
            }
            if document.is_some()
                && edits
                    .iter()
                    .any(|edit| edit.path.first() == Some(&"body".into()))
            {
                changed = Some(payload["body"].to_string().into());
            }
        }
        changed
    }
}

/// Puts a hook's headers in the place of an answer's. What frames the message stays ours.
fn set_headers(headers: &mut http::HeaderMap, wanted: &Value) {
    let mut set = http::HeaderMap::new();
    for pair in wanted.as_array().into_iter().flatten() {
        let (Some(name), Some(value)) = (pair[0].as_str(), pair[1].as_str()) else {
            continue;
        };
        let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value))
        else {
            continue;
        };
        let kept = headers.get(&name).cloned().filter(|_| value == "***");
        set.append(name, kept.unwrap_or(value));
    }
    for framing in [
        http::header::CONTENT_LENGTH,
        http::header::TRANSFER_ENCODING,
    ] {
        set.remove(&framing);
        if let Some(value) = headers.get(&framing) {
            set.insert(framing, value.clone());
        }
    }
    *headers = set;
}

impl EventFilter for Hearing {
    fn listens_to(&self) -> EventKinds {
        self.kinds
    }

    fn may_ask_again(&self) -> bool {
        let book = &self.occasion.book;
        self.occasion.is_users()
            && (book.is_for(HookEvent::Stop) || book.has_python(HookType::Stop))
    }

    fn head<'a>(
        &'a mut self,
        head: &'a mut response::Parts,
        document: Option<&'a Bytes>,
    ) -> BoxFuture<'a, Option<Bytes>> {
        Box::pin(self.post_output(head, document))
    }

    fn event<'a>(&'a mut self, event: &'a Event) -> BoxFuture<'a, EventVerdict> {
        Box::pin(self.hear(event))
    }

    fn ended(&mut self, end: AnswerEnd) {
        match end {
            AnswerEnd::Completed | AnswerEnd::Left => {}
            AnswerEnd::Refused(status) => self
                .ending
                .failed(&format!("http_{}", status.as_u16()), None),
            AnswerEnd::Cut => self.ending.failed("connection", None),
        }
    }
}
