//! An eviction: the strategy's plan, and the cache rebuilt from it.

use super::marks::{Label, Mark, Move, facts_of, moved, push_move};
use super::options::SimulatorError;
use super::report::{Eviction, PutBack, TokensByKind};
use super::simulate::{Deferred, Simulator, is_opening};
use super::stand_in;
use super::stream::StreamSegment;
use crate::budget::{OverflowTrigger, Trigger};
use crate::ledger::Ledger;
use crate::plan::{EvictionPlan, Piece, PositionPolicy, SummaryRequest};
use crate::segment::SegmentKind;
use crate::view::TokenCounter;

/// The cache while it is filled again.
struct Rebuilt {
    ledger: Ledger,
    /// When the cache's first segment went in.
    opened: f64,
    kept_tokens: TokensByKind,
    moves: Vec<Move>,
    put_back: Vec<PutBack>,
    /// What was put back, where it stands.
    marks: Vec<Mark>,
    /// What is put back with the next frame.
    deferred: Vec<Deferred>,
    summary_tokens_waited_for: usize,
}

impl Rebuilt {
    fn keep(&mut self, old: &Ledger, range: std::ops::Range<usize>) {
        let (segments, to) = (self.ledger.segments().len(), self.ledger.tokens());
        self.ledger.append_from(old, &range);
        for segment in &self.ledger.segments()[segments..] {
            self.kept_tokens.add(segment.kind, segment.range.len());
        }
        push_move(&mut self.moves, range, to);
    }

    fn put_back(&mut self, kind: SegmentKind, tokens: usize, facts: Vec<u32>, trigger: Trigger, time: f64) {
        self.put_back.push(PutBack { kind, tokens });
        let pinned = is_opening(kind);
        // A message without a token tells nothing.
        let facts = if tokens == 0 { Vec::new() } else { facts };
        if trigger == Trigger::AfterFrame {
            // After a frame there is always a next step: texts go in with it.
            let segment = StreamSegment { pinned, ..StreamSegment::new(kind, tokens) };
            return self.deferred.push(Deferred { segment, summarised: facts, is_put_back: true });
        }
        let start = self.ledger.tokens();
        // What opens the cache again stands for what opened it.
        let time = if start == 0 && pinned { self.opened } else { time };
        self.ledger.append(kind, tokens, time, pinned);
        let range = start..self.ledger.tokens();
        let labels = facts.into_iter().map(Label::Summarised);
        let labels = std::iter::once(Label::PutBack(kind)).chain(labels);
        self.marks.extend(labels.map(|label| Mark { range: range.clone(), label }));
    }

    fn put_back_tokens(&self) -> usize {
        self.put_back.iter().map(|it| it.tokens).fold(0, usize::saturating_add)
    }
}

