//! The trait of a model's forward passes. It has two implementations: over buffers on a CPU
//! ([`crate::cpu`]), and over tensors on any device ([`crate::any_device`]). Callers depend on neither.

use std::slice;

use candle_core::Tensor;
use rayon::prelude::*;

use crate::answer::{Answer, Wanted};
use crate::cache::KvCache;
use crate::error::{ModelError, Result};
use crate::fused::Decoding;
use crate::rotary::Rotary;
use crate::sampling::{Choice, argmax};

/// What goes into the decoder.
#[derive(Debug, Clone, Copy)]
pub(crate) enum DecoderInput<'a> {
    /// Token ids, all in the vocabulary.
    Words(&'a [u32]),
    /// `[tokens, hidden]`
    Embeddings(&'a Tensor),
}

impl DecoderInput<'_> {
    pub(crate) fn tokens(&self) -> usize {
        match self {
            Self::Words(ids) => ids.len(),
            Self::Embeddings(embeddings) => embeddings.dims().first().copied().unwrap_or_default(),
        }
    }
}

/// The part of one stream in a decoder pass, with its cache.
pub(crate) struct Piece<'a> {
    pub(crate) chunk: DecoderInput<'a>,
    pub(crate) cache: &'a mut KvCache,
    /// Number of last tokens whose logits are computed.
    pub(crate) rows: usize,
    /// What the caller wants to know about the token after the last one.
    pub(crate) wanted: Wanted,
    /// Number of tokens in the cache before the piece.
    cached: usize,
}

impl<'a> Piece<'a> {
    /// A piece that asks about the token after its last one.
    pub(crate) fn new(chunk: DecoderInput<'a>, cache: &'a mut KvCache, wanted: Wanted) -> Self {
        let cached = cache.len();
        Self { chunk, cache, rows: 1, wanted, cached }
    }

    /// The same piece, with the logits of its last `rows` tokens.
    pub(crate) fn with_rows(self, rows: usize) -> Self {
        Self { rows, ..self }
    }

    /// Removes the piece from the cache.
    pub(crate) fn undo(&mut self) {
        self.cache.truncate(self.cached);
    }
}

/// Vision tower, connector and decoder.
pub(crate) trait Passes: Send + Sync {
    /// Hidden states of the vision tower, `[tiles, patches, vision hidden]`, row-major.
    fn hidden_states(&self, pixels: &[f32], tiles: usize) -> Result<Vec<f32>>;

    /// Image embeddings, `[image tokens, hidden]`, tile by tile.
    fn encode(&self, pixels: &[f32], tiles: usize) -> Result<Tensor>;

    /// Whether one call of [`Self::encode`] for several frames is faster than one call per frame.
    fn gains_by_more_tiles(&self) -> bool;

    /// State that these passes store in a new cache, if they need any.
    fn decoding(&self) -> Result<Option<Decoding>> {
        Ok(None)
    }

    /// Embeddings of token ids in the vocabulary, `[tokens, hidden]`.
    fn embed(&self, ids: &[u32]) -> Result<Tensor>;

    /// Fails unless the cache has a free slot and the model a position for each token of the piece. The
    /// cache is unchanged.
    fn check(&self, piece: &Piece<'_>) -> Result<()>;

    /// Computes the pieces and appends their tokens to their caches. `logits` is replaced by the
    /// requested logits, `[rows of all pieces, vocab]`. After an error the contents of the caches are
    /// unspecified.
    fn forward(&self, pieces: &mut [Piece<'_>], logits: &mut Vec<f32>) -> Result<()>;

    /// Computes one piece as [`Self::forward`] does and answers it on the device, so that no logits are
    /// copied back. `None` if the device cannot answer; the piece is then not in the cache, or has to
    /// be removed with [`Piece::undo`].
    fn answer_on_device(&self, _: &mut Piece<'_>) -> Result<Option<Answer>> {
        Ok(None)
    }

    /// The same for several pieces with one row of logits each. The answer of a piece that the device
    /// cannot answer is its row in `logits`.
    fn answer_all_on_device(
        &self,
        pieces: &mut [Piece<'_>],
        logits: &mut Vec<f32>,
        answers: &mut Vec<Result<Answer>>,
    ) -> Result<()> {
        self.forward(pieces, logits)?;
        answers.extend((0..pieces.len()).map(|row| Ok(Answer::Logits(row))));
        Ok(())
    }

    /// Computes one piece as [`Self::forward`] does and answers it. `logits` is a buffer for logits
    /// that are copied back from the device.
    fn answer(&self, piece: &mut Piece<'_>, logits: &mut Vec<f32>) -> Result<Answer> {
        if let Some(answer) = self.answer_on_device(piece)? {
            return Ok(answer);
        }
        // Computes the piece again, with the logits on the host: the device cannot answer, or a logit
        // is not finite and must be named.
        piece.undo();
        self.forward(slice::from_mut(piece), logits)?;
        answer_of(logits, 0, piece.wanted)
    }

    /// The same for several pieces with one row of logits each, in one pass. The answer of a piece can
    /// be an error while others succeed.
    fn answer_all(
        &self,
        pieces: &mut [Piece<'_>],
        logits: &mut Vec<f32>,
        answers: &mut Vec<Result<Answer>>,
    ) -> Result<()> {
        self.answer_all_on_device(pieces, logits, answers)?;
        let rows = answers.iter().filter(|answer| matches!(answer, Ok(Answer::Logits(_)))).count();
        let vocab = logits.len() / rows.max(1);
        answers.par_iter_mut().zip(&*pieces).for_each(|(answer, piece)| {
            if let Ok(Answer::Logits(row)) = *answer {
                *answer = answer_of(&logits[row * vocab..][..vocab], row, piece.wanted);
            }
        });
        Ok(())
    }

    /// Bytes of weights that are read for every frame, in the form in which they are held.
    fn vision_weight_bytes(&self) -> usize;

    /// Bytes of weights that are read for every token, in the form in which they are held.
    fn decoder_weight_bytes(&self) -> usize;

    fn rotary(&self) -> &Rotary;
}

/// The answer from the logits of one token, `[vocab]`; `row` is their index in the logits of the pass.
fn answer_of(logits: &[f32], row: usize, wanted: Wanted) -> Result<Answer> {
    check_finite(logits, logits.len())?;
    Ok(match wanted {
        Wanted::Logits => Answer::Logits(row),
        Wanted::Choice { silence } => Answer::Choice(Choice::of(logits, silence)),
        Wanted::Likeliest => Answer::Likeliest(argmax(logits)),
    })
}

/// Fails at the first logit that is not finite, in rows of `vocab` logits.
pub(crate) fn check_finite(logits: &[f32], vocab: usize) -> Result<()> {
    match logits.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(ModelError::NonFiniteLogits { value: logits[at], token: at % vocab }),
        None => Ok(()),
    }
}
