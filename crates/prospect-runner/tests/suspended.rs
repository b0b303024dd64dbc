//! The real small model, stopped and resumed through its file: every strategy and position policy goes on as if nothing had
//! been.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use prospect_config::{EncodeAhead, Layers, Settings, WORKBENCH_CONFIG};
use prospect_runner::annotations::Annotations;
use prospect_runner::checkpoint::Checkpoint;
use prospect_runner::preparation::Preparation;
use prospect_runner::run::{self, Progress};
use prospect_runner::session::{ContextRule, Session, SessionOptions};
use prospect_runner::smolvlm::SmolVlmStream;
use prospect_runner::source::{self, Frame, SourceOptions};
use prospect_runner::strategies::Registry;
use prospect_runner::suspend::{Keeper, SuspendError};
use prospect_runner::trace::Event;

/// More than two overflows in most strategies.
const FRAMES: usize = 64;
const KEPT: [&str; 5] = ["drop_middle", "sink_window", "drop_oldest_frames", "keyframes", "hybrid"];
const POSITIONS: [&str; 4] = ["legacy", "preserve", "rerotate", "recompute"];
const EARLY: &str = "context.summarize_and_drop.summarize_at=0.5";
const RANDOM: [&str; 3] = ["generation.sampling=random", "generation.temperature=1.5", "generation.seed=7"];

fn video() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/workbench/videos/video_000.mp4")
}

/// Settings over those of the small model.
fn settings(sets: &[&str]) -> Settings {
    let layers = Layers::new().file_text("configs/workbench.toml".as_ref(), WORKBENCH_CONFIG).unwrap();
    sets.iter().fold(layers, |layers, set| layers.set(set).unwrap()).resolve().unwrap()
}

struct Fixture {
    checkpoint: Checkpoint,
    annotations: Annotations,
    frames: Vec<Frame>,
}

impl Fixture {
    fn load() -> Self {
        Self::load_with(&[])
    }

    fn load_with(model: &[&str]) -> Self {
        let (checkpoint, _) = Checkpoint::load_for_stream(&settings(model)).unwrap();
        let source = video().display().to_string();
        let annotations = run::annotations_of(&settings(&[]), &source).unwrap().unwrap();
        let mut source = source::open(&source, SourceOptions::at(2.0)).unwrap();
        let frames = std::iter::from_fn(|| source.next_frame()).take(FRAMES).map(Result::unwrap).collect();
        Self { checkpoint, annotations, frames }
    }

    /// The events of a stream that is stopped before each of the frames `stops`, without what is measured.
    fn trace(&self, settings: &Settings, stops: &[usize]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let every = NonZeroUsize::new(1).unwrap();
        let source = video().display().to_string();
        let keeper = Keeper::new(&folder.path().join("stream"), every, settings, &source).unwrap();
        let rule: ContextRule = Registry::default().context_rule(&settings.context).unwrap();
        let options = SessionOptions::new(settings, Some(&self.annotations));
        let model = || {
            let threshold = settings.stream.not_talk_threshold;
            let sampling = settings.generation.sampling;
            SmolVlmStream::new(&self.checkpoint, options.max_seq_len, rule.positions(), threshold, sampling)
                .unwrap()
        };
        let annotations = Some(&self.annotations);
        let mut events: Vec<Event> = Vec::new();
        let mut next = 0;
        let bounds = stops.iter().copied().chain([FRAMES]);
        for bound in bounds {
            let mut model = model();
            let mut progress = Progress::default();
            let mut preparation = Preparation::new(&self.checkpoint, EncodeAhead::Off).unwrap();
            let mut session = match next {
                0 => Session::new(&mut model, &rule, &options, annotations, &mut events).unwrap(),
                _ => {
                    let mut session =
                        Session::prepared(&mut model, &rule, &options, annotations, &mut events).unwrap();
                    progress = keeper.suspended().unwrap().resume(&mut session).unwrap();
                    session
                }
            };
            assert_eq!(progress.items, next);
            for frame in &self.frames[next..bound] {
                let picture = preparation.prepare(&frame.image).unwrap();
                session.frame(frame, picture).unwrap();
            }
            (progress.items, next) = (bound, bound);
            match bound {
                FRAMES => drop(session.finish().unwrap()),
                _ => keeper.keep_if_due(&mut session, &progress).unwrap(),
            }
        }
        let event = |event: &Event| {
            let mut event = serde_json::to_value(event).unwrap();
            event.as_object_mut().unwrap().retain(|key, _| !key.ends_with("ms") && !key.ends_with("_bytes"));
            event.to_string()
        };
        events.iter().map(event).collect()
    }

    fn holds(&self, sets: &[&str], expected: &str) {
        let settings = self.checkpoint.fit(settings(sets)).unwrap();
        let whole = self.trace(&settings, &[]);
        assert!(whole.iter().any(|event| event.contains(expected)), "{sets:?}: no {expected}");
        // Before the first overflow, right behind one, and wherever else.
        let overflow = whole.iter().position(|event| event.contains("\"event\":\"overflow\""));
        let frames = |events: &[String]| events.iter().filter(|e| e.contains("\"event\":\"frame\"")).count();
        let mut stops = vec![5, 23, 38, 51];
        stops.extend(overflow.map(|overflow| frames(&whole[..overflow]) + 1));
        stops.sort_unstable();
        stops.dedup();
        let stopped = self.trace(&settings, &stops);
        let parts = whole.iter().zip(&stopped).find(|(one, other)| one != other);
        assert!(parts.is_none() && whole.len() == stopped.len(), "{sets:?}: {parts:?}");
    }
}

