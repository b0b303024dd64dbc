//! One stream: its state, its inputs and its outputs.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use prospect_context::account::{Account, Surroundings};
use prospect_context::{Budget, CacheView, EarlySummary, Role, SignalRequest};

use crate::error::SessionError;
use crate::event::Event;
use crate::frame::{Aside, Fingerprint, FrameDone, FrameInput};
use crate::language::{Counter, Language};
use crate::layout::Layout;
use crate::options::{OpeningTexts, OverflowRule, SessionOptions};
use crate::reference::longest_reference;
use crate::rules::{self, EvictionRules};
use crate::stage::{EarlyAnswer, Held, Stage};
use crate::statistics::RunStatistics;
use crate::talk::TalkState;
use crate::words::{Telling, Words};
use crate::work::{Done, Said, Work};

/// A time of a stream, in seconds, whose text is as long as any: 99:59:59.
const LONGEST_TIME: f64 = 359_999.0;

/// One stream in progress.
pub struct Session {
    pub(crate) language: Arc<dyn Language>,
    pub(crate) rule: OverflowRule,
    pub(crate) rules: Box<dyn EvictionRules>,
    pub(crate) options: SessionOptions,
    pub(crate) layout: Layout,
    pub(crate) account: Account<Vec<u32>>,
    /// The most tokens of a prompt that asks for a reply.
    pub(crate) prompt_room: usize,
    pub(crate) talk: TalkState,
    pub(crate) opened: bool,
    pub(crate) opening_tokens: usize,
    /// Whether the opening has changed since the cache was opened. It then goes in with the next frame.
    pub(crate) opening_changed: bool,
    /// People's messages since the last frame.
    pub(crate) said: VecDeque<String>,
    pub(crate) next_request: usize,
    pub(crate) next_reference: usize,
    /// The picture of the frame before.
    pub(crate) last_frame: Option<Fingerprint>,
    /// A summary that is being written before the overflow.
    pub(crate) early: Option<EarlyAnswer>,
    pub(crate) statistics: RunStatistics,
    pub(crate) stage: Stage,
    /// A frame whose eviction comes after it. Its event waits until the eviction is done.
    pub(crate) held: Option<Held>,
    pub(crate) works: VecDeque<Work>,
    pub(crate) events: Vec<Event>,
    /// The words of the reply that is being generated, if the caller asked for words.
    pub(crate) telling: Option<Telling>,
    /// The time of the last input.
    pub(crate) now: Duration,
}

impl Session {
    /// A stream that has had no input yet. Its first event is the budget; [`Self::resume`] removes that event
    /// again.
    ///
    /// # Errors
    /// [`SessionError::MissingDialogueState`] if the strategy needs a dialogue state and the stream has none;
    /// [`SessionError::Request`] or [`SessionError::Language`] for a text that cannot be encoded.
    pub fn new(
        language: Arc<dyn Language>,
        rule: OverflowRule,
        options: SessionOptions,
    ) -> Result<Self, SessionError> {
        let talk = TalkState::new(&options.talk);
        let mut max_summary_tokens = 0;
        if let Some(strategy) = rule.strategy() {
            if strategy.needs_dialogue_state() && !talk.has_dialogue_state(&options.steps) {
                return Err(SessionError::MissingDialogueState { strategy: strategy.name().to_owned() });
            }
            max_summary_tokens = strategy.max_summary_tokens(&Counter(language.as_ref()));
        }
        // What cannot be asked is found before the first frame, not hours later.
        for request in &options.requests {
            language
                .encode_message(Role::User, &request.text, false)
                .map_err(|error| SessionError::Request { time: request.time, problem: error.to_string() })?;
        }
        let layout = Layout::new(language.as_ref(), &options)?;
        let prompt_room = talk.prompt_room(language.as_ref(), &layout, &options.steps)?;
        let longest_reply = match options.reference_context {
            true => options.max_new_tokens.max(longest_reference(language.as_ref(), &options)?),
            false => options.max_new_tokens,
        };
        let budget = Budget {
            max_seq_len: options.max_seq_len,
            reserved_seq_len: options.reserved_seq_len,
            max_reply_tokens: longest_reply + prompt_room + layout.room(),
            max_summary_tokens,
        };
        Ok(Self {
            rules: rules::of(rule.strategy().map(|strategy| strategy.trigger()).unwrap_or_default()),
            language,
            rule,
            options,
            account: Account::new(budget).with_user_turn(layout.for_account()),
            events: vec![Event::budget(&budget, layout.for_account().as_ref())],
            layout,
            prompt_room,
            talk,
            opened: false,
            opening_tokens: 0,
            opening_changed: false,
            said: VecDeque::new(),
            next_request: 0,
            next_reference: 0,
            last_frame: None,
            early: None,
            statistics: RunStatistics::default(),
            stage: Stage::Idle,
            held: None,
            works: VecDeque::new(),
            telling: None,
            now: Duration::ZERO,
        })
    }

