//! The real small model, stopped and resumed from its file: with every strategy and position policy it
//! continues as if nothing had happened.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prospect_config::{EncodeAhead, Layers, Settings, WORKBENCH_CONFIG};
use prospect_context::catalogue::{ParameterRole, StrategyDescription};
use prospect_context::strategies::BUILT_IN;
use prospect_engine::{
    Engine, EngineError, EngineOptions, Preparation, Resumption, SmolVlmStreams, StreamSetup,
};
use prospect_evaluation::annotations::Annotations;
use prospect_runner::checkpoint::Checkpoint;
use prospect_runner::interrupt::Interrupt;
use prospect_runner::run::{self, Progress, RunInputs, ServedStream};
use prospect_runner::strategies::Registry;
use prospect_runner::suspend::Keeper;
use prospect_session::Event;
use prospect_source::{Frame, SourceOptions};

/// Enough frames for more than two overflows in most strategies.
const FRAMES: usize = 64;
const POSITIONS: [&str; 4] = ["legacy", "preserve", "rerotate", "recompute"];
const EARLY: &str = "context.summarize_and_drop.summarize_at=0.5";
const RANDOM: [&str; 3] = ["generation.sampling=random", "generation.temperature=1.5", "generation.seed=7"];

/// The built-in strategies that have a number of tokens or frames to keep, or those that have none.
fn strategies(keep: bool) -> impl Iterator<Item = &'static str> {
    let has = |strategy: &StrategyDescription, role| strategy.parameters_as(role).next().is_some();
    let keeps = move |strategy: &StrategyDescription| {
        has(strategy, ParameterRole::Kept) || has(strategy, ParameterRole::KeptFrames)
    };
    BUILT_IN.iter().filter(move |strategy| keeps(strategy) == keep).map(|strategy| strategy.name)
}

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
        let (checkpoint, _) = Checkpoint::load_for_stream(&settings(model), &Interrupt::default()).unwrap();
        let source = video().display().to_string();
        let annotations = run::annotations_of(&settings(&[]), &source).unwrap().unwrap();
        let mut source = prospect_source::open(&source, SourceOptions::at(2.0)).unwrap();
        let frames = std::iter::from_fn(|| source.next_frame()).take(FRAMES).map(Result::unwrap).collect();
        Self { checkpoint, annotations, frames }
    }

    fn preparation(&self) -> Preparation {
        Preparation::new(&self.checkpoint.model, &self.checkpoint.processor, EncodeAhead::Off).unwrap()
    }

    fn open(
        &self,
        settings: &Settings,
        resumption: Option<Resumption>,
    ) -> Result<ServedStream<SmolVlmStreams>, EngineError> {
        let inputs = RunInputs {
            settings,
            strategies: &Registry::default(),
            checkpoint: &self.checkpoint,
            source: "video",
            annotations: Some(&self.annotations),
            interrupt: &Interrupt::default(),
        };
        let model = SmolVlmStreams::new(Arc::clone(&self.checkpoint.model), &self.checkpoint.processor);
        let engine = Engine::start(Arc::new(model), EngineOptions::default()).unwrap();
        engine.open(StreamSetup { resumption, ..inputs.setup().unwrap() }).map(ServedStream::of)
    }

    /// The events, without measurements, of a stream that is stopped and resumed before each of the
    /// frames `stops`.
    fn trace(&self, settings: &Settings, stops: &[usize]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let every = NonZeroUsize::new(1).unwrap();
        let source = video().display().to_string();
        let keeper =
            Keeper::new(&folder.path().join("stream"), every, settings, &self.checkpoint.files, &source)
                .unwrap();
        let mut events: Vec<Event> = Vec::new();
        let mut next = 0;
        let bounds = stops.iter().copied().chain([FRAMES]);
        for bound in bounds {
            let mut progress = Progress::default();
            let resumption = (next > 0).then(|| {
                let suspended = keeper.suspended().unwrap();
                progress = suspended.progress().clone();
                suspended.into_resumption()
            });
            let stream = self.open(settings, resumption).unwrap();
            let mut preparation = self.preparation();
            stream.record_rest(&mut events).unwrap();
            assert_eq!(progress.items, next);
            for frame in &self.frames[next..bound] {
                let picture = preparation.prepare(&frame.image).unwrap();
                stream.frame(frame, picture, None, &mut events, &mut |_| {}).unwrap();
            }
            (progress.items, next) = (bound, bound);
            match bound {
                FRAMES => drop(stream.finish(&mut events).unwrap()),
                _ => keeper.keep_if_due(&stream, &progress, &mut events).unwrap(),
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
        // Before the first overflow, right after one, and at other places.
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
    for strategy in strategies(true) {
        for positions in POSITIONS {
            let sets = [format!("context.strategy={strategy}"), format!("context.positions={positions}")];
            fixture.holds(&[&sets[0], &sets[1]], "\"event\":\"overflow\"");
        }
    }
}

#[test]
fn strategies_that_keep_nothing_go_on_as_well() {
    let fixture = Fixture::load();
    for strategy in strategies(false).chain(["none"]) {
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
    // Heads of size 64: as 64 floats, or as 64 bytes and a scale.
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
    let of = |positions: &str| {
        settings(&["context.strategy=drop_middle", &format!("context.positions={positions}")])
    };
    let first = of("rerotate");
    let keeper =
        Keeper::new(&folder.path().join("stream"), every, &first, &fixture.checkpoint.files, "video")
            .unwrap();
    let stream = fixture.open(&first, None).unwrap();
    let picture = fixture.preparation().prepare(&fixture.frames[0].image).unwrap();
    let mut events: Vec<Event> = Vec::new();
    stream.frame(&fixture.frames[0], picture, None, &mut events, &mut |_| {}).unwrap();
    keeper.keep(&stream, &Progress::default(), &mut events).unwrap();
    let complaint = |settings: &Settings| {
        let resumption = keeper.suspended().unwrap().into_resumption();
        let error = fixture.open(settings, Some(resumption)).err().unwrap();
        assert!(matches!(error, EngineError::Unfit(_)), "{error}");
        error.to_string()
    };
    let missing = complaint(&of("recompute"));
    assert!(missing.ends_with("the tensor cache.embeddings is missing"), "{missing}");
    let small = [
        "context.strategy=unlimited",
        "context.max_seq_len=5",
        "context.reserved_seq_len=1",
        "generation.max_new_tokens=2",
    ];
    let full = complaint(&settings(&small));
    assert!(full.contains("tokens: expected at most 5"), "{full}");
}
