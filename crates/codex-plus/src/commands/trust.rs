//! `codex-plus trust`: what a project would run, and the user's word on it.

use codex_plus_hooks::trust::{Inventory, ItemKind, Pins, Standing, TrustStore};
use codex_plus_project::project_of;
use codex_plus_project::settings::ProjectSettings;
use serde_json::{Value, json};

use crate::cli::{LineArgs, TrustArgs};
use crate::daemon::StateDir;
use crate::environment::Environment;
use crate::hooks;
use crate::output::{self, Exit, Paint, visible};

/// No more of a file is shown, in bytes.
const LONGEST_SHOWN: usize = 16 << 10;

pub(crate) fn trust(env: &Environment, args: &TrustArgs) -> anyhow::Result<Exit> {
    let state = StateDir::resolve(args.state.state_dir.as_deref(), env)?;
    let users = state.of_user(env);
    users.ensure()?;
    let home = env.home();
    let directory = args.directory.as_ref().map(|given| env.cwd.join(given));
    let directory = directory.unwrap_or_else(|| env.cwd.clone());
    let project = project_of(&directory, home.as_deref());
    let settings = ProjectSettings::load(Some(&project), home.as_deref());
    let inventory = Inventory::take(&settings);
    let store = TrustStore::new(users.folder());
    let before = store.pins(&inventory)?;
    if args.json {
        output::json(&told(&inventory, &before));
    } else {
        tell(&inventory, &before, args.show);
    }
    for problem in &settings.problems {
        output::warning(visible(&problem.to_string()));
    }
    let Some(project) = &inventory.project else {
        return Ok(Exit::Success);
    };
    if args.show {
        return Ok(Exit::Success);
    }
    if args.forget {
        store.forget(project)?;
    } else {
        store.trust(&inventory)?;
    }
    if !args.json {
        let number = inventory.items.len();
        output::line(match (args.forget, number) {
            (true, _) => format!("Nothing of {} is trusted any more.", project.display()),
            (false, 0) => format!("{} has nothing that would run.", project.display()),
            (false, _) => format!("Trusted, as it is now: {number} in {}.", project.display()),
        });
    }
    tell_the_proxy(env, &state);
    Ok(Exit::Success)
}

/// A running proxy would see it by itself within seconds.
fn tell_the_proxy(env: &Environment, state: &StateDir) {
    let Ok(loaded) = super::load_settings(env, &LineArgs::default()) else {
        return;
    };
    if let Some(probe) = hooks::running(state, &loaded) {
        // What it cannot be told it finds out.
        let _ = probe.post("/codex-plus/hooks/reload");
    }
}

fn standing(inventory: &Inventory, pins: &Pins) -> Vec<(Standing, usize)> {
    let items = inventory.items.iter().enumerate();
    items
        .map(|(index, item)| (inventory.standing(item, pins), index))
        .collect()
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Trusted => "trusted",
        Standing::New => "new",
        Standing::Changed => "changed",
    }
}

fn told(inventory: &Inventory, pins: &Pins) -> Value {
    let items = standing(inventory, pins)
        .into_iter()
        .filter_map(|(standing, index)| {
            let item = inventory.items.get(index)?;
            let kind = match item.kind {
                ItemKind::File => "file",
                ItemKind::Definition => "hook",
                ItemKind::StatusLine => "status_line",
            };
            Some(
                json!({"kind": kind, "name": item.name, "sha256": item.digest,
            "standing": word(standing)}),
            )
        });
    json!({"project": inventory.project, "items": items.collect::<Vec<_>>()})
}

fn tell(inventory: &Inventory, pins: &Pins, with_content: bool) {
    let paint = Paint::for_stdout();
    let Some(project) = &inventory.project else {
        return output::line(
            "The home folder's hooks are your own: they run without being trusted.",
        );
    };
    output::line(visible(&format!("{}:", project.display())));
    for (standing, index) in standing(inventory, pins) {
        let Some(item) = inventory.items.get(index) else {
            continue;
        };
        let padded = format!("{:<8}", word(standing));
        let shown = match standing {
            Standing::Trusted => paint.green(&padded),
            Standing::New => paint.yellow(&padded),
            Standing::Changed => paint.red(&padded),
        };
        output::line(format!("  {shown} {}", visible(&item.name)));
        if with_content && item.kind == ItemKind::File && standing != Standing::Trusted {
            let content = item.content.get(..LONGEST_SHOWN.min(item.content.len()));
            for line in String::from_utf8_lossy(content.unwrap_or_default()).lines() {
                output::line(format!("      {}", paint.dim(&visible(line))));
            }
            let hidden = item.content.len().saturating_sub(LONGEST_SHOWN);
            if hidden > 0 {
                let more = format!("      {hidden} more bytes are not shown; open the file itself");
                output::line(paint.red(&more));
            }
        }
    }
}