#[test]
fn what_is_kept_is_kept_in_the_file_under_every_position_policy() {
    let fixture = Fixture::load();
    for strategy in KEPT {
        for positions in POSITIONS {
            let sets = [format!("context.strategy={strategy}"), format!("context.positions={positions}")];
            fixture.holds(&[&sets[0], &sets[1]], "\"event\":\"overflow\"");
        }
    }
}

#[test]
fn strategies_that_keep_nothing_go_on_as_well() {
    let fixture = Fixture::load();
    for strategy in ["drop_all", "summarize_and_drop", "summarize_with_dst", "none"] {
        fixture.holds(&[&format!("context.strategy={strategy}")], "\"event\":\"reply\"");
    }
}

#[test]
fn what_tensors_hold_goes_on_in_every_type() {
    for dtype in ["model.dtype=f32", "model.dtype=f16", "model.dtype=bf16"] {
        let model = ["model.kernels=plain", dtype];
        let fixture = Fixture::load_with(&model);
        let holds =
            |sets: &[&str], expected| fixture.holds(&[&model, sets].concat(), &format!("\"{expected}\":"));
        holds(&[EARLY], "covers");
        holds(&["context.strategy=drop_middle", "context.positions=recompute"], "kept");
    }
}

#[test]
fn random_numbers_early_summaries_and_falling_probabilities_go_on() {
    let fixture = Fixture::load();
    fixture.holds(&RANDOM, "\"event\":\"reply\"");
    fixture.holds(&[EARLY], "\"covers\":");
    for positions in POSITIONS {
        fixture.holds(&[EARLY, &format!("context.positions={positions}")], "\"covers\":");
    }
    fixture.holds(&["stream.not_talk_threshold=diff0.2"], "not_talk_probability");
    fixture.holds(&["stream.talk=every", "stream.every.seconds=3"], "\"event\":\"reply\"");
}

#[test]
fn a_cache_in_bf16_or_int8_goes_on() {
    const Q8: &str = "model.quantize=q8";
    let exact = Fixture::load();
    let bytes = |fixture: &Fixture| fixture.checkpoint.model.kv_bytes_per_token();
    // Heads of 64: their floats, or as many bytes and a scale.
    for (cache, share) in [("model.kv_cache=bf16", 2.0), ("model.kv_cache=int8", 256.0 / 68.0)] {
        let fixture = Fixture::load_with(&[Q8, cache]);
        assert_eq!(bytes(&fixture) as f64 * share, bytes(&exact) as f64);
        for positions in POSITIONS {
            let positions = format!("context.positions={positions}");
            let settings = [Q8, cache, "context.strategy=drop_middle", &positions];
            fixture.holds(&settings, "\"event\":\"overflow\"");
        }
        fixture.holds(&[Q8, cache, EARLY], "\"covers\":");
    }
}

#[test]
fn a_file_of_another_model_does_not_fit() {
    let fixture = Fixture::load();
    let folder = tempfile::tempdir().unwrap();
    let every = NonZeroUsize::new(1).unwrap();
    let rule = |positions: &str| {
        let set = format!("context.positions={positions}");
        let settings = settings(&["context.strategy=drop_middle", &set]);
        let rule: ContextRule = Registry::default().context_rule(&settings.context).unwrap();
        (settings, rule)
    };
    let (settings, first) = rule("rerotate");
    let keeper = Keeper::new(&folder.path().join("stream"), every, &settings, "video").unwrap();
    let options = SessionOptions::new(&settings, None);
    let model = |rule: &ContextRule, tokens| {
        let (threshold, sampling) = (settings.stream.not_talk_threshold, settings.generation.sampling);
        SmolVlmStream::new(&fixture.checkpoint, tokens, rule.positions(), threshold, sampling).unwrap()
    };
    let mut events: Vec<Event> = Vec::new();
    let mut whole = model(&first, 384);
    let mut session = Session::new(&mut whole, &first, &options, None, &mut events).unwrap();
    let mut preparation = Preparation::new(&fixture.checkpoint, EncodeAhead::Off).unwrap();
    let picture = preparation.prepare(&fixture.frames[0].image).unwrap();
    session.frame(&fixture.frames[0], picture).unwrap();
    keeper.keep(&mut session, &Progress::default()).unwrap();
    let complaint = |rule: &ContextRule, tokens| {
        let (mut model, mut events) = (model(rule, tokens), Vec::<Event>::new());
        let mut session = Session::prepared(&mut model, rule, &options, None, &mut events).unwrap();
        let error = keeper.suspended().unwrap().resume(&mut session).unwrap_err();
        assert!(matches!(error, SuspendError::Unfit { .. }), "{error}");
        error.to_string()
    };
    let missing = complaint(&rule("recompute").1, 384);
    assert!(missing.ends_with("the tensor cache.embeddings is missing"), "{missing}");
    let full = complaint(&first, 3);
    assert!(full.contains("tokens: expected at most 3"), "{full}");
}
