//! The real model of an engine: a checkpoint's weights, and a cache for every stream.

use std::sync::{Arc, Mutex, PoisonError};

use prospect_config::{NotTalkThreshold, SamplingSettings};
use prospect_context::PositionPolicy;
use prospect_model::{
    Answers, CacheTail, Embeddings, EvictionPiece, Generation, Generator, GeneratorMemory, ImageEmbeddings,
    Input, KvCache, Next, Part, SmolVlm, StopReason, StoredError, StoredTensors, SuspendedSlots, TalkRule,
    Wanted,
};
use prospect_processor::Processor;
use prospect_session::{ResolvedPiece, Said, Then};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{EngineError, UnfitError};
use crate::preparation::{PreparedPicture, pixel_values};
use crate::stream_model::{CacheOptions, ResumedModel, StreamModel, SuspendedModel, TalkInput, TalkPart};

/// ProAssist's threshold where a call names none.
const DEFAULT_THRESHOLD: TalkRule = TalkRule::Threshold(0.5);

/// A checkpoint whose streams an engine serves.
pub struct SmolVlmStreams {
    model: Arc<SmolVlm>,
    /// The id that is both silence and the end of an utterance.
    end_of_utterance: u32,
    /// Every id that ends a reply.
    ends: Vec<u32>,
    /// Memory that lives from slice to slice.
    answers: Mutex<Answers>,
}

/// The cache of one stream.
pub struct SmolVlmCache {
    cache: KvCache,
    generator: Generator,
    talk_rule: TalkRule,
    /// The reply in the making.
    generation: Option<Generation>,
    fork: Option<Fork>,
}

impl SmolVlmStreams {
    /// The streams of a checkpoint.
    pub fn new(model: Arc<SmolVlm>, processor: &Processor) -> Self {
        Self::ending_at(model, processor.special().end_of_utterance, processor.ends())
    }

    /// The streams of a model without a tokenizer: `end_of_utterance` is silence, and it or any of `ends` ends a reply.
    pub fn ending_at(model: Arc<SmolVlm>, end_of_utterance: u32, ends: &[u32]) -> Self {
        Self { model, end_of_utterance, ends: ends.to_vec(), answers: Mutex::default() }
    }

    /// The weights.
    pub fn model(&self) -> &SmolVlm {
        &self.model
    }
}

/// The settings' way of picking tokens, as the model takes it.
pub fn sampling_of(sampling: SamplingSettings) -> prospect_model::Sampling {
    match sampling {
        SamplingSettings::Greedy => prospect_model::Sampling::Greedy,
        SamplingSettings::Random { temperature, top_p, seed } => {
            prospect_model::Sampling::Random { temperature, top_p, seed }
        }
    }
}

/// The settings' threshold, as the model takes it.
fn talk_rule_of(threshold: NotTalkThreshold) -> TalkRule {
    match threshold {
        NotTalkThreshold::Argmax => TalkRule::Argmax,
        NotTalkThreshold::Probability(threshold) => TalkRule::Threshold(threshold as f32),
        NotTalkThreshold::Diff(fall) => TalkRule::Fall(fall as f32),
    }
}

/// An answer in the making.
struct Fork {
    /// Cache length where it branches off.
    at: usize,
    /// Its own tokens, while the stream goes on.
    tail: CacheTail,
    /// What goes in next: the question, then the last token of the answer.
    next: Vec<u32>,
}

/// What of a suspended stream is no tensor.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Memory {
    generator: GeneratorMemory,
    cache: SuspendedSlots,
    fork: Option<ForkMemory>,
    /// Whether the features of the frame before are among the tensors.
    last_frame: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ForkMemory {
    at: usize,
    tail: SuspendedSlots,
    next: Vec<u32>,
}

/// Names of tensors in the file, and what they begin with.
const CACHE: &str = "cache";
const FORK: &str = "fork";
const LAST_FRAME: &str = "last_frame";

/// A part of a slice, on its way through the passes.
struct Speaking {
    /// What goes in first, of a part that does not go on with a word.
    chunk: Option<Embeddings>,
    /// What is said; `None` where the chunk only goes in.
    generation: Option<Generation>,
    /// Tokens that were said before this slice.
    before: usize,
    /// The stream's own tokens, while its fork is answered.
    set_aside: Option<CacheTail>,
    is_done: bool,
}

