//! What happens when the cache overflows: the strategy's plan, the summary it asks for, the cache and ledger rebuilt.

use std::ops::Range;
use std::time::Instant;

use prospect_context::{
    CacheView, ContextStrategy, DialogueState, EarlySummary, EvictionPlan, Ledger, Opening, OverflowTrigger,
    Piece, Role, SegmentKind, Signals, SummaryRequest, TokenCounter, Trigger,
};

use super::chunk::is_opening;
use super::options::ContextRule;
use super::statistics::resident_memory_bytes;
use super::talk::fit;
use super::{Session, milliseconds};
use crate::error::RunError;
use crate::stream_model::{ForkRequest, ResolvedPiece, StreamModel};
use crate::trace::{Event, PutBack};

/// Counts with the model's own tokenizer.
pub(super) struct Counter<'a, M>(pub(super) &'a M);

impl<M: StreamModel> TokenCounter for Counter<'_, M> {
    fn message_tokens(&self, role: Role, text: &str) -> usize {
        // A text that cannot be encoded fits nowhere; the error itself comes when it is put in.
        self.0.encode_message(role, text, true).map_or(usize::MAX, |encoded| encoded.ids.len())
    }
}

/// An eviction plan whose texts have become tokens.
struct Resolved {
    pieces: Vec<(ResolvedPiece, Option<SegmentKind>)>,
    put_back: Vec<PutBack>,
}

impl Resolved {
    fn tokens(&mut self, kind: SegmentKind, ids: Vec<u32>) {
        self.put_back.push(PutBack { kind: kind.as_str().to_owned(), tokens: ids.len() });
        self.pieces.push((ResolvedPiece::Tokens(ids), Some(kind)));
    }
}

impl<'a, M: StreamModel> Session<'a, M> {
    /// Evicts if `incoming` more tokens would overflow the cache; returns whether it did.
    pub(super) fn make_room(&mut self, incoming: usize, time: f64) -> Result<bool, RunError> {
        let cache_tokens = self.model.cache_tokens();
        let Some(trigger) = self.budget.overflows(cache_tokens, incoming) else { return Ok(false) };
        let rule: &'a ContextRule = self.rule;
        let strategy = match rule {
            ContextRule::Unlimited => {
                return Err(RunError::UnexpectedOverflow { time, cache_tokens, incoming });
            }
            ContextRule::Strategy(strategy) if strategy.trigger() == Trigger::BeforeChunk => strategy,
            _ => return Ok(false),
        };
        if cache_tokens == 0 {
            // Nothing to evict: whether the chunk fits at all is checked by the caller.
            return Ok(false);
        }
        self.evict(strategy.as_ref(), trigger, incoming, None, time)?;
        Ok(true)
    }

    /// ProAssist's check, after the frame and by the reserve alone.
    pub(super) fn evict_after_frame(&mut self, features: &M::Features, time: f64) -> Result<(), RunError> {
        let rule: &'a ContextRule = self.rule;
        match rule {
            ContextRule::Strategy(strategy)
                if strategy.trigger() == Trigger::AfterFrame
                    && self.budget.reserve_is_touched(self.model.cache_tokens()) =>
            {
                self.evict(
                    strategy.as_ref(),
                    OverflowTrigger::Reserved,
                    self.pending.len(),
                    Some(features),
                    time,
                )
            }
            _ => Ok(()),
        }
    }

    fn evict(
        &mut self,
        strategy: &dyn ContextStrategy,
        trigger: OverflowTrigger,
        incoming: usize,
        features: Option<&M::Features>,
        time: f64,
    ) -> Result<(), RunError> {
        let started = Instant::now();
        let (tokens_before, pending) = (self.model.cache_tokens(), self.waiting_tokens());
        let early = self.finish_early(time)?;
        let plan = strategy.plan(&CacheView {
            early_summary: early.as_ref().map(|(text, covers)| EarlySummary { text, covers: *covers }),
            ..self.view(
                self.talk.dialogue_state(self.annotations, time).as_ref(),
                incoming,
                time,
                &Counter(&*self.model),
            )
        })?;
        let mut resolved = self.resolve(&plan, strategy.trigger(), features, time)?;
        if !plan.keeps_pending() {
            self.pending.clear();
            self.deferred.clear();
        }
        if strategy.trigger() == Trigger::AfterFrame {
            self.defer_texts(&mut resolved);
        }
        let (pieces, kinds): (Vec<ResolvedPiece>, Vec<Option<SegmentKind>>) =
            resolved.pieces.into_iter().unzip();
        let evicted = self.model.evict(&pieces, plan.positions())?;
        self.ledger = rebuilt(&self.ledger, pieces.iter().zip(kinds), time);
        self.statistics.overflows += 1;
        self.record_eviction(Event::Overflow {
            time,
            strategy: strategy.name().to_owned(),
            trigger: trigger.as_str().to_owned(),
            incoming,
            pending,
            initial_tokens: self.initial_tokens,
            tokens_before,
            tokens_after: evicted.tokens_after,
            kept: plan.kept().map(|Range { start, end }| [start, end]).collect(),
            put_back: resolved.put_back,
            positions: plan.positions().as_str().to_owned(),
            positions_reset: evicted.positions_reset,
            memory_bytes: resident_memory_bytes(),
            ms: milliseconds(started),
        })
    }

