//! Carries an eviction plan out: which slots are kept, which texts are put back, and which wait for the next
//! step.

use std::ops::Range;

use super::{Account, Deferred, Waiting, is_opening};
use crate::budget::Trigger;
use crate::ledger::Ledger;
use crate::plan::{EvictionPlan, Piece};
use crate::segment::SegmentKind;
use crate::simulator::PutBack;

/// One piece of the rebuilt cache, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RebuiltPiece<W> {
    /// Slots of the old cache that are kept. They begin at slot `to` of the new cache.
    Keep {
        /// Their slots in the old cache.
        from: Range<usize>,
        /// Their first slot in the new cache.
        to: usize,
    },
    /// A text that is put back.
    Text {
        /// The kind of its segment.
        kind: SegmentKind,
        /// Its slots in the new cache.
        at: Range<usize>,
        /// Its tokens.
        content: W,
    },
}

/// The result of an eviction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt<W> {
    /// Length of the cache before the eviction, in tokens.
    pub tokens_before: usize,
    /// Length of the cache after the eviction, in tokens.
    pub tokens_after: usize,
    /// The pieces of the new cache, in order.
    pub pieces: Vec<RebuiltPiece<W>>,
    /// The texts that were put back, in order. In an eviction after a frame they go in with the next step and
    /// are not among the pieces.
    pub put_back: Vec<PutBack>,
}

/// A text of the plan does not fit into the rebuilt cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no room for {incoming} more tokens beside {cache_tokens}: expected at most {max_seq_len} together")]
pub struct NoRoom {
    /// The tokens of the text.
    pub incoming: usize,
    /// The tokens in the cache before the text.
    pub cache_tokens: usize,
    /// The most tokens that the cache may hold.
    pub max_seq_len: usize,
}

impl<W: Waiting> Account<W> {
    /// Carries `plan` out. `texts` are the texts and summaries of the plan, in its order. Under ProAssist's
    /// rules ([`Trigger::AfterFrame`]) they go in with the next step, which always follows an eviction after
    /// a frame.
    ///
    /// # Errors
    /// [`NoRoom`], after which the stream cannot continue.
    pub fn rebuild(
        &mut self,
        plan: &EvictionPlan,
        texts: impl IntoIterator<Item = (SegmentKind, W)>,
        trigger: Trigger,
        time: f64,
    ) -> Result<Rebuilt<W>, NoRoom> {
        let mut texts = texts.into_iter();
        let tokens_before = self.tokens();
        let opened = self.ledger.segments().first().map_or(time, |first| first.time);
        let mut ledger = Ledger::emptied_into(&self.ledger, std::mem::take(&mut self.spare));
        let (mut pieces, mut put_back, mut deferred) = (Vec::new(), Vec::new(), Vec::new());
        for piece in plan.pieces() {
            match piece {
                Piece::PendingReply => {}
                Piece::Keep(range) => {
                    let to = ledger.tokens();
                    ledger.append_from(&self.ledger, range);
                    pieces.push(RebuiltPiece::Keep { from: range.clone(), to });
                }
                Piece::Text { .. } | Piece::Summary(_) => {
                    // As many as the plan has; one that is missing leaves no trace.
                    let Some((kind, content)) = texts.next() else { continue };
                    let (incoming, start) = (content.tokens(), ledger.tokens());
                    let max_seq_len = self.budget.max_seq_len;
                    if start.saturating_add(incoming) > max_seq_len {
                        return Err(NoRoom { incoming, cache_tokens: start, max_seq_len });
                    }
                    put_back.push(PutBack { kind, tokens: incoming });
                    if Self::defers_texts(trigger) {
                        deferred.push(Deferred { kind, is_put_back: true, content });
                        continue;
                    }
                    let pinned = is_opening(kind);
                    // What opens the cache again stands for what opened it.
                    let time = if start == 0 && pinned { opened } else { time };
                    ledger.append(kind, incoming, time, pinned);
                    pieces.push(RebuiltPiece::Text { kind, at: start..ledger.tokens(), content });
                }
            }
        }
        if !plan.keeps_pending() {
            self.pending = None;
            self.deferred.clear();
        }
        self.deferred.append(&mut deferred);
        self.spare = std::mem::replace(&mut self.ledger, ledger);
        Ok(Rebuilt { tokens_before, tokens_after: self.tokens(), pieces, put_back })
    }
}
