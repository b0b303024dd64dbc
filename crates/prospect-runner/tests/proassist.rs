//! `configs/proassist.toml` against ProAssist's own loop, recorded on `transformers` (fixtures/goldens/streams): the same
//! token ids and the same cache length at every frame, under every strategy and talk rule that it has.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use prospect_config::{EncodeAhead, Layers, Settings};
use prospect_engine::{
    CheckpointLanguage, Preparation, PreparedPicture, SmolVlmCache, SmolVlmStreams, StreamModel, StreamSetup,
    TalkInput, TalkPart,
};
use prospect_evaluation::annotations::Annotations;
use prospect_model::ImageEmbeddings;
use prospect_runner::checkpoint::Checkpoint;
use prospect_runner::interrupt::Interrupt;
use prospect_runner::strategies::Registry;
use prospect_session::{Done, Event, Evicted, FrameInput, Said, Session, Then, Work};
use prospect_source::SourceOptions;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

const FPS: f64 = 2.0;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/goldens")
}

/// The real model below one session, with the input and output of the last frame.
struct Recorder {
    model: SmolVlmStreams,
    cache: SmolVlmCache,
    features: Option<ImageEmbeddings>,
    input_ids: Vec<u32>,
    output_ids: Vec<u32>,
    cache_length: usize,
    query_ids: Vec<u32>,
    summary_ids: Vec<u32>,
    /// Whether a summary is being generated.
    summarises: bool,
}

