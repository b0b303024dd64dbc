//! The stream loop without a model.

use std::borrow::Borrow;

use super::early::Early;
use super::marks::{Facts, Label, Mark, facts_of};
use super::options::{SimulatorError, SimulatorOptions};
use super::report::{Eviction, PutBack, Simulation, StepFigures, TokensByKind};
use super::stand_in::{self, Counter};
use super::stream::{StreamSegment, StreamStep};
use crate::budget::{OverflowTrigger, Trigger};
use crate::ledger::Ledger;
use crate::segment::{Role, SegmentKind};
use crate::strategy::ContextStrategy;
use crate::view::{CacheView, EarlySummary, Opening, Signals, TokenCounter};

/// Feeds a strategy a stream, by the rules of a run: the check before what comes in goes in, or after the frame; the tokens
/// that were generated and are not in the cache yet; the plan, and the cache rebuilt from it.
pub struct Simulator<'a> {
    pub(super) strategy: &'a dyn ContextStrategy,
    pub(super) options: SimulatorOptions<'a>,
    pub(super) counter: Counter<'a>,
    opening_text: String,
    measures_frames: bool,
    pub(super) ledger: Ledger,
    /// Buffers of the ledger before the last eviction, for the next one.
    pub(super) spare: Ledger,
    pub(super) marks: Vec<Mark>,
    /// Generated, but not in the cache yet.
    pub(super) pending: Option<StreamSegment>,
    /// Goes in with the next step, before the pending tokens.
    pub(super) deferred: Vec<Deferred>,
    pub(super) early: Option<Early>,
    initial_tokens: Option<usize>,
    pub(super) oldest_frame: Option<f64>,
    pub(super) facts: Facts,
    /// What a run recorded of the eviction that comes next.
    pub(super) recorded: Recorded,
    pub(super) report: Simulation,
}

/// A message on its way into the cache.
#[derive(Debug, Clone)]
pub(super) struct Deferred {
    pub(super) segment: StreamSegment,
    /// Facts that it sums up.
    pub(super) summarised: Vec<u32>,
    pub(super) is_put_back: bool,
}

/// What a run recorded of an eviction.
#[derive(Debug, Clone, Default)]
pub(super) struct Recorded {
    pub(super) put_back: Option<Vec<PutBack>>,
    pub(super) initial_tokens: Option<usize>,
}

/// Whether an eviction has to keep messages of this kind that it puts back, or drop everything.
pub(super) fn is_opening(kind: SegmentKind) -> bool {
    matches!(kind, SegmentKind::System | SegmentKind::Summary)
}

impl<'a> Simulator<'a> {
    /// A stream that has seen nothing yet.
    pub fn new(strategy: &'a dyn ContextStrategy, options: SimulatorOptions<'a>) -> Self {
        let counter = Counter { inner: options.token_counter, recorded_summary: None };
        let mut options = options;
        options.budget.max_summary_tokens = strategy.max_summary_tokens(&counter);
        Self::with_exact_budget(strategy, options)
    }

    /// A stream under a budget that already tells what room the strategy's summaries need.
    pub(super) fn with_exact_budget(
        strategy: &'a dyn ContextStrategy,
        options: SimulatorOptions<'a>,
    ) -> Self {
        let report = Simulation {
            strategy: strategy.name().to_owned(),
            steps: Vec::new(),
            evictions: Vec::new(),
            came_in: TokensByKind::default(),
            survived: TokensByKind::default(),
            in_cache: TokensByKind::default(),
            put_back: TokensByKind::default(),
            peak_cache_tokens: 0,
            reply_tokens_cut: 0,
            facts: Vec::new(),
        };
        Self {
            strategy,
            options,
            counter: Counter { inner: options.token_counter, recorded_summary: None },
            opening_text: String::new(),
            measures_frames: strategy.signals().frame_similarity,
            ledger: Ledger::new(),
            spare: Ledger::new(),
            marks: Vec::new(),
            pending: None,
            deferred: Vec::new(),
            early: None,
            initial_tokens: None,
            oldest_frame: None,
            facts: Facts::default(),
            recorded: Recorded::default(),
            report,
        }
    }

    /// Feeds a whole stream, and reports.
    ///
    /// # Errors
    /// The first step at which the strategy has no plan, or at which what comes in does not fit.
    pub fn run<S: Borrow<StreamStep>>(
        mut self,
        stream: impl IntoIterator<Item = S>,
    ) -> Result<Simulation, SimulatorError> {
        let stream = stream.into_iter();
        self.report.steps.reserve(stream.size_hint().0);
        for step in stream {
            self.step(step.borrow())?;
        }
        Ok(self.finish())
    }

    /// Feeds one step, and returns the eviction if there was one.
    ///
    /// # Errors
    /// The strategy has no plan, or what comes in does not fit. The stream cannot go on after that.
    pub fn push(&mut self, step: &StreamStep) -> Result<Option<Eviction>, SimulatorError> {
        let evicted = self.step(step)?;
        Ok(self.report.evictions.last().filter(|_| evicted).cloned())
    }

