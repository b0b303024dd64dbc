//! The Llama decoder over tensors.

use candle_core::{DType, Tensor};

use super::attention::Causal;
use super::fused::{Decoding, Fused, Step};
use super::layers::{Linear, RmsNorm, gated, wide};
use super::weights::OnDevice;
use crate::cache::KvCache;
use crate::cpu::{Chunk, table_and_head};
use crate::error::{ModelError, Result};
use crate::layer_weights::{DecoderLayer, Part};
use crate::placement::{Compute, Kernels};
use crate::rotary::Rotary;
use crate::sampling::Choice;
use crate::text_config::TextConfig;

/// Slots that a captured step reaches further than the one before it.
const REACH: usize = 256;
/// No vocabulary has it.
const NO_WORD: u32 = u32::MAX;

type Layer = DecoderLayer<RmsNorm, Linear>;

/// The decoder with its embedding table and head.
pub(crate) struct Decoder {
    config: TextConfig,
    compute: Compute,
    fused: Option<Fused>,
    embed_tokens: Tensor,
    layers: Vec<Layer>,
    norm: RmsNorm,
    lm_head: Linear,
    rotary: Rotary,
}

impl Decoder {
    pub(crate) fn load(weights: &OnDevice<'_>, config: &TextConfig, tied: bool) -> Result<Self> {
        let prefix = "model.text_model";
        if weights.compute.placement.kernels == Kernels::Graph {
            Causal::check_steps(weights.compute, config.head_dim())?;
        }
        let (table, head) = table_and_head(weights.weights, tied);
        let read =
            |name: &str| weights.get(&format!("{name}.weight"), &[config.vocab_size, config.hidden_size]);
        let embed_tokens = read(table)?;
        let head = if head == table { embed_tokens.clone() } else { read(head)? };
        let norm = |name: &str| RmsNorm::load(weights, name, config.hidden_size, config.rms_norm_eps);
        let linear = |parts: &[Part], input| Linear::stacked(weights, parts, input, false);
        let layer = |name: &str| Layer::read(config, name, norm, linear);
        Ok(Self {
            config: config.clone(),
            compute: weights.compute.clone(),
            fused: Fused::of(weights.compute),
            embed_tokens,
            layers: (0..config.num_hidden_layers)
                .map(|index| layer(&format!("{prefix}.layers.{index}")))
                .collect::<Result<_>>()?,
            norm: norm(&format!("{prefix}.norm"))?,
            lm_head: Linear::of(weights, head, None)?,
            rotary: Rotary::new(
                config.head_dim(),
                config.rope_theta(),
                config.max_position_embeddings,
                weights.compute,
            )?,
        })
    }

    pub(crate) fn rotary(&self) -> &Rotary {
        &self.rotary
    }

    /// Bytes of weights that every token reads.
    pub(crate) fn weight_bytes(&self) -> usize {
        let layers = self.layers.iter().flat_map(Layer::linears);
        layers.chain([&self.lm_head]).map(Linear::weight_bytes).sum()
    }

    /// Embeddings of token ids, `[tokens, hidden]`.
    pub(crate) fn embed(&self, ids: &[u32]) -> Result<Tensor> {
        Ok(self.embed_tokens.index_select(&Tensor::new(ids, &self.compute.device)?, 0)?)
    }

    /// Runs a chunk behind what `cache` holds and leaves its tokens in it. The logits of its last `rows` tokens, `[rows, vocab]`,
    /// replace what is in `logits`.
    pub(crate) fn forward(
        &self,
        chunk: Chunk<'_>,
        cache: &mut KvCache,
        rows: usize,
        logits: &mut Vec<f32>,
    ) -> Result<()> {
        let hidden = self.hidden_states(chunk, cache)?;
        logits.clear();
        if rows > 0 {
            *logits = self.logits(&hidden, rows)?.flatten_all()?.to_vec1()?;
        }
        Ok(())
    }

    /// Runs a chunk as [`Self::forward`] does and returns what is known of the word that follows it: a few numbers come back from the
    /// device. `None` if a logit is not finite; or, with the cache as it was, where there are no kernels for that.
    pub(crate) fn choose(
        &self,
        chunk: Chunk<'_>,
        cache: &mut KvCache,
        silence: u32,
    ) -> Result<Option<Choice>> {
        if self.fused.is_none() {
            return Ok(None);
        }
        let hidden = self.hidden_states(chunk, cache)?;
        let decoding = decoding_of(cache)?;
        decoding.choose(&self.logits(&hidden, 1)?, silence)?;
        decoding.choice()
    }

