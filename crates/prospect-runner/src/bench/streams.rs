//! Measures many streams on one copy of the weights, through the engine: their total speed, and how
//! long a frame waits.

use std::sync::Arc;
use std::time::Instant;

use prospect_config::Layers;
use prospect_context::{Encoded, Role, SegmentKind};
use prospect_engine::{
    Engine, EngineOptions, Output, Picture, PreparedPicture, SmolVlmStreams, Stream, StreamFrame,
    StreamSetup, resident_memory_bytes,
};
use prospect_model::SmolVlm;
use prospect_processor::Pixels;
use prospect_session::registry::Registry;
use prospect_session::{Event, Fingerprint, Guidance, Language, LanguageError, Thumbnail};
use serde::Serialize;

use super::Progress;
use super::stages::{frame_pixels, frame_tokens, word_ids};
use crate::error::RunError;

/// Tokens of a stream's cache, unless the model has fewer positions.
const CACHE: usize = 2048;
/// Number of tokens of a reply.
const REPLY: usize = 64;
/// Number of measured frames per stream.
const FRAMES: usize = 4;

/// Measurement of several simultaneous streams.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct MeasuredStreams {
    /// Number of streams.
    pub streams: usize,
    /// Silent frames per second of all streams together.
    pub frames_per_second: f64,
    /// Reply tokens per second of all streams together, with frames that are already encoded.
    pub tokens_per_second: f64,
    /// 95th percentile of the time from a frame's arrival to the end of its turn, in milliseconds, if
    /// every stream has one frame.
    pub p95_frame_ms: f64,
    /// Memory of the process, in bytes.
    pub memory_bytes: Option<u64>,
}

/// Measures each of these numbers of streams.
///
/// # Errors
/// The engine fails.
pub fn measure_streams(
    model: SmolVlm,
    counts: &[usize],
    progress: &mut Progress<'_>,
) -> Result<Vec<MeasuredStreams>, RunError> {
    let model = Arc::new(model);
    let one = |&streams: &usize| {
        progress(&format!("{streams} streams"));
        measure(&model, streams)
    };
    counts.iter().map(one).collect()
}

fn measure(model: &Arc<SmolVlm>, count: usize) -> Result<MeasuredStreams, RunError> {
    let language: Arc<dyn Language> = Arc::new(Words::of(model));
    // With random weights, any single token rarely ends a reply.
    let end = language.end_of_utterance();
    let streams = SmolVlmStreams::ending_at(Arc::clone(model), end, &[]);
    let engine = Engine::start(Arc::new(streams), EngineOptions::default())?;
    let cache = CACHE.min(model.config().text_config.max_position_embeddings);
    let open = |talk: &str| -> Result<Vec<Stream<SmolVlmStreams>>, RunError> {
        (0..count).map(|_| Ok(engine.open(setup(&language, cache, talk)?)?)).collect()
    };
    let pixels = frame_pixels(model);
    let shown = pixels.values();
    let pixels = Arc::new(Pixels {
        values: shown.values.to_vec(),
        mask: None,
        tiles: shown.tiles,
        height: shown.height,
        width: shown.width,
    });
    let silent = open("on_request")?;
    // Every picture is different, so each one is encoded.
    let (seconds, _, mut waits) = serve(&silent, &pixels, 0..FRAMES, |index| index as u8)?;
    waits.sort_by(f64::total_cmp);
    let p95 = waits[((waits.len() * 95).div_ceil(100) - 1).min(waits.len() - 1)];
    drop(silent);
    let talking = open("every")?;
    // Only the first frame is encoded, because all frames show the same picture.
    serve(&talking, &pixels, 0..1, |_| 0)?;
    let (talking_seconds, tokens, _) = serve(&talking, &pixels, 1..FRAMES + 1, |_| 0)?;
    Ok(MeasuredStreams {
        streams: count,
        frames_per_second: (count * FRAMES) as f64 / seconds,
        tokens_per_second: tokens as f64 / talking_seconds,
        p95_frame_ms: p95,
        memory_bytes: resident_memory_bytes(),
    })
}

