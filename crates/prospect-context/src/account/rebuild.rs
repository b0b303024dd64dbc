//! An eviction plan carried out: what is kept, what is put back, what waits for the next step.

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
    /// These slots of the old cache come back from slot `to` on.
    Keep {
        /// Where they were.
        from: Range<usize>,
        /// Where they begin now.
        to: usize,
    },
    /// A text stands here now.
    Text {
        /// What it is.
        kind: SegmentKind,
        /// Its slots.
        at: Range<usize>,
        /// Its tokens.
        content: W,
    },
}

/// What an eviction left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt<W> {
    /// Length of the cache before.
    pub tokens_before: usize,
    /// Length of the cache afterwards.
    pub tokens_after: usize,
    /// The pieces that the cache is rebuilt from.
    pub pieces: Vec<RebuiltPiece<W>>,
    /// The texts that were put back, in order; after a frame they go in with the next step and are no pieces.
    pub put_back: Vec<PutBack>,
}

/// A text that does not fit into the cache that is rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no room for {incoming} more tokens beside {cache_tokens}: expected at most {max_seq_len} together")]
pub struct NoRoom {
    /// Its tokens.
    pub incoming: usize,
    /// Tokens that were there by then.
    pub cache_tokens: usize,
    /// Most tokens the cache may hold.
    pub max_seq_len: usize,
}

impl<W: Waiting> Account<W> {
    /// Carries `plan` out. `texts` are the texts and summaries of the plan, in its order; under ProAssist's rules
    /// ([`Trigger::AfterFrame`]) they go in with the next step, for after a frame there always is one.
    ///
    /// # Errors
    /// [`NoRoom`]: the stream cannot go on then.
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
