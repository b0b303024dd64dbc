//! Helpers for tests of whole streams.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "test helpers")]

use std::path::{Path, PathBuf};

use prospect_config::Settings;
use prospect_runner::checkpoint::Checkpoint;
use prospect_runner::display::Silent;
use prospect_runner::interrupt::Interrupt;
use prospect_runner::run::{self, Keeping, RunInputs};
use prospect_runner::strategies::Registry;
use prospect_session::Event;

/// The trained model with its videos and goldens.
pub fn workbench() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/workbench")
}

/// The trace of a video, with the annotations beside it.
pub fn stream(settings: &Settings, video: &Path) -> Vec<Event> {
    let (checkpoint, settings) = Checkpoint::load_for_stream(settings, &Interrupt::default()).unwrap();
    let source = video.display().to_string();
    let annotations = run::annotations_of(&settings, &source).unwrap();
    let (mut events, strategies) = (Vec::new(), Registry::default());
    let inputs = RunInputs {
        settings: &settings,
        strategies: &strategies,
        checkpoint: &checkpoint,
        source: &source,
        annotations: annotations.as_ref(),
        interrupt: &Interrupt::default(),
    };
    run::run(inputs, Keeping::default(), &mut events, &mut Silent).unwrap();
    events
}