impl Speaking {
    fn chunk(chunk: Embeddings, generation: Option<Generation>) -> Self {
        Self { chunk: Some(chunk), generation, before: 0, set_aside: None, is_done: false }
    }

    /// What goes into the next pass, if it has a part in it: `most` tokens have been said at most by then.
    fn input(&self, most: usize) -> Option<Input<'_>> {
        if self.is_done {
            return None;
        }
        if let Some(chunk) = &self.chunk {
            return Some(Input::Chunk(chunk));
        }
        let generation = self.generation.as_ref()?;
        match generation.next() {
            Next::Word(id) if generation.token_ids().len() < self.before + most => Some(Input::Word(id)),
            _ => None,
        }
    }
}

impl SmolVlmStreams {
    /// What a part of a slice begins with.
    fn begin(
        &self,
        cache: &mut SmolVlmCache,
        input: &TalkInput<'_, ImageEmbeddings>,
        most: usize,
    ) -> Result<Speaking, EngineError> {
        match *input {
            TalkInput::Prefill { ids, frame, then } => {
                let chunk = self.model.stream_embed(ids, frame)?;
                let (rule, max_new_tokens) = match then {
                    Then::Nothing => return Ok(Speaking::chunk(chunk, None)),
                    Then::Decide { max_new_tokens } => (Some(cache.talk_rule), max_new_tokens),
                    Then::Reply { max_new_tokens } => (None, max_new_tokens),
                    Then::Answer { max_new_tokens, may_be_silent } => {
                        (may_be_silent.then_some(DEFAULT_THRESHOLD), max_new_tokens)
                    }
                };
                Ok(Speaking::chunk(chunk, Some(cache.generator.begin(rule, max_new_tokens))))
            }
            TalkInput::Decode => {
                let generation = cache.generation.take();
                let before = generation.as_ref().map_or(0, |generation| generation.token_ids().len());
                Ok(Speaking { chunk: None, generation, before, set_aside: None, is_done: false })
            }
            TalkInput::Fork { max_new_tokens } => {
                let Some(fork) = &cache.fork else { return Ok(Speaking::nothing()) };
                let chunk = self.model.stream_embed(&fork.next, None)?;
                let set_aside = cache.cache.take_tail(fork.at)?;
                let generation = cache.generator.begin(None, max_new_tokens.min(most));
                let speaking = Speaking::chunk(chunk, Some(generation));
                match cache.cache.put_tail(&fork.tail) {
                    Ok(()) => Ok(Speaking { set_aside: Some(set_aside), ..speaking }),
                    Err(error) => {
                        // The stream goes on in any case.
                        cache.cache.truncate(fork.at);
                        cache.cache.put_tail(&set_aside)?;
                        Err(error.into())
                    }
                }
            }
        }
    }