    /// Gives the session its next frame. `now` is the time on the clock of all inputs of this session.
    ///
    /// # Errors
    /// The errors of [`Self::done`], which end the stream; [`SessionError::OutOfTurn`] if another frame is
    /// being processed.
    pub fn frame(&mut self, frame: FrameInput, now: Duration) -> Result<Option<FrameDone>, SessionError> {
        if !self.is_idle() {
            return Err(SessionError::OutOfTurn {
                found: "a frame",
                state: self.stage.name(),
                expected: "it to be done with the frame before",
            });
        }
        self.now = now;
        self.begin_frame(frame)
    }

    /// Gives the session the result of the work for which it waits.
    ///
    /// # Errors
    /// Errors that end the stream: an error of the strategy or of the budget, a text that cannot be encoded,
    /// and [`SessionError::OutOfTurn`] for a result for which nothing waits. After an error, [`Self::fail`]
    /// closes the trace.
    pub fn done(&mut self, done: Done, now: Duration) -> Result<Option<FrameDone>, SessionError> {
        self.now = now;
        self.advance(done)
    }

    /// Ends the reply that is being generated behind its present words, as if it had reached its limit. The
    /// [`Work::Decode`] for which the session waits must not be done then. `None` if no reply is being
    /// generated; nothing is changed then.
    ///
    /// # Errors
    /// The errors of [`Self::done`].
    pub fn cut_reply(&mut self, now: Duration) -> Option<Result<Option<FrameDone>, SessionError>> {
        match &self.stage {
            Stage::Deciding(_, saying) | Stage::Replying(_, saying) if !saying.token_ids.is_empty() => {}
            _ => return None,
        }
        // It may not have been taken up yet; nothing else is to be done while a reply is going on.
        self.works.clear();
        Some(self.done(Done::Said(Said { is_finished: true, ..Said::default() }), now))
    }

    /// Adds a person's message, which goes in with the next frame.
    ///
    /// # Errors
    /// [`SessionError::Language`], or [`SessionError::MessageTooLong`]. The stream continues in both cases.
    pub fn say(&mut self, text: &str) -> Result<(), SessionError> {
        let tokens = self.language.encode_message(Role::User, text, false)?.ids.len();
        self.check_fits(tokens)?;
        self.said.push_back(text.to_owned());
        Ok(())
    }

    /// Changes the system prompt or the task knowledge. The new texts go in with the next frame, pinned, and
    /// open the cache again when an eviction empties it. The former texts are no longer pinned, so an
    /// eviction may drop them. The present texts change nothing.
    ///
    /// # Errors
    /// The errors of [`Self::say`].
    pub fn set_opening(&mut self, opening: OpeningTexts) -> Result<(), SessionError> {
        if opening == self.options.opening {
            return Ok(());
        }
        let text = opening.as_opening().text();
        let tokens = self.language.encode_message(Role::System, &text, false)?.ids.len();
        self.check_fits(tokens)?;
        self.options.opening = opening;
        // The first frame opens the stream with whatever is said by then.
        self.opening_changed = self.opened || !self.is_idle();
        Ok(())
    }

    /// Checks that a text fits beside the opening, all other tokens that go in with the next frame, and a
    /// reply.
    fn check_fits(&self, tokens: usize) -> Result<(), SessionError> {
        let length = |role, text: &str| {
            Ok::<_, SessionError>(self.language.encode_message(role, text, false)?.ids.len())
        };
        let mut beside = self.next_frame_tokens()?;
        for said in &self.said {
            beside += length(Role::User, said)?;
        }
        if self.opening_changed || !self.opened {
            beside += length(Role::System, &self.options.opening.as_opening().text())?;
        }
        if self.opened {
            beside += self.account.pinned_tokens();
        }
        let most = self.account.budget().room_before(beside).unwrap_or(0);
        match tokens <= most {
            true => Ok(()),
            false => Err(SessionError::MessageTooLong { tokens, most }),
        }
    }

