//! One frame from its arrival to its line in the trace.

use crate::error::SessionError;
use crate::event::{Event, PaceEntry, StageTimes};
use crate::frame::{FrameDone, FrameInput};
use crate::options::OverflowRule;
use crate::session::Session;
use crate::stage::{Held, Next, Saying, Stage, Turn};
use crate::work::Work;

impl Session {
    pub(crate) fn begin_frame(&mut self, input: FrameInput) -> Next {
        if matches!(self.rule, OverflowRule::Stateless) && self.opened {
            // Other texts open it from here on.
            let kept = if self.opening_changed { 0 } else { self.opening_tokens };
            self.works.push_back(Work::Truncate { tokens: kept });
            self.account.reset(kept);
            self.opened = !self.opening_changed;
        }
        let own = self.own_chunk(&input, !self.opened || self.opening_changed)?;
        self.opening_changed = false;
        let turn = Box::new(Turn {
            input,
            began: self.now,
            frame_tokens: own.frame_tokens,
            carries_request: own.requests > 0,
            messages: Vec::new(),
            own,
            room: 0,
            encoding_reused: false,
            similarity: None,
            vision_ms: 0.0,
            since: self.now,
            entries: Vec::with_capacity(4),
            not_talk_probability: None,
            spoken: None,
            repeats: false,
            before_reply: 0,
            shown: 0,
            is_over: false,
            reply: None,
        });
        let incoming = turn.own.ids.len();
        match &self.rule {
            OverflowRule::Unlimited if self.overflows_at_all(incoming) => {
                Err(SessionError::UnexpectedOverflow {
                    time: input.time,
                    cache_tokens: self.account.tokens(),
                    incoming: self.account.incoming(incoming),
                })
            }
            OverflowRule::Strategy(_) => match self.rules.before_chunk(&self.account, incoming) {
                Some(overflow) => self.overflow(turn, overflow),
                None => self.encode(turn),
            },
            OverflowRule::Unlimited | OverflowRule::Stateless => self.encode(turn),
        }
    }

    /// Whether a chunk of `own` tokens overflows the cache, an empty one included.
    fn overflows_at_all(&self, own: usize) -> bool {
        let (tokens, incoming) = (self.account.tokens(), self.account.incoming(own));
        self.account.budget().overflows(tokens, incoming).is_some()
    }

    /// Called when the cache has been reduced, before the frame went in or after it. `reopened` says whether
    /// the new cache has the texts that open the stream.
    pub(super) fn after_eviction(&mut self, mut turn: Box<Turn>, reopened: bool) -> Next {
        if turn.is_over {
            return Ok(Some(self.end(*turn)));
        }
        if reopened && turn.own.carries_opening {
            // They are in already.
            turn.own = self.own_chunk(&turn.input, false)?;
            turn.carries_request = turn.own.requests > 0;
        }
        self.encode(turn)
    }

    fn encode(&mut self, mut turn: Box<Turn>) -> Next {
        turn.room = self.reply_room(self.account.incoming(turn.own.ids.len()))?;
        turn.since = self.now;
        turn.encoding_reused = self.last_frame == Some(turn.input.fingerprint);
        let compare = self.signals().frame_similarity && self.last_frame.is_some();
        let work = Work::Encode { reuse: turn.encoding_reused, compare };
        self.wait_for(work, Stage::Encoding(turn))
    }

    /// The tokens that a reply may have when `incoming` more tokens are in the cache: the longest reply, or
    /// fewer if ProAssist's rules leave less room.
    fn reply_room(&self, incoming: usize) -> Result<usize, SessionError> {
        let (cache_tokens, budget) = (self.account.tokens(), self.account.budget());
        let taken = cache_tokens + incoming + self.prompt_room;
        match (budget.max_seq_len + 1).checked_sub(taken) {
            // The last token of a reply is not in the cache.
            Some(room) if room > 0 => Ok(self.options.max_new_tokens.min(room)),
            _ => Err(SessionError::NoRoom {
                incoming,
                cache_tokens,
                reply: budget.max_reply_tokens,
                max_seq_len: budget.max_seq_len,
            }),
        }
    }

