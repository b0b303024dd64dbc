//! The stream loop without a model.

use std::borrow::Borrow;

use super::marks::{Facts, Label, Mark, facts_of};
use super::options::{SimulatorError, SimulatorOptions};
use super::report::{Eviction, PutBack, Simulation, StepFigures, TokensByKind};
use super::stand_in::{self, Counter};
use super::stream::{StreamSegment, StreamStep};
use crate::account::{Account, Deferred, Incoming, Surroundings, UserTurn, Waiting};
use crate::budget::Trigger;
use crate::ledger::Ledger;
use crate::segment::{Role, SegmentKind};
use crate::strategy::ContextStrategy;
use crate::view::{CacheView, EarlySummary, Opening, TokenCounter};

/// Passes a stream to a strategy by the rules of a run. The [`Account`] of the cache is the one that a run
/// uses.
pub struct Simulator<'a> {
    pub(super) strategy: &'a dyn ContextStrategy,
    pub(super) options: SimulatorOptions<'a>,
    pub(super) counter: Counter<'a>,
    opening_text: String,
    measures_frames: bool,
    pub(super) account: Account<Said>,
    pub(super) marks: Vec<Mark>,
    pub(super) early: Option<Early>,
    pub(super) oldest_frame: Option<f64>,
    pub(super) facts: Facts,
    /// What a run recorded about the next eviction.
    pub(super) recorded: Recorded,
    pub(super) report: Simulation,
}

/// What opens and closes a user's turn tells nothing.
fn said_turn(turn: UserTurn<usize>) -> UserTurn<Said> {
    let said = |tokens| Said { tokens, ..Said::default() };
    UserTurn { opening: said(turn.opening), closing: said(turn.closing), no_reply: said(turn.no_reply) }
}

/// Tokens on their way into the cache, as far as a simulation knows them.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    pub(super) tokens: usize,
    /// The fact that the tokens tell.
    pub(super) fact: Option<u32>,
    /// The facts that the tokens sum up.
    pub(super) summarised: Vec<u32>,
}

impl Waiting for Said {
    fn tokens(&self) -> usize {
        self.tokens
    }
}

/// A summary that is being written.
#[derive(Debug, Clone)]
pub(super) struct Early {
    /// The whole text of the summary.
    pub(super) text: String,
    /// The summary covers the slots before this one.
    pub(super) covers: usize,
    /// The facts that the model knew when the summary was begun.
    pub(super) facts: Vec<u32>,
    pub(super) tokens: usize,
    pub(super) written: usize,
}

impl Early {
    /// The number of tokens that are still to be written.
    pub(super) fn left(&self) -> usize {
        self.tokens - self.written
    }
}

/// What a run recorded about an eviction.
#[derive(Debug, Clone, Default)]
pub(super) struct Recorded {
    pub(super) put_back: Option<Vec<PutBack>>,
    pub(super) initial_tokens: Option<usize>,
}

impl<'a> Simulator<'a> {
    /// A simulation that has not got any step yet.
    pub fn new(strategy: &'a dyn ContextStrategy, options: SimulatorOptions<'a>) -> Self {
        let counter = Counter { inner: options.token_counter, recorded_summary: None };
        let mut options = options;
        options.budget.max_summary_tokens = strategy.max_summary_tokens(&counter);
        Self::with_exact_budget(strategy, options)
    }

