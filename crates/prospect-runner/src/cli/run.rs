//! `prospect-runner run`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use prospect_config::Settings;

use super::arguments::RunArguments;
use super::print;
use crate::checkpoint::{Checkpoint, from_repository};
use crate::display::{Display, Lines, Silent, Terminal};
use crate::error::RunError;
use crate::run;
use crate::source::STDIN;
use crate::strategies::Registry;
use crate::trace::{Tee, TraceWriter};

/// The video that is streamed where none is named.
const DEFAULT_VIDEO: &str = "fixtures/workbench/videos/video_000.mp4";

pub(super) fn run(arguments: &RunArguments, strategies: &Registry) -> Result<(), RunError> {
    let Some(settings) = arguments.common.resolve_or_print(strategies)? else { return Ok(()) };
    let source = match &arguments.source {
        Some(source) => source.clone(),
        None => from_repository(DEFAULT_VIDEO)?.display().to_string(),
    };
    let (checkpoint, settings) = Checkpoint::load_for_stream(&settings)?;
    let annotations = run::annotations_of(&settings, &source)?;
    let folder = output_folder(&settings, &source);
    let mut trace = TraceWriter::in_folder(&folder);
    if settings.output.json {
        let mut tee = Tee::new(&mut trace, std::io::stdout());
        run::run(&settings, strategies, &checkpoint, &source, annotations.as_ref(), &mut tee, &mut Silent)?;
        return Ok(());
    }
    let mut display: Box<dyn Display> = if std::io::stderr().is_terminal() {
        Box::new(Terminal::new())
    } else {
        Box::new(Lines::new(std::io::stdout()))
    };
    let outcome = run::run(
        &settings,
        strategies,
        &checkpoint,
        &source,
        annotations.as_ref(),
        &mut trace,
        display.as_mut(),
    );
    if trace.has_begun() {
        print(&format!("trace: {}", trace.path().display()));
    }
    outcome.map(drop)
}

/// Where the trace goes: what the settings say, or a folder in `out/` named after the source.
pub(super) fn output_folder(settings: &Settings, source: &str) -> PathBuf {
    let source = if source == STDIN { "stdin" } else { source };
    let stem = Path::new(source).file_stem().map(|stem| stem.to_string_lossy().replace(['*', '?', '['], "_"));
    settings
        .output
        .dir
        .clone()
        .unwrap_or_else(|| Path::new("out").join(stem.unwrap_or_else(|| "stream".into())))
}
