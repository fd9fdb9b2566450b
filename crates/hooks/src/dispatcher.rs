//! Runs all hooks of an event and merges what they say.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::event::HookEvent;
use crate::folders::Folders;
use crate::input::HookInput;
use crate::merge::Merged;
use crate::output::{HookFailure, HookOutcome};
use crate::runner::command::{self, CommandRun};
use crate::runner::http::{HttpRun, HttpRunner, without_secrets};
use crate::set::{Handler, HookSet, SettingsHook};
use crate::stats::Stats;

/// Runs hooks. One for the whole process: its bounds hold over all exchanges.
#[derive(Debug, Clone)]
pub struct Dispatcher {
    config: Arc<Config>,
    http: Arc<HttpRunner>,
    stats: Arc<Stats>,
    running: Arc<Semaphore>,
    background: Arc<Semaphore>,
}

/// What is the same for all hooks of one event.
#[derive(Debug, Clone)]
struct Occasion {
    event: HookEvent,
    session: Option<String>,
    folders: Folders,
    json: Bytes,
}

impl Dispatcher {
    /// A dispatcher with these limits.
    pub fn new(config: Config) -> Self {
        Self {
            running: Arc::new(Semaphore::new(config.max_parallel.max(1))),
            background: Arc::new(Semaphore::new(config.max_background)),
            config: Arc::new(config),
            http: Arc::default(),
            stats: Arc::default(),
        }
    }

    /// The record of all runs.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Runs every hook that an input is for, in parallel, and merges them in declared order.
    ///
    /// Never fails: a hook that does counts as one that said nothing, and the log names it.
    /// Dropping the future ends the hooks that still run, except `async` ones.
    pub async fn dispatch(&self, set: &HookSet, input: &HookInput) -> Merged {
        let event = input.event();
        if !self.config.enabled || !set.is_interested(event) {
            return Merged::default();
        }
        let hooks = set.matching(input);
        if hooks.is_empty() {
            return Merged::default();
        }
        let json = match input.to_json() {
            Ok(json) => Bytes::from(json),
            Err(error) => {
                tracing::warn!(%event, line = error.line(), "hooks were not run: their input cannot be written");
                return Merged::default();
            }
        };
        let occasion = Occasion {
            event,
            session: input.session_id.clone(),
            folders: set.folders.clone(),
            json,
        };
        let runs = hooks.iter().map(|hook| self.run(hook, &occasion));
        let outcomes = join_all(runs).await;
        let named = hooks.iter().map(|hook| hook.name.as_str()).zip(outcomes);
        let merged = Merged::of(named);
        for note in &merged.notes {
            tracing::info!(%event, "{note}");
        }
        merged
    }

    async fn run(&self, hook: &SettingsHook, occasion: &Occasion) -> HookOutcome {
        if let Handler::Command { detached: true, .. } = hook.handler {
            return self.detach(hook, occasion);
        }
        // The semaphore is never closed; were it, the hook would run unbounded rather than not.
        let _slot = self.running.acquire().await.ok();
        self.run_now(hook, occasion).await
    }

    /// Starts an `async` hook and leaves it to itself; nobody hears what it says.
    fn detach(&self, hook: &SettingsHook, occasion: &Occasion) -> HookOutcome {
        let Ok(slot) = Arc::clone(&self.background).try_acquire_owned() else {
            self.record(
                hook,
                occasion.event,
                Duration::ZERO,
                Some(&HookFailure::Crowded),
            );
            return HookFailure::Crowded.into();
        };
        let (dispatcher, hook, occasion) = (self.clone(), hook.clone(), occasion.clone());
        tokio::spawn(async move {
            dispatcher.run_now(&hook, &occasion).await;
            drop(slot);
        });
        HookOutcome::default()
    }

    async fn run_now(&self, hook: &SettingsHook, occasion: &Occasion) -> HookOutcome {
        let default = || occasion.event.default_timeout(&self.config);
        let timeout = hook.timeout.unwrap_or_else(default);
        let output_limit = self.config.output.get();
        let begun = Instant::now();
        let output = match &hook.handler {
            Handler::Command { command, .. } => {
                command::run(CommandRun {
                    command,
                    input: &occasion.json,
                    event: occasion.event.name(),
                    session: occasion.session.as_deref(),
                    folders: &occasion.folders,
                    timeout,
                    output_limit,
                })
                .await
            }
            Handler::Http(target) => {
                let run = HttpRun {
                    target,
                    input: occasion.json.clone(),
                    timeout,
                    output_limit,
                };
                self.http.run(run).await
            }
        };
        let took = begun.elapsed();
        let outcome = match output {
            Ok(output) => HookOutcome::read(occasion.event, &output),
            Err(failure) => failure.into(),
        };
        self.record(hook, occasion.event, took, outcome.failure.as_ref());
        outcome
    }

    fn record(
        &self,
        hook: &SettingsHook,
        event: HookEvent,
        took: Duration,
        failure: Option<&HookFailure>,
    ) {
        let name = hook.name.as_str();
        let told = failure.map(|failure| match &hook.handler {
            Handler::Http(target) => format!("{}: {failure}", without_secrets(&target.url)),
            Handler::Command { .. } => failure.to_string(),
        });
        if let Some(told) = &told {
            tracing::warn!(hook = name, %event, "a hook failed and was passed over: {told}");
        }
        self.count(name, took, told);
    }

    /// Puts a run on record, and names the hook in the log when it was slow.
    pub(crate) fn count(&self, name: &str, took: Duration, error: Option<String>) {
        let budget = self.config.slow.get();
        let slow = self.stats.record(name, took, budget, error);
        // The first time, then ever more rarely: a slow hook must not flood the log.
        if let Some(times) = slow.filter(|times| times.is_power_of_two()) {
            let took_ms = took.as_millis();
            tracing::warn!(hook = name, took_ms, times, "a hook is slow");
        }
    }
}
