//! The accounting of one stream's cache, which a run and a simulation share.
//!
//! An [`Account`] knows what the cache holds (the [`Ledger`]), what was said and waits to go in, and the budget. It answers
//! the questions that come up at every frame - does the cache overflow? to what do waiting tokens belong? what does the
//! strategy see? - and carries an eviction plan out. Who drives it brings the tokens: a run their ids, a simulation what it
//! knows of them. The order in which a frame goes through it:
//!
//! 1. [`Account::overflow_before`] says whether to evict first ([`Account::view`], a plan, [`Account::rebuild`]).
//! 2. [`Account::take_waiting`], then what came in with the frame, then the frame: each [`Account::append`]ed.
//! 3. What the assistant says, appended; its last token, or what stands for the reply, waits ([`Account::wait`],
//!    [`Account::defer`]).
//! 4. [`Account::end_of_step`], and under ProAssist's rules [`Account::overflow_after`].

mod rebuild;
mod turns;

pub use rebuild::{NoRoom, Rebuilt, RebuiltPiece};
pub use turns::UserTurn;

use std::ops::Range;

use crate::budget::{Budget, OverflowTrigger, Trigger};
use crate::ledger::Ledger;
use crate::segment::SegmentKind;
use crate::view::{CacheView, DialogueState, EarlySummary, Opening, SignalRequest, Signals, TokenCounter};

/// Tokens that wait to go into the cache.
pub trait Waiting {
    /// How many they are.
    fn tokens(&self) -> usize;
}

impl Waiting for Vec<u32> {
    fn tokens(&self) -> usize {
        self.len()
    }
}

/// A message that goes in with the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Deferred<W> {
    /// What it is.
    pub kind: SegmentKind,
    /// An eviction put it back; otherwise it stands for a reply.
    pub is_put_back: bool,
    /// Its tokens.
    pub content: W,
}

impl<W> Deferred<W> {
    /// Whether an eviction has to keep it or drop everything, once it is in.
    pub fn is_pinned(&self) -> bool {
        self.is_put_back && is_opening(self.kind)
    }
}

/// Tokens of one kind on their way into the cache.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Incoming {
    /// What they are.
    pub kind: SegmentKind,
    /// How many.
    pub tokens: usize,
    /// Whether an eviction has to keep them or drop everything.
    pub pinned: bool,
    /// They belong to the segment before them: the silence token of a frame, the last token of a reply.
    pub continues: bool,
    /// Of a frame, the cosine of its embedding with that of the frame before it, where it was measured.
    pub similarity: Option<f64>,
}

impl Incoming {
    /// A segment of its own that may be dropped.
    pub fn new(kind: SegmentKind, tokens: usize) -> Self {
        Self { kind, tokens, pinned: false, continues: false, similarity: None }
    }
}

/// What a strategy sees beside the cache.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The texts that opened the stream.
    pub opening: Opening<'a>,
    /// Progress of the task, where it is known.
    pub dialogue_state: Option<&'a DialogueState>,
    /// What a text costs.
    pub token_counter: &'a dyn TokenCounter,
    /// Measurements that the strategy asked for.
    pub signals: SignalRequest,
    /// A summary that was written early.
    pub early_summary: Option<EarlySummary<'a>>,
}

/// Whether an eviction has to keep segments of this kind that it puts back, or drop everything.
pub fn is_opening(kind: SegmentKind) -> bool {
    matches!(kind, SegmentKind::System | SegmentKind::Summary)
}

/// One stream's cache, as far as it can be known without the model.
#[derive(Debug, Clone)]
pub struct Account<W> {
    ledger: Ledger,
    /// Buffers of the ledger before the last eviction, for the next one.
    spare: Ledger,
    budget: Budget,
    /// Generated, but not in the cache yet: the silence token or the last token of a reply.
    pending: Option<W>,
    /// Goes in with the next step, before the pending tokens.
    deferred: Vec<Deferred<W>>,
    /// Cache length after the first step that carried a user message.
    initial_tokens: Option<usize>,
    /// What opens and closes a user's turn, where frames stand in one.
    user_turn: Option<UserTurn<W>>,
}

