//! Converts the trace of a run to a stream for the simulator of `prospect-context`.

use std::path::Path;

use prospect_config::{Layers, Settings, WORKBENCH_CONFIG};
use prospect_context::ContextStrategy;
use prospect_context::simulator::recorded::{Recording, TraceEvent};

use crate::error::RunError;
use crate::strategies::Registry;
use prospect_evaluation::{TraceError, read_trace};
use prospect_foreign::one_line;
use prospect_session::Event;
use prospect_session::OverflowRule;

/// A run read from its trace, with its settings.
pub struct RecordedRun {
    /// The stream's input, and what every overflow did.
    pub recording: Recording,
    /// The run's settings.
    pub settings: Settings,
    /// The layers of these settings, to which others can be added.
    pub layers: Layers,
}

/// Reads a trace. `base` is a settings file below the trace's settings; without it the defaults of
/// `run` are used.
///
/// # Errors
/// The file is not a trace, or its events are inconsistent.
pub fn read_recording(path: &Path, base: Option<&Path>) -> Result<RecordedRun, RunError> {
    let events = read_trace(path)?;
    let failed = |source| RunError::Recording { path: path.to_owned(), source };
    // Events are converted through JSON, because one crate writes them and the other reads only the
    // parts that it needs.
    let event = |(number, event): (usize, &Event)| {
        let read = serde_json::to_value(event).and_then(serde_json::from_value::<TraceEvent>);
        let malformed = |error: serde_json::Error| TraceError::Malformed {
            path: path.to_owned(),
            line: number + 1,
            message: one_line(error),
        };
        read.map_err(malformed)
    };
    let recorded = events.iter().enumerate().map(event).collect::<Result<Vec<_>, _>>()?;
    let recording = Recording::from_events(recorded).map_err(failed)?;
    let mut config = match events.first() {
        Some(Event::RunStarted { config, .. }) => toml::Table::try_from(config).unwrap_or_default(),
        _ => toml::Table::new(),
    };
    // A budget in bytes or in seconds is one in tokens by now.
    let context = config.get_mut("context").and_then(toml::Value::as_table_mut);
    if let Some(context) = context.filter(|context| context.contains_key("budget")) {
        context.remove("budget");
        let tokens = i64::try_from(recording.budget().max_seq_len).unwrap_or(i64::MAX);
        context.insert("max_seq_len".to_owned(), tokens.into());
    }
    // A trace contains only the parameters of its own strategy. Those of other strategies come from the
    // run's base settings.
    let names_model = config.get("model").is_some_and(|model| model.get("path").is_some());
    let mut layers = match (base, names_model) {
        (Some(base), _) => Layers::new().file(base)?,
        (None, true) => Layers::new(),
        (None, false) => Layers::new().file_text("configs/workbench.toml".as_ref(), WORKBENCH_CONFIG)?,
    };
    layers = layers.file_text(path, &config.to_string())?;
    Ok(RecordedRun { recording, settings: layers.clone().resolve()?, layers })
}

impl RecordedRun {
    /// The run's own strategy; `None` for the baselines without one.
    ///
    /// # Errors
    /// The strategy is unknown to this program.
    pub fn strategy(&self, registry: &Registry) -> Result<Option<Box<dyn ContextStrategy>>, RunError> {
        match registry.overflow_rule(&self.settings.context)? {
            OverflowRule::Strategy(strategy) => Ok(Some(strategy)),
            OverflowRule::Stateless | OverflowRule::Unlimited => Ok(None),
        }
    }
}
