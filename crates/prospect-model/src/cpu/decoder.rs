//! The Llama decoder over buffers: grouped-query attention over the cache in place.

use super::activation::gate;
use super::elementwise::{rms_norm, rotate};
use super::lend::{Spare, sized};
use super::load::Table;
use super::sides::{CacheRows, Sides, keep_embeddings, with_sides};
use super::stage::{for_rows, in_pool};
use crate::attention::{Heads, Inputs, Mask, Scratch, attend};
use crate::error::Result;
use crate::layer_weights::DecoderLayer;
use crate::lend::with_floats;
use crate::linear::PackedLinear;
use crate::passes::{DecoderInput, Piece};
use crate::rotary::Rotary;
use crate::text_config::TextConfig;

pub(super) type Layer = DecoderLayer<Vec<f32>, PackedLinear>;

/// The decoder with its embedding table and output head.
pub(crate) struct Decoder {
    pub(super) config: TextConfig,
    /// The embedding table; `None` if the head holds the same weights without rounding.
    pub(super) embed_tokens: Option<Table>,
    pub(super) layers: Vec<Layer>,
    pub(super) norm: Vec<f32>,
    pub(super) lm_head: PackedLinear,
    pub(super) rotary: Rotary,
    pub(super) buffers: Spare<Buffers>,
}

/// Buffers of a pass. Their tokens are those of all pieces in order.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// The residual stream, `[tokens, hidden]`.
    x: Vec<f32>,
    /// The position of every token.
    positions: Vec<usize>,
    /// Queries, keys and values, `[tokens, (heads + 2 * kv_heads) * head_dim]`.
    qkv: Vec<f32>,
    /// Output of attention, `[tokens, heads * head_dim]`.
    mixed: Vec<f32>,
    /// Normalized rows for the head, `[rows of logits, hidden]`.
    normed: Vec<f32>,
    /// Memory for attention, one for each piece.
    attention: Vec<Scratch>,
}

impl Decoder {
    /// Bytes of weights that are read for every token.
    pub(crate) fn weight_bytes(&self) -> usize {
        let layers = self.layers.iter().flat_map(Layer::linears);
        layers.chain([&self.lm_head]).map(PackedLinear::weight_bytes).sum()
    }

    pub(crate) fn rotary(&self) -> &Rotary {
        &self.rotary
    }

    /// Writes the embeddings of token ids into `rows`, `[tokens, hidden]`.
    pub(crate) fn embed(&self, ids: &[u32], rows: &mut [f32]) {
        for (id, row) in ids.iter().zip(rows.chunks_exact_mut(self.config.hidden_size)) {
            match &self.embed_tokens {
                Some(table) => table.read(*id as usize, row),
                // `read_exact` always succeeds here: only an unrounded head replaces the table.
                None => {
                    self.lm_head.read_exact(*id as usize, row);
                }
            }
        }
    }

    /// Fails unless the piece fits into its cache and is f32 of the model's width.
    pub(crate) fn check(&self, piece: &Piece<'_>) -> Result<()> {
        let tokens = piece.chunk.tokens();
        if let DecoderInput::Embeddings(embeddings) = piece.chunk {
            let found = with_floats(embeddings, |embeddings| Ok(embeddings.len()))?;
            if found != tokens * self.config.hidden_size {
                return Err(candle_core::Error::msg("embeddings of another width than the model's").into());
            }
        }
        piece.cache.check_room(tokens)?;
        self.rotary.check(piece.cache.next_position(), tokens)
    }

