//! Carries an eviction plan out: which slots are kept, which texts are put back, and which wait for the next
//! step.

use std::ops::Range;

use super::turns::{Part, UserTurn, is_of_turn, part};
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

impl<W> Rebuilt<W> {
    /// The slots of the old cache that came back, in order.
    pub fn kept(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.pieces.iter().filter_map(|piece| match piece {
            RebuiltPiece::Keep { from, .. } => Some(from.clone()),
            RebuiltPiece::Text { .. } => None,
        })
    }
}

impl<W: Waiting + Clone> Account<W> {
    /// Carries `plan` out. `texts` are the texts and summaries of the plan, in its order. Under ProAssist's
    /// rules ([`Trigger::AfterFrame`]) they go in with the next step, which always follows an eviction after
    /// a frame.
    ///
    /// Where frames stand in the user's turn, turns are opened and closed again as what is kept needs it, and a turn is open
    /// afterwards if one was open before. A text of the user's is one inside of a turn then.
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
        let was_open = self.turn_is_open();
        let mut cache = Rebuilding {
            old: &self.ledger,
            ledger: Ledger::emptied_into(&self.ledger, std::mem::take(&mut self.spare)),
            max_seq_len: self.budget.max_seq_len,
            now: time,
            turn: self.user_turn.as_ref(),
            kept: plan.kept().collect(),
            is_open: false,
            pieces: Vec::new(),
            put_back: Vec::new(),
        };
        let mut deferred = Vec::new();
        for piece in plan.pieces() {
            match piece {
                Piece::PendingReply => {}
                Piece::Keep(range) => cache.keep(range)?,
                Piece::Text { .. } | Piece::Summary(_) => {
                    // As many as the plan has; one that is missing leaves no trace.
                    let Some((kind, content)) = texts.next() else { continue };
                    if Self::defers_texts(trigger) {
                        cache.check_room(&content)?;
                        cache.put_back.push(PutBack { kind, tokens: content.tokens() });
                        deferred.push(Deferred { kind, is_put_back: true, content });
                    } else {
                        cache.text(kind, content)?;
                    }
                }
            }
        }
        cache.end(was_open)?;
        // The end of a reply goes the way of the reply where it closes a message.
        let keeps_pending = match self.user_turn {
            Some(_) => cache.ends_as(tokens_before),
            None => plan.keeps_pending(),
        };
        let Rebuilding { ledger, pieces, put_back, .. } = cache;
        self.spare = std::mem::replace(&mut self.ledger, ledger);
        if !keeps_pending {
            self.pending = None;
            self.deferred.clear();
        }
        self.deferred.append(&mut deferred);
        Ok(Rebuilt { tokens_before, tokens_after: self.tokens(), pieces, put_back })
    }
}

/// A cache that is filled again.
struct Rebuilding<'a, W> {
    old: &'a Ledger,
    ledger: Ledger,
    max_seq_len: usize,
    now: f64,
    /// Where frames stand in the user's turn.
    turn: Option<&'a UserTurn<W>>,
    /// The slots that the plan keeps.
    kept: Vec<Range<usize>>,
    /// A user's turn is open.
    is_open: bool,
    pieces: Vec<RebuiltPiece<W>>,
    put_back: Vec<PutBack>,
}

impl<W: Waiting + Clone> Rebuilding<'_, W> {
    fn check_room(&self, content: &W) -> Result<(), NoRoom> {
        let (incoming, cache_tokens) = (content.tokens(), self.ledger.tokens());
        match cache_tokens.saturating_add(incoming) > self.max_seq_len {
            true => Err(NoRoom { incoming, cache_tokens, max_seq_len: self.max_seq_len }),
            false => Ok(()),
        }
    }

    fn keep(&mut self, range: &Range<usize>) -> Result<(), NoRoom> {
        if self.turn.is_none() {
            self.keep_slots(range.clone());
            return Ok(());
        }
        let segments = self.old.segments();
        let first = segments.partition_point(|segment| segment.range.end <= range.start);
        for (index, segment) in segments.iter().enumerate().skip(first) {
            if segment.range.start >= range.end {
                break;
            }
            let part = part(segments, index);
            match part {
                // The turn goes on that is open already, or whose reply is dropped.
                Part::Opening if self.is_open => continue,
                Part::Closing if !self.is_kept(segment.range.end) => continue,
                Part::Opening => {}
                Part::Message => self.close()?,
                Part::Inside | Part::Closing => self.open()?,
            }
            self.keep_slots(segment.range.start.max(range.start)..segment.range.end.min(range.end));
            self.is_open = matches!(part, Part::Opening | Part::Inside);
        }
        Ok(())
    }

    /// Whether the plan keeps this slot.
    fn is_kept(&self, slot: usize) -> bool {
        let next = self.kept.partition_point(|range| range.end <= slot);
        self.kept.get(next).is_some_and(|range| range.contains(&slot))
    }

    /// These slots come back; neighbours as one piece where turns are looked at one segment after the other.
    fn keep_slots(&mut self, range: Range<usize>) {
        let to = self.ledger.tokens();
        self.ledger.append_from(self.old, &range);
        match self.pieces.last_mut() {
            Some(RebuiltPiece::Keep { from, .. }) if self.turn.is_some() && from.end == range.start => {
                from.end = range.end;
            }
            _ => self.pieces.push(RebuiltPiece::Keep { from: range, to }),
        }
    }

    /// A text of the plan goes in.
    fn text(&mut self, kind: SegmentKind, content: W) -> Result<(), NoRoom> {
        match is_of_turn(kind) {
            true => self.open()?,
            false => self.close()?,
        }
        self.put(kind, content)
    }

    fn put(&mut self, kind: SegmentKind, content: W) -> Result<(), NoRoom> {
        self.check_room(&content)?;
        let (incoming, start) = (content.tokens(), self.ledger.tokens());
        self.put_back.push(PutBack { kind, tokens: incoming });
        let pinned = is_opening(kind);
        // What opens the cache again stands for what opened it.
        let opened = self.old.segments().first().map_or(self.now, |first| first.time);
        let time = if start == 0 && pinned { opened } else { self.now };
        self.ledger.append(kind, incoming, time, pinned);
        self.pieces.push(RebuiltPiece::Text { kind, at: start..self.ledger.tokens(), content });
        Ok(())
    }

    /// Opens a user's turn unless one is open.
    fn open(&mut self) -> Result<(), NoRoom> {
        let Some(turn) = self.turn.filter(|_| !self.is_open) else { return Ok(()) };
        self.is_open = true;
        self.put(SegmentKind::User, turn.opening.clone())
    }

    /// Closes the user's turn if one is open.
    fn close(&mut self) -> Result<(), NoRoom> {
        let Some(turn) = self.turn.filter(|_| self.is_open) else { return Ok(()) };
        self.is_open = false;
        self.put(SegmentKind::User, turn.closing.clone())
    }

    /// Whether the last slot is the last one of the old cache of so many tokens.
    fn ends_as(&self, tokens_before: usize) -> bool {
        matches!(self.pieces.last(), Some(RebuiltPiece::Keep { from, .. }) if from.end == tokens_before)
    }

    /// Leaves a turn open if one was: what comes in counts on it.
    fn end(&mut self, was_open: bool) -> Result<(), NoRoom> {
        match self.turn {
            _ if was_open => self.open(),
            // The reply is gone that stood at the end.
            Some(turn) if self.is_open => {
                self.close()?;
                self.put(SegmentKind::Assistant, turn.no_reply.clone())
            }
            _ => Ok(()),
        }
    }
}
