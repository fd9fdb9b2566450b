//! Puts the log behind `tracing` and behind panics.

use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event as TracingEvent, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::{EnvFilter, Registry, reload};

use crate::environment::Environment;
use crate::settings::LogSettings;

use super::entry::{Entry, Event, Value, shorten};
use super::pipe::Pipe;

/// The log's filter, which may be changed.
pub(crate) struct LevelHandle {
    /// None when `RUST_LOG` has the say.
    handle: Option<reload::Handle<EnvFilter, Registry>>,
}

impl LevelHandle {
    /// Puts the level of other settings in force.
    pub(crate) fn set(&self, settings: &LogSettings) {
        if let Some(handle) = &self.handle
            && let Err(error) = handle.reload(EnvFilter::new(settings.level.as_str()))
        {
            tracing::warn!(target: "log", %error, "the level could not be changed");
        }
    }
}

/// Sends tracing events and panics to the log from now on.
pub(crate) fn install(pipe: &Pipe, settings: &LogSettings, env: &Environment) -> LevelHandle {
    let level = settings.level.as_str();
    let wanted = env.get("RUST_LOG").and_then(|value| value.to_str());
    let (filter, bad) = match wanted.map(EnvFilter::try_new) {
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (EnvFilter::new(level), Some(error)),
        None => (EnvFilter::new(level), None),
    };
    let fixed = wanted.is_some() && bad.is_none();
    let (filter, handle) = reload::Layer::new(filter);
    if tracing::subscriber::set_global_default(subscriber(pipe, filter)).is_err() {
        crate::output::warning("the log was set up twice; the first one stays");
    }
    if let Some(error) = bad {
        tracing::warn!(target: "log", %error, "RUST_LOG cannot be read and was ignored");
    }
    install_panic_hook(pipe.clone());
    LevelHandle {
        handle: (!fixed).then_some(handle),
    }
}

/// What passes the filter goes to the pipe.
pub(super) fn subscriber<F>(pipe: &Pipe, filter: F) -> impl Subscriber + use<F>
where
    F: Layer<Registry> + Send + Sync,
{
    Registry::default().with(filter).with(ToPipe(pipe.clone()))
}

/// A panic becomes a line in the log, and still reaches standard error.
pub(super) fn install_panic_hook(pipe: Pipe) {
    let to_stderr = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let thread = std::thread::current();
        let what = panic.payload_as_str().unwrap_or("(no message)");
        tracing::error!(target: "panic", thread = thread.name(), place, "{what}");
        to_stderr(panic);
        // The writer cannot wait for itself.
        if thread.name() != Some("log") {
            pipe.flush();
        }
    }));
}

struct ToPipe(Pipe);

impl<S: Subscriber> Layer<S> for ToPipe {
    fn on_event(&self, event: &TracingEvent<'_>, _: Context<'_, S>) {
        if !may_be_logged(event.metadata()) {
            return;
        }
        let mut fields = Fields(Vec::new());
        event.record(&mut fields);
        // The message first, as people read.
        fields.0.sort_by_key(|(name, _)| *name != "message");
        self.0.send(Entry::Event(Box::new(Event {
            time: SystemTime::now(),
            level: *event.metadata().level(),
            target: event.metadata().target().to_owned(),
            fields: fields.0,
        })));
    }
}

/// Libraries may write whole headers and frames at their detailed levels, keys included. Those
/// levels are for our own code, which holds to saying no secrets, whatever `RUST_LOG` asks for.
pub(super) fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    const OURS: &[&str] = &[
        "codex_plus",
        "codex-plus",
        "settings",
        "log",
        "otlp",
        "panic",
    ];
    let part = metadata.target().split("::").next().unwrap_or_default();
    *metadata.level() <= Level::INFO || OURS.iter().any(|ours| part.starts_with(ours))
}

struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn text(&mut self, field: &Field, mut text: String) {
        shorten(&mut text);
        self.0.push((field.name(), Value::Text(text)));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.text(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value.to_owned());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.push((field.name(), Value::Unsigned(value)));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.push((field.name(), Value::Signed(value)));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.push((field.name(), Value::Float(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.push((field.name(), Value::Bool(value)));
    }
}
