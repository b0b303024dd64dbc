//! How the runs of a page were made: model, device, settings, and the command that repeats them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::command::{changed_settings, toml_of};
use prospect_session::Event;

/// The data in the head of a page.
#[derive(Debug, Default, Serialize)]
pub(super) struct Facts {
    /// Names and values.
    facts: Vec<(&'static str, String)>,
    /// The command that repeats these runs.
    command: Option<String>,
    /// The settings of every strategy as TOML.
    settings: Vec<(String, String)>,
}

/// Collects the facts from the first events of the traces, one per strategy.
pub(super) fn facts(starts: &[&Event], command: Option<String>) -> Facts {
    let mut values: BTreeMap<usize, (&'static str, Vec<String>)> = BTreeMap::new();
    let mut settings = Vec::new();
    for start in starts {
        let Event::RunStarted { config, model, commit, device, threads, dtype, strategy, versions, .. } =
            start
        else {
            continue;
        };
        let threads = threads.to_string();
        let of_run: [(&'static str, &str); 6] = [
            ("model", model.as_str()),
            ("commit", commit.as_deref().unwrap_or_default()),
            ("device", device),
            ("type", dtype),
            ("threads", &threads),
            ("prospect", &versions.prospect),
        ];
        for (place, (name, value)) in of_run.into_iter().enumerate() {
            let known = &mut values.entry(place).or_insert((name, Vec::new())).1;
            if !value.is_empty() && !known.iter().any(|known| known == value) {
                known.push(value.to_owned());
            }
        }
        settings.push((strategy.clone(), toml_of(config)));
    }
    let shown = values.into_values().filter(|(_, values)| !values.is_empty());
    Facts { facts: shown.map(|(name, values)| (name, values.join(", "))).collect(), command, settings }
}

/// The settings in the first event of a trace.
pub(super) fn config_of(start: &Event) -> Option<&Value> {
    match start {
        Event::RunStarted { config, .. } => Some(config),
        _ => None,
    }
}

/// All settings of these runs that differ from their defaults.
pub(super) fn all_changed<'a>(starts: impl Iterator<Item = &'a Event>) -> BTreeMap<String, String> {
    starts.filter_map(config_of).flat_map(changed_settings).collect()
}
