//! An eviction: the strategy's plan, the summaries for which it asks, and the rebuilt cache.

use std::ops::Range;

use prospect_context::account::{Rebuilt, RebuiltPiece};
use prospect_context::{EarlySummary, OverflowTrigger, Piece, Role, SegmentKind, SummaryRequest};

use crate::error::SessionError;
use crate::event::Event;
use crate::session::Session;
use crate::stage::{Evicting, Next, Overflow, Saying, Stage, Summarising, Turn};
use crate::work::{Evicted, ResolvedPiece, Work};

impl Session {
    /// Reduces the cache. The frame continues afterwards.
    pub(super) fn overflow(
        &mut self,
        turn: Box<Turn>,
        (trigger, incoming): (OverflowTrigger, usize),
    ) -> Next {
        let pending = self.account.waiting_tokens();
        self.finish_early(turn, Overflow { trigger, incoming, pending, began: self.now })
    }

    /// Asks the strategy for its plan.
    pub(super) fn plan(
        &mut self,
        turn: Box<Turn>,
        overflow: Overflow,
        early: Option<(String, usize)>,
    ) -> Next {
        // Whoever has no strategy has no overflow either.
        let Some(strategy) = self.rule.strategy() else { return self.after_eviction(turn, false) };
        let early = early.as_ref().map(|(text, covers)| EarlySummary { text, covers: *covers });
        let plan = self.with_view(overflow.incoming, turn.input.time, early, |view| strategy.plan(view))?;
        self.resolve(
            turn,
            Summarising {
                overflow,
                plan,
                texts: Vec::new(),
                piece: 0,
                asked: Saying::default(),
                since: self.now,
            },
        )
    }

    /// Converts the texts of the plan to tokens, from its next piece on. A summary is generated while the
    /// cache is still whole.
    fn resolve(&mut self, turn: Box<Turn>, mut at: Summarising) -> Next {
        while let Some(piece) = at.plan.pieces().get(at.piece) {
            match piece {
                Piece::Keep(_) | Piece::PendingReply => {}
                Piece::Text { role, text } => {
                    let ids = match self.layout.is_in_turn() && *role == Role::User {
                        // It goes into a turn that stays open.
                        true => self.layout.text(self.language.as_ref(), text, true)?,
                        false => self.language.encode_message(*role, text, at.is_first())?.ids,
                    };
                    at.texts.push((SegmentKind::from(*role), ids));
                }
                Piece::Summary(request) => match &request.written {
                    Some(written) => {
                        let ids = self.summary_ids(request, written, at.is_first())?;
                        at.texts.push((SegmentKind::Summary, ids));
                    }
                    None => {
                        let (language, layout) = (self.language.as_ref(), &self.layout);
                        let question = self.rules.question(language, layout, &self.account, request)?;
                        at.since = self.now;
                        at.asked = self.ask(question);
                        self.stage = Stage::Summarising(turn, at);
                        return Ok(None);
                    }
                },
            }
            at.piece += 1;
        }
        self.evict(turn, at)
    }

    /// The ids of the message that a summary becomes.
    fn summary_ids(
        &self,
        request: &SummaryRequest,
        summary: &str,
        first: bool,
    ) -> Result<Vec<u32>, SessionError> {
        let text = format!("{}{summary}{}", request.prefix, request.suffix);
        Ok(self.language.encode_message(request.role, &text, first)?.ids)
    }

    /// Called when the model has answered on its fork.
    pub(super) fn summary_is_there(&mut self, turn: Box<Turn>, mut at: Summarising) -> Next {
        self.forget_question(&at.asked);
        let time = turn.input.time;
        if let Some(Piece::Summary(request)) = at.plan.pieces().get(at.piece) {
            let token_ids = std::mem::take(&mut at.asked.token_ids);
            let text = self.language.clean_reply(&token_ids)?;
            let text = self.rules.summary(self.language.as_ref(), text, request, time)?;
            let ids = self.summary_ids(request, &text, at.is_first())?;
            let (prompt, ms) = (request.prompt.clone(), self.ms_since(at.since));
            self.record(Event::Summary { time, prompt, text, token_ids, covers: None, ms });
            at.texts.push((SegmentKind::Summary, ids));
        }
        at.piece += 1;
        self.resolve(turn, at)
    }

    fn evict(&mut self, turn: Box<Turn>, at: Summarising) -> Next {
        let Summarising { overflow, plan, texts, .. } = at;
        let initial_tokens = self.account.initial_tokens();
        let rebuilt = self.account.rebuild(&plan, texts, self.rules.trigger(), turn.input.time)?;
        let kept = rebuilt.kept().map(|Range { start, end }| [start, end]).collect();
        let Rebuilt { tokens_before, pieces, put_back, .. } = rebuilt;
        let pieces = pieces.into_iter().map(|piece| match piece {
            RebuiltPiece::Keep { from, .. } => ResolvedPiece::Keep(from),
            RebuiltPiece::Text { content, .. } => ResolvedPiece::Tokens(content),
        });
        let positions = plan.positions();
        let work = Work::Evict { pieces: pieces.collect(), positions };
        let evicting = Evicting { overflow, positions, kept, tokens_before, initial_tokens, put_back };
        self.wait_for(work, Stage::Evicting(turn, evicting))
    }

    /// Called when the cache has been rebuilt by the plan.
    pub(super) fn evicted(&mut self, turn: Box<Turn>, evicting: Evicting, evicted: Evicted) -> Next {
        let Evicting { overflow, positions, kept, tokens_before, initial_tokens, put_back } = evicting;
        let (ledger, cache) = (self.account.tokens(), evicted.tokens_after);
        if ledger != cache {
            return Err(SessionError::CacheLength { cache, ledger });
        }
        self.statistics.overflows += 1;
        let reopened = put_back.iter().any(|put_back| put_back.kind == SegmentKind::System);
        self.record(Event::Overflow {
            time: turn.input.time,
            strategy: self.rule.name().to_owned(),
            trigger: overflow.trigger,
            incoming: overflow.incoming,
            pending: overflow.pending,
            initial_tokens,
            tokens_before,
            tokens_after: cache,
            kept,
            put_back,
            positions,
            positions_reset: evicted.positions_reset,
            memory_bytes: evicted.memory_bytes,
            ms: self.ms_since(overflow.began),
        });
        self.after_eviction(turn, reopened)
    }
}
