//! `configs/proassist.toml` against ProAssist's own loop, recorded on `transformers` (fixtures/goldens/streams): the same
//! token ids and the same cache length at every frame, under every strategy and talk rule that it has.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use prospect_config::{EncodeAhead, Layers, Settings};
use prospect_context::{PositionPolicy, Role};
use prospect_model::StoredTensors;
use prospect_processor::Encoded;
use prospect_runner::annotations::Annotations;
use prospect_runner::checkpoint::Checkpoint;
use prospect_runner::error::RunError;
use prospect_runner::preparation::Preparation;
use prospect_runner::session::{Session, SessionOptions};
use prospect_runner::smolvlm::SmolVlmStream;
use prospect_runner::source::{self, SourceOptions};
use prospect_runner::strategies::Registry;
use prospect_runner::stream_model::{
    AfterPrefill, Evicted, ForkRequest, Generated, ResolvedPiece, ResumedModel, StreamModel, SuspendedModel,
};
use prospect_runner::suspend::UnfitError;
use prospect_runner::trace::Event;
use serde_json::Value;

const FPS: f64 = 2.0;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/goldens")
}

/// Passes everything on and remembers what went in and came out.
struct Recorder<M> {
    model: M,
    input_ids: Vec<u32>,
    output_ids: Vec<u32>,
    cache_length: usize,
    query_ids: Vec<u32>,
    summary_ids: Vec<u32>,
}

impl<M: StreamModel> StreamModel for Recorder<M> {
    type Prepared = M::Prepared;
    type Features = M::Features;
    type Fork = M::Fork;

    fn encode(&mut self, picture: M::Prepared) -> Result<M::Features, RunError> {
        self.model.encode(picture)
    }

    fn cache_tokens(&self) -> usize {
        self.model.cache_tokens()
    }

    fn step(
        &mut self,
        ids: &[u32],
        frame: Option<&M::Features>,
        after: &AfterPrefill,
    ) -> Result<Generated, RunError> {
        let generated = self.model.step(ids, frame, after)?;
        self.input_ids = ids.to_vec();
        self.output_ids.clone_from(&generated.token_ids);
        self.cache_length = self.model.cache_tokens();
        Ok(generated)
    }

    fn generate_on_fork(&mut self, request: &ForkRequest<'_, M::Features>) -> Result<Vec<u32>, RunError> {
        self.query_ids = request.ids.to_vec();
        self.summary_ids = self.model.generate_on_fork(request)?;
        Ok(self.summary_ids.clone())
    }

    fn fork(&mut self, ids: &[u32]) -> Result<M::Fork, RunError> {
        self.model.fork(ids)
    }

    fn continue_fork(&mut self, fork: &mut M::Fork, max_new_tokens: usize) -> Result<Vec<u32>, RunError> {
        self.model.continue_fork(fork, max_new_tokens)
    }

    fn fork_tokens(&self, fork: &M::Fork) -> usize {
        self.model.fork_tokens(fork)
    }

    fn similarity(&self, one: &M::Features, other: &M::Features) -> Result<f64, RunError> {
        self.model.similarity(one, other)
    }

    fn evict(&mut self, pieces: &[ResolvedPiece], positions: PositionPolicy) -> Result<Evicted, RunError> {
        self.model.evict(pieces, positions)
    }

    fn truncate(&mut self, tokens: usize) -> Result<(), RunError> {
        self.model.truncate(tokens)
    }

    fn suspend<'a>(
        &'a self,
        fork: Option<&'a M::Fork>,
        last_frame: Option<&'a M::Features>,
    ) -> Result<SuspendedModel<'a>, RunError> {
        self.model.suspend(fork, last_frame)
    }

    fn resume(
        &mut self,
        description: &Value,
        tensors: &StoredTensors,
    ) -> Result<ResumedModel<M::Fork, M::Features>, UnfitError> {
        self.model.resume(description, tensors)
    }

    fn encode_message(&self, role: Role, text: &str, first: bool) -> Result<Encoded, RunError> {
        self.model.encode_message(role, text, first)
    }

    fn encode_generation_prompt(&self) -> Result<Encoded, RunError> {
        self.model.encode_generation_prompt()
    }

    fn encode_frame(&self, time: Option<f64>) -> Result<Encoded, RunError> {
        self.model.encode_frame(time)
    }

    fn encode_text(&self, text: &str) -> Result<Vec<u32>, RunError> {
        self.model.encode_text(text)
    }

    fn clean_reply(&self, ids: &[u32]) -> Result<String, RunError> {
        self.model.clean_reply(ids)
    }

    fn end_of_utterance(&self) -> u32 {
        self.model.end_of_utterance()
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

fn replay(path: &Path) -> usize {
    let golden: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let settings = settings(&golden);
    let checkpoint = Checkpoint::load(&settings).unwrap();
    let knowledge = golden["settings"]["knowledge"].as_str().map(str::to_owned);
    let annotations = Annotations { task_knowledge: knowledge, ..Annotations::default() };
    let rule = Registry::default().context_rule(&settings.context).unwrap();
    let options = SessionOptions::new(&settings, Some(&annotations));
    let model = SmolVlmStream::new(
        &checkpoint,
        options.max_seq_len,
        rule.positions(),
        settings.stream.not_talk_threshold,
        settings.generation.sampling,
    );
    let mut model = Recorder {
        model: model.unwrap(),
        input_ids: vec![],
        output_ids: vec![],
        cache_length: 0,
        query_ids: vec![],
        summary_ids: vec![],
    };
    let folder = fixtures().join("frames").display().to_string();
    let mut frames = source::open(&folder, SourceOptions::at(FPS)).unwrap();
    let mut preparation = Preparation::new(&checkpoint, EncodeAhead::Off).unwrap();
    let mut events: Vec<Event> = Vec::new();
    let mut session = Session::new(&mut model, &rule, &options, Some(&annotations), &mut events).unwrap();
    for expected in golden["frames"].as_array().unwrap() {
        let frame = frames.next_frame().unwrap().unwrap();
        let place = format!("{}, frame {}", path.display(), frame.index);
        let reply = session.frame(&frame, preparation.prepare(&frame.image).unwrap()).unwrap();
        let recorded = session.model();
        assert_eq!(recorded.input_ids, ids(&expected["input_ids"]), "{place}: input");
        assert_eq!(recorded.output_ids, ids(&expected["output_ids"]), "{place}: output");
        assert_eq!(recorded.cache_length as u64, expected["cache_length"], "{place}: cache");
        assert_eq!(recorded.cache_tokens() as u64, expected["cache_length_after"], "{place}: after");
        let text = reply.map(|reply| reply.text).unwrap_or_default();
        assert_eq!(text, expected["reply"].as_str().unwrap(), "{place}: reply");
        if let Some(summary) = expected["summary"].as_object() {
            assert_eq!(recorded.query_ids, ids(&summary["query_ids"]), "{place}: summary query");
            assert_eq!(recorded.summary_ids, ids(&summary["summary_ids"]), "{place}: summary");
        }
    }
    let overflows = session.finish().unwrap().overflows;
    let recorded = golden["frames"].as_array().unwrap().iter();
    assert_eq!(overflows, recorded.filter(|frame| frame["overflow"] == true).count(), "{}", path.display());
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
