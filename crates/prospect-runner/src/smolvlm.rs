//! The real model of the stream loop: a loaded checkpoint, its processor and one cache.

use prospect_config::{NotTalkThreshold, Sampling};
use prospect_context::{PositionPolicy, Role};
use prospect_model::{
    CacheTail, EvictionPiece, Generator, GeneratorMemory, ImageEmbeddings, KvCache, SmolVlm, StopReason,
    StoredError, StoredTensors, SuspendedSlots, TalkRule,
};
use prospect_processor::{Encoded, Processor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::checkpoint::Checkpoint;
use crate::error::RunError;
use crate::preparation::{PreparedPicture, pixel_values};
use crate::stream_model::{
    AfterPrefill, Evicted, ForkRequest, Generated, ResolvedPiece, ResumedModel, StreamModel, SuspendedModel,
};
use crate::suspend::UnfitError;

/// ProAssist's threshold where a call names none.
const DEFAULT_THRESHOLD: TalkRule = TalkRule::Threshold(0.5);

/// A checkpoint with the cache of one stream.
pub struct SmolVlmStream<'a> {
    model: &'a SmolVlm,
    processor: &'a Processor,
    cache: KvCache,
    generator: Generator,
    talk_rule: TalkRule,
}

impl<'a> SmolVlmStream<'a> {
    /// A stream with an empty cache of at most `max_seq_len` tokens.
    ///
    /// # Errors
    /// The cache cannot be allocated.
    pub fn new(
        checkpoint: &'a Checkpoint,
        max_seq_len: usize,
        positions: PositionPolicy,
        threshold: NotTalkThreshold,
        sampling: Sampling,
    ) -> Result<Self, RunError> {
        let end_of_utterance = checkpoint.processor.special().end_of_utterance;
        Ok(Self {
            model: &checkpoint.model,
            processor: &checkpoint.processor,
            cache: checkpoint.model.new_cache(max_seq_len, positions)?,
            generator: Generator::new(end_of_utterance, sampling_of(sampling))
                .ending_at(checkpoint.processor.ends()),
            talk_rule: match threshold {
                NotTalkThreshold::Argmax => TalkRule::Argmax,
                NotTalkThreshold::Probability(threshold) => TalkRule::Threshold(threshold as f32),
                NotTalkThreshold::Diff(fall) => TalkRule::Fall(fall as f32),
            },
        })
    }

    fn generate(
        &mut self,
        ids: &[u32],
        frame: Option<&ImageEmbeddings>,
        rule: Option<TalkRule>,
        max_new_tokens: usize,
    ) -> Result<prospect_model::Generated, RunError> {
        let chunk = self.model.stream_embed(ids, frame)?;
        Ok(self.generator.generate(self.model, &chunk, &mut self.cache, rule, max_new_tokens)?)
    }
}

/// The settings' way of picking tokens, as the model takes it.
pub(crate) fn sampling_of(sampling: Sampling) -> prospect_model::Sampling {
    match sampling {
        Sampling::Greedy => prospect_model::Sampling::Greedy,
        Sampling::Random { temperature, top_p, seed } => {
            prospect_model::Sampling::Random { temperature, top_p, seed }
        }
    }
}

/// An answer in the making.
pub struct Fork {
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

impl StreamModel for SmolVlmStream<'_> {
    type Prepared = PreparedPicture;
    type Features = ImageEmbeddings;
    type Fork = Fork;

    fn encode(&mut self, picture: PreparedPicture) -> Result<ImageEmbeddings, RunError> {
        match picture {
            PreparedPicture::Scaled(pixels) => Ok(self.model.encode_image(pixel_values(&pixels))?),
            PreparedPicture::Encoded(image) => Ok(self.model.take_image(&image)?),
        }
    }

    fn cache_tokens(&self) -> usize {
        self.cache.len()
    }

    fn step(
        &mut self,
        ids: &[u32],
        frame: Option<&ImageEmbeddings>,
        after: &AfterPrefill,
    ) -> Result<Generated, RunError> {
        let (rule, max_new_tokens) = match after {
            AfterPrefill::Nothing => {
                self.model.prefill(&self.model.stream_embed(ids, frame)?, &mut self.cache)?;
                return Ok(Generated::default());
            }
            AfterPrefill::Decide { max_new_tokens } => (Some(self.talk_rule), *max_new_tokens),
            AfterPrefill::Reply { max_new_tokens } => (None, *max_new_tokens),
        };
        let generated = self.generate(ids, frame, rule, max_new_tokens)?;
        Ok(Generated {
            silent: generated.stop == StopReason::Silence,
            not_talk_probability: rule.map(|_| generated.not_talk_probability),
            token_ids: generated.token_ids,
        })
    }