    /// One pass over everybody who has something to put in; whether anybody had.
    fn pass(
        &self,
        parts: &mut [TalkPart<'_, Self>],
        speaking: &mut [Result<Speaking, EngineError>],
        answers: &mut Answers,
        most: usize,
    ) -> bool {
        let mut passing: Vec<Part<'_>> = Vec::with_capacity(parts.len());
        for (part, speaking) in parts.iter_mut().zip(speaking.iter()) {
            let Ok(speaking) = speaking else { continue };
            if let Some(input) = speaking.input(most) {
                let generation = speaking.generation.as_ref();
                // A chunk that only goes in is looked at all the same: a number that is none is an error.
                let wanted = generation.map_or(Wanted::Likeliest, |of| of.wanted(&part.cache.generator));
                passing.push(Part { input, wanted, cache: &mut part.cache.cache });
            }
        }
        if passing.is_empty() {
            return false;
        }
        let passed = self.model.pass(&mut passing, answers).map_err(|error| error.to_string());
        drop(passing);
        let mut found = answers.drain();
        for (part, slot) in parts.iter_mut().zip(speaking.iter_mut()) {
            let Ok(speaking) = slot else { continue };
            if speaking.input(most).is_none() {
                continue;
            }
            let taken = match (&passed, found.next()) {
                (Ok(()), Some(Ok(found))) => {
                    speaking.chunk = None;
                    let room = part.cache.cache.room();
                    match &mut speaking.generation {
                        Some(generation) => generation
                            .take(&mut part.cache.generator, found, room)
                            .map_err(|error| EngineError::Model(error.into())),
                        None => {
                            speaking.is_done = true;
                            Ok(())
                        }
                    }
                }
                (Ok(()), Some(Err(error))) => Err(error.into()),
                (Ok(()), None) | (Err(_), _) => Err(EngineError::Pass {
                    problem: passed.clone().err().unwrap_or_else(|| "a part has no answer".to_owned()),
                }),
            };
            if let Err(error) = taken {
                let mut failed = std::mem::replace(slot, Err(error));
                if let Ok(speaking) = &mut failed {
                    put_back(part.cache, speaking);
                }
            }
        }
        true
    }

    /// What was said in the slice; the cache is as the session knows it afterwards.
    fn end(&self, cache: &mut SmolVlmCache, mut speaking: Speaking) -> Result<Said, EngineError> {
        let of_fork = speaking.set_aside.is_some();
        if of_fork && let Some(fork) = &mut cache.fork {
            fork.tail = cache.cache.take_tail(fork.at)?;
        }
        put_back(cache, &mut speaking);
        let Some(generation) = speaking.generation else {
            return Ok(Said { is_finished: true, ..Said::default() });
        };
        let token_ids = generation.token_ids()[speaking.before..].to_vec();
        let (stop, decided) = (generation.stop(), generation.decided());
        if of_fork {
            if let Some(fork) = &mut cache.fork {
                fork.next = token_ids.last().copied().into_iter().collect();
            }
            return Ok(Said { token_ids, is_finished: stop.is_some(), ..Said::default() });
        }
        if stop.is_none() {
            cache.generation = Some(generation);
        }
        Ok(Said {
            token_ids,
            is_finished: stop.is_some(),
            silent: stop == Some(StopReason::Silence),
            not_talk_probability: decided.filter(|_| speaking.before == 0),
        })
    }
}

impl Speaking {
    fn nothing() -> Self {
        Self { chunk: None, generation: None, before: 0, set_aside: None, is_done: true }
    }
}

/// Puts a stream's own tokens back where its fork's stood.
fn put_back(cache: &mut SmolVlmCache, speaking: &mut Speaking) {
    if let (Some(set_aside), Some(fork)) = (speaking.set_aside.take(), &cache.fork) {
        cache.cache.truncate(fork.at);
        // They stood there before.
        let _ = cache.cache.put_tail(&set_aside);
    }
}

impl StreamModel for SmolVlmStreams {
    type PreparedPicture = PreparedPicture;
    type Features = ImageEmbeddings;
    type Cache = SmolVlmCache;

    fn open(&self, options: &CacheOptions) -> Result<SmolVlmCache, EngineError> {
        let generator = Generator::new(self.end_of_utterance, sampling_of(options.sampling));
        Ok(SmolVlmCache {
            cache: self.model.new_cache(options.max_seq_len, options.positions)?,
            generator: generator.ending_at(&self.ends),
            talk_rule: talk_rule_of(options.threshold),
            generation: None,
            fork: None,
        })
    }

    fn cache_bytes(&self, options: &CacheOptions) -> u64 {
        (options.max_seq_len * self.model.cache_bytes_per_token(options.positions)) as u64
    }

    fn cache_tokens(&self, cache: &SmolVlmCache) -> usize {
        cache.cache.len()
    }

    fn encode(&self, pictures: Vec<PreparedPicture>) -> Vec<Result<ImageEmbeddings, EngineError>> {
        let encode = |picture| match picture {
            PreparedPicture::Scaled(pixels) => Ok(self.model.encode_image(pixel_values(&pixels))?),
            PreparedPicture::Encoded(image) => Ok(self.model.take_image(&image)?),
        };
        pictures.into_iter().map(encode).collect()
    }

    fn similarity(&self, one: &ImageEmbeddings, other: &ImageEmbeddings) -> Result<f64, EngineError> {
        Ok(one.cosine(other)?)
    }

