//! The Llama decoder over buffers: grouped-query attention over the cache where it lies.

use candle_core::Tensor;

use super::activation::gate;
use super::elementwise::{rms_norm, rotate};
use super::lend::{CacheRows, Sides, Spare, sized, with_floats, with_sides};
use super::load::{Table, floats, layers, stacked};
use super::stage::{for_rows, in_pool};
use crate::attention::{Heads, Inputs, Mask, Scratch, attend};
use crate::cache::KvCache;
use crate::error::{ModelError, Result};
use crate::layer_weights::DecoderLayer;
use crate::linear::{PackedLinear, Precision};
use crate::placement::Compute;
use crate::rotary::Rotary;
use crate::text_config::TextConfig;
use crate::weights::Weights;

type Layer = DecoderLayer<Vec<f32>, PackedLinear>;

/// The decoder with its embedding table and head.
pub(crate) struct Decoder {
    config: TextConfig,
    /// `None` where the head has the same weights, and has them exactly.
    embed_tokens: Option<Table>,
    layers: Vec<Layer>,
    norm: Vec<f32>,
    lm_head: PackedLinear,
    rotary: Rotary,
    buffers: Spare<Buffers>,
}

#[derive(Debug, Default)]
struct Buffers {
    /// The residual stream, `[tokens, hidden]`.
    x: Vec<f32>,
    /// `[tokens, (heads + 2 * kv_heads) * head_dim]`
    qkv: Vec<f32>,
    /// What attention mixes, `[tokens, heads * head_dim]`.
    mixed: Vec<f32>,
    /// `[rows of logits, hidden]`
    normed: Vec<f32>,
    attention: Scratch,
}

