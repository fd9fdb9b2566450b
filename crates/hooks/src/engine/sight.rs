//! What is loaded, what ran and why something did not, for people and scripts.

use std::collections::BTreeMap;
use std::sync::Arc;

use codex_plus_project::settings::{HookHandler, Owner};
use serde_json::{Map, Value, json};

use super::{Book, Engine, lock};
use crate::runner::http::without_secrets;
use crate::stats::HookStats;

impl Engine {
    /// The Python workers of all projects: processes now, calls in flight, processes started.
    pub fn workers(&self) -> (usize, usize, u64) {
        // Cloned, so that nobody who asks for a book waits for the pools.
        let books: Vec<Arc<Book>> = lock(&self.books)
            .books
            .values()
            .map(|(book, _)| Arc::clone(book))
            .collect();
        let pools = books.iter().map(|book| book.pool.status());
        pools.fold((0, 0, 0), |(processes, calls, started), pool| {
            (
                processes + pool.workers.len(),
                calls + pool.in_flight,
                started + pool.started,
            )
        })
    }

    /// The hooks of all projects that were worked in which do not run because nobody trusted them,
    /// and what cannot be used, as JSON.
    pub fn withheld(&self) -> Value {
        let mut books: Vec<Arc<Book>> = lock(&self.books)
            .books
            .values()
            .map(|(book, _)| Arc::clone(book))
            .collect();
        books.sort_by(|one, other| one.project.cmp(&other.project));
        let untrusted = books.iter().filter(|book| book.untrusted() > 0);
        let untrusted: Vec<Value> = untrusted
            .map(|book| {
                let names: Vec<String> =
                    book.withheld().into_iter().map(|(name, _)| name).collect();
                json!({"project": book.project, "hooks": names})
            })
            .collect();
        let mut problems: Vec<&String> = books.iter().flat_map(|book| &book.problems).collect();
        // Those of the home folder are in every project's book.
        problems.sort();
        problems.dedup();
        json!({"enabled": self.config.enabled, "untrusted": untrusted, "problems": problems})
    }

    /// Everything about the hooks of a book, as JSON.
    pub fn describe(&self, book: &Arc<Book>) -> Value {
        let runs: BTreeMap<String, HookStats> = self
            .stats()
            .snapshot()
            .into_iter()
            .map(|stats| (stats.hook.clone(), stats))
            .collect();
        let python: Vec<Value> = book
            .python
            .iter()
            .map(|found| python(found, &runs))
            .collect();
        let pool = book.pool.status();
        json!({
            "enabled": self.config.enabled,
            "project": book.project,
            "session_id": self.sessions.last(),
            "sessions": self.sessions.count(),
            "hooks": python,
            "settings_hooks": settings(book, &runs),
            "withheld": book.withheld().into_iter()
                .map(|(name, why)| json!({"name": name, "why": why})).collect::<Vec<_>>(),
            "untrusted": book.untrusted(),
            "problems": book.problems,
            "workers": {"processes": pool.workers, "in_flight": pool.in_flight,
                "started": pool.started},
        })
    }
}

fn python(found: &super::Found, runs: &BTreeMap<String, HookStats>) -> Value {
    let metadata = &found.hook.metadata;
    let mut told = json!({
        "name": metadata.name,
        "type": metadata.hook_type,
        "path": found.hook.path,
        "enabled": metadata.enabled,
        "priority": metadata.priority,
        "description": metadata.description,
        "input": metadata.input,
        "owner": owner(found.owner),
        "active": found.off.is_none(),
        "off": found.off.map(|off| off.to_string()),
    });
    add_runs(&mut told, runs.get(&metadata.name));
    told
}

fn settings(book: &Book, runs: &BTreeMap<String, HookStats>) -> Value {
    let mut events: Map<String, Value> = Map::new();
    for (event, groups) in &book.settings.hooks {
        let mut hooks = Vec::new();
        for (group, hook) in groups
            .iter()
            .flat_map(|g| g.hooks.iter().map(move |h| (g, h)))
        {
            let name = format!("{}: {}", hook.file.display(), hook.place);
            let withheld = book.set.withheld.iter().find(|(held, _)| *held == name);
            let mut told = json!({
                "name": name,
                "matcher": group.matcher,
                "owner": owner(hook.owner),
                "active": withheld.is_none(),
                "off": withheld.map(|(_, why)| why.to_string()),
            });
            let (kind, what) = match &hook.handler {
                HookHandler::Command { command, .. } => ("command", command.clone()),
                HookHandler::Http { url, .. } => ("url", without_secrets(url)),
            };
            told[kind] = json!(what);
            add_runs(&mut told, runs.get(&name));
            hooks.push(told);
        }
        events.insert(event.clone(), hooks.into());
    }
    events.into()
}

fn owner(owner: Owner) -> &'static str {
    match owner {
        Owner::Project => "project",
        Owner::Home => "home",
    }
}

fn add_runs(told: &mut Value, runs: Option<&HookStats>) {
    told["stats"] = match runs {
        Some(stats) => json!({
            "runs": stats.runs, "failures": stats.failures, "slow": stats.slow,
            "p50_us": stats.p50_us, "p99_us": stats.p99_us, "max_us": stats.max_us,
            "last_error": stats.last_error,
        }),
        None => Value::Null,
    };
}