impl Simulator<'_> {
    pub(super) fn evict(
        &mut self,
        trigger: OverflowTrigger,
        incoming: usize,
        time: f64,
    ) -> Result<(), SimulatorError> {
        let pending = self.waiting_tokens();
        let known = self.visible_facts();
        let plan = self.plan(incoming, time)?;
        let spare = std::mem::take(&mut self.spare);
        let mut rebuilt = self.rebuild(&plan, spare, &known, time)?;
        if !plan.keeps_pending() {
            self.pending = None;
            self.deferred.clear();
        }
        self.deferred.append(&mut rebuilt.deferred);

        let tokens_before = self.ledger.tokens();
        let evicted_tokens = self.report.in_cache.without(&rebuilt.kept_tokens);
        rebuilt.marks.extend(moved(&self.marks, &rebuilt.moves));
        rebuilt.marks.sort_by_key(|mark| mark.range.start);
        let put_back_tokens = rebuilt.put_back_tokens();
        let recomputed = match plan.positions() {
            PositionPolicy::Recompute => rebuilt.kept_tokens.total(),
            _ => 0,
        };
        self.spare = std::mem::replace(&mut self.ledger, rebuilt.ledger);
        (self.marks, self.early) = (rebuilt.marks, None);
        self.recount();
        self.note_peak();
        for put_back in &rebuilt.put_back {
            self.report.put_back.add(put_back.kind, put_back.tokens);
        }
        let reprefilled = put_back_tokens.saturating_add(recomputed);
        let eviction = Eviction {
            step: self.report.steps.len(),
            time,
            trigger,
            incoming,
            pending,
            tokens_before,
            tokens_after: self.ledger.tokens(),
            kept: plan.kept().collect(),
            kept_tokens: rebuilt.kept_tokens,
            evicted_tokens,
            put_back: rebuilt.put_back,
            positions: plan.positions(),
            reprefilled,
            reprefilled_total: self.report.reprefilled().saturating_add(reprefilled),
            summary_tokens_waited_for: rebuilt.summary_tokens_waited_for,
            oldest_frame_age: self.oldest_frame.map(|oldest| time - oldest),
            lost_facts: self.lose_facts(known, time),
        };
        self.report.evictions.push(eviction);
        Ok(())
    }

    fn plan(&mut self, incoming: usize, time: f64) -> Result<EvictionPlan, SimulatorError> {
        let recorded = self.recorded.put_back.iter().flatten();
        let mut summaries = recorded.filter(|put_back| put_back.kind == SegmentKind::Summary);
        self.counter.recorded_summary = summaries.next().map(|put_back| put_back.tokens);
        let plan = self.strategy.plan(&self.view(incoming, time));
        self.counter.recorded_summary = None;
        plan.map_err(|source| SimulatorError::Plan {
            step: self.report.steps.len(),
            time,
            strategy: self.strategy.name().to_owned(),
            source,
        })
    }

    fn rebuild(
        &self,
        plan: &EvictionPlan,
        spare: Ledger,
        known: &[u32],
        time: f64,
    ) -> Result<Rebuilt, SimulatorError> {
        let mut rebuilt = Rebuilt {
            opened: self.ledger.segments().first().map_or(time, |first| first.time),
            ledger: Ledger::emptied_into(&self.ledger, spare),
            kept_tokens: TokensByKind::default(),
            moves: Vec::new(),
            put_back: Vec::new(),
            marks: Vec::new(),
            deferred: Vec::new(),
            summary_tokens_waited_for: 0,
        };
        for piece in plan.pieces() {
            let (kind, tokens, facts) = match piece {
                Piece::PendingReply => continue,
                Piece::Keep(range) => {
                    rebuilt.keep(&self.ledger, range.clone());
                    continue;
                }
                Piece::Text { role, text } => {
                    ((*role).into(), self.counter.message_tokens(*role, text), Vec::new())
                }
                Piece::Summary(request) => {
                    rebuilt.summary_tokens_waited_for += self.waited_for(request);
                    (SegmentKind::Summary, self.message_of(request), self.facts_in(request, known))
                }
            };
            let recorded = self.recorded.put_back.iter().flatten().nth(rebuilt.put_back.len());
            let tokens = recorded.map_or(tokens, |recorded| recorded.tokens);
            let (cache_tokens, max_seq_len) = (rebuilt.ledger.tokens(), self.options.budget.max_seq_len);
            if cache_tokens.saturating_add(tokens) > max_seq_len {
                let step = self.report.steps.len();
                return Err(SimulatorError::NoRoom {
                    step,
                    time,
                    incoming: tokens,
                    cache_tokens,
                    max_seq_len,
                });
            }
            rebuilt.put_back(kind, tokens, facts, self.strategy.trigger(), time);
        }
        Ok(rebuilt)
    }

    /// Tokens of a summary that are generated now.
    fn waited_for(&self, request: &SummaryRequest) -> usize {
        match (&request.written, &self.early) {
            (None, _) => self.summary_tokens(request),
            (Some(_), early) => early.as_ref().map_or(0, super::early::Early::left),
        }
    }

    /// Tokens of the message that a summary becomes.
    fn message_of(&self, request: &SummaryRequest) -> usize {
        let new = || stand_in::summary(self.summary_tokens(request));
        let summary = request.written.clone().unwrap_or_else(new);
        let text = format!("{}{summary}{}", request.prefix, request.suffix);
        self.counter.message_tokens(request.role, &text)
    }

    /// A perfect summary: all that the model knew when it began to write.
    fn facts_in(&self, request: &SummaryRequest, known: &[u32]) -> Vec<u32> {
        match (&request.written, &self.early) {
            (Some(_), Some(early)) => early.facts.clone(),
            // A text of the strategy's own.
            (Some(_), None) => Vec::new(),
            // ProAssist shows the current frame where the pending tokens would stand.
            (None, _) if request.with_current_frame => facts_of(&self.marks, std::iter::empty()),
            (None, _) => known.to_vec(),
        }
    }

    /// Counts the rebuilt cache.
    fn recount(&mut self) {
        self.report.in_cache = TokensByKind::default();
        self.oldest_frame = None;
        for segment in self.ledger.segments() {
            self.report.in_cache.add(segment.kind, segment.range.len());
            if segment.kind == SegmentKind::Frame && self.oldest_frame.is_none() {
                self.oldest_frame = Some(segment.time);
            }
        }
    }

    /// Of the facts that were known, those that are not any more.
    fn lose_facts(&mut self, mut known: Vec<u32>, time: f64) -> Vec<u32> {
        let left = self.visible_facts();
        known.retain(|fact| left.binary_search(fact).is_err());
        known.iter().for_each(|fact| self.facts.lose(*fact, time));
        known
    }
}