/// What goes into the decoder.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Chunk<'a> {
    /// Ids of words, all in the vocabulary.
    Words(&'a [u32]),
    /// `[tokens, hidden]`
    Embeddings(&'a Tensor),
}

impl Decoder {
    pub(crate) fn load(
        weights: &Weights,
        config: &TextConfig,
        tied: bool,
        precision: Precision,
    ) -> Result<Self> {
        let (hidden, prefix) = (config.hidden_size, "model.text_model");
        let (table, head) = table_and_head(weights, tied);
        let shared = table == head && precision == Precision::F32;
        // The largest matrices first: what they need while they are packed is free again before the rest is there.
        let lm_head = [(head, config.vocab_size)];
        let lm_head = stacked(weights, precision, &lm_head, hidden, false)?;
        let read = || floats(weights, &format!("{table}.weight"), &[config.vocab_size, hidden]);
        let layer = |name: &str| {
            Layer::read(
                config,
                name,
                |norm| floats(weights, &format!("{norm}.weight"), &[hidden]),
                |parts, inputs| stacked(weights, precision, parts, inputs, false),
            )
        };
        let mut decoder = Self {
            config: config.clone(),
            embed_tokens: if shared { None } else { Some(Table::new(read()?, hidden)) },
            layers: layers(config.num_hidden_layers, |number| layer(&format!("{prefix}.layers.{number}")))?,
            norm: floats(weights, &format!("{prefix}.norm.weight"), &[hidden])?,
            lm_head,
            rotary: Rotary::new(
                config.head_dim(),
                config.rope_theta(),
                config.max_position_embeddings,
                &Compute::cpu(),
            )?,
            buffers: Spare::default(),
        };
        // Read from end to end for every token.
        let layers = decoder.layers.iter_mut().flat_map(Layer::linears_mut);
        PackedLinear::gather(layers.chain([&mut decoder.lm_head]));
        Ok(decoder)
    }

    /// Bytes of weights that every token reads.
    pub(crate) fn weight_bytes(&self) -> usize {
        let layers = self.layers.iter().flat_map(Layer::linears);
        layers.chain([&self.lm_head]).map(PackedLinear::weight_bytes).sum()
    }

    pub(crate) fn rotary(&self) -> &Rotary {
        &self.rotary
    }

    /// Writes the embeddings of token ids, `[tokens, hidden]`.
    pub(crate) fn embed(&self, ids: &[u32], rows: &mut [f32]) {
        for (id, row) in ids.iter().zip(rows.chunks_exact_mut(self.config.hidden_size)) {
            match &self.embed_tokens {
                Some(table) => table.read(*id as usize, row),
                // Never false: only an exact head stands for the table.
                None => {
                    self.lm_head.read_exact(*id as usize, row);
                }
            }
        }
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
        let hidden = self.config.hidden_size;
        self.buffers.lend(|buffers| {
            let tokens = match chunk {
                Chunk::Words(ids) => {
                    self.embed(ids, sized(&mut buffers.x, ids.len() * hidden));
                    ids.len()
                }
                Chunk::Embeddings(embeddings) => with_floats(embeddings, |embeddings| {
                    sized(&mut buffers.x, embeddings.len()).copy_from_slice(embeddings);
                    Ok(embeddings.len() / hidden)
                })?,
            };
            cache.check_room(tokens)?;
            self.rotary.check(cache.next_position(), tokens)?;
            cache.keep_embeddings(&buffers.x[..tokens * hidden])?;
            in_pool(|| {
                self.layers(buffers, tokens, cache)?;
                let normed = sized(&mut buffers.normed, rows * hidden);
                let last = &buffers.x[(tokens - rows) * hidden..tokens * hidden];
                rms_norm(last, &self.norm, self.config.rms_norm_eps as f32, normed);
                logits.resize(rows * self.config.vocab_size, 0.0);
                Ok::<_, ModelError>(self.lm_head.forward_into(normed, rows, logits)?)
            })?;
            cache.commit(tokens);
            Ok(())
        })
    }

    fn layers(&self, buffers: &mut Buffers, tokens: usize, cache: &KvCache) -> Result<()> {
        let config = &self.config;
        let (hidden, head_dim) = (config.hidden_size, config.head_dim());
        let (queries, kv) = (config.num_attention_heads * head_dim, config.kv_heads() * head_dim);
        let width = queries + 2 * kv;
        let x = &mut buffers.x[..tokens * hidden];
        let qkv = sized(&mut buffers.qkv, tokens * width);
        let mixed = sized(&mut buffers.mixed, tokens * queries);
        for (index, layer) in self.layers.iter().enumerate() {
            self.before_attention(layer, x, qkv, cache.next_position())?;
            let (keys, values) = cache.sides(index);
            let slot = cache.len();
            CacheRows { rows: &qkv[queries..], stride: width, tokens, slot }.write_to(keys)?;
            CacheRows { rows: &qkv[queries + kv..], stride: width, tokens, slot }.write_to(values)?;
            let shape = [config.num_attention_heads, tokens, head_dim];
            let queries = Heads::strided(qkv, shape, [head_dim, width])?;
            let (scratch, mask) = (&mut buffers.attention, Mask::Causal { cached: slot });
            with_sides((keys, values), slot + tokens, |sides| {
                match sides {
                    Sides::Floats([keys, values]) => {
                        attend(scratch, &Inputs { queries, keys, values, mask }, mixed)?;
                    }
                    Sides::Halves([keys, values]) => {
                        attend(scratch, &Inputs { queries, keys, values, mask }, mixed)?;
                    }
                    Sides::Bytes([keys, values]) => {
                        attend(scratch, &Inputs { queries, keys, values, mask }, mixed)?;
                    }
                }
                Ok(())
            })?;
            self.after_attention(layer, mixed, x)?;
        }
        Ok(())
    }

    /// Residual stream to rotated queries and keys, and values.
    fn before_attention(&self, layer: &Layer, x: &[f32], qkv: &mut [f32], start: usize) -> Result<()> {
        let config = &self.config;
        let (hidden, head_dim) = (config.hidden_size, config.head_dim());
        let turned = (config.num_attention_heads + config.kv_heads()) * head_dim;
        let width = turned + config.kv_heads() * head_dim;
        self.rotary.with_tables(|cos, sin| {
            for_rows(qkv, width, hidden, |threads, first, qkv, normed| {
                let x = &x[first * hidden..][..normed.len()];
                rms_norm(x, &layer.input_layernorm, config.rms_norm_eps as f32, normed);
                threads.product(&layer.qkv_proj, normed, qkv)?;
                for (row, position) in qkv.chunks_exact_mut(width).zip(start + first..) {
                    let angles = position * head_dim / 2..(position + 1) * head_dim / 2;
                    rotate(&mut row[..turned], &cos[angles.clone()], &sin[angles]);
                }
                Ok(())
            })
        })
    }

    /// What attention mixed, through projection and MLP, onto the residual stream.
    fn after_attention(&self, layer: &Layer, mixed: &[f32], x: &mut [f32]) -> Result<()> {
        let config = &self.config;
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let queries = config.num_attention_heads * config.head_dim();
        for_rows(x, hidden, hidden + 3 * inner, |threads, first, x, memory| {
            let rows = x.len() / hidden;
            threads.add_product(&layer.o_proj, &mixed[first * queries..][..rows * queries], x)?;
            let (normed, memory) = memory.split_at_mut(rows * hidden);
            let (gates, gated) = memory.split_at_mut(rows * 2 * inner);
            rms_norm(x, &layer.post_attention_layernorm, config.rms_norm_eps as f32, normed);
            threads.product(&layer.gate_up_proj, normed, gates)?;
            gate(config.hidden_act, gates, inner, gated)?;
            threads.add_product(&layer.down_proj, gated, x)
        })
    }
}

/// Names of embedding table and head as `transformers` 5 reads them: an untied checkpoint has both; a tied one has either, and
/// where it has both, they are taken as they are.
pub(crate) fn table_and_head(weights: &Weights, tied: bool) -> (&'static str, &'static str) {
    let (table, head) = ("model.text_model.embed_tokens", "lm_head");
    let has = |name: &str| weights.has(&format!("{name}.weight"));
    match tied {
        true if !has(head) => (table, table),
        true if !has(table) => (head, head),
        _ => (table, head),
    }
}
