//! Shows the layers of a decoder some tokens while it is loaded. They observe their inputs, so that their
//! weights can be rounded against each other's errors.
//!
//! The tokens are drawn, because a checkpoint comes without text. The ids of a byte-pair encoding are
//! ordered by how early their pair was merged, and thus roughly by how frequent they are, so that small
//! ids are drawn more often, as by Zipf's law. On a trained decoder, the rounded weights of the layers
//! diverge from f32 by 0.48e-3 nats after drawn tokens, and by 0.35e-3 after English text
//! (docs/performance.md).

use super::decoder::{Decoder, Layer};
use super::elementwise::rms_norm;
use super::stage::in_pool;
use crate::attention::{Heads, Inputs, Mask, Scratch, attend};
use crate::error::Result;
use crate::linear::SPLIT_ROWS;
use crate::random::SplitMix64;

/// Number of tokens, if the model has as many positions.
const TOKENS: usize = 256;

/// Rows that go through a stage at once. The thread that observes them is then the only one, and they
/// are added up in their order: the weights do not depend on the number of threads.
const ROWS: usize = SPLIT_ROWS - 1;

/// The tokens on their way through the layers.
pub(super) struct Calibration {
    /// The residual stream, `[tokens, hidden]`.
    x: Vec<f32>,
    positions: Vec<usize>,
    /// Queries, keys and values, `[tokens, (heads + 2 * kv_heads) * head_dim]`.
    qkv: Vec<f32>,
    /// Output of attention, `[tokens, heads * head_dim]`.
    mixed: Vec<f32>,
    attention: Scratch,
}

impl Calibration {
    pub(super) fn new(decoder: &Decoder) -> Self {
        let config = &decoder.config;
        let tokens = TOKENS.min(config.max_position_embeddings);
        let (mut random, vocabulary) = (SplitMix64(0), config.vocab_size as f64);
        let ids: Vec<u32> = (0..tokens).map(|_| vocabulary.powf(random.unit()) as u32 - 1).collect();
        let mut x = vec![0.0; tokens * config.hidden_size];
        decoder.embed(&ids, &mut x);
        Self {
            x,
            positions: (0..tokens).collect(),
            qkv: vec![0.0; tokens * decoder.qkv_width()],
            mixed: vec![0.0; tokens * config.num_attention_heads * config.head_dim()],
            attention: Scratch::default(),
        }
    }

    /// Takes the tokens through the next layer.
    pub(super) fn pass(&mut self, decoder: &Decoder, layer: &Layer) -> Result<()> {
        let (config, width) = (&decoder.config, decoder.qkv_width());
        let (heads, kv_heads, head_dim) = (config.num_attention_heads, config.kv_heads(), config.head_dim());
        let (tokens, hidden, queries) = (self.positions.len(), config.hidden_size, heads * head_dim);
        in_pool(|| {
            let rows = self.x.chunks(ROWS * hidden).zip(self.positions.chunks(ROWS));
            for (qkv, (x, positions)) in self.qkv.chunks_mut(ROWS * width).zip(rows) {
                decoder.before_attention(layer, x, qkv, positions)?;
            }
            let side = |first: usize, heads| {
                Heads::strided(&self.qkv[first..], [heads, tokens, head_dim], [head_dim, width])
            };
            let inputs = Inputs {
                queries: side(0, heads)?,
                keys: side(queries, kv_heads)?,
                values: side(queries + kv_heads * head_dim, kv_heads)?,
                mask: Mask::Causal { cached: 0 },
            };
            attend(&mut self.attention, &inputs, &mut self.mixed)?;
            let mixed = self.mixed.chunks(ROWS * queries);
            for (x, mixed) in self.x.chunks_mut(ROWS * hidden).zip(mixed) {
                decoder.after_attention(layer, mixed, x)?;
            }
            Ok(())
        })
    }

    /// Shows the head its inputs, behind the last layer.
    pub(super) fn show_head(&mut self, decoder: &Decoder) {
        let mut normed = vec![0.0; self.x.len()];
        rms_norm(&self.x, &decoder.norm, decoder.config.rms_norm_eps as f32, &mut normed);
        decoder.lm_head.observe(&normed);
    }
}