impl<W: Waiting> Account<W> {
    /// The account of an empty cache.
    pub fn new(budget: Budget) -> Self {
        Self {
            ledger: Ledger::new(),
            spare: Ledger::new(),
            budget,
            pending: None,
            deferred: Vec::new(),
            initial_tokens: None,
            user_turn: None,
        }
    }

    /// This account of a stream whose frames stand in the user's turn (`None`: between the turns).
    #[must_use]
    pub fn with_user_turn(self, user_turn: Option<UserTurn<W>>) -> Self {
        Self { user_turn, ..self }
    }

    /// What opens and closes a user's turn, where frames stand in one.
    pub fn user_turn(&self) -> Option<&UserTurn<W>> {
        self.user_turn.as_ref()
    }

    /// Whether what comes in next stands in a user's turn that is open.
    pub fn turn_is_open(&self) -> bool {
        self.user_turn.is_some()
            && self.waiting().next().is_none()
            && self.last_kind().is_some_and(turns::is_of_turn)
    }

    /// What stands at the end of the cache.
    pub fn last_kind(&self) -> Option<SegmentKind> {
        self.ledger.segments().last().map(|segment| segment.kind)
    }

    /// The account of a stream that is gone on with.
    pub fn resumed(
        budget: Budget,
        ledger: Ledger,
        pending: Option<W>,
        deferred: Vec<Deferred<W>>,
        initial_tokens: Option<usize>,
    ) -> Self {
        Self { ledger, spare: Ledger::new(), budget, pending, deferred, initial_tokens, user_turn: None }
    }

    /// What stands where.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Length of the cache in tokens.
    pub fn tokens(&self) -> usize {
        self.ledger.tokens()
    }

    /// What the cache may hold.
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// Another budget from now on: another strategy may need more room for its summaries.
    pub fn set_budget(&mut self, budget: Budget) {
        self.budget = budget;
    }

    /// Cache length after the first step that carried a user message (ProAssist's initial part).
    pub fn initial_tokens(&self) -> Option<usize> {
        self.initial_tokens
    }

    /// What was generated and is not in the cache yet.
    pub fn pending(&self) -> Option<&W> {
        self.pending.as_ref()
    }

    /// Messages that go in with the next step.
    pub fn deferred(&self) -> &[Deferred<W>] {
        &self.deferred
    }

    /// Everything that is said but not in the cache yet, in the order in which it goes in.
    pub fn waiting(&self) -> impl Iterator<Item = &W> {
        self.deferred.iter().map(|deferred| &deferred.content).chain(&self.pending)
    }

    /// How many tokens that are.
    pub fn waiting_tokens(&self) -> usize {
        self.waiting().map(Waiting::tokens).fold(0, usize::saturating_add)
    }

    /// Tokens that come in with a step that brings `own` ones: what waits comes first.
    pub fn incoming(&self, own: usize) -> usize {
        own.saturating_add(self.waiting_tokens())
    }

    /// Whether the cache has to be reduced before a step of `own` tokens, and why. An empty cache has nothing to evict.
    pub fn overflow_before(&self, own: usize) -> Option<OverflowTrigger> {
        let tokens = self.tokens();
        self.budget.overflows(tokens, self.incoming(own)).filter(|_| tokens > 0)
    }

    /// ProAssist's check, after the frame and by the reserve alone; with it, the tokens that count as coming in.
    pub fn overflow_after(&self) -> Option<(OverflowTrigger, usize)> {
        let pending = self.pending.as_ref().map_or(0, Waiting::tokens);
        self.budget.reserve_is_touched(self.tokens()).then_some((OverflowTrigger::Reserved, pending))
    }

