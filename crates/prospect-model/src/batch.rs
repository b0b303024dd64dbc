//! Parts of several streams in one pass over the weights.

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
    /// The id of a word.
    Word(u32),
    /// A chunk of at least one token.
    Chunk(&'a Embeddings),
}

/// What one stream puts into a pass.
pub struct Part<'a> {
    /// What goes in.
    pub input: Input<'a>,
    /// What is asked of the word that follows its last token.
    pub wanted: Wanted,
    /// The stream's own cache.
    pub cache: &'a mut KvCache,
}

/// What a pass found, part by part. It keeps its memory from pass to pass.
#[derive(Debug, Default)]
pub struct Answers {
    /// Of the parts that went in, `[parts, vocab]`; where a device answers without them, of those that ask for them.
    logits: Vec<f32>,
    vocab: usize,
    /// Of all parts.
    parts: Vec<Result<Answer>>,
    /// Of the parts that went in.
    went_in: Vec<Result<Answer>>,
}

impl Answers {
    /// Memory for passes to come.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the answers out, in the order of the parts: what was found, or why that part is not in its cache.
    pub fn drain(&mut self) -> impl Iterator<Item = Result<Found<'_>>> {
        let mut rows = self.logits.chunks_exact_mut(self.vocab.max(1)).enumerate();
        self.parts.drain(..).map(move |answer| {
            Ok(match answer? {
                Answer::Choice(choice) => Found::Choice(choice),
                Answer::Likeliest(id) => Found::Likeliest(id),
                // Rows rise with the parts, and each is there.
                Answer::Logits(own) => {
                    Found::Logits(rows.find(|(row, _)| *row == own).map_or(&mut [], |(_, row)| row))
                }
            })
        })
    }
}

impl SmolVlm {
    /// Puts the parts of several streams into their caches in one pass: each weight is read once for all of them, and every part
    /// sees its own cache alone. What a part becomes is what it would become alone, to the bit on the CPU; its answer is in
    /// `answers`, in its place. A part alone takes the way of [`Self::put`].
    ///
    /// A part that cannot go in has its error there, and leaves its cache as it was; the others go on. These are
    /// [`ModelError::EmptyChunk`], [`ModelError::TokenId`], [`ModelError::CacheFull`], [`ModelError::Position`] and
    /// [`ModelError::NonFiniteLogits`], and a chunk or a cache that is another device's.
    ///
    /// # Errors
    /// A failure of the device or of the tensor library, which is nobody's own: all caches are as they were then, and there are no
    /// answers.
    pub fn pass(&self, parts: &mut [Part<'_>], answers: &mut Answers) -> Result<()> {
        let Answers { logits, vocab, parts: found, went_in } = answers;
        *vocab = self.config().text_config.vocab_size;
        found.clear();
        // They borrow the parts, so that no buffer can hold them: the one allocation of a pass.
        let mut pieces = Vec::with_capacity(parts.len());
        for Part { input, wanted, cache } in parts {
            // Its place, until it is known.
            let taken = self.piece(input, cache, *wanted).map(|piece| pieces.push(piece));
            found.push(taken.map(|()| Answer::Logits(0)));
        }
        self.answer_all(&mut pieces, logits, went_in).inspect_err(|_| found.clear())?;
        for (slot, answer) in found.iter_mut().filter(|slot| slot.is_ok()).zip(went_in.drain(..)) {
            *slot = answer;
        }
        Ok(())
    }

    /// Puts one part into its cache and returns what is wanted. On a GPU a choice is made there, and nothing else comes back;
    /// `logits` is room for them that lives from part to part.
    ///
    /// # Errors
    /// Every error leaves the cache as it was: [`ModelError::EmptyChunk`], [`ModelError::TokenId`], [`ModelError::CacheFull`],
    /// [`ModelError::Position`], [`ModelError::NonFiniteLogits`].
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

    /// A part as the passes take it, if it can go in.
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

    /// Answers in the order of the pieces; the caches of those that fail are as they were.
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