    /// Puts one word into the cache and returns the likeliest that follows, or `None` if a logit is not finite.
    pub(crate) fn likeliest(&self, id: u32, cache: &mut KvCache) -> Result<Option<u32>> {
        if let Some(fused) = self.fused {
            // No word is silence: nothing but the likeliest is asked for.
            let choice = match self.compute.placement.kernels {
                Kernels::Graph => self.captured_step(fused, id, cache)?,
                _ => self.choose(Chunk::Words(&[id]), cache, NO_WORD)?,
            };
            return Ok(choice.map(|choice| choice.likeliest));
        }
        let hidden = self.hidden_states(Chunk::Words(&[id]), cache)?;
        let logits = self.logits(&hidden, 1)?.flatten_all()?;
        // Ids are whole numbers in f32: a vocabulary has less than 2^24 tokens. Nothing but a finite number times 0 is 0.
        let likeliest = logits.argmax(0)?.to_dtype(DType::F32)?;
        let nothing = (logits * 0.0)?.sum_all()?;
        let both: Vec<f32> = Tensor::stack(&[likeliest, nothing], 0)?.to_vec1()?;
        Ok((both[1] == 0.0).then_some(both[0] as u32))
    }

    /// As [`Self::choose`] of one word, by work that is captured once for every [`REACH`] slots and asked for as a whole.
    fn captured_step(&self, fused: Fused, id: u32, cache: &mut KvCache) -> Result<Option<Choice>> {
        let (position, slot) = (cache.next_position(), cache.len());
        self.check(cache, 1)?;
        if cache.keeps_embeddings() {
            cache.keep_embedding_rows(&self.embed(&[id])?)?;
        }
        let reach = (slot + 1).next_multiple_of(REACH).min(cache.capacity());
        let causal = Causal::of_step(&self.compute, self.config.head_dim(), slot, reach)?;
        // Out of the cache, which the work reads.
        let mut decoding = cache.take_decoding().ok_or_else(foreign_cache)?;
        let work = |decoding: &Decoding| {
            let x = fused.embed_word(&self.embed_tokens, decoding.step())?;
            let x = self.layers(x, cache, Some(decoding.step()), &causal)?;
            decoding.choose(&self.logits(&x, 1)?, NO_WORD)
        };
        let kept = || self.tensors().chain(cache.tensors()).cloned().collect();
        let asked_for = decoding
            .start(id, position, slot)
            .and_then(|()| decoding.again(reach, kept, work))
            .and_then(|()| decoding.choice());
        cache.put_decoding(decoding);
        let choice = asked_for?;
        cache.commit(1);
        Ok(choice)
    }

