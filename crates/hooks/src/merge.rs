//! What all hooks of an event want together.

use serde_json::Value;

use crate::output::{HookOutcome, Permission};

/// The merged will of an event's hooks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Merged {
    /// Blocked, and why: the reason of the first hook, in declared order, that said so.
    pub block: Option<String>,
    /// Stop altogether, and why.
    pub stop: Option<String>,
    /// The strongest word on a tool call, and the first reason given for it.
    pub permission: Option<(Permission, Option<String>)>,
    /// Context for the model, in declared order.
    pub context: Vec<String>,
    /// The tool's new arguments: the last hook's.
    pub updated_input: Option<Value>,
    /// The tool's new output: the last hook's.
    pub updated_output: Option<Value>,
    /// For the user, in declared order.
    pub system_messages: Vec<String>,
    /// What the log should say, each with its hook's name.
    pub notes: Vec<String>,
}

impl Merged {
    /// Merges outcomes given in declared order, each with its hook's name.
    pub fn of<'a>(outcomes: impl IntoIterator<Item = (&'a str, HookOutcome)>) -> Self {
        let mut merged = Self::default();
        for (hook, outcome) in outcomes {
            merged.add(hook, outcome);
        }
        merged
    }

    /// Why the thing must not happen, if it must not: a block, a stop or a denied call.
    pub fn refusal(&self) -> Option<&str> {
        let denied = match &self.permission {
            Some((Permission::Deny, reason)) => Some(
                reason
                    .as_deref()
                    .unwrap_or("A hook denied this call without giving a reason."),
            ),
            _ => None,
        };
        self.block.as_deref().or(self.stop.as_deref()).or(denied)
    }

    /// Whether the exchange goes on as if no hook had run.
    pub fn is_unchanged(&self) -> bool {
        self.block.is_none()
            && self.stop.is_none()
            && self.permission.is_none()
            && self.context.is_empty()
            && self.updated_input.is_none()
            && self.updated_output.is_none()
            && self.system_messages.is_empty()
    }

    fn add(&mut self, hook: &str, outcome: HookOutcome) {
        if self.block.is_none() {
            self.block = outcome.block;
        }
        if self.stop.is_none() {
            self.stop = outcome.stop;
        }
        if let Some((permission, reason)) = outcome.permission {
            match &mut self.permission {
                Some((strongest, _)) if *strongest > permission => {}
                Some((strongest, first)) if *strongest == permission => {
                    *first = first.take().or(reason);
                }
                weaker => *weaker = Some((permission, reason)),
            }
        }
        self.context.extend(outcome.context);
        self.system_messages.extend(outcome.system_message);
        let notes = outcome.notes.iter().map(|note| format!("{hook}: {note}"));
        self.notes.extend(notes);
        for (ours, theirs, field) in [
            (
                &mut self.updated_input,
                outcome.updated_input,
                "updatedInput",
            ),
            (
                &mut self.updated_output,
                outcome.updated_output,
                "updatedToolOutput",
            ),
        ] {
            if let Some(value) = theirs
                && ours.replace(value).is_some()
            {
                self.notes.push(format!(
                    "{hook}: its `{field}` replaces that of a hook before it"
                ));
            }
        }
    }
}
