//! An eviction: the plan of the strategy, and the cache that is rebuilt from it.

use super::marks::{Label, Mark, facts_of, moved, push_move};
use super::options::SimulatorError;
use super::report::{Eviction, TokensByKind};
use super::simulate::{Said, Simulator};
use super::stand_in;
use crate::account::{NoRoom, Rebuilt, RebuiltPiece};
use crate::budget::OverflowTrigger;
use crate::plan::{EvictionPlan, Piece, PositionPolicy, SummaryRequest};
use crate::segment::SegmentKind;
use crate::view::TokenCounter;

impl Simulator<'_> {
    pub(super) fn evict(
        &mut self,
        trigger: OverflowTrigger,
        incoming: usize,
        time: f64,
    ) -> Result<(), SimulatorError> {
        let pending = self.account.waiting_tokens();
        let known = self.visible_facts();
        let plan = self.plan(incoming, time)?;
        let (texts, summary_tokens_waited_for) = self.texts(&plan, &known);
        let step = self.report.steps.len();
        let no_room = |NoRoom { incoming, cache_tokens, max_seq_len }| SimulatorError::NoRoom {
            step,
            time,
            incoming,
            cache_tokens,
            max_seq_len,
        };
        let rebuilt = self.account.rebuild(&plan, texts, self.strategy.trigger(), time).map_err(no_room)?;
        self.early = None;
        let (was_in_cache, put_back_here) = (self.report.in_cache, self.move_marks(&rebuilt));
        self.recount();
        self.note_peak();
        let kept_tokens = self.report.in_cache.without(&put_back_here);
        for put_back in &rebuilt.put_back {
            self.report.put_back.add(put_back.kind, put_back.tokens);
        }
        let recomputed = match plan.positions() {
            PositionPolicy::Recompute => kept_tokens.total(),
            _ => 0,
        };
        let put_back_tokens = rebuilt.put_back.iter().map(|it| it.tokens).fold(0, usize::saturating_add);
        let reprefilled = put_back_tokens.saturating_add(recomputed);
        let eviction = Eviction {
            step,
            time,
            trigger,
            incoming,
            pending,
            tokens_before: rebuilt.tokens_before,
            tokens_after: rebuilt.tokens_after,
            kept: rebuilt.kept().collect(),
            kept_tokens,
            evicted_tokens: was_in_cache.without(&kept_tokens),
            put_back: rebuilt.put_back,
            positions: plan.positions(),
            reprefilled,
            reprefilled_total: self.report.reprefilled().saturating_add(reprefilled),
            summary_tokens_waited_for,
            oldest_frame_age: self.oldest_frame.map(|oldest| time - oldest),
            lost_facts: self.lose_facts(known, time),
        };
        self.report.evictions.push(eviction);
        Ok(())
    }

    /// Moves the marks together with their slots, and marks the texts that were put back. Returns the tokens
    /// of these texts.
    fn move_marks(&mut self, rebuilt: &Rebuilt<Said>) -> TokensByKind {
        let (mut moves, mut marks, mut put_back) = (Vec::new(), Vec::new(), TokensByKind::default());
        for piece in &rebuilt.pieces {
            match piece {
                RebuiltPiece::Keep { from, to } => push_move(&mut moves, from.clone(), *to),
                RebuiltPiece::Text { kind, at, content } => {
                    put_back.add(*kind, at.len());
                    let labels = content.summarised.iter().map(|fact| Label::Summarised(*fact));
                    let labels = std::iter::once(Label::PutBack(*kind)).chain(labels);
                    marks.extend(labels.map(|label| Mark { range: at.clone(), label }));
                }
            }
        }
        marks.extend(moved(&self.marks, &moves));
        marks.sort_by_key(|mark| mark.range.start);
        self.marks = marks;
        put_back
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

    /// The texts that the plan puts back, as in a run, and the number of their tokens that are generated
    /// while the frame waits.
    fn texts(&self, plan: &EvictionPlan, known: &[u32]) -> (Vec<(SegmentKind, Said)>, usize) {
        let (mut texts, mut waited_for) = (Vec::new(), 0);
        for piece in plan.pieces() {
            let (kind, tokens, summarised) = match piece {
                Piece::PendingReply | Piece::Keep(_) => continue,
                Piece::Text { role, text } => {
                    ((*role).into(), self.counter.message_tokens(*role, text), Vec::new())
                }
                Piece::Summary(request) => {
                    waited_for += self.waited_for(request);
                    (SegmentKind::Summary, self.message_of(request), self.facts_in(request, known))
                }
            };
            let recorded = self.recorded.put_back.iter().flatten().nth(texts.len());
            let tokens = recorded.map_or(tokens, |recorded| recorded.tokens);
            // A message without a token tells nothing.
            let summarised = if tokens == 0 { Vec::new() } else { summarised };
            texts.push((kind, Said { tokens, fact: None, summarised }));
        }
        (texts, waited_for)
    }

    /// Tokens of a summary that are generated now.
    fn waited_for(&self, request: &SummaryRequest) -> usize {
        match (&request.written, &self.early) {
            (None, _) => self.summary_tokens(request),
            (Some(_), early) => early.as_ref().map_or(0, super::simulate::Early::left),
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
        for segment in self.account.ledger().segments() {
            self.report.in_cache.add(segment.kind, segment.range.len());
            if segment.kind == SegmentKind::Frame && self.oldest_frame.is_none() {
                self.oldest_frame = Some(segment.time);
            }
        }
    }

    /// The facts that were known before and are lost now.
    fn lose_facts(&mut self, mut known: Vec<u32>, time: f64) -> Vec<u32> {
        let left = self.visible_facts();
        known.retain(|fact| left.binary_search(fact).is_err());
        known.iter().for_each(|fact| self.facts.lose(*fact, time));
        known
    }
}
