//! Slash commands: a prompt that calls a command is expanded before it goes on, and a few are
//! answered here.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use codex_plus_project::commands::{Commands, Invocation};
use codex_plus_wire::patch::{Patch, PatchOp};
use codex_plus_wire::request::RequestBody;
use codex_plus_wire::turn::TurnKind;
use http::request::Parts;

use super::is_ask;
use crate::chain::{Filter, Interest, Reads, Verdict};
use crate::history::{Amendment, ItemKey};
use crate::inspection::Inspection;
use crate::listeners::BoxFuture;
use crate::reply::Reply;

/// How the commands that are answered here begin.
const OWN: &str = "plus:";
/// Answers of ours whose place in a conversation is remembered, and how much of what was said before
/// them, in bytes.
const MOST_ANSWERS: usize = 1_024;
const MOST_SAID: usize = 32 << 20;

/// What gives an answer, for a working directory. Runs where waiting is allowed.
pub type Answer = dyn Fn(Option<&Path>) -> String + Send + Sync;

/// A command that is answered here.
#[derive(Clone)]
pub struct BuiltIn {
    /// Its name behind `plus:`.
    pub name: &'static str,
    /// What it tells, in a few words.
    pub description: &'static str,
    /// Gives the answer.
    pub answer: Arc<Answer>,
}

/// Expands slash commands.
pub struct SlashFilter {
    commands: Commands,
    built_ins: Vec<BuiltIn>,
    answered: Answered,
}

impl SlashFilter {
    /// A filter that knows these commands.
    pub fn new(commands: Commands, built_ins: Vec<BuiltIn>) -> Self {
        Self {
            commands,
            built_ins,
            answered: Answered::default(),
        }
    }

    async fn handle(&self, request: &mut Inspection<'_>) -> Verdict {
        self.answered.pass_by(request);
        if request.turn.kind != TurnKind::Prompt {
            return Verdict::Continue;
        }
        let prompt = request.turn.prompt.as_ref();
        let call = prompt.and_then(|prompt| self.commands.invocation(&prompt.text));
        let Some(call) = call else {
            return Verdict::Continue;
        };
        if let Some(name) = call.name.strip_prefix(OWN) {
            return self.answer(name, request).await;
        }
        self.expand(&call, request).await
    }

    async fn expand(&self, call: &Invocation, request: &mut Inspection<'_>) -> Verdict {
        // Without a working directory only the user's own commands are known.
        let directory = request.cwd().unwrap_or(Path::new("/")).to_owned();
        let expansion = match self.commands.expand(&directory, call).await {
            Ok(Some(expansion)) => expansion,
            Ok(None) => return Verdict::Continue,
            Err(error) => {
                let message = error.to_string();
                tracing::warn!(exchange = request.exchange, %error, "a slash command cannot be used");
                request.block_prompt(&message);
                return Verdict::Reply(Reply::Block { message });
            }
        };
        tracing::info!(
            exchange = request.exchange,
            command = expansion.name,
            file = %expansion.path.display(),
            "a slash command was expanded"
        );
        for left in &expansion.left {
            tracing::warn!(
                exchange = request.exchange,
                command = expansion.name,
                "{left}"
            );
        }
        if let Err(error) = request.rewrite_prompt(&expansion.text) {
            tracing::warn!(exchange = request.exchange, %error, "a slash command could not be put in");
        }
        Verdict::Continue
    }

    /// Answers a command of ours. Neither it nor its answer is the model's business, so both are
    /// left out when they come back as history.
    async fn answer(&self, name: &str, request: &mut Inspection<'_>) -> Verdict {
        let Some(built_in) = self.built_ins.iter().find(|it| it.name == name).cloned() else {
            return Verdict::Continue;
        };
        let directory = request.cwd().map(Path::to_owned);
        let answer = move || (built_in.answer)(directory.as_deref());
        let Ok(text) = tokio::task::spawn_blocking(answer).await else {
            return Verdict::Continue;
        };
        request.block_prompt("This was a command of Codex-Plus, and it was answered.");
        let history = request.history();
        let ours = ItemKey::of_id(&Reply::item_id(request.exchange));
        history.remember(ours, Amendment::removed("an answer of Codex-Plus"));
        self.answered.remember(request);
        Verdict::Reply(Reply::Text { text })
    }
}

impl Filter for SlashFilter {
    fn name(&self) -> &'static str {
        "slash"
    }

    fn interest(&self, head: &Parts) -> Interest {
        Interest {
            request: if self.commands.is_enabled() && is_ask(head) {
                Reads::Body
            } else {
                Reads::Nothing
            },
            ..Interest::default()
        }
    }

    fn request<'a>(&'a self, request: &'a mut Inspection<'_>) -> BoxFuture<'a, Verdict> {
        Box::pin(self.handle(request))
    }
}

/// The answers that the upstream never heard of, and what came before each. Over WebSocket the
/// client's next request goes on from our answer, which the upstream cannot.
#[derive(Default)]
struct Answered(Mutex<VecDeque<Gap>>);

/// An answer of ours in the place of one of the upstream's.
struct Gap {
    /// The response's id.
    answer: String,
    /// The response before it.
    before: Option<String>,
    /// Without one: all that was said before, which the upstream has not heard.
    said: Vec<Bytes>,
}

impl Gap {
    fn weight(&self) -> usize {
        self.said.iter().map(Bytes::len).sum()
    }
}

impl Answered {
    fn remember(&self, request: &Inspection<'_>) {
        let before = request.body.as_ref();
        let before = before.and_then(|body| Some(body.previous_response_id()?.into_owned()));
        let prompt = request.turn.prompt.as_ref().map(|prompt| prompt.item);
        let items = request.items().iter().enumerate();
        let said = items
            .filter(|(index, item)| Some(*index) != prompt && !item.is_plain())
            .map(|(_, item)| Bytes::copy_from_slice(item.raw()));
        let gap = Gap {
            answer: Reply::response_id(request.exchange),
            said: if before.is_none() {
                said.collect()
            } else {
                Vec::new()
            },
            before,
        };
        let mut gaps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gaps.push_back(gap);
        let mut weight: usize = gaps.iter().map(Gap::weight).sum();
        while gaps.len() > MOST_ANSWERS || (weight > MOST_SAID && gaps.len() > 1) {
            weight -= gaps.pop_front().map_or(0, |oldest| oldest.weight());
        }
    }

    /// Lets a request that goes on from an answer of ours go on from what came before it.
    fn pass_by(&self, request: &mut Inspection<'_>) {
        let previous = request.body.as_ref();
        let Some(previous) = previous.and_then(RequestBody::previous_response_id) else {
            return;
        };
        let (before, said) = {
            let gaps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match gaps.iter().rfind(|gap| gap.answer == previous) {
                Some(gap) => (gap.before.clone(), gap.said.clone()),
                None => return,
            }
        };
        let path = vec!["previous_response_id".into()];
        let edit = match before {
            Some(before) => Patch::set_text(path, &before),
            None => Patch {
                op: PatchOp::Remove,
                path,
                value: Bytes::new(),
            },
        };
        let passed = request
            .precede(&said)
            .and_then(|()| request.set_field(&edit));
        if let Err(error) = passed {
            tracing::warn!(exchange = request.exchange, %error, "the request goes on from an answer of ours");
        }
    }
}
