//! A stream in a program of your own: `cargo run --release -p prospect-runner --example embed`.

use std::error::Error;
use std::sync::Arc;

use prospect_config::{EncodeAhead, Layers, WORKBENCH_CONFIG};
use prospect_engine::{
    CheckpointLanguage, Engine, EngineOptions, Output, Preparation, SmolVlmStreams, StreamFrame, StreamSetup,
};
use prospect_evaluation::annotations::Annotations;
use prospect_runner::checkpoint::{Checkpoint, from_repository};
use prospect_runner::interrupt::Interrupt;
use prospect_runner::strategies::Registry;
use prospect_source::SourceOptions;

/// Streams a video through the small model of the repository; `hears` is told every reply with its time in seconds.
pub(crate) fn stream(video: &str, mut hears: impl FnMut(f64, &str)) -> Result<(), Box<dyn Error>> {
    let settings = Layers::new().file_text("workbench.toml".as_ref(), WORKBENCH_CONFIG)?.resolve()?;
    let (checkpoint, settings) = Checkpoint::load_for_stream(&settings, &Interrupt::default())?;
    let Checkpoint { model, processor, .. } = checkpoint;
    // The task that the small model helps with stands beside its video.
    let guidance =
        Annotations::beside(video.as_ref()).map(|file| Annotations::from_file(&file)).transpose()?;
    let guidance = guidance.map(|annotations| annotations.guidance()).unwrap_or_default();
    let streams = SmolVlmStreams::new(Arc::clone(&model), &processor);
    let engine = Engine::start(Arc::new(streams), EngineOptions::default())?;
    let language = Arc::new(CheckpointLanguage(Arc::clone(&processor)));
    let rule = Registry::default().overflow_rule(&settings.context)?;
    let stream = engine.open(StreamSetup::new(language, rule, &settings, guidance))?;
    let mut preparation = Preparation::new(&model, &processor, EncodeAhead::Off)?;
    let mut source = prospect_source::open(video, SourceOptions::at(settings.stream.fps))?;
    while let Some(frame) = source.next_frame() {
        let frame = frame?;
        let (index, time, picture) = (frame.index, frame.time, preparation.prepare(&frame.image)?);
        stream.input().frame(StreamFrame { index, time, picture, arrival: None })?;
        let reply = loop {
            match stream.next()? {
                Output::FrameDone(reply) => break reply,
                Output::Failed(error) => return Err(error.into()),
                // The lines of the trace, and words of a reply that is under way.
                Output::Event(_) | Output::Words(_) => {}
            }
        };
        if let Some(reply) = reply {
            hears(reply.time, &reply.text);
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "an example")]
fn main() -> Result<(), Box<dyn Error>> {
    let video = from_repository("fixtures/workbench/videos/video_000.mp4")?;
    stream(&video.display().to_string(), |time, text| println!("{time:6.1}  {text}"))
}
