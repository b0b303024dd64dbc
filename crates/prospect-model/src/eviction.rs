//! Rebuilds a cache from the pieces that an eviction keeps and inserts.

use std::ops::Range;

use candle_core::Tensor;
use prospect_context::PositionPolicy;

use crate::answer::Wanted;
use crate::cache::{KvCache, SetAside};
use crate::embeddings::Embeddings;
use crate::error::{ModelError, Result};
use crate::passes::{DecoderInput, Piece};
use crate::smolvlm::SmolVlm;

/// One piece of the rebuilt cache.
#[derive(Debug, Clone)]
pub enum EvictionPiece {
    /// Keep the tokens in these slots.
    Keep(Range<usize>),
    /// Prefill these embeddings.
    Tokens(Embeddings),
}

impl EvictionPiece {
    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        match self {
            Self::Keep(range) => range.len(),
            Self::Tokens(chunk) => chunk.tokens(),
        }
    }
}

/// An [`EvictionPiece`] that no longer depends on the contents of the cache.
enum Prepared<'a> {
    Slots(SetAside),
    Tokens(&'a Tensor),
}

impl SmolVlm {
    /// Rebuilds the cache from `pieces`, in order, under its position policy. Positions increase
    /// strictly under every policy except [`PositionPolicy::Legacy`]. Under
    /// [`PositionPolicy::Preserve`], kept slots whose positions were taken by inserted text move behind
    /// that text. Returns whether all positions were moved to begin at 0 because the model's maximum
    /// was near (only with [`PositionPolicy::Preserve`]).
    ///
    /// # Errors
    /// [`ModelError::CacheFull`] if the pieces have more tokens than the cache can hold;
    /// [`ModelError::KeepRange`] if a piece names unfilled slots. In both cases nothing is changed. Any
    /// other error leaves the cache empty.
    pub fn evict(&self, cache: &mut KvCache, pieces: &[EvictionPiece]) -> Result<bool> {
        let tokens: usize = pieces.iter().map(EvictionPiece::tokens).sum();
        if tokens > cache.capacity() {
            return Err(ModelError::CacheFull { incoming: tokens, cached: 0, capacity: cache.capacity() });
        }
        let pieces = pieces.iter().filter(|piece| piece.tokens() > 0);
        let prepared = pieces.map(|piece| match piece {
            EvictionPiece::Keep(range) => Ok(Prepared::Slots(cache.set_aside(range)?)),
            EvictionPiece::Tokens(chunk) => Ok(Prepared::Tokens(chunk.tensor())),
        });
        let prepared = prepared.collect::<Result<Vec<_>>>()?;
        let keeps_some = prepared.iter().any(|piece| matches!(piece, Prepared::Slots(_)));
        let preserves = cache.policy() == PositionPolicy::Preserve && keeps_some;
        let next = if preserves { cache.next_position().max(preserved_end(&prepared)) } else { 0 };
        // The positions must leave room to fill the cache again. Otherwise later keys could not keep
        // their rotation.
        let positions_reset = preserves && next + cache.capacity() > self.passes().rotary().max_positions();
        let turns = cache.policy() == PositionPolicy::Rerotate || positions_reset;
        self.rebuild(cache, &prepared, turns).inspect_err(|_| cache.clear())?;
        if preserves && !positions_reset {
            cache.continue_at(next);
        }
        Ok(positions_reset)
    }

    fn rebuild(&self, cache: &mut KvCache, pieces: &[Prepared<'_>], turns: bool) -> Result<()> {
        let (passes, mut none) = (self.passes(), Vec::new());
        let mut compute = |embeddings, cache: &mut KvCache| {
            let piece = Piece::new(DecoderInput::Embeddings(embeddings), cache, Wanted::Logits);
            passes.forward(&mut [piece.with_rows(0)], &mut none)
        };
        cache.clear();
        for piece in pieces {
            match piece {
                Prepared::Slots(slots) => match &slots.embeddings {
                    Some(embeddings) => compute(embeddings, cache)?,
                    None => {
                        // Inserted text may have taken the positions of these slots. Positions must
                        // increase, so the slots follow the text.
                        let taken = cache.policy() == PositionPolicy::Preserve
                            && !follows(slots, cache.next_position());
                        cache.put_back(slots, (turns || taken).then(|| passes.rotary()))?;
                    }
                },
                Prepared::Tokens(embeddings) => compute(embeddings, cache)?,
            }
            if cache.policy() == PositionPolicy::Legacy {
                cache.continue_at(cache.len());
            }
        }
        Ok(())
    }
}

/// Whether the slots can keep their positions behind tokens that end before position `next`.
fn follows(slots: &SetAside, next: usize) -> bool {
    slots.first_position().is_none_or(|first| first as usize >= next)
}

/// The next position after the last piece, if slots keep their positions wherever positions still
/// increase.
fn preserved_end(pieces: &[Prepared<'_>]) -> usize {
    pieces.iter().fold(0, |next, piece| match piece {
        Prepared::Tokens(embeddings) => next + embeddings.dims().first().copied().unwrap_or_default(),
        Prepared::Slots(slots) if follows(slots, next) => {
            slots.last_position().map_or(next, |last| last as usize + 1)
        }
        Prepared::Slots(slots) => next + slots.tokens(),
    })
}