impl Recorder {
    /// Does a session's work, in slices of `slice` tokens.
    fn perform(&mut self, work: Work, picture: &mut Option<PreparedPicture>, slice: usize) -> Option<Done> {
        let input = match &work {
            Work::Encode { .. } => {
                let encoded = self.model.encode(picture.take().into_iter().collect()).pop().unwrap();
                self.features = Some(encoded.unwrap());
                return Some(Done::Encoded { similarity: None });
            }
            Work::Evict { pieces, positions } => {
                let positions_reset = self.model.evict(&mut self.cache, pieces, *positions).unwrap();
                let tokens_after = self.model.cache_tokens(&self.cache);
                return Some(Done::Evicted(Evicted { tokens_after, positions_reset, memory_bytes: None }));
            }
            Work::Truncate { tokens } => {
                self.model.truncate(&mut self.cache, *tokens);
                return None;
            }
            Work::Prefill { ids, with_frame, then } => {
                self.summarises = matches!(then, Then::Answer { .. });
                let said = if self.summarises { &mut self.summary_ids } else { &mut self.output_ids };
                said.clear();
                let went_in = if self.summarises { &mut self.query_ids } else { &mut self.input_ids };
                went_in.clone_from(ids);
                let frame = self.features.as_ref().filter(|_| *with_frame);
                TalkInput::Prefill { ids, frame, then: *then }
            }
            Work::Decode => TalkInput::Decode,
            other => panic!("ProAssist's rules have no {other:?}"),
        };
        let mut parts = [TalkPart { cache: &mut self.cache, input }];
        let said: Said = self.model.talk(&mut parts, slice).pop().unwrap().unwrap();
        let all = if self.summarises { &mut self.summary_ids } else { &mut self.output_ids };
        all.extend(&said.token_ids);
        if !self.summarises {
            self.cache_length = self.model.cache_tokens(&self.cache);
        }
        Some(Done::Said(said))
    }
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

/// The preset with the budget, strategy, threshold and texts of a recording.
fn settings(golden: &Value) -> Settings {
    let preset = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/proassist.toml");
    let recorded = &golden["settings"];
    let threshold = match &recorded["not_talk_threshold"] {
        Value::String(text) => text.clone(),
        number => number.to_string(),
    };
    let text = |key: &str| golden[key].as_str().unwrap().to_owned();
    let requests: Vec<String> = recorded["user_frames"]
        .as_array()
        .unwrap()
        .iter()
        .map(|frame| {
            format!("{{ time = {:.1}, text = {:?} }}", frame.as_f64().unwrap() / FPS, text("user_message"))
        })
        .collect();
    [
        format!("model.path={}", fixtures().join(text("checkpoint")).display()),
        format!("context.strategy={}", recorded["strategy"].as_str().unwrap()),
        format!("context.max_seq_len={}", recorded["max_seq_len"]),
        format!("context.reserved_seq_len={}", recorded["reserved_seq_len"]),
        format!("context.drop_middle.last_keep_len={}", recorded["last_keep_len"]),
        format!("context.summarize_and_drop.summary_prompt={}", text("summary_prompt")),
        format!("context.summarize_and_drop.max_summary_len={}", recorded["max_summary_len"]),
        format!("generation.max_new_tokens={}", recorded["max_new_tokens"]),
        format!("stream.not_talk_threshold={threshold}"),
        format!("stream.system_prompt={}", text("system_prompt")),
        format!("stream.requests=[{}]", requests.join(", ")),
    ]
    .iter()
    .try_fold(Layers::new().file(&preset).unwrap(), |layers, set| layers.set(set))
    .and_then(Layers::resolve)
    .unwrap()
}

fn check_probabilities(golden: &Value, events: &[Event], path: &Path) {
    let probabilities =
        golden["frames"].as_array().unwrap().iter().zip(events.iter().filter_map(|event| match event {
            Event::Frame { not_talk_probability, .. } => Some(*not_talk_probability),
            _ => None,
        }));
    for (expected, probability) in probabilities {
        // After a summary the recording holds the summary's probability.
        if expected["summary"].is_null() {
            let difference = f64::from(probability.unwrap()) - expected["not_talk_prob"].as_f64().unwrap();
            assert!(difference.abs() < 1e-4, "{}: {difference}", path.display());
        }
    }
}

fn replay(path: &Path) -> usize {
    let golden: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let settings = settings(&golden);
    let checkpoint = Checkpoint::load(&settings, &Interrupt::default()).unwrap();
    let knowledge = golden["settings"]["knowledge"].as_str().map(str::to_owned);
    let annotations = Annotations { task_knowledge: knowledge, ..Annotations::default() };
    let rule = Registry::default().overflow_rule(&settings.context).unwrap();
    let language = Arc::new(CheckpointLanguage(Arc::clone(&checkpoint.processor)));
    let setup = StreamSetup::new(language, rule, &settings, annotations.guidance());
    let model = SmolVlmStreams::new(Arc::clone(&checkpoint.model), &checkpoint.processor);
    let mut recorder = Recorder {
        cache: model.open(&setup.cache).unwrap(),
        model,
        features: None,
        input_ids: vec![],
        output_ids: vec![],
        cache_length: 0,
        query_ids: vec![],
        summary_ids: vec![],
        summarises: false,
    };
    let folder = fixtures().join("frames").display().to_string();
    let mut frames = prospect_source::open(&folder, SourceOptions::at(FPS)).unwrap();
    let mut preparation =
        Preparation::new(&checkpoint.model, &checkpoint.processor, EncodeAhead::Off).unwrap();
    let mut session = Session::new(setup.language, setup.rule, setup.options).unwrap();
    for (number, expected) in golden["frames"].as_array().unwrap().iter().enumerate() {
        let frame = frames.next_frame().unwrap().unwrap();
        let place = format!("{}, frame {}", path.display(), frame.index);
        let picture = preparation.prepare(&frame.image).unwrap();
        let input = FrameInput {
            index: frame.index,
            time: frame.time,
            fingerprint: picture.fingerprint,
            thumbnail: picture.thumbnail,
            pace: None,
        };
        let (mut picture, mut over) = (Some(picture.prepared), session.frame(input, Duration::ZERO).unwrap());
        while let Some(work) = session.next_work() {
            // The number of tokens per call does not matter.
            if let Some(done) = recorder.perform(work, &mut picture, 1 + number % 5) {
                over = session.done(done, Duration::ZERO).unwrap();
            }
        }
        let cache_tokens = recorder.model.cache_tokens(&recorder.cache);
        assert_eq!(recorder.input_ids, ids(&expected["input_ids"]), "{place}: input");
        assert_eq!(recorder.output_ids, ids(&expected["output_ids"]), "{place}: output");
        assert_eq!(recorder.cache_length as u64, expected["cache_length"], "{place}: cache");
        assert_eq!(cache_tokens as u64, expected["cache_length_after"], "{place}: after");
        let text = over.unwrap().reply.map(|reply| reply.text).unwrap_or_default();
        assert_eq!(text, expected["reply"].as_str().unwrap(), "{place}: reply");
        if let Some(summary) = expected["summary"].as_object() {
            assert_eq!(recorder.query_ids, ids(&summary["query_ids"]), "{place}: summary query");
            assert_eq!(recorder.summary_ids, ids(&summary["summary_ids"]), "{place}: summary");
        }
    }
    let events = session.take_events();
    let overflows = session.statistics().overflows;
    let recorded = golden["frames"].as_array().unwrap().iter();
    assert_eq!(overflows, recorded.filter(|frame| frame["overflow"] == true).count(), "{}", path.display());
    check_probabilities(&golden, &events, path);
    overflows
}

#[test]
fn every_recorded_stream_is_replayed_token_for_token() {
    let mut streams = 0;
    let mut overflows = 0;
    for entry in std::fs::read_dir(fixtures().join("streams")).unwrap() {
        overflows += replay(&entry.unwrap().path());
        streams += 1;
    }
    assert!(streams >= 9 && overflows > streams, "{streams} streams, {overflows} overflows");
}
