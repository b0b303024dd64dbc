//! The command that repeats a run, from the settings in its trace: it names the settings that differ
//! from the defaults. The original command line is not stored, because it may have contained a
//! password.

use std::collections::BTreeMap;

use prospect_config::{Layers, Settings, SettingsError, WORKBENCH_CONFIG};
use serde_json::Value;

/// Settings that have a command line option of their own.
const OPTIONS: [(&str, &str); 7] = [
    ("model.path", "--model"),
    ("model.device", "--device"),
    ("model.dtype", "--dtype"),
    ("model.quantize", "--quantize"),
    ("context.strategy", "--strategy"),
    ("evaluation.annotations", "--annotations"),
    ("generation.max_new_tokens", "--max-new-tokens"),
];

/// The command `words` with these settings.
pub(super) fn command_line(words: &[&str], changed: &BTreeMap<String, String>) -> String {
    let mut line: Vec<String> = ["prospect-runner"].iter().chain(words).map(|word| quoted(word)).collect();
    for (key, option) in OPTIONS {
        if let Some(value) = changed.get(key) {
            line.push(option.to_owned());
            line.push(quoted(value));
        }
    }
    for (key, value) in changed.iter().filter(|(key, _)| OPTIONS.iter().all(|(known, _)| known != key)) {
        line.push("--set".to_owned());
        line.push(quoted(&format!("{key}={value}")));
    }
    line.join(" ")
}

/// Every setting of a trace that differs from its default, in the form of `--set`.
pub(super) fn changed_settings(config: &Value) -> BTreeMap<String, String> {
    let mut changed = BTreeMap::new();
    flatten("", config, &mut changed);
    if let Ok(Defaults { settings, strategy }) = defaults(config) {
        let mut defaults = BTreeMap::new();
        flatten("", &serde_json::to_value(settings).unwrap_or_default(), &mut defaults);
        changed.retain(|key, value| match key.as_str() {
            "context.strategy" => *value != strategy,
            key => defaults.get(key) != Some(value),
        });
    }
    // These settings affect only where the results of the run go. A folder that holds a run is refused.
    changed.remove("output.json");
    changed.remove("output.dir");
    changed
}

/// The settings of a trace as TOML.
pub(super) fn toml_of(config: &Value) -> String {
    toml::to_string(config).unwrap_or_default()
}

/// The defaults of a run.
struct Defaults {
    /// The default settings of a run with the trace's strategy. Parameters of other strategies are not
    /// included.
    settings: Settings,
    /// The default strategy.
    strategy: String,
}

fn defaults(config: &Value) -> Result<Defaults, SettingsError> {
    let layers = match config["model"]["path"] {
        Value::Null => Layers::new().file_text("configs/workbench.toml".as_ref(), WORKBENCH_CONFIG)?,
        _ => Layers::new(),
    };
    let own = layers.clone().resolve()?;
    let strategy = own.context.strategy.name().to_owned();
    let of_trace = config["context"]["strategy"].as_str().unwrap_or_default();
    let named = layers.flag("--strategy", "context.strategy", of_trace)?.resolve();
    Ok(Defaults { settings: named.unwrap_or(own), strategy })
}

/// Collects keys with their values in TOML. Texts are not quoted.
fn flatten(prefix: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&key, value, into);
            }
        }
        Value::Null => {}
        Value::String(text) => {
            into.insert(prefix.to_owned(), text.clone());
        }
        value => {
            let value =
                toml::Value::try_from(value).map_or_else(|_| value.to_string(), |value| value.to_string());
            into.insert(prefix.to_owned(), value);
        }
    }
}

/// Quotes a word for a shell.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./:=@%+,-".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(layers: Layers) -> String {
        let config = serde_json::to_value(layers.resolve().unwrap()).unwrap();
        command_line(&["run", "my video.mp4"], &changed_settings(&config))
    }

    #[test]
    fn what_differs_from_the_defaults_is_named() {
        let own = || Layers::new().file_text("w".as_ref(), WORKBENCH_CONFIG).unwrap();
        assert_eq!(command(own()), "prospect-runner run 'my video.mp4'");
        let dropped = own().flag("--strategy", "context.strategy", "drop_middle").unwrap();
        let dropped = dropped.set("stream.fps=4").unwrap().set("output.json=true").unwrap();
        assert_eq!(
            command(dropped),
            "prospect-runner run 'my video.mp4' --strategy drop_middle --set stream.fps=4.0"
        );
        let model = Layers::new().set("model.path=owner/name").unwrap();
        let model = model.set("stream.system_prompt=\"It's on\"").unwrap();
        assert_eq!(
            command(model),
            "prospect-runner run 'my video.mp4' --model owner/name --set 'stream.system_prompt=It'\\''s on'"
        );
    }

    #[test]
    fn a_trace_of_another_program_is_no_reason_to_fail() {
        let config =
            serde_json::json!({ "context": { "strategy": "of_tomorrow" }, "model": { "path": null } });
        assert_eq!(
            command_line(&["run", "v"], &changed_settings(&config)),
            "prospect-runner run v --strategy of_tomorrow"
        );
        assert_eq!(changed_settings(&Value::Null), BTreeMap::new());
    }
}