    fn generate_on_fork(&mut self, request: &ForkRequest<'_, ImageEmbeddings>) -> Result<Vec<u32>, RunError> {
        let length = self.cache.len();
        let rule = request.decide.then_some(DEFAULT_THRESHOLD);
        let generated = self.generate(request.ids, request.frame, rule, request.max_new_tokens);
        self.cache.truncate(length);
        Ok(generated?.token_ids)
    }

    fn fork(&mut self, ids: &[u32]) -> Result<Fork, RunError> {
        let at = self.cache.len();
        Ok(Fork { at, tail: self.cache.take_tail(at)?, next: ids.to_vec() })
    }

    fn continue_fork(&mut self, fork: &mut Fork, max_new_tokens: usize) -> Result<Vec<u32>, RunError> {
        let stream = self.cache.take_tail(fork.at)?;
        let written = self.cache.put_tail(&fork.tail).map_err(RunError::from).and_then(|()| {
            let generated = self.generate(&fork.next, None, None, max_new_tokens)?;
            fork.tail = self.cache.take_tail(fork.at)?;
            Ok(generated.token_ids)
        });
        // The stream goes on in any case.
        self.cache.truncate(fork.at);
        self.cache.put_tail(&stream)?;
        let written = written?;
        fork.next = written.last().copied().into_iter().collect();
        Ok(written)
    }

    fn fork_tokens(&self, fork: &Fork) -> usize {
        fork.at + fork.tail.len()
    }

    fn similarity(&self, one: &ImageEmbeddings, other: &ImageEmbeddings) -> Result<f64, RunError> {
        Ok(one.cosine(other)?)
    }

    fn evict(&mut self, pieces: &[ResolvedPiece], positions: PositionPolicy) -> Result<Evicted, RunError> {
        let keeps_some = pieces.iter().any(|piece| matches!(piece, ResolvedPiece::Keep(_)));
        if keeps_some && positions != self.cache.policy() {
            return Err(RunError::Positions { plan: positions, cache: self.cache.policy() });
        }
        let pieces = pieces.iter().map(|piece| match piece {
            ResolvedPiece::Keep(range) => Ok(EvictionPiece::Keep(range.clone())),
            ResolvedPiece::Tokens(ids) => Ok(EvictionPiece::Tokens(self.model.embed_words(ids)?)),
        });
        let pieces = pieces.collect::<Result<Vec<_>, RunError>>()?;
        let positions_reset = self.model.evict(&mut self.cache, &pieces)?;
        Ok(Evicted { tokens_after: self.cache.len(), positions_reset })
    }

    fn truncate(&mut self, tokens: usize) -> Result<(), RunError> {
        self.cache.truncate(tokens);
        Ok(())
    }

    fn suspend<'a>(
        &'a self,
        fork: Option<&'a Fork>,
        last_frame: Option<&'a ImageEmbeddings>,
    ) -> Result<SuspendedModel<'a>, RunError> {
        let Self { cache, generator, model: _, processor: _, talk_rule: _ } = self;
        let mut tensors = Vec::new();
        let cache = cache.suspend(CACHE, &mut tensors)?;
        let fork = fork.map(|Fork { at, tail, next }| {
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
        &mut self,
        description: &Value,
        tensors: &StoredTensors,
    ) -> Result<ResumedModel<Fork, ImageEmbeddings>, UnfitError> {
        let Memory { generator, cache, fork, last_frame } = Memory::deserialize(description)?;
        self.generator.remember(generator);
        self.cache.resume(CACHE, cache, tensors)?;
        let fork = fork.map(|ForkMemory { at, tail, next }| {
            Ok::<_, StoredError>(Fork { at, tail: self.cache.resume_tail(FORK, tail, tensors)?, next })
        });
        let last_frame = last_frame.then(|| self.model.resume_embeddings(LAST_FRAME, tensors));
        Ok(ResumedModel { fork: fork.transpose()?, last_frame: last_frame.transpose()? })
    }

    fn encode_message(&self, role: Role, text: &str, first: bool) -> Result<Encoded, RunError> {
        Ok(self.processor.encode_message(role, text, first)?)
    }

    fn encode_generation_prompt(&self) -> Result<Encoded, RunError> {
        Ok(self.processor.encode_generation_prompt()?)
    }

    fn encode_frame(&self, time: Option<f64>) -> Result<Encoded, RunError> {
        Ok(self.processor.encode_frame(time)?)
    }

    fn encode_text(&self, text: &str) -> Result<Vec<u32>, RunError> {
        Ok(self.processor.encode_text(text)?)
    }

    fn clean_reply(&self, ids: &[u32]) -> Result<String, RunError> {
        Ok(self.processor.clean_reply(ids)?)
    }

    fn end_of_utterance(&self) -> u32 {
        self.processor.special().end_of_utterance
    }

    fn ends_reply(&self, token: u32) -> bool {
        self.processor.ends().contains(&token)
    }
}
