//! The forward passes of a model, whatever computes them: over buffers on a CPU ([`crate::cpu`]), or over tensors on any device
//! ([`crate::any_device`]). Who asks knows neither.

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

    /// What a new cache carries for these passes, if they need more of a stream than its slots.
    fn decoding(&self) -> Result<Option<Decoding>> {
        Ok(None)
    }

    /// Embeddings of words in the vocabulary, `[tokens, hidden]`.
    fn embed(&self, ids: &[u32]) -> Result<Tensor>;

    /// Fails, with the cache as it was, unless the piece fits in: a place in the cache and a position for each of its tokens.
    fn check(&self, piece: &Piece<'_>) -> Result<()>;

    /// Runs the pieces, each behind what its cache holds, and leaves their tokens there. Their logits replace what is in `logits`,
    /// `[rows of all pieces, vocab]`. After an error, what is in the caches is not said.
    fn forward(&self, pieces: &mut [Piece<'_>], logits: &mut Vec<f32>) -> Result<()>;

    /// Runs one piece as [`Self::forward`] does and answers it where its logits are, so that they need not come back. `None` where
    /// nothing is found there; the piece is taken back then, if it went in at all.
    fn answer_on_device(&self, _: &mut Piece<'_>) -> Result<Option<Answer>> {
        Ok(None)
    }

    /// The same of several pieces of one row of logits each. Of a piece that is not answered there the answer is the row of its logits,
    /// which is in `logits`.
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

    /// Runs one piece as [`Self::forward`] does and returns what is asked of it; `logits` is room for them, if they come back from the
    /// device at all.
    fn answer(&self, piece: &mut Piece<'_>, logits: &mut Vec<f32>) -> Result<Answer> {
        if let Some(answer) = self.answer_on_device(piece)? {
            return Ok(answer);
        }
        // Again, for the logit that is at fault, if it was computed at all.
        piece.undo();
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

    /// Bytes of weights that every frame reads, as they are held.
    fn vision_weight_bytes(&self) -> usize;

    /// Bytes of weights that every token reads, as they are held.
    fn decoder_weight_bytes(&self) -> usize;

    fn rotary(&self) -> &Rotary;
}

/// What is asked, by the logits of one token, `[vocab]`, which are this row of all.
fn answer_of(logits: &[f32], row: usize, wanted: Wanted) -> Result<Answer> {
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
