//! One pass over the weights for several streams.

use std::slice;

use crate::answer::{Answer, Found, Wanted};
use crate::cache::KvCache;
use crate::embeddings::Embeddings;
use crate::error::{ModelError, Result};
use crate::passes::{DecoderInput, Piece};
use crate::smolvlm::SmolVlm;

/// What goes into a cache.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// The id of one token.
    Word(u32),
    /// A chunk of at least one token.
    Chunk(&'a Embeddings),
}

/// The part of one stream in a pass.
pub struct Part<'a> {
    /// The input.
    pub input: Input<'a>,
    /// What the caller wants to know about the token after the last one of the input.
    pub wanted: Wanted,
    /// The stream's own cache.
    pub cache: &'a mut KvCache,
}

/// The answers of a pass, in the order of its parts. The memory is reused from pass to pass.
#[derive(Debug, Default)]
pub struct Answers {
    /// Logits `[rows, vocab]`. On the CPU there is a row for each part that was computed; on a GPU only
    /// for parts that need logits.
    logits: Vec<f32>,
    vocab: usize,
    /// Answers of all parts.
    parts: Vec<Result<Answer>>,
    /// Answers of the parts that were computed.
    went_in: Vec<Result<Answer>>,
}

impl Answers {
    /// Empty answers, whose memory grows with use.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the answers in the order of the parts: the answer, or the error because of which the
    /// part is not in its cache.
    pub fn drain(&mut self) -> impl Iterator<Item = Result<Found<'_>>> {
        let mut rows = self.logits.chunks_exact_mut(self.vocab.max(1)).enumerate();
        self.parts.drain(..).map(move |answer| {
            Ok(match answer? {
                Answer::Choice(choice) => Found::Choice(choice),
                Answer::Likeliest(id) => Found::Likeliest(id),
                // Row numbers ascend with the parts, and every row exists.
                Answer::Logits(own) => {
                    Found::Logits(rows.find(|(row, _)| *row == own).map_or(&mut [], |(_, row)| row))
                }
            })
        })
    }
}

impl SmolVlm {
    /// Puts the parts of several streams into their caches in one pass. Each weight is read once for
    /// all parts, and every part attends only to its own cache. On the CPU the results are
    /// bit-identical to those of [`Self::put`] for each part alone. The answer of a part is at its
    /// index in `answers`. A single part takes the path of [`Self::put`].
    ///
    /// A part that cannot be computed gets its error as its answer, and its cache is unchanged; the
    /// other parts are computed. Such errors are [`ModelError::EmptyChunk`], [`ModelError::TokenId`],
    /// [`ModelError::CacheFull`], [`ModelError::Position`], [`ModelError::NonFiniteLogits`], and a
    /// chunk or a cache of another device.
    ///
    /// # Errors
    /// The device or the tensor library fails. All caches are then unchanged, and there are no answers.
    pub fn pass(&self, parts: &mut [Part<'_>], answers: &mut Answers) -> Result<()> {
        let Answers { logits, vocab, parts: found, went_in } = answers;
        *vocab = self.config().text_config.vocab_size;
        found.clear();
        // The pieces borrow the parts, so no buffer can hold them from pass to pass. This is the only
        // allocation of a pass.
        let mut pieces = Vec::with_capacity(parts.len());
        for Part { input, wanted, cache } in parts {
            // `Answer::Logits(0)` is a placeholder until the answer is known.
            let taken = self.piece(input, cache, *wanted).map(|piece| pieces.push(piece));
            found.push(taken.map(|()| Answer::Logits(0)));
        }
        self.answer_all(&mut pieces, logits, went_in).inspect_err(|_| found.clear())?;
        for (slot, answer) in found.iter_mut().filter(|slot| slot.is_ok()).zip(went_in.drain(..)) {
            *slot = answer;
        }
        Ok(())
    }

    /// Puts one part into its cache and returns what the caller wants to know. On a GPU the choice is
    /// made there, and no logits are copied back. `logits` is a buffer that is reused from part to
    /// part.
    ///
    /// # Errors
    /// After any error the cache is unchanged: [`ModelError::EmptyChunk`], [`ModelError::TokenId`],
    /// [`ModelError::CacheFull`], [`ModelError::Position`], [`ModelError::NonFiniteLogits`].
    pub fn put<'a>(
        &self,
        input: Input<'_>,
        cache: &mut KvCache,
        wanted: Wanted,
        logits: &'a mut Vec<f32>,
    ) -> Result<Found<'a>> {
        let mut piece = self.piece(&input, cache, wanted)?;
        let answer = self.passes().answer(&mut piece, logits).inspect_err(|_| piece.undo())?;
        Ok(match answer {
            Answer::Logits(_) => Found::Logits(logits),
            Answer::Choice(choice) => Found::Choice(choice),
            Answer::Likeliest(id) => Found::Likeliest(id),
        })
    }

    /// Converts a part to the form of the passes, after checking that it can be computed.
    pub(crate) fn piece<'a>(
        &self,
        input: &'a Input<'a>,
        cache: &'a mut KvCache,
        wanted: Wanted,
    ) -> Result<Piece<'a>> {
        let chunk = match input {
            Input::Word(id) => DecoderInput::Words(slice::from_ref(id)),
            Input::Chunk(chunk) => DecoderInput::Embeddings(chunk.tensor()),
        };
        match chunk {
            DecoderInput::Words(ids) => self.check_words(ids)?,
            DecoderInput::Embeddings(_) if chunk.tokens() == 0 => return Err(ModelError::EmptyChunk),
            DecoderInput::Embeddings(_) => {}
        }
        let piece = Piece::new(chunk, cache, wanted);
        self.passes().check(&piece)?;
        Ok(piece)
    }

    /// Answers in the order of the pieces. The cache of a piece that fails is unchanged.
    fn answer_all(
        &self,
        pieces: &mut [Piece<'_>],
        logits: &mut Vec<f32>,
        answers: &mut Vec<Result<Answer>>,
    ) -> Result<()> {
        answers.clear();
        let result = match pieces {
            [] => Ok(()),
            [alone] => {
                answers.push(self.passes().answer(alone, logits));
                Ok(())
            }
            _ => self.passes().answer_all(pieces, logits, answers),
        };
        match &result {
            Ok(()) => {
                let failed = pieces.iter_mut().zip(&*answers).filter(|(_, answer)| answer.is_err());
                failed.for_each(|(piece, _)| piece.undo());
            }
            Err(_) => pieces.iter_mut().for_each(Piece::undo),
        }
        result
    }
}
