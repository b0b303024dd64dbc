//! The accounting of one stream's cache, which a run and a simulation share.
//!
//! An [`Account`] holds the content of the cache (the [`Ledger`]), the tokens that were generated and wait to
//! go in, and the budget. At every frame it says whether the cache overflows, to which segment waiting tokens
//! belong, and what a strategy sees. It also carries out an eviction plan. The caller brings the tokens: a
//! run brings their ids, a simulation what it knows of them. A frame is accounted for in this order:
//!
//! 1. [`Account::overflow_before`] says whether an eviction comes first ([`Account::view`], a plan,
//!    [`Account::rebuild`]).
//! 2. [`Account::take_waiting`] gives the waiting tokens. They, the messages that came with the frame, and
//!    the frame are added with [`Account::append`], in this order.
//! 3. The reply is appended. Its last token, or the message that replaces the reply, waits for the next step
//!    ([`Account::wait`], [`Account::defer`]).
//! 4. [`Account::end_of_step`] ends the step. Under ProAssist's rules [`Account::overflow_after`] follows.

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
    /// The number of tokens.
    fn tokens(&self) -> usize;
}

impl Waiting for Vec<u32> {
    fn tokens(&self) -> usize {
        self.len()
    }
}

/// A message that goes into the cache with the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Deferred<W> {
    /// The kind of the message.
    pub kind: SegmentKind,
    /// Whether an eviction put the message back; otherwise it replaces a reply.
    pub is_put_back: bool,
    /// The tokens of the message.
    pub content: W,
}

impl<W> Deferred<W> {
    /// Whether an eviction has to keep this message or drop everything, once the message is in the cache.
    pub fn is_pinned(&self) -> bool {
        self.is_put_back && is_opening(self.kind)
    }
}

/// Tokens of one kind on their way into the cache.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Incoming {
    /// The kind of the tokens.
    pub kind: SegmentKind,
    /// The number of tokens.
    pub tokens: usize,
    /// Whether an eviction has to keep these tokens or drop everything.
    pub pinned: bool,
    /// Whether the tokens belong to the segment before them: the silence token of a frame, or the last token
    /// of a reply.
    pub continues: bool,
    /// For a frame, the cosine of its embedding with that of the frame before it, if it was measured.
    pub similarity: Option<f64>,
}

impl Incoming {
    /// Tokens that become a separate segment, which may be dropped.
    pub fn new(kind: SegmentKind, tokens: usize) -> Self {
        Self { kind, tokens, pinned: false, continues: false, similarity: None }
    }
}

/// What a strategy sees in addition to the cache.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The texts that opened the stream.
    pub opening: Opening<'a>,
    /// The progress of the task, if it is known.
    pub dialogue_state: Option<&'a DialogueState>,
    /// Counts the tokens of a text.
    pub token_counter: &'a dyn TokenCounter,
    /// Measurements that the strategy asked for.
    pub signals: SignalRequest,
    /// The summary that was written before the overflow, if there is one.
    pub early_summary: Option<EarlySummary<'a>>,
}

/// Whether a segment of this kind is pinned after an eviction has put it back.
pub fn is_opening(kind: SegmentKind) -> bool {
    matches!(kind, SegmentKind::System | SegmentKind::Summary)
}

/// The content of one stream's cache, as far as it can be known without the model.
#[derive(Debug, Clone)]
pub struct Account<W> {
    ledger: Ledger,
    /// The buffers of the ledger before the last eviction. The next eviction reuses them.
    spare: Ledger,
    budget: Budget,
    /// Tokens that were generated and are not in the cache yet: the silence token or the last token of a
    /// reply.
    pending: Option<W>,
    /// Messages that go in with the next step, before the pending tokens.
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

    /// The account of a stream that continues from a saved state.
    pub fn resumed(
        budget: Budget,
        ledger: Ledger,
        pending: Option<W>,
        deferred: Vec<Deferred<W>>,
        initial_tokens: Option<usize>,
    ) -> Self {
        Self { ledger, spare: Ledger::new(), budget, pending, deferred, initial_tokens, user_turn: None }
    }

    /// The segments of the cache and their slots.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Length of the cache in tokens.
    pub fn tokens(&self) -> usize {
        self.ledger.tokens()
    }

    /// The budget of the cache.
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// Replaces the budget. A new strategy may need more or less room for its summaries.
    pub fn set_budget(&mut self, budget: Budget) {
        self.budget = budget;
    }

    /// Cache length after the first step that carried a user message (ProAssist's initial part).
    pub fn initial_tokens(&self) -> Option<usize> {
        self.initial_tokens
    }