    /// Takes out what goes in first with the next step: the deferred messages, then the pending tokens and the kind of the
    /// segment to which they belong: the last one of the cache as it is now, or a frame that is no longer there.
    pub fn take_waiting(&mut self) -> (Vec<Deferred<W>>, Option<(SegmentKind, W)>) {
        let kind = self.last_kind().filter(|kind| !is_opening(*kind)).unwrap_or(SegmentKind::Frame);
        (std::mem::take(&mut self.deferred), self.pending.take().map(|pending| (kind, pending)))
    }

    /// Tokens that an eviction has to keep, or drop with everything.
    pub fn pinned_tokens(&self) -> usize {
        let pinned = self.ledger.segments().iter().filter(|segment| segment.pinned);
        pinned.map(|segment| segment.range.len()).sum()
    }

    /// Tokens that go in at the end; returns what they became and where they stand. A pinned system message stands for those
    /// before it, which are pinned no more.
    pub fn append(&mut self, incoming: &Incoming, time: f64) -> (SegmentKind, Range<usize>) {
        if incoming.kind == SegmentKind::System && incoming.pinned && incoming.tokens > 0 {
            self.ledger.unpin(SegmentKind::System);
        }
        let start = self.tokens();
        let last = self.ledger.segments().last().filter(|last| incoming.continues && !last.pinned);
        let kind = match last.map(|last| last.kind) {
            Some(kind) => {
                self.ledger.extend_last(incoming.tokens);
                kind
            }
            None => {
                match incoming.kind {
                    SegmentKind::Frame if !incoming.continues => {
                        self.ledger.append_frame(incoming.tokens, time, incoming.pinned, incoming.similarity);
                    }
                    kind => self.ledger.append(kind, incoming.tokens, time, incoming.pinned),
                }
                incoming.kind
            }
        };
        (kind, start..self.tokens())
    }

    /// These were generated and go in with the next step; `None`: nothing was.
    pub fn wait(&mut self, pending: Option<W>) {
        self.pending = pending;
    }

    /// A message that stands for a reply goes in with the next step.
    pub fn defer(&mut self, kind: SegmentKind, content: W) {
        self.deferred.push(Deferred { kind, is_put_back: false, content });
    }

    /// A step is over; `carried_request`: a user message went in with it.
    pub fn end_of_step(&mut self, carried_request: bool) {
        if carried_request && self.initial_tokens.is_none() {
            self.initial_tokens = Some(self.tokens());
        }
    }

    /// Cuts the cache back to its first `tokens` tokens; what waits to go in behind them is taken back as well.
    pub fn truncate(&mut self, tokens: usize) {
        self.ledger.truncate(tokens);
        self.pending = None;
    }

    /// Forgets everything behind the first `tokens` tokens, and everything that was said.
    pub fn reset(&mut self, tokens: usize) {
        self.truncate(tokens);
        self.deferred.clear();
    }

    /// Whether a summary can be asked for on a fork of the cache now: `question` tokens ask for it, behind what waits.
    pub fn has_room_for_summary(&self, question: usize, max_new_tokens: usize) -> bool {
        let taken = [question, self.waiting_tokens(), max_new_tokens];
        taken.into_iter().fold(self.tokens(), usize::saturating_add) <= self.budget.max_seq_len
    }

    /// The cache as a strategy sees it, `incoming` tokens being about to come in.
    pub fn view<'v>(&'v self, incoming: usize, time: f64, surroundings: &Surroundings<'v>) -> CacheView<'v> {
        let signals = Signals::default();
        CacheView {
            segments: self.ledger.segments(),
            budget: self.budget,
            incoming,
            pending: self.waiting_tokens(),
            time,
            opening: surroundings.opening,
            initial_tokens: self.initial_tokens,
            dialogue_state: surroundings.dialogue_state,
            token_counter: surroundings.token_counter,
            signals: match surroundings.signals.frame_similarity {
                true => signals.with_frame_similarity(self.ledger.frame_similarity()),
                false => signals,
            },
            early_summary: surroundings.early_summary,
        }
    }

    /// Says when a strategy's plans are made, and with it when its texts go in.
    pub(crate) fn defers_texts(trigger: Trigger) -> bool {
        trigger == Trigger::AfterFrame
    }
}