    /// A simulation under a budget that already includes the room for the strategy's summaries, as the budget of
    /// a run does.
    pub fn with_exact_budget(strategy: &'a dyn ContextStrategy, options: SimulatorOptions<'a>) -> Self {
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
            account: Account::new(options.budget).with_user_turn(options.user_turn.map(said_turn)),
            marks: Vec::new(),
            early: None,
            oldest_frame: None,
            facts: Facts::default(),
            recorded: Recorded::default(),
            report,
        }
    }

    /// Simulates a whole stream, and returns the report.
    ///
    /// # Errors
    /// The first step at which the strategy finds no plan, or at which the incoming tokens do not fit.
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

    /// Simulates one step, and returns the eviction if there was one.
    ///
    /// # Errors
    /// The strategy finds no plan, or the incoming tokens do not fit. The stream cannot continue after that.
    pub fn push(&mut self, step: &StreamStep) -> Result<Option<Eviction>, SimulatorError> {
        let evicted = self.step(step)?;
        Ok(self.report.evictions.last().filter(|_| evicted).cloned())
    }

    /// The present content of the cache.
    pub fn ledger(&self) -> &Ledger {
        self.account.ledger()
    }

    /// Ends the stream and returns its report.
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
        told.extend(self.account.waiting().filter_map(|said| said.fact));
        summarised.extend(self.account.waiting().flat_map(|said| &said.summarised));
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
        let trigger = self.strategy.trigger();
        if let Some(overflow) = self.account.overflow_before(own).filter(|_| trigger == Trigger::BeforeChunk)
        {
            self.evict(overflow, self.account.incoming(own), time)?;
        }
        let (incoming, cache_tokens) = (self.account.incoming(own), self.account.tokens());
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
        self.account.end_of_step(step.before.iter().any(|segment| segment.kind == SegmentKind::User));
        let silent = step.reply.is_empty() && !step.spoke;
        if silent && trigger == Trigger::BeforeChunk {
            self.go_on_with_early_summary(self.account.incoming(step.frame.tokens), time);
        }
        if let Some((overflow, incoming)) =
            self.account.overflow_after().filter(|_| trigger == Trigger::AfterFrame)
        {
            self.evict(overflow, incoming, time)?;
        }
        self.report.steps.push(StepFigures {
            time,
            cache_tokens: self.account.tokens(),
            oldest_frame_age: self.oldest_frame.map(|oldest| time - oldest),
        });
        Ok(self.report.evictions.len() > evictions)
    }

    fn chunk_goes_in(&mut self, step: &StreamStep) {
        let (deferred, pending) = self.account.take_waiting();
        for deferred in deferred {
            self.deferred_goes_in(&deferred, step.time);
        }
        if let Some((kind, Said { tokens, fact, .. })) = pending {
            let last = StreamSegment { kind, tokens, pinned: false, fact, continues: true };
            self.goes_in(last, None, step.time);
        }
        for segment in &step.before {
            if segment.kind == SegmentKind::System {
                self.note_opening(segment.tokens);
            }
            self.goes_in(*segment, None, step.time);
        }
        let similarity = step.similarity.filter(|_| self.measures_frames);
        self.goes_in(step.frame, similarity, step.time);
        for segment in &step.behind {
            self.goes_in(*segment, None, step.time);
        }
    }

    fn deferred_goes_in(&mut self, deferred: &Deferred<Said>, time: f64) {
        let (kind, pinned) = (deferred.kind, deferred.is_pinned());
        let Said { tokens, fact, summarised } = &deferred.content;
        if !deferred.is_put_back {
            let segment = StreamSegment { kind, tokens: *tokens, pinned, fact: *fact, continues: false };
            return self.goes_in(segment, None, time);
        }
        let (_, range) = self.account.append(&Incoming { pinned, ..Incoming::new(kind, *tokens) }, time);
        self.report.in_cache.add(kind, *tokens);
        let labels = summarised.iter().map(|fact| Label::Summarised(*fact));
        let labels = std::iter::once(Label::PutBack(kind)).chain(labels);
        self.marks.extend(labels.map(|label| Mark { range: range.clone(), label }));
    }

    /// Adds the reply, cut to the room that is left: a model without room stops.
    fn reply_goes_in(&mut self, step: &StreamStep) {
        let budget = self.options.budget;
        let last = step.waiting.filter(|waiting| waiting.continues).map_or(0, |waiting| waiting.tokens);
        let room = budget.max_seq_len - self.account.tokens();
        let mut room = room.min(budget.max_reply_tokens.saturating_sub(last));
        for segment in &step.reply {
            let tokens = segment.tokens.min(room);
            room -= tokens;
            if tokens < segment.tokens {
                self.report.reply_tokens_cut += segment.tokens - tokens;
                self.goes_in(StreamSegment { tokens, fact: None, ..*segment }, None, step.time);
                self.forget_untold(segment.fact, step.time);
            } else {
                self.goes_in(*segment, None, step.time);
            }
        }
        let said = |waiting: StreamSegment| Said {
            tokens: waiting.tokens,
            fact: waiting.fact,
            summarised: Vec::new(),
        };
        match step.waiting {
            Some(waiting) if !waiting.continues => self.account.defer(waiting.kind, said(waiting)),
            waiting => self.account.wait(waiting.map(said)),
        }
    }

    fn goes_in(&mut self, segment: StreamSegment, similarity: Option<f64>, time: f64) {
        let StreamSegment { kind, tokens, pinned, continues, .. } = segment;
        let (kind, range) =
            self.account.append(&Incoming { kind, tokens, pinned, continues, similarity }, time);
        self.came_in(StreamSegment { kind, ..segment }, range.start, time);
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

    /// Handles a fact whose segment did not go in whole. The fact is lost, unless something else tells it.
    fn forget_untold(&mut self, fact: Option<u32>, time: f64) {
        if let Some(fact) = fact.filter(|fact| self.visible_facts().binary_search(fact).is_err()) {
            self.facts.lose(fact, time);
        }
    }

    /// Sets a simulated system prompt of as many tokens as the stream's, if the texts of the stream are not
    /// known.
    fn note_opening(&mut self, tokens: usize) {
        if self.options.opening.is_none() && self.opening_text.is_empty() {
            let around = self.counter.message_tokens(Role::System, "");
            self.opening_text = stand_in::opening(tokens.saturating_sub(around));
        }
    }

    pub(super) fn note_peak(&mut self) {
        self.report.peak_cache_tokens = self.report.peak_cache_tokens.max(self.account.tokens());
    }

    /// The facts that the model can know, sorted.
    pub(super) fn visible_facts(&self) -> Vec<u32> {
        let waiting = self.account.waiting();
        let waiting = waiting.flat_map(|said| said.fact.iter().chain(&said.summarised));
        facts_of(&self.marks, waiting.copied())
    }

    pub(super) fn view(&self, incoming: usize, time: f64) -> CacheView<'_> {
        let of_stream = Opening { system_prompt: &self.opening_text, task_knowledge: None };
        let early = self.early.as_ref();
        let view = self.account.view(
            incoming,
            time,
            &Surroundings {
                opening: self.options.opening.unwrap_or(of_stream),
                dialogue_state: self.options.dialogue_state,
                token_counter: &self.counter,
                signals: self.strategy.signals(),
                early_summary: early.map(|early| EarlySummary { text: &early.text, covers: early.covers }),
            },
        );
        CacheView { initial_tokens: self.recorded.initial_tokens.or(view.initial_tokens), ..view }
    }
}