    /// The most tokens that go in with the next frame, apart from texts: the frame with its line of time, the
    /// tokens that wait, and what opens and closes a user's turn.
    pub(crate) fn next_frame_tokens(&self) -> Result<usize, SessionError> {
        let time = self.options.frame_time_text.then_some(LONGEST_TIME);
        let turn = self.account.user_turn().map_or(0, |turn| turn.opening.len() + turn.closing.len());
        Ok(self.language.encode_frame(time)?.ids.len() + self.account.waiting_tokens() + turn)
    }

    /// The next work; `None` while the session waits for a result or a frame.
    pub fn next_work(&mut self) -> Option<Work> {
        self.works.pop_front()
    }

    /// The events since the last call, in order. They are the lines of the trace.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// From now on, [`Self::take_words`] returns the words of replies while they are generated.
    pub fn tell_words(&mut self) {
        self.telling.get_or_insert_default();
    }

    /// The words of the present or last reply since the last call; `None` for silence. They belong before the
    /// events that came with them.
    pub fn take_words(&mut self) -> Option<Words> {
        self.telling.as_mut()?.take()
    }

    /// Whether the session waits for a frame and has no work.
    pub fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Idle) && self.works.is_empty()
    }

    /// The statistics so far.
    pub fn statistics(&self) -> &RunStatistics {
        &self.statistics
    }

    /// The number of tokens in the cache when all works are done.
    pub fn cache_tokens(&self) -> usize {
        self.account.tokens()
    }

    /// The budget of the cache.
    pub fn budget(&self) -> Budget {
        self.account.budget()
    }

    /// Calls `look` with the view that a strategy gets now, before `incoming` more tokens.
    pub(crate) fn with_view<R>(
        &self,
        incoming: usize,
        time: f64,
        early_summary: Option<EarlySummary<'_>>,
        look: impl FnOnce(&CacheView<'_>) -> R,
    ) -> R {
        let state = self.talk.dialogue_state(&self.options.steps, time);
        let surroundings = Surroundings {
            opening: self.options.opening.as_opening(),
            dialogue_state: state.as_ref(),
            token_counter: &Counter(self.language.as_ref()),
            signals: self.signals(),
            early_summary,
        };
        look(&self.account.view(incoming, time, &surroundings))
    }

    /// The measurements that the strategy asked for.
    pub(crate) fn signals(&self) -> SignalRequest {
        self.rule.strategy().map(|strategy| strategy.signals()).unwrap_or_default()
    }

    /// Records one event of the stream that is not a frame.
    pub fn aside(&mut self, aside: Aside) {
        self.events.push(match aside {
            Aside::FrameLost { reason, frame } => {
                self.statistics.frames_dropped += 1;
                let (index, time) = frame.unzip();
                Event::FrameDropped { reason, index, time }
            }
            Aside::SourceInterrupted(message) => {
                self.statistics.interruption();
                Event::SourceInterrupted { message }
            }
            Aside::SourceNote(message) => Event::SourceNote { message },
            Aside::SettingsChanged(settings) => {
                Event::SettingsChanged { settings, strategy: self.rule.name().to_owned() }
            }
        });
    }

    /// Closes the trace of a stream that came to its end. `peak_memory_bytes` is the most memory that the
    /// process ever used, in bytes.
    pub fn finish(&mut self, peak_memory_bytes: Option<u64>) {
        self.events.push(self.statistics.finished(peak_memory_bytes));
    }

    /// Closes the trace of a stream that failed. Earlier events stay.
    pub fn fail(&mut self, message: String, peak_memory_bytes: Option<u64>) {
        // A frame whose own eviction failed has been seen all the same.
        self.release_held();
        self.stage = Stage::Idle;
        self.works.clear();
        self.events.push(Event::Error { message });
        self.finish(peak_memory_bytes);
    }

    pub(crate) fn record(&mut self, event: Event) {
        match &mut self.held {
            Some(held) => held.behind.push(event),
            None => self.events.push(event),
        }
    }

    /// Milliseconds from a moment to the last input.
    pub(crate) fn ms_since(&self, moment: Duration) -> f64 {
        self.now.saturating_sub(moment).as_secs_f64() * 1e3
    }
}