    /// Computes the pieces and appends their tokens to their caches. `logits` is replaced by the
    /// requested logits, `[rows of all pieces, vocab]`.
    ///
    /// Layers see the tokens of all pieces as rows; attention sees each piece with its cache. No row
    /// depends on the rows of another piece.
    pub(crate) fn forward(&self, pieces: &mut [Piece<'_>], logits: &mut Vec<f32>) -> Result<()> {
        self.buffers.lend(|buffers| {
            self.take_in(pieces, buffers)?;
            let read = &*pieces;
            in_pool(|| {
                self.layers(buffers, read)?;
                self.head(buffers, read, logits)
            })?;
            pieces.iter_mut().for_each(|piece| piece.cache.commit(piece.chunk.tokens()));
            Ok(())
        })
    }

    /// Fills the buffers with the initial residual stream and the positions of the tokens.
    fn take_in(&self, pieces: &[Piece<'_>], buffers: &mut Buffers) -> Result<()> {
        let hidden = self.config.hidden_size;
        let Buffers { x, positions, attention, .. } = buffers;
        let mut rest = sized(x, tokens_of(pieces) * hidden);
        positions.clear();
        for piece in pieces {
            self.check(piece)?;
            let tokens = piece.chunk.tokens();
            let (rows, behind) = std::mem::take(&mut rest).split_at_mut(tokens * hidden);
            rest = behind;
            match piece.chunk {
                DecoderInput::Words(ids) => self.embed(ids, rows),
                DecoderInput::Embeddings(embeddings) => with_floats(embeddings, |embeddings| {
                    rows.copy_from_slice(embeddings);
                    Ok(())
                })?,
            }
            keep_embeddings(piece.cache, rows)?;
            positions.extend((piece.cache.next_position()..).take(tokens));
        }
        if attention.len() < pieces.len() {
            attention.resize_with(pieces.len(), Scratch::default);
        }
        Ok(())
    }

    /// Logits of the last rows of every piece.
    fn head(&self, buffers: &mut Buffers, pieces: &[Piece<'_>], logits: &mut Vec<f32>) -> Result<()> {
        let (hidden, eps) = (self.config.hidden_size, self.config.rms_norm_eps as f32);
        let rows = pieces.iter().map(|piece| piece.rows).sum();
        let normed = sized(&mut buffers.normed, rows * hidden);
        let (mut row, mut end) = (0, 0);
        for piece in pieces {
            end += piece.chunk.tokens();
            let last = &buffers.x[(end - piece.rows) * hidden..end * hidden];
            rms_norm(last, &self.norm, eps, &mut normed[row * hidden..][..last.len()]);
            row += piece.rows;
        }
        logits.resize(rows * self.config.vocab_size, 0.0);
        Ok(self.lm_head.forward_into(normed, rows, logits)?)
    }

    fn layers(&self, buffers: &mut Buffers, pieces: &[Piece<'_>]) -> Result<()> {
        let config = &self.config;
        let (tokens, queries) = (tokens_of(pieces), config.num_attention_heads * config.head_dim());
        let x = &mut buffers.x[..tokens * config.hidden_size];
        let qkv = sized(&mut buffers.qkv, tokens * self.qkv_width());
        let mixed = sized(&mut buffers.mixed, tokens * queries);
        for (index, layer) in self.layers.iter().enumerate() {
            self.before_attention(layer, x, qkv, &buffers.positions)?;
            self.attention(index, pieces, qkv, &mut buffers.attention, mixed)?;
            self.after_attention(layer, mixed, x)?;
        }
        Ok(())
    }

    /// Width of the stacked queries, keys and values of a token.
    pub(super) fn qkv_width(&self) -> usize {
        (self.config.num_attention_heads + 2 * self.config.kv_heads()) * self.config.head_dim()
    }

    /// Attention of every piece over its own cache, into `mixed`, `[tokens, heads * head_dim]`. A piece
    /// of one token cannot keep all threads busy, so the pieces are distributed over threads.
    fn attention(
        &self,
        layer: usize,
        pieces: &[Piece<'_>],
        qkv: &[f32],
        scratch: &mut [Scratch],
        mixed: &mut [f32],
    ) -> Result<()> {
        match (pieces, &mut *scratch) {
            ([], _) => return Ok(()),
            ([piece], [scratch, ..]) => return self.attend(layer, piece, qkv, scratch, mixed),
            _ => {}
        }
        let (pieces, others) = pieces.split_at(pieces.len() / 2);
        let (scratch, other_scratch) = scratch.split_at_mut(pieces.len());
        let (rows, other_rows) = qkv.split_at(tokens_of(pieces) * self.qkv_width());
        let queries = self.config.num_attention_heads * self.config.head_dim();
        let (mixed, other_mixed) = mixed.split_at_mut(tokens_of(pieces) * queries);
        let (done, others_done) = rayon::join(
            || self.attention(layer, pieces, rows, scratch, mixed),
            || self.attention(layer, others, other_rows, other_scratch, other_mixed),
        );
        done.and(others_done)
    }

    /// Writes the keys and values of a piece into its cache, and computes the attention of its tokens.
    fn attend(
        &self,
        layer: usize,
        piece: &Piece<'_>,
        qkv: &[f32],
        scratch: &mut Scratch,
        mixed: &mut [f32],
    ) -> Result<()> {
        let (heads, head_dim, stride) =
            (self.config.num_attention_heads, self.config.head_dim(), self.qkv_width());
        let (queries, kv) = (heads * head_dim, self.config.kv_heads() * head_dim);
        let (tokens, slot, sides) = (piece.chunk.tokens(), piece.cache.len(), piece.cache.sides(layer));
        CacheRows { rows: &qkv[queries..], stride, tokens, slot }.write_to(sides.0)?;
        CacheRows { rows: &qkv[queries + kv..], stride, tokens, slot }.write_to(sides.1)?;
        let queries = Heads::strided(qkv, [heads, tokens, head_dim], [head_dim, stride])?;
        let mask = Mask::Causal { cached: slot };
        with_sides(sides, slot + tokens, |sides| {
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
        })
    }

    /// From the residual stream to rotated queries and keys, and values.
    pub(super) fn before_attention(
        &self,
        layer: &Layer,
        x: &[f32],
        qkv: &mut [f32],
        positions: &[usize],
    ) -> Result<()> {
        let config = &self.config;
        let (hidden, head_dim, width) = (config.hidden_size, config.head_dim(), self.qkv_width());
        let turned = width - config.kv_heads() * head_dim;
        self.rotary.with_tables(|cos, sin| {
            for_rows(qkv, width, hidden, |threads, first, qkv, normed| {
                let x = &x[first * hidden..][..normed.len()];
                rms_norm(x, &layer.input_layernorm, config.rms_norm_eps as f32, normed);
                threads.product(&layer.qkv_proj, normed, qkv)?;
                for (row, position) in qkv.chunks_exact_mut(width).zip(&positions[first..]) {
                    let angles = position * head_dim / 2..(position + 1) * head_dim / 2;
                    rotate(&mut row[..turned], &cos[angles.clone()], &sin[angles]);
                }
                Ok(())
            })
        })
    }

    /// Adds the output projection of attention and the MLP to the residual stream.
    pub(super) fn after_attention(&self, layer: &Layer, mixed: &[f32], x: &mut [f32]) -> Result<()> {
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
            threads.by_rows((gates, 2 * inner), (gated, inner), |gates, gated| {
                gate(config.hidden_act, gates, inner, gated)
            })?;
            threads.add_product(&layer.down_proj, gated, x)
        })
    }
}

/// Number of tokens of all pieces.
fn tokens_of(pieces: &[Piece<'_>]) -> usize {
    pieces.iter().map(|piece| piece.chunk.tokens()).sum()
}