    /// Prefills the frame behind the waiting tokens.
    pub(super) fn encoded(&mut self, mut turn: Box<Turn>, similarity: Option<f64>) -> Next {
        turn.vision_ms = self.ms_since(turn.since);
        (turn.since, turn.similarity) = (self.now, similarity);
        self.last_frame = Some(turn.input.fingerprint);
        let time = turn.input.time;
        let (waiting, mut own) = (self.waiting_chunk(), std::mem::take(&mut turn.own));
        turn.messages = std::mem::take(&mut own.messages);
        let mut ids = self.take_in(waiting, time, None, &mut turn.entries);
        ids.extend(self.take_in(own, time, similarity, &mut turn.entries));
        self.note_opening();
        (turn.before_reply, turn.shown) = (self.account.tokens(), turn.entries.len());
        let then = self.talk.after_frame(turn.room);
        let work = Work::Prefill { ids, with_frame: true, then };
        self.wait_for(work, Stage::Deciding(turn, Saying::default()))
    }

    /// Called when the reply is complete, or the assistant is silent.
    pub(super) fn said(&mut self, mut turn: Box<Turn>) -> Next {
        self.statistics.cache(self.account.tokens());
        if self.options.reference_context {
            self.put_reference_instead(&mut turn)?;
        }
        self.account.end_of_step(turn.carries_request);
        match turn.spoken {
            None => self.write_early(turn),
            Some(_) => self.close(turn),
        }
    }

    /// Adds the events of the reply and of the frame. An eviction after the frame belongs to its time, so its
    /// events come behind it.
    pub(super) fn close(&mut self, mut turn: Box<Turn>) -> Next {
        let decode_ms = self.ms_since(turn.since);
        let spoke = turn.spoken.is_some();
        turn.reply = self.tell_reply(&mut turn)?;
        turn.is_over = true;
        let frame = Event::Frame {
            index: turn.input.index,
            time: turn.input.time,
            segments: std::mem::take(&mut turn.entries),
            cache_tokens: self.account.tokens(),
            spoke,
            encoding_reused: turn.encoding_reused,
            similarity: turn.similarity,
            not_talk_probability: turn.not_talk_probability,
            pace: None,
            times: StageTimes { vision_ms: turn.vision_ms, decode_ms, total_ms: 0.0 },
        };
        self.statistics.encodings_reused += usize::from(turn.encoding_reused);
        self.held = Some(Held { frame, began: turn.began, behind: Vec::new() });
        match self.rules.after_frame(&self.account) {
            Some(overflow) => self.overflow(turn, overflow),
            None => Ok(Some(self.end(*turn))),
        }
    }

    fn end(&mut self, turn: Turn) -> FrameDone {
        let pace = turn.input.pace.map(|pace| PaceEntry {
            wait_ms: turn.began.saturating_sub(pace.arrived).as_secs_f64() * 1e3,
            lag_ms: self.ms_since(pace.arrived),
            queued: pace.queued,
            missed: self.now > pace.deadline,
        });
        pace.iter().for_each(|pace| self.statistics.pace(pace));
        if let Some(Held { frame: Event::Frame { pace: told, .. }, .. }) = &mut self.held {
            *told = pace;
        }
        self.release_held();
        FrameDone { reply: turn.reply }
    }

    /// Adds the event of the frame that was held back, if there is one, with the time that it has taken so
    /// far.
    pub(crate) fn release_held(&mut self) {
        let Some(Held { mut frame, began, behind }) = self.held.take() else { return };
        let total = self.ms_since(began);
        if let Event::Frame { times, cache_tokens, .. } = &mut frame {
            times.total_ms = total;
            self.statistics.frame(total, *cache_tokens);
        }
        self.events.push(frame);
        self.events.extend(behind);
    }
}
