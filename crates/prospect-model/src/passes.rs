//! The forward passes of a model, whatever computes them: over buffers on a CPU ([`crate::cpu`]), or over tensors on any device
//! ([`crate::any_device`]). Who asks knows neither.

use std::slice;

use candle_core::Tensor;
use rayon::prelude::*;

use crate::answer::{Answer, Wanted};
use crate::cache::KvCache;
use crate::error::{ModelError, Result};
use crate::rotary::Rotary;
use crate::sampling::{Choice, argmax};

/// What goes into the decoder.
#[derive(Debug, Clone, Copy)]
pub(crate) enum DecoderInput<'a> {
    /// Ids of words, all in the vocabulary.
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

/// What one stream puts into a pass of the decoder, with the cache that it goes into.
pub(crate) struct Piece<'a> {
    pub(crate) chunk: DecoderInput<'a>,
    pub(crate) cache: &'a mut KvCache,
    /// Last tokens whose logits are computed.
    pub(crate) rows: usize,
    /// What is asked of the last one of them.
    pub(crate) wanted: Wanted,
    /// Tokens that the cache held before.
    cached: usize,
}

impl<'a> Piece<'a> {
    /// A piece whose last token is asked for.
    pub(crate) fn new(chunk: DecoderInput<'a>, cache: &'a mut KvCache, wanted: Wanted) -> Self {
        let cached = cache.len();
        Self { chunk, cache, rows: 1, wanted, cached }
    }

    /// The same, with the logits of so many of its last tokens.
    pub(crate) fn with_rows(self, rows: usize) -> Self {
        Self { rows, ..self }
    }

    /// Leaves the cache as it was before.
    pub(crate) fn undo(&mut self) {
        self.cache.truncate(self.cached);
    }
}

/// Vision tower, connector and decoder.
pub(crate) trait Passes: Send + Sync {
    /// Pixels to hidden states of the vision tower, `[tiles, patches, vision hidden]`, row-major.
    fn hidden_states(&self, pixels: &[f32], tiles: usize) -> Result<Vec<f32>>;

    /// Pixels to embeddings of image tokens, `[image tokens, hidden]`, tile by tile.
    fn encode(&self, pixels: &[f32], tiles: usize) -> Result<Tensor>;

    /// Whether the tiles of several frames take less time in one call of [`Self::encode`] than frame by frame.
    fn gains_by_more_tiles(&self) -> bool;

    /// Embeddings of words in the vocabulary, `[tokens, hidden]`.
    fn embed(&self, ids: &[u32]) -> Result<Tensor>;

    /// Fails, with the cache as it was, unless the piece fits in: a place in the cache and a position for each of its tokens.
    fn check(&self, piece: &Piece<'_>) -> Result<()>;

    /// Runs the pieces, each behind what its cache holds, and leaves their tokens there. Their logits replace what is in `logits`,
    /// `[rows of all pieces, vocab]`. After an error, what is in the caches is not said.
    fn forward(&self, pieces: &mut [Piece<'_>], logits: &mut Vec<f32>) -> Result<()>;

    /// Runs one piece as [`Self::forward`] does and returns what is asked of it; `logits` is room for them, if they come back from the
    /// device at all.
    fn answer(&self, piece: &mut Piece<'_>, logits: &mut Vec<f32>) -> Result<Answer> {
        self.forward(slice::from_mut(piece), logits)?;
        answer_of(logits, 0, piece.wanted)
    }

    /// The same of several pieces of one row of logits each, in one pass. An answer may be an error while the others go on.
    fn answer_all(
        &self,
        pieces: &mut [Piece<'_>],
        logits: &mut Vec<f32>,
        answers: &mut Vec<Result<Answer>>,
    ) -> Result<()> {
        self.forward(pieces, logits)?;
        let rows = logits.par_chunks_exact(logits.len() / pieces.len().max(1)).enumerate();
        let answers_of_rows =
            rows.zip(&*pieces).map(|((row, of_row), piece)| answer_of(of_row, row, piece.wanted));
        answers_of_rows.collect_into_vec(answers);
        Ok(())
    }

    /// Bytes of weights that every frame reads, as they are held.
    fn vision_weight_bytes(&self) -> usize;

    /// Bytes of weights that every token reads, as they are held.
    fn decoder_weight_bytes(&self) -> usize;

    fn rotary(&self) -> &Rotary;
}

/// What is asked, by the logits of one token, `[vocab]`, which are this row of all.
pub(crate) fn answer_of(logits: &[f32], row: usize, wanted: Wanted) -> Result<Answer> {
    check_finite(logits, logits.len())?;
    Ok(match wanted {
        Wanted::Logits => Answer::Logits(row),
        Wanted::Choice { silence } => Answer::Choice(Choice::of(logits, silence)),
        Wanted::Likeliest => Answer::Likeliest(argmax(logits)),
    })
}

/// Fails at the first logit that is not finite, of rows of `vocab`.
pub(crate) fn check_finite(logits: &[f32], vocab: usize) -> Result<()> {
    match logits.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(ModelError::NonFiniteLogits { value: logits[at], token: at % vocab }),
        None => Ok(()),
    }
}
