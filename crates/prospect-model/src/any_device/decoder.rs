//! The Llama decoder over tensors.

use candle_core::{DType, Tensor};

use super::attention::Causal;
use super::layers::{Linear, RmsNorm, gated, wide};
use super::weights::OnDevice;
use crate::answer::{Answer, Wanted};
use crate::cache::KvCache;
use crate::error::{ModelError, Result};
use crate::fused::{Decoding, Fused, Step};
use crate::layer_weights::{DecoderLayer, Part, table_and_head};
use crate::lend::to_floats;
use crate::passes::{DecoderInput, Piece};
use crate::placement::{Compute, Kernels};
use crate::rotary::Rotary;
use crate::sampling::Choice;
use crate::text_config::TextConfig;

/// A captured step serves the next slots up to a multiple of this number.
const REACH: usize = 256;
/// A token id that no vocabulary has.
const NO_WORD: u32 = u32::MAX;

type Layer = DecoderLayer<RmsNorm, Linear>;

/// The decoder with its embedding table and output head.
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

    /// State that a new cache needs for our own kernels, if they compute.
    pub(crate) fn decoding(&self) -> Result<Option<Decoding>> {
        self.fused.map(|fused| fused.decoding(&self.compute)).transpose()
    }

    /// Bytes of weights that are read for every token.
    pub(crate) fn weight_bytes(&self) -> usize {
        let layers = self.layers.iter().flat_map(Layer::linears);
        layers.chain([&self.lm_head]).map(Linear::weight_bytes).sum()
    }

    /// Embeddings of token ids, `[tokens, hidden]`.
    pub(crate) fn embed(&self, ids: &[u32]) -> Result<Tensor> {
        Ok(self.embed_tokens.index_select(&Tensor::new(ids, &self.compute.device)?, 0)?)
    }

    /// Computes the pieces and appends their tokens to their caches. `logits` is replaced by the
    /// requested logits, `[rows of all pieces, vocab]`.
    pub(crate) fn forward(&self, pieces: &mut [Piece<'_>], logits: &mut Vec<f32>) -> Result<()> {
        let hidden = self.hidden_states(pieces)?;
        logits.clear();
        if pieces.iter().any(|piece| piece.rows > 0) {
            *logits = self.logits(&hidden, pieces)?.flatten_all()?.to_vec1()?;
        }
        Ok(())
    }

    /// Computes a piece as [`Self::forward`] does and answers it on the device, from which only a few
    /// numbers are copied back. `None` if a logit is not finite. Also `None`, with the cache unchanged,
    /// if the answer needs the logits themselves.
    pub(crate) fn answer(&self, piece: &mut Piece<'_>) -> Result<Option<Answer>> {
        match (piece.wanted, piece.chunk) {
            (Wanted::Logits, _) => Ok(None),
            (Wanted::Likeliest, DecoderInput::Words([id])) => {
                Ok(self.likeliest(*id, piece)?.map(Answer::Likeliest))
            }
            (wanted, _) => Ok(self.choose(piece)?.map(|choice| answer(choice, wanted))),
        }
    }

    /// As [`Self::answer`] for several pieces with one row of logits each. If the device cannot answer
    /// a piece, its logits are appended to `logits`, and its answer is the index of that row.
    pub(crate) fn answer_all(
        &self,
        pieces: &mut [Piece<'_>],
        logits: &mut Vec<f32>,
        answers: &mut Vec<Result<Answer>>,
    ) -> Result<()> {
        let hidden = self.hidden_states(pieces)?;
        let all = self.logits(&hidden, pieces)?;
        let there = |piece: &Piece<'_>| self.fused.is_some() && piece.wanted != Wanted::Logits;
        // All answers are issued before the first one is waited for.
        for (row, piece) in pieces.iter().enumerate().filter(|(_, piece)| there(piece)) {
            decoding_of(piece.cache)?.choose(&all.narrow(0, row, 1)?, silence_of(piece.wanted))?;
        }
        logits.clear();
        for (row, piece) in pieces.iter().enumerate() {
            let found = match there(piece) {
                true => decoding_of(piece.cache)?.choice()?,
                false => None,
            };
            answers.push(Ok(match found {
                Some(choice) => answer(choice, piece.wanted),
                None => {
                    let own = logits.len() / all.dim(1)?;
                    logits.extend(to_floats(&all.narrow(0, row, 1)?)?);
                    Answer::Logits(own)
                }
            }));
        }
        Ok(())
    }

    /// Answers a piece with a choice. `None` as in [`Self::answer`].
    fn choose(&self, piece: &mut Piece<'_>) -> Result<Option<Choice>> {
        if self.fused.is_none() {
            return Ok(None);
        }
        let silence = silence_of(piece.wanted);
        let pieces = std::slice::from_mut(piece);
        let logits = self.logits(&self.hidden_states(pieces)?, pieces)?;
        let decoding = decoding_of(piece.cache)?;
        decoding.choose(&logits, silence)?;
        decoding.choice()
    }

    /// Appends the token of a piece to its cache and returns the likeliest next token, or `None` if a
    /// logit is not finite.
    fn likeliest(&self, id: u32, piece: &mut Piece<'_>) -> Result<Option<u32>> {
        if let Some(fused) = self.fused {
            // No token counts as silence, since only the likeliest token is asked for.
            let choice = match self.compute.placement.kernels {
                Kernels::Graph => self.captured_step(fused, id, piece)?,
                _ => self.choose(piece)?,
            };
            return Ok(choice.map(|choice| choice.likeliest));
        }
        let pieces = std::slice::from_mut(piece);
        let logits = self.logits(&self.hidden_states(pieces)?, pieces)?.flatten_all()?;
        // Token ids are exact in f32, because vocabularies have fewer than 2^24 tokens. `x * 0` is 0
        // only for finite `x`.
        let likeliest = logits.argmax(0)?.to_dtype(DType::F32)?;
        let nothing = (logits * 0.0)?.sum_all()?;
        let both: Vec<f32> = Tensor::stack(&[likeliest, nothing], 0)?.to_vec1()?;
        Ok((both[1] == 0.0).then_some(both[0] as u32))
    }

    /// As [`Self::choose`] for one token, with work that is captured once for every [`REACH`] slots and
    /// then launched as a whole.
    fn captured_step(&self, fused: Fused, id: u32, piece: &mut Piece<'_>) -> Result<Option<Choice>> {
        self.check(piece)?;
        let cache = &mut *piece.cache;
        let (position, slot) = (cache.next_position(), cache.len());
        if cache.embeddings().is_some() {
            keep_embeddings(cache, &self.embed(&[id])?)?;
        }
        let reach = (slot + 1).next_multiple_of(REACH).min(cache.capacity());
        let causal = Causal::of_step(&self.compute, self.config.head_dim(), slot, reach)?;
        // Taken out of the cache, because the work borrows both.
        let mut decoding = cache.decoding.take().ok_or_else(foreign_cache)?;
        let work = |decoding: &Decoding| {
            let x = fused.embed_word(&self.embed_tokens, decoding.step())?;
            let step = Some(decoding.step());
            let x = self.layers(x, &[Place { cache: &*cache, step, causal: &causal, tokens: 1 }])?;
            decoding.choose(&self.head(&x)?, NO_WORD)
        };
        let kept = || self.tensors().chain(cache.tensors()).cloned().collect();
        let asked_for = decoding
            .start(id, position, slot)
            .and_then(|()| decoding.again(reach, kept, work))
            .and_then(|()| decoding.choice());
        cache.decoding = Some(decoding);
        let choice = asked_for?;
        cache.commit(1);
        Ok(choice)
    }

    /// All tensors that decoding a token reads.
    fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        let (cosines, sines) = self.rotary.tables();
        let layers = self.layers.iter().flat_map(|layer| {
            let norms = [&layer.input_layernorm, &layer.post_attention_layernorm].map(RmsNorm::weight);
            norms.into_iter().chain(layer.linears().map(Linear::weight))
        });
        layers.chain([&self.embed_tokens, self.norm.weight(), self.lm_head.weight(), cosines, sines])
    }

    /// Logits of the last rows of every piece in f32, `[rows of all pieces, vocab]`, from the residual
    /// stream after the last layer.
    fn logits(&self, hidden: &Tensor, pieces: &[Piece<'_>]) -> Result<Tensor> {
        let mut end = 0;
        let last = pieces.iter().map(|piece| {
            end += piece.chunk.tokens();
            hidden.narrow(0, end - piece.rows, piece.rows)
        });
        self.head(&joined(last.collect::<candle_core::Result<_>>()?)?.contiguous()?)
    }

    /// Logits of rows of the residual stream, `[rows, hidden]` to `[rows, vocab]`, in f32.
    fn head(&self, rows: &Tensor) -> Result<Tensor> {
        self.lm_head.forward_wide(&self.norm.forward(rows)?)
    }

    /// The residual stream after the last layer, `[tokens of all pieces, hidden]`, in f32.
    fn hidden_states(&self, pieces: &mut [Piece<'_>]) -> Result<Tensor> {
        let (mut streams, mut causals) = (Vec::new(), Vec::new());
        for piece in &mut *pieces {
            self.check(piece)?;
            streams.push(self.residual(piece.chunk, piece.cache)?);
            let (tokens, cached) = (piece.chunk.tokens(), piece.cache.len());
            causals.push(Causal::new(&self.compute, self.config.head_dim(), tokens, cached)?);
        }
        let place = |(piece, causal)| {
            let Piece { chunk, cache, .. }: &Piece<'_> = piece;
            Place { cache, step: cache.decoding.as_ref().map(Decoding::step), causal, tokens: chunk.tokens() }
        };
        let places: Vec<Place<'_>> = pieces.iter().zip(&causals).map(place).collect();
        let x = self.layers(joined(streams)?, &places)?;
        pieces.iter_mut().for_each(|piece| piece.cache.commit(piece.chunk.tokens()));
        Ok(x)
    }

    /// Checks that the piece fits and belongs to this device.
    pub(crate) fn check(&self, piece: &Piece<'_>) -> Result<()> {
        let (cache, tokens) = (&*piece.cache, piece.chunk.tokens());
        if let Some(side) = cache.tensors().next() {
            self.compute.check_own(side)?;
        }
        if let DecoderInput::Embeddings(embeddings) = piece.chunk {
            self.compute.check_own(embeddings)?;
        }
        cache.check_room(tokens)?;
        self.rotary.check(cache.next_position(), tokens)
    }

    /// The initial residual stream of a chunk, in f32, as a tensor that no other code holds.
    fn residual(&self, chunk: DecoderInput<'_>, cache: &mut KvCache) -> Result<Tensor> {
        if let Some(fused) = self.fused {
            let (position, slot) = (cache.next_position(), cache.len());
            let word = match chunk {
                DecoderInput::Words([id]) if cache.embeddings().is_none() => Some(*id),
                _ => None,
            };
            let decoding = cache.decoding.as_mut().ok_or_else(foreign_cache)?;
            decoding.start(word.unwrap_or_default(), position, slot)?;
            if word.is_some() {
                return fused.embed_word(&self.embed_tokens, decoding.step());
            }
        }
        let embeddings = match chunk {
            DecoderInput::Words(ids) => self.embed(ids)?,
            DecoderInput::Embeddings(embeddings) => embeddings.clone(),
        };
        keep_embeddings(cache, &embeddings)?;
        wide(&embeddings)
    }

    /// Computes all layers. The rows of `x` are those of all places in order.
    fn layers(&self, mut x: Tensor, places: &[Place<'_>]) -> Result<Tensor> {
        for (index, layer) in self.layers.iter().enumerate() {
            let qkv = layer.qkv_proj.forward(&layer.input_layernorm.forward(&x)?)?;
            let mut start = 0;
            let mixed = places.iter().map(|place| {
                let own = qkv.narrow(0, start, place.tokens)?;
                start += place.tokens;
                self.attention(index, &own, place)
            });
            x = layer.o_proj.add_to(x, &joined(mixed.collect::<Result<_>>()?)?)?;
            let normed = layer.post_attention_layernorm.forward(&x)?;
            let gated = gated(&layer.gate_up_proj.forward(&normed)?, self.config.hidden_act, self.fused)?;
            x = layer.down_proj.add_to(x, &gated)?;
        }
        Ok(x)
    }

    /// Writes the keys and values of a place into its cache. Returns the attention output,
    /// `[tokens, heads * head_dim]`.
    fn attention(&self, layer: usize, qkv: &Tensor, place: &Place<'_>) -> Result<Tensor> {
        let (heads, kv_heads) = (self.config.num_attention_heads, self.config.kv_heads());
        let Place { cache, step, causal, tokens } = *place;
        let (sides, position, slot) = (cache.sides(layer), cache.next_position(), cache.len());
        let queries = match (self.fused, step) {
            (Some(fused), Some(step)) => {
                let queries = fused.turn_into_cache(qkv, self.rotary.tables(), step, sides, heads)?;
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

/// A piece while it goes through the layers.
#[derive(Clone, Copy)]
struct Place<'a> {
    cache: &'a KvCache,
    /// The step that our own kernels read on the device.
    step: Option<&'a Step>,
    causal: &'a Causal,
    tokens: usize,
}

/// Concatenates rows. A single tensor is returned without a copy.
fn joined(rows: Vec<Tensor>) -> Result<Tensor> {
    match &rows[..] {
        [alone] => Ok(alone.clone()),
        _ => Ok(Tensor::cat(&rows, 0)?),
    }
}

/// The token id that a choice treats as silence.
fn silence_of(wanted: Wanted) -> u32 {
    match wanted {
        Wanted::Choice { silence } => silence,
        Wanted::Logits | Wanted::Likeliest => NO_WORD,
    }
}

/// Turns a choice into the requested answer.
fn answer(choice: Choice, wanted: Wanted) -> Answer {
    match wanted {
        Wanted::Likeliest => Answer::Likeliest(choice.likeliest),
        Wanted::Choice { .. } | Wanted::Logits => Answer::Choice(choice),
    }
}

/// Stores the input embeddings of the next tokens, `[tokens, hidden]`, if the cache keeps them.
fn keep_embeddings(cache: &KvCache, embeddings: &Tensor) -> Result<()> {
    if let Some(all) = cache.embeddings() {
        all.slice_set(&embeddings.contiguous()?, 0, cache.len())?;
    }
    Ok(())
}

fn decoding_of(cache: &KvCache) -> Result<&Decoding> {
    cache.decoding.as_ref().ok_or_else(foreign_cache)
}

/// The error for a cache without the state of our own kernels, which only caches of this device have.
fn foreign_cache() -> ModelError {
    candle_core::Error::msg("a cache of another type than the model's").into()
}