/// Sends every stream one frame at a time. Returns seconds, reply tokens, and the milliseconds of each
/// frame.
fn serve(
    streams: &[Stream<SmolVlmStreams>],
    pixels: &Arc<Pixels>,
    frames: std::ops::Range<usize>,
    picture: impl Fn(usize) -> u8,
) -> Result<(f64, usize, Vec<f64>), RunError> {
    let (mut tokens, mut waits) = (0, Vec::new());
    let began = Instant::now();
    for index in frames {
        let arrived = Instant::now();
        for stream in streams {
            let prepared = PreparedPicture::Scaled(Arc::clone(pixels));
            let fingerprint = Fingerprint([picture(index); 32]);
            let picture = Picture { fingerprint, thumbnail: Thumbnail::grey(0), prepared };
            // One frame per second of stream time, so that streams with replies speak at every frame.
            stream.input().frame(StreamFrame { index, time: index as f64, picture, arrival: None })?;
        }
        for stream in streams {
            loop {
                match stream.next()? {
                    Output::Event(Event::Reply { token_ids, .. }) => tokens += token_ids.len(),
                    Output::Event(_) | Output::Words(_) => {}
                    Output::FrameDone(_) => break,
                    Output::Failed(error) => return Err(error.into()),
                }
            }
            waits.push(arrived.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok((began.elapsed().as_secs_f64(), tokens, waits))
}

fn setup(language: &Arc<dyn Language>, cache: usize, talk: &str) -> Result<StreamSetup, RunError> {
    let sets = [
        "context.strategy=drop_all".to_owned(),
        format!("context.max_seq_len={cache}"),
        format!("generation.max_new_tokens={REPLY}"),
        format!("stream.talk={talk}"),
        "stream.every.seconds=1".to_owned(),
    ];
    let settings = sets.iter().try_fold(Layers::new(), |layers, set| layers.set(set))?.resolve()?;
    let rule = Registry::default().overflow_rule(&settings.context)?;
    Ok(StreamSetup::new(Arc::clone(language), rule, &settings, Guidance::default()))
}

/// A language for weights without a tokenizer. Texts have as many tokens as with a real tokenizer.
struct Words {
    frame: Vec<u32>,
    end: u32,
}

impl Words {
    fn of(model: &SmolVlm) -> Self {
        let config = model.config();
        let images = config.image_seq_len();
        let mut frame = word_ids(frame_tokens(model) - images);
        frame.extend(vec![config.image_token_id; images]);
        let end = config.text_config.vocab_size as u32 - 1;
        Self { frame, end }
    }
}

impl Language for Words {
    fn encode_message(&self, role: Role, _: &str, _: bool) -> Result<Encoded, LanguageError> {
        Ok(Encoded::single(SegmentKind::from(role), word_ids(32)))
    }

    fn encode_generation_prompt(&self) -> Result<Encoded, LanguageError> {
        Ok(Encoded::single(SegmentKind::Assistant, word_ids(3)))
    }

    fn encode_frame(&self, _: Option<f64>) -> Result<Encoded, LanguageError> {
        Ok(Encoded::single(SegmentKind::Frame, self.frame.clone()))
    }

    fn encode_text(&self, text: &str) -> Result<Vec<u32>, LanguageError> {
        Ok(word_ids(text.len()))
    }

    fn clean_reply(&self, ids: &[u32]) -> Result<String, LanguageError> {
        Ok(format!("{} tokens", ids.len()))
    }

    fn end_of_utterance(&self) -> u32 {
        self.end
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use prospect_model::SmolVlm;

    use super::*;
    use crate::checkpoint::default_checkpoint;

    #[test]
    fn streams_are_measured_together() {
        let model = SmolVlm::load(&default_checkpoint().unwrap()).unwrap();
        let measured = measure_streams(model, &[1, 3], &mut |_| ()).unwrap();
        assert_eq!(measured.iter().map(|measured| measured.streams).collect::<Vec<_>>(), [1, 3]);
        let told = |of: &MeasuredStreams| {
            of.frames_per_second > 0.0 && of.tokens_per_second > 0.0 && of.p95_frame_ms > 0.0
        };
        assert!(measured.iter().all(told), "{measured:?}");
    }
}