    /// Everything that a token reads.
    fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        let (cosines, sines) = self.rotary.tables();
        let layers = self.layers.iter().flat_map(|layer| {
            let norms = [&layer.input_layernorm, &layer.post_attention_layernorm].map(RmsNorm::weight);
            norms.into_iter().chain(layer.linears().map(Linear::weight))
        });
        layers.chain([&self.embed_tokens, self.norm.weight(), self.lm_head.weight(), cosines, sines])
    }

    /// Logits of the last `rows` tokens in f32, `[rows, vocab]`.
    fn logits(&self, hidden: &Tensor, rows: usize) -> Result<Tensor> {
        let last = hidden.narrow(0, hidden.dim(0)? - rows, rows)?;
        self.lm_head.forward_wide(&self.norm.forward(&last.contiguous()?)?)
    }

    /// The residual stream behind the last layer, `[tokens, hidden]`, in f32.
    fn hidden_states(&self, chunk: Chunk<'_>, cache: &mut KvCache) -> Result<Tensor> {
        let tokens = match chunk {
            Chunk::Words(ids) => ids.len(),
            Chunk::Embeddings(embeddings) => embeddings.dim(0)?,
        };
        self.check(cache, tokens)?;
        if let Chunk::Embeddings(embeddings) = chunk {
            self.compute.check_own(embeddings)?;
        }
        let x = self.residual(chunk, cache)?;
        let causal = Causal::new(&self.compute, self.config.head_dim(), tokens, cache.len())?;
        let x = self.layers(x, cache, cache.decoding().map(Decoding::step), &causal)?;
        cache.commit(tokens);
        Ok(x)
    }

    /// Whether so many tokens can go into the cache.
    fn check(&self, cache: &KvCache, tokens: usize) -> Result<()> {
        if let Some(side) = cache.tensors().next() {
            self.compute.check_own(side)?;
        }
        cache.check_room(tokens)?;
        self.rotary.check(cache.next_position(), tokens)
    }

    /// What the residual stream of a chunk begins with, in f32: a tensor of its own.
    fn residual(&self, chunk: Chunk<'_>, cache: &mut KvCache) -> Result<Tensor> {
        if let Some(fused) = self.fused {
            let (position, slot) = (cache.next_position(), cache.len());
            let word = match chunk {
                Chunk::Words([id]) if !cache.keeps_embeddings() => Some(*id),
                _ => None,
            };
            let decoding = cache.decoding_mut().ok_or_else(foreign_cache)?;
            decoding.start(word.unwrap_or_default(), position, slot)?;
            if word.is_some() {
                return fused.embed_word(&self.embed_tokens, decoding.step());
            }
        }
        let embeddings = match chunk {
            Chunk::Words(ids) => self.embed(ids)?,
            Chunk::Embeddings(embeddings) => embeddings.clone(),
        };
        cache.keep_embedding_rows(&embeddings)?;
        wide(&embeddings)
    }

    /// `step` is where our kernels find the place of the chunk.
    fn layers(&self, mut x: Tensor, cache: &KvCache, step: Option<&Step>, causal: &Causal) -> Result<Tensor> {
        for (index, layer) in self.layers.iter().enumerate() {
            let normed = layer.input_layernorm.forward(&x)?;
            x = layer.o_proj.add_to(
                x,
                &self.attention(
                    layer,
                    &normed,
                    cache.sides(index),
                    (cache.next_position(), cache.len()),
                    step,
                    causal,
                )?,
            )?;
            let normed = layer.post_attention_layernorm.forward(&x)?;
            let gated = gated(&layer.gate_up_proj.forward(&normed)?, self.config.hidden_act, self.fused)?;
            x = layer.down_proj.add_to(x, &gated)?;
        }
        Ok(x)
    }

    /// Puts a layer's keys and values into its sides of the cache and returns what its heads see, `[tokens, heads * head_dim]`.
    fn attention(
        &self,
        layer: &Layer,
        x: &Tensor,
        sides: (&Tensor, &Tensor),
        (position, slot): (usize, usize),
        step: Option<&Step>,
        causal: &Causal,
    ) -> Result<Tensor> {
        let (heads, kv_heads) = (self.config.num_attention_heads, self.config.kv_heads());
        let tokens = x.dim(0)?;
        let qkv = layer.qkv_proj.forward(x)?;
        let queries = match (self.fused, step) {
            (Some(fused), Some(step)) => {
                let queries = fused.turn_into_cache(&qkv, self.rotary.tables(), step, sides, heads)?;
                queries.unsqueeze(0)?.transpose(1, 2)?
            }
            _ => {
                let qkv = qkv.reshape((1, tokens, heads + 2 * kv_heads, self.config.head_dim()))?;
                let by_head = |start, count| qkv.narrow(2, start, count)?.transpose(1, 2)?.contiguous();
                let turned = self.rotary.apply(&by_head(0, heads + kv_heads)?, position)?;
                sides.0.slice_set(&turned.narrow(1, heads, kv_heads)?.contiguous()?, 2, slot)?;
                sides.1.slice_set(&by_head(heads + kv_heads, kv_heads)?, 2, slot)?;
                turned.narrow(1, 0, heads)?
            }
        };
        causal.forward(&queries, sides, step)
    }
}

fn decoding_of(cache: &KvCache) -> Result<&Decoding> {
    cache.decoding().ok_or_else(foreign_cache)
}

/// Only caches of this device have what our kernels need besides.
fn foreign_cache() -> ModelError {
    candle_core::Error::msg("a cache of another type than the model's").into()
}