    /// The cache as a strategy sees it.
    pub(super) fn view<'v>(
        &'v self,
        dialogue_state: Option<&'v DialogueState>,
        incoming: usize,
        time: f64,
        token_counter: &'v dyn TokenCounter,
    ) -> CacheView<'v> {
        let signals = Signals::default();
        CacheView {
            segments: self.ledger.segments(),
            budget: self.budget,
            incoming,
            pending: self.waiting_tokens(),
            time,
            opening: Opening {
                system_prompt: &self.options.system_prompt,
                task_knowledge: self.options.task_knowledge.as_deref(),
            },
            initial_tokens: self.initial_tokens,
            dialogue_state,
            token_counter,
            signals: match self.signals().frame_similarity {
                true => signals.with_frame_similarity(self.ledger.frame_similarity()),
                false => signals,
            },
            early_summary: None,
        }
    }

    /// Turns the plan's texts into tokens; a summary is generated here, while the cache is still whole.
    fn resolve(
        &mut self,
        plan: &EvictionPlan,
        trigger: Trigger,
        features: Option<&M::Features>,
        time: f64,
    ) -> Result<Resolved, RunError> {
        let mut resolved = Resolved { pieces: Vec::new(), put_back: Vec::new() };
        for piece in plan.pieces() {
            let first = resolved.pieces.is_empty();
            match piece {
                Piece::Keep(range) => resolved.pieces.push((ResolvedPiece::Keep(range.clone()), None)),
                Piece::Text { role, text } => {
                    let encoded = self.model.encode_message(*role, text, first)?;
                    resolved.tokens(SegmentKind::from(*role), encoded.ids);
                }
                Piece::Summary(request) => {
                    let summary = match &request.written {
                        Some(written) => written.clone(),
                        None => self.summarize(request, trigger, features, time)?,
                    };
                    let text = format!("{}{summary}{}", request.prefix, request.suffix);
                    let encoded = self.model.encode_message(request.role, &text, first)?;
                    resolved.tokens(SegmentKind::Summary, encoded.ids);
                }
                Piece::PendingReply => {}
            }
        }
        Ok(resolved)
    }

    /// Asks the model, on a fork of its cache, for the summary.
    fn summarize(
        &mut self,
        request: &SummaryRequest,
        trigger: Trigger,
        features: Option<&M::Features>,
        time: f64,
    ) -> Result<String, RunError> {
        let started = Instant::now();
        let (ids, frame) = if request.with_current_frame {
            let question = self.model.encode_message(Role::User, &request.prompt, false)?;
            // ProAssist: the current frame stands where the generation prompt would, and the pending token is lost.
            let shown = self.model.encode_frame(None)?;
            ([question.ids, shown.ids].concat(), features)
        } else {
            (self.question(request)?, None)
        };
        let token_ids = self.model.generate_on_fork(&ForkRequest {
            ids: &ids,
            frame,
            max_new_tokens: request.max_new_tokens,
            decide: request.with_current_frame,
        })?;
        self.statistics.cache(self.model.cache_tokens() + ids.len() + token_ids.len().saturating_sub(1));
        let mut text = self.model.clean_reply(&token_ids)?;
        // ProAssist's preset puts the text in as it is, even an empty one: its check comes after the frame.
        if trigger == Trigger::BeforeChunk {
            text = fit(&*self.model, &text, request.max_new_tokens)?;
            if text.is_empty() {
                return Err(RunError::EmptySummary { time, prompt: request.prompt.clone() });
            }
        }
        self.record_eviction(Event::Summary {
            time,
            prompt: request.prompt.clone(),
            text: text.clone(),
            token_ids,
            covers: None,
            ms: milliseconds(started),
        })?;
        Ok(text)
    }

    /// What goes in behind the cache to have a summary: the pending tokens, the prompt, and what stands before a reply.
    pub(super) fn question(&self, request: &SummaryRequest) -> Result<Vec<u32>, RunError> {
        let question = self.model.encode_message(Role::User, &request.prompt, false)?;
        let answer = self.model.encode_generation_prompt()?;
        Ok([self.waiting(), question.ids, answer.ids].concat())
    }

    /// Said, but not in the cache yet.
    fn waiting(&self) -> Vec<u32> {
        let deferred = self.deferred.iter().flat_map(|(_, ids)| ids);
        deferred.chain(&self.pending).copied().collect()
    }

    /// How many these are.
    pub(super) fn waiting_tokens(&self) -> usize {
        self.deferred.iter().map(|(_, ids)| ids.len()).sum::<usize>() + self.pending.len()
    }

    /// After a frame there is always a next chunk: texts go in with it, as ProAssist has it.
    fn defer_texts(&mut self, resolved: &mut Resolved) {
        resolved.pieces.retain_mut(|(piece, kind)| match (piece, kind) {
            (ResolvedPiece::Tokens(ids), Some(kind)) => {
                self.deferred.push((*kind, std::mem::take(ids)));
                false
            }
            _ => true,
        });
    }
}

/// The ledger of a cache that was rebuilt from `pieces` of an old one.
fn rebuilt<'a>(
    old: &Ledger,
    pieces: impl Iterator<Item = (&'a ResolvedPiece, Option<SegmentKind>)>,
    time: f64,
) -> Ledger {
    let mut ledger = Ledger::emptied(old);
    let opened = old.segments().first().map_or(time, |first| first.time);
    for (piece, kind) in pieces {
        match (piece, kind) {
            (ResolvedPiece::Keep(range), _) => ledger.append_from(old, range),
            (ResolvedPiece::Tokens(ids), kind) => {
                let kind = kind.unwrap_or(SegmentKind::System);
                // What opens the cache again stands for what opened it.
                let time = if ledger.tokens() == 0 && is_opening(kind) { opened } else { time };
                ledger.append(kind, ids.len(), time, is_opening(kind));
            }
        }
    }
    ledger
}
