//! `codex-plus config show` and `config schema`.

use serde_json::{Value, json};

use crate::cli::{ConfigCommand, LineArgs};
use crate::environment::Environment;
use crate::output::{self, Exit, Paint};
use crate::settings::{Loaded, schema_text};

use super::load_settings;

pub(crate) fn config(env: &Environment, command: &ConfigCommand) -> anyhow::Result<Exit> {
    match *command {
        ConfigCommand::Schema => output::raw(schema_text().as_bytes()),
        ConfigCommand::Show { origin, json } => {
            let loaded = load_settings(env, &LineArgs::default())?;
            if json {
                as_json(&loaded, origin);
            } else {
                as_text(&loaded, origin);
            }
        }
    }
    Ok(Exit::Success)
}

fn as_json(loaded: &Loaded, origin: bool) {
    let all = loaded.shown();
    let values = all.into_iter().map(|(key, value)| {
        let value = if origin {
            json!({ "value": value, "origin": loaded.origin(&key) })
        } else {
            value
        };
        (key, value)
    });
    output::json(&Value::Object(values.collect()));
}

/// `key = value`, as it could stand in a file.
fn as_text(loaded: &Loaded, origin: bool) {
    let paint = Paint::for_stdout();
    for (key, value) in loaded.shown() {
        let mut line = match &value {
            Value::Null => format!("# {key} is not set"),
            value => format!("{key} = {value}"),
        };
        if origin {
            let origin = format!("# {}", loaded.origin(&key));
            line = format!("{line:<44} {}", paint.dim(&origin));
        }
        output::line(line);
    }
}