    /// The cache as it is.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The figures of what was pushed.
    pub fn finish(mut self) -> Simulation {
        let mut put_back = TokensByKind::default();
        for mark in &self.marks {
            if let Label::PutBack(kind) = mark.label {
                put_back.add(kind, mark.range.len());
            }
        }
        self.report.survived = self.report.in_cache.without(&put_back);
        let (mut told, mut summarised): (Vec<u32>, Vec<u32>) = Default::default();
        for mark in &self.marks {
            match mark.label {
                Label::Fact(fact) => told.push(fact),
                Label::Summarised(fact) => summarised.push(fact),
                Label::PutBack(_) => {}
            }
        }
        told.extend(self.waiting_segments().filter_map(|segment| segment.fact));
        summarised.extend(self.deferred.iter().flat_map(|deferred| &deferred.summarised));
        told.sort_unstable();
        summarised.sort_unstable();
        let now = self.report.steps.last().map_or(0.0, |step| step.time);
        self.report.facts = self.facts.records(&told, &summarised, now);
        self.report
    }

    fn step(&mut self, step: &StreamStep) -> Result<bool, SimulatorError> {
        let evictions = self.report.evictions.len();
        let (index, time) = (self.report.steps.len(), step.time);
        let own = step.chunk_tokens();
        let cache_tokens = self.ledger.tokens();
        if self.strategy.trigger() == Trigger::BeforeChunk && cache_tokens > 0 {
            let incoming = own.saturating_add(self.waiting_tokens());
            if let Some(trigger) = self.options.budget.overflows(cache_tokens, incoming) {
                self.evict(trigger, incoming, time)?;
            }
        }
        let (incoming, cache_tokens) = (own.saturating_add(self.waiting_tokens()), self.ledger.tokens());
        let max_seq_len = self.options.budget.max_seq_len;
        if cache_tokens.saturating_add(incoming) > max_seq_len {
            return Err(SimulatorError::NoRoom { step: index, time, incoming, cache_tokens, max_seq_len });
        }
        for fact in step.segments().filter_map(|segment| segment.fact) {
            self.facts.tell(fact, time);
        }
        self.chunk_goes_in(step);
        self.reply_goes_in(step);
        self.note_peak();
        let is_request = |segment: &StreamSegment| segment.kind == SegmentKind::User;
        if self.initial_tokens.is_none() && step.before.iter().any(is_request) {
            self.initial_tokens = Some(self.ledger.tokens());
        }
        let silent = step.reply.is_empty() && !step.spoke;
        if silent && self.strategy.trigger() == Trigger::BeforeChunk {
            let next = step.frame.tokens.saturating_add(self.waiting_tokens());
            self.go_on_with_early_summary(next, time);
        }
        if self.strategy.trigger() == Trigger::AfterFrame
            && self.options.budget.reserve_is_touched(self.ledger.tokens())
        {
            let pending = self.pending.map_or(0, |pending| pending.tokens);
            self.evict(OverflowTrigger::Reserved, pending, time)?;
        }
        self.report.steps.push(StepFigures {
            time,
            cache_tokens: self.ledger.tokens(),
            oldest_frame_age: self.oldest_frame.map(|oldest| time - oldest),
        });
        Ok(self.report.evictions.len() > evictions)
    }

    fn chunk_goes_in(&mut self, step: &StreamStep) {
        // What they belong to is decided by the cache before anything goes in, as a run does.
        let last = self.ledger.segments().last().map(|segment| segment.kind);
        let kind = last.filter(|kind| !is_opening(*kind)).unwrap_or(SegmentKind::Frame);
        let pending = self.pending.take().map(|pending| StreamSegment { kind, ..pending });
        for deferred in std::mem::take(&mut self.deferred) {
            self.deferred_goes_in(&deferred, step.time);
        }
        if let Some(pending) = pending {
            self.goes_in(pending, step.time);
        }
        for segment in &step.before {
            if segment.kind == SegmentKind::System {
                self.note_opening(segment.tokens);
            }
            self.goes_in(*segment, step.time);
        }
        let frame = step.frame;
        if !self.measures_frames || frame.kind != SegmentKind::Frame {
            return self.goes_in(frame, step.time);
        }
        let start = self.ledger.tokens();
        self.ledger.append_frame(frame.tokens, step.time, frame.pinned, step.similarity);
        self.came_in(frame, start, step.time);
    }

    fn deferred_goes_in(&mut self, deferred: &Deferred, time: f64) {
        let (segment, start) = (deferred.segment, self.ledger.tokens());
        if !deferred.is_put_back {
            return self.goes_in(segment, time);
        }
        self.ledger.append(segment.kind, segment.tokens, time, segment.pinned);
        self.report.in_cache.add(segment.kind, segment.tokens);
        let range = start..self.ledger.tokens();
        let labels = deferred.summarised.iter().map(|fact| Label::Summarised(*fact));
        let labels = std::iter::once(Label::PutBack(segment.kind)).chain(labels);
        self.marks.extend(labels.map(|label| Mark { range: range.clone(), label }));
    }