    fn talk(&self, parts: &mut [TalkPart<'_, Self>], most: usize) -> Vec<Result<Said, EngineError>> {
        // What a pass left there that failed is of no use to the next one, and does it no harm.
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut speaking: Vec<_> =
            parts.iter_mut().map(|part| self.begin(part.cache, &part.input, most)).collect();
        while self.pass(parts, &mut speaking, &mut answers, most) {}
        let end = |(part, speaking): (&mut TalkPart<'_, Self>, Result<Speaking, EngineError>)| {
            self.end(part.cache, speaking?)
        };
        parts.iter_mut().zip(speaking).map(end).collect()
    }

    fn set_threshold(&self, cache: &mut SmolVlmCache, threshold: NotTalkThreshold) {
        cache.talk_rule = talk_rule_of(threshold);
    }

    fn cut_reply(&self, cache: &mut SmolVlmCache) {
        cache.generation = None;
    }

    fn fork(&self, cache: &mut SmolVlmCache, ids: Vec<u32>) -> Result<(), EngineError> {
        let at = cache.cache.len();
        cache.fork = Some(Fork { at, tail: cache.cache.take_tail(at)?, next: ids });
        Ok(())
    }

    fn drop_fork(&self, cache: &mut SmolVlmCache) {
        cache.fork = None;
    }

    fn evict(
        &self,
        cache: &mut SmolVlmCache,
        pieces: &[ResolvedPiece],
        positions: PositionPolicy,
    ) -> Result<bool, EngineError> {
        let cache = &mut cache.cache;
        let keeps_some = pieces.iter().any(|piece| matches!(piece, ResolvedPiece::Keep(_)));
        if keeps_some && positions != cache.policy() {
            return Err(EngineError::Positions { plan: positions, cache: cache.policy() });
        }
        let pieces = pieces.iter().map(|piece| match piece {
            ResolvedPiece::Keep(range) => Ok(EvictionPiece::Keep(range.clone())),
            ResolvedPiece::Tokens(ids) => Ok(EvictionPiece::Tokens(self.model.embed_words(ids)?)),
        });
        let pieces = pieces.collect::<Result<Vec<_>, EngineError>>()?;
        Ok(self.model.evict(cache, &pieces)?)
    }

    fn truncate(&self, cache: &mut SmolVlmCache, tokens: usize) {
        cache.cache.truncate(tokens);
    }

    fn suspend<'a>(
        &self,
        cache: &'a SmolVlmCache,
        last_frame: Option<&'a ImageEmbeddings>,
    ) -> Result<SuspendedModel<'a>, EngineError> {
        // Between two frames nothing is being said.
        let SmolVlmCache { cache, generator, talk_rule: _, generation: _, fork } = cache;
        let mut tensors = Vec::new();
        let cache = cache.suspend(CACHE, &mut tensors)?;
        let fork = fork.as_ref().map(|Fork { at, tail, next }| {
            let tail = tail.suspend(FORK, &mut tensors)?;
            Ok::<_, StoredError>(ForkMemory { at: *at, tail, next: next.clone() })
        });
        let fork = fork.transpose()?;
        if let Some(features) = last_frame {
            tensors.push(features.suspend(LAST_FRAME)?);
        }
        let last_frame = last_frame.is_some();
        let memory = Memory { generator: generator.memory(), cache, fork, last_frame };
        // Plain numbers always become JSON.
        Ok(SuspendedModel { description: serde_json::to_value(memory).unwrap_or_default(), tensors })
    }

    fn resume(
        &self,
        cache: &mut SmolVlmCache,
        description: &Value,
        tensors: &StoredTensors,
    ) -> Result<ResumedModel<ImageEmbeddings>, UnfitError> {
        let Memory { generator, cache: slots, fork, last_frame } = Memory::deserialize(description)?;
        cache.generator.remember(generator);
        cache.cache.resume(CACHE, slots, tensors)?;
        let fork = fork.map(|ForkMemory { at, tail, next }| {
            Ok::<_, StoredError>(Fork { at, tail: cache.cache.resume_tail(FORK, tail, tensors)?, next })
        });
        cache.fork = fork.transpose()?;
        let last_frame = last_frame.then(|| self.model.resume_embeddings(LAST_FRAME, tensors));
        Ok(ResumedModel { fork: cache.fork.is_some(), last_frame: last_frame.transpose()? })
    }
}