    /// The tokens that were generated and are not in the cache yet.
    pub fn pending(&self) -> Option<&W> {
        self.pending.as_ref()
    }

    /// Messages that go in with the next step.
    pub fn deferred(&self) -> &[Deferred<W>] {
        &self.deferred
    }

    /// Everything that waits to go into the cache, in the order in which it goes in.
    pub fn waiting(&self) -> impl Iterator<Item = &W> {
        self.deferred.iter().map(|deferred| &deferred.content).chain(&self.pending)
    }

    /// The number of tokens that wait to go into the cache.
    pub fn waiting_tokens(&self) -> usize {
        self.waiting().map(Waiting::tokens).fold(0, usize::saturating_add)
    }

    /// The number of tokens that a step with `own` tokens adds to the cache: the waiting tokens and its own.
    pub fn incoming(&self, own: usize) -> usize {
        own.saturating_add(self.waiting_tokens())
    }

    /// Whether the cache has to be reduced before a step of `own` tokens, and why. An empty cache never
    /// overflows, because it has nothing to evict.
    pub fn overflow_before(&self, own: usize) -> Option<OverflowTrigger> {
        let tokens = self.tokens();
        self.budget.overflows(tokens, self.incoming(own)).filter(|_| tokens > 0)
    }

    /// ProAssist's check: after the frame, and by the reserve alone. Also returns the number of tokens that
    /// count as coming in.
    pub fn overflow_after(&self) -> Option<(OverflowTrigger, usize)> {
        let pending = self.pending.as_ref().map_or(0, Waiting::tokens);
        self.budget.reserve_is_touched(self.tokens()).then_some((OverflowTrigger::Reserved, pending))
    }

    /// Takes out the tokens that go in first with the next step: the deferred messages, then the pending
    /// tokens. The pending tokens come with the kind of the segment to which they belong. It is the last
    /// segment of the cache, or a frame that is no longer in the cache.
    pub fn take_waiting(&mut self) -> (Vec<Deferred<W>>, Option<(SegmentKind, W)>) {
        let kind = self.last_kind().filter(|kind| !is_opening(*kind)).unwrap_or(SegmentKind::Frame);
        (std::mem::take(&mut self.deferred), self.pending.take().map(|pending| (kind, pending)))
    }

    /// The number of tokens that an eviction has to keep unless it drops everything.
    pub fn pinned_tokens(&self) -> usize {
        let pinned = self.ledger.segments().iter().filter(|segment| segment.pinned);
        pinned.map(|segment| segment.range.len()).sum()
    }

    /// Appends tokens to the cache. Returns the kind of their segment and their slots. A pinned system
    /// message replaces the earlier system messages, which are no longer pinned.
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

    /// Sets the generated tokens that go in with the next step; `None` if nothing was generated.
    pub fn wait(&mut self, pending: Option<W>) {
        self.pending = pending;
    }

    /// Adds a message that replaces a reply and goes in with the next step.
    pub fn defer(&mut self, kind: SegmentKind, content: W) {
        self.deferred.push(Deferred { kind, is_put_back: false, content });
    }

    /// Ends a step. `carried_request` says whether a user message went in with it.
    pub fn end_of_step(&mut self, carried_request: bool) {
        if carried_request && self.initial_tokens.is_none() {
            self.initial_tokens = Some(self.tokens());
        }
    }

    /// Cuts the cache back to its first `tokens` tokens. Removes the pending tokens as well.
    pub fn truncate(&mut self, tokens: usize) {
        self.ledger.truncate(tokens);
        self.pending = None;
    }

    /// Removes everything behind the first `tokens` tokens, the pending tokens and the deferred messages.
    pub fn reset(&mut self, tokens: usize) {
        self.truncate(tokens);
        self.deferred.clear();
    }

    /// Whether the model can be asked for a summary on a fork of the cache now. `question` is the length of
    /// the question in tokens; the waiting tokens go in before it.
    pub fn has_room_for_summary(&self, question: usize, max_new_tokens: usize) -> bool {
        let taken = [question, self.waiting_tokens(), max_new_tokens];
        taken.into_iter().fold(self.tokens(), usize::saturating_add) <= self.budget.max_seq_len
    }

    /// The view of the cache that a strategy gets when `incoming` tokens are about to come in.
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

    /// Whether the texts of a plan that is made at `trigger` go in with the next step instead of at once.
    pub(crate) fn defers_texts(trigger: Trigger) -> bool {
        trigger == Trigger::AfterFrame
    }
}
