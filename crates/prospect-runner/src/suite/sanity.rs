//! Replays the references as if they were replies, without a model.

use prospect_config::{OnCorruptFrame, Settings};
use prospect_engine::peak_memory_bytes;
use prospect_session::RunStatistics;

use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::run::{self, close_failed};
use crate::strategies::SANITY;
use crate::version::versions;
use prospect_evaluation::annotations::Annotations;
use prospect_evaluation::references_as_replies;
use prospect_journal::TraceSink;
use prospect_session::{Event, SCHEMA_VERSION, StageTimes};
use prospect_source::{Aftermath, FrameSource};

/// Writes the trace of a run that says every reference at its frame.
///
/// # Errors
/// The source, or a trace that cannot be written.
pub(super) fn replay_references(
    settings: &Settings,
    source: &str,
    annotations: &Annotations,
    interrupt: &Interrupt,
    trace: &mut dyn TraceSink,
) -> Result<(), RunError> {
    let (options, input) = (run::source_options(settings), run::input_options(settings));
    let mut frames = prospect_source::open_with(source, options, &input, &interrupt.stop_signal())?;
    trace.record(&started(settings, frames.description()))?;
    let mut statistics = RunStatistics::default();
    match replay(settings, frames.as_mut(), annotations, interrupt, trace, &mut statistics) {
        Ok(()) => {
            trace.record(&statistics.finished(peak_memory_bytes()))?;
            Ok(trace.flush()?)
        }
        Err(error) => {
            close_failed(trace, &error, &statistics)?;
            Err(error)
        }
    }
}

fn replay(
    settings: &Settings,
    frames: &mut dyn FrameSource,
    annotations: &Annotations,
    interrupt: &Interrupt,
    trace: &mut dyn TraceSink,
    statistics: &mut RunStatistics,
) -> Result<(), RunError> {
    let mut seen = Vec::new();
    while let Some(frame) = frames.next_frame() {
        match frame {
            _ if interrupt.is_given() => return Err(RunError::Interrupted),
            Ok(frame) => seen.push((frame.index, frame.time)),
            Err(error)
                if settings.stream.on_corrupt_frame == OnCorruptFrame::Skip
                    && error.aftermath() == Aftermath::NextFrame =>
            {
                statistics.frames_dropped += 1;
                trace.record(&Event::FrameDropped { reason: error.to_string(), index: None, time: None })?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    if seen.is_empty() {
        return Err(RunError::NoFrames { source_name: frames.description().to_owned() });
    }
    let times: Vec<f64> = seen.iter().map(|(_, time)| *time).collect();
    let replies = references_as_replies(annotations, &times, settings.stream.fps);
    for ((index, time), text) in seen.into_iter().zip(replies) {
        let spoke = text.is_some();
        if let Some(text) = text {
            statistics.replies += 1;
            trace.record(&Event::Reply {
                frame: index,
                time,
                text,
                token_ids: Vec::new(),
                repeats: false,
            })?;
        }
        statistics.frames += 1;
        trace.record(&Event::Frame {
            index,
            time,
            segments: Vec::new(),
            cache_tokens: 0,
            spoke,
            encoding_reused: false,
            similarity: None,
            not_talk_probability: None,
            pace: None,
            times: StageTimes::default(),
        })?;
    }
    Ok(())
}

fn started(settings: &Settings, source: &str) -> Event {
    Event::RunStarted {
        schema_version: SCHEMA_VERSION,
        config: serde_json::to_value(settings).unwrap_or_default(),
        model: "none".to_owned(),
        commit: None,
        source: source.to_owned(),
        device: "none".to_owned(),
        threads: 1,
        dtype: "none".to_owned(),
        strategy: SANITY.to_owned(),
        kv_bytes_per_token: 0,
        versions: versions(),
    }
}