    /// The reply, as much of it as there is room for: a model that has no room left stops.
    fn reply_goes_in(&mut self, step: &StreamStep) {
        let budget = self.options.budget;
        let last = step.waiting.filter(|waiting| waiting.continues).map_or(0, |waiting| waiting.tokens);
        let room = budget.max_seq_len - self.ledger.tokens();
        let mut room = room.min(budget.max_reply_tokens.saturating_sub(last));
        for segment in &step.reply {
            let tokens = segment.tokens.min(room);
            room -= tokens;
            if tokens < segment.tokens {
                self.report.reply_tokens_cut += segment.tokens - tokens;
                self.goes_in(StreamSegment { tokens, fact: None, ..*segment }, step.time);
                self.forget_untold(segment.fact, step.time);
            } else {
                self.goes_in(*segment, step.time);
            }
        }
        match step.waiting {
            Some(waiting) if !waiting.continues => {
                self.deferred.push(Deferred { segment: waiting, summarised: Vec::new(), is_put_back: false });
            }
            waiting => self.pending = waiting,
        }
    }

    fn goes_in(&mut self, segment: StreamSegment, time: f64) {
        let start = self.ledger.tokens();
        let last = self.ledger.segments().last().filter(|last| segment.continues && !last.pinned);
        if let Some(kind) = last.map(|last| last.kind) {
            self.ledger.extend_last(segment.tokens);
            self.came_in(StreamSegment { kind, ..segment }, start, time);
        } else {
            self.ledger.append(segment.kind, segment.tokens, time, segment.pinned);
            self.came_in(segment, start, time);
        }
    }

    fn came_in(&mut self, segment: StreamSegment, start: usize, time: f64) {
        self.report.came_in.add(segment.kind, segment.tokens);
        self.report.in_cache.add(segment.kind, segment.tokens);
        if segment.tokens == 0 {
            return self.forget_untold(segment.fact, time);
        }
        if segment.kind == SegmentKind::Frame && self.oldest_frame.is_none() {
            self.oldest_frame = Some(time);
        }
        if let Some(fact) = segment.fact {
            self.marks.push(Mark { range: start..start + segment.tokens, label: Label::Fact(fact) });
        }
    }

    /// A segment that tells a fact did not go in whole: the fact is lost, unless something else tells it.
    fn forget_untold(&mut self, fact: Option<u32>, time: f64) {
        if let Some(fact) = fact.filter(|fact| self.visible_facts().binary_search(fact).is_err()) {
            self.facts.lose(fact, time);
        }
    }

    /// Without the texts of the stream, its system prompt is one that costs as much.
    fn note_opening(&mut self, tokens: usize) {
        if self.options.opening.is_none() && self.opening_text.is_empty() {
            let around = self.counter.message_tokens(Role::System, "");
            self.opening_text = stand_in::opening(tokens.saturating_sub(around));
        }
    }

    pub(super) fn note_peak(&mut self) {
        self.report.peak_cache_tokens = self.report.peak_cache_tokens.max(self.ledger.tokens());
    }

    fn waiting_segments(&self) -> impl Iterator<Item = &StreamSegment> {
        self.deferred.iter().map(|deferred| &deferred.segment).chain(&self.pending)
    }

    /// Tokens that are said but not in the cache yet.
    pub(super) fn waiting_tokens(&self) -> usize {
        self.waiting_segments().map(|segment| segment.tokens).fold(0, usize::saturating_add)
    }

    /// Facts that something tells which waits to go in.
    fn waiting_facts(&self) -> impl Iterator<Item = u32> + '_ {
        let summarised = self.deferred.iter().flat_map(|deferred| &deferred.summarised);
        self.waiting_segments().filter_map(|segment| segment.fact).chain(summarised.copied())
    }

    /// Facts that the model can know, sorted.
    pub(super) fn visible_facts(&self) -> Vec<u32> {
        facts_of(&self.marks, self.waiting_facts())
    }

    pub(super) fn view(&self, incoming: usize, time: f64) -> CacheView<'_> {
        let of_stream = Opening { system_prompt: &self.opening_text, task_knowledge: None };
        let mut signals = Signals::default();
        if self.measures_frames {
            signals = signals.with_frame_similarity(self.ledger.frame_similarity());
        }
        let early = self.early.as_ref();
        CacheView {
            segments: self.ledger.segments(),
            budget: self.options.budget,
            incoming,
            pending: self.waiting_tokens(),
            time,
            opening: self.options.opening.unwrap_or(of_stream),
            initial_tokens: self.recorded.initial_tokens.or(self.initial_tokens),
            dialogue_state: self.options.dialogue_state,
            token_counter: &self.counter,
            signals,
            early_summary: early.map(|early| EarlySummary { text: &early.text, covers: early.covers }),
        }
    }
}
