//! Replies: those on which the model decides, and those for which a prompt asks.

use prospect_context::account::Incoming;
use prospect_context::{Encoded, SegmentKind};

use crate::error::SessionError;
use crate::event::{Event, SegmentEntry};
use crate::frame::Reply;
use crate::language::fit;
use crate::repeats;
use crate::rules::Question;
use crate::session::Session;
use crate::stage::{Chunk, Next, Saying, Stage, Turn};
use crate::talk::{Due, MAX_STEP_TOKENS, Prompted, Seen};
use crate::work::{Said, Then, Work};

impl Session {
    /// Takes a piece of a reply, and adds its words if the caller asked for words. Returns whether it was the
    /// last piece.
    pub(super) fn hear(
        &mut self,
        turn: &Turn,
        saying: &mut Saying,
        said: Said,
    ) -> Result<bool, SessionError> {
        let known = saying.token_ids.len();
        let mut is_over = saying.take(said);
        is_over |= self.cut_repetition(saying, known, is_over);
        let Some(telling) = &mut self.telling else { return Ok(is_over) };
        if !saying.silent && !saying.token_ids.is_empty() {
            let text = match is_over {
                true => self.language.clean_reply(&saying.token_ids)?,
                false => self.language.clean_reply_so_far(&saying.token_ids)?,
            };
            telling.hear(turn.input.index, &text);
        }
        if is_over {
            telling.end();
        }
        Ok(is_over)
    }

    /// Cuts a reply that repeats itself, if the settings say so. `known` of its tokens were examined before.
    /// Returns whether the reply was cut.
    fn cut_repetition(&mut self, saying: &mut Saying, known: usize, is_over: bool) -> bool {
        let Some(most) = self.options.max_repeats else { return false };
        let Some(stay) = repeats::cut_at(&saying.token_ids, known + 1, most) else { return false };
        if !is_over {
            self.works.push_back(Work::CutReply);
        }
        if stay < saying.token_ids.len() {
            // All but the last token of a reply are in the cache.
            self.works.push_back(Work::Truncate { tokens: self.account.tokens() + stay - 1 });
            saying.token_ids.truncate(stay);
        }
        saying.repeats = true;
        true
    }

    /// Takes the model's decision at the frame, and its reply.
    pub(super) fn decided(&mut self, mut turn: Box<Turn>, saying: Saying) -> Next {
        let messages = std::mem::take(&mut turn.messages);
        self.tell_messages(messages, turn.input.time);
        turn.not_talk_probability = saying.not_talk_probability;
        self.take_generated(&mut turn, saying);
        let seen = Seen { time: turn.input.time, thumbnail: turn.input.thumbnail };
        match self.talk.due(&self.options.steps, seen) {
            Due::NameStep(prompt) => self.ask_for_step(turn, &prompt),
            due => self.reply_that_is_due(turn, due),
        }
    }

    fn ask_for_step(&mut self, turn: Box<Turn>, prompt: &str) -> Next {
        let most = turn.room.min(MAX_STEP_TOKENS);
        let question = self.question_behind_waiting(prompt, most)?;
        let saying = self.ask(question);
        self.stage = Stage::NamingStep(turn, saying);
        Ok(None)
    }

    pub(super) fn step_is_named(&mut self, turn: Box<Turn>, saying: &Saying) -> Next {
        self.forget_question(saying);
        let name = self.language.clean_reply(&saying.token_ids)?;
        let name = fit(self.language.as_ref(), &name, MAX_STEP_TOKENS)?;
        let due = self.talk.step_named((!name.is_empty()).then_some(name));
        self.reply_that_is_due(turn, due)
    }

    /// `prompt` as a question behind the cache and what waits.
    pub(super) fn question_behind_waiting(
        &self,
        prompt: &str,
        max_new_tokens: usize,
    ) -> Result<Question, SessionError> {
        Question::behind_waiting(self.language.as_ref(), &self.layout, &self.account, prompt, max_new_tokens)
    }

    /// Asks a question behind the present cache.
    pub(super) fn ask(&mut self, question: Question) -> Saying {
        let Question { ids, with_frame, then } = question;
        let saying = Saying { question: ids.len(), ..Saying::default() };
        self.works.push_back(Work::Prefill { ids, with_frame, then });
        saying
    }

    /// Removes a question and its answer from the cache.
    pub(super) fn forget_question(&mut self, saying: &Saying) {
        let cache = self.account.tokens();
        self.statistics.cache(cache + saying.question + saying.token_ids.len().saturating_sub(1));
        self.works.push_back(Work::Truncate { tokens: cache });
    }

    fn reply_that_is_due(&mut self, turn: Box<Turn>, due: Due) -> Next {
        match due {
            Due::Reply(prompted) => self.prompt(turn, &prompted),
            Due::Silence | Due::NameStep(_) => self.said(turn),
        }
    }

    /// Prefills the prompt of a reply, and asks for the reply.
    fn prompt(&mut self, mut turn: Box<Turn>, prompted: &Prompted) -> Next {
        let mut chunk = Chunk::default();
        let prompt = prompted.prompt.as_deref();
        chunk.push(&self.layout.question(self.language.as_ref(), &self.account, prompt)?, false);
        let start = match &prompted.generation_prompt {
            Some(text) => Encoded::single(SegmentKind::Assistant, self.language.encode_text(text)?),
            None => self.language.encode_generation_prompt()?,
        };
        chunk.push(&start, false);
        let ids = self.take_in(chunk, turn.input.time, None, &mut turn.entries);
        let then = Then::Reply { max_new_tokens: turn.room };
        let work = Work::Prefill { ids, with_frame: false, then };
        self.wait_for(work, Stage::Replying(turn, Saying::default()))
    }

    pub(super) fn replied(&mut self, mut turn: Box<Turn>, saying: Saying) -> Next {
        // Whatever it is, it was asked for.
        turn.spoken.get_or_insert_default();
        self.take_generated(&mut turn, Saying { silent: false, ..saying });
        self.said(turn)
    }

    /// Adds generated tokens to the account. All but the last are in the cache; the last is pending.
    fn take_generated(&mut self, turn: &mut Turn, saying: Saying) {
        let Some((last, cached)) = saying.token_ids.split_last() else { return };
        self.account.wait(Some(self.layout.end_of_reply(self.language.as_ref(), *last)));
        if !cached.is_empty() {
            // Inside of turns a reply and what asks for it are one message, which an eviction keeps or drops as a whole.
            let continues = self.layout.is_in_turn();
            let incoming = Incoming { continues, ..Incoming::new(SegmentKind::Assistant, cached.len()) };
            self.account.append(&incoming, turn.input.time);
            let entry = SegmentEntry::new(SegmentKind::Assistant, cached.len(), false);
            turn.entries.push(SegmentEntry { continues, ..entry });
        }
        if !saying.silent {
            turn.repeats = saying.repeats;
            turn.spoken = Some(saying.token_ids);
        }
    }

    /// Cleans and records a reply. A reply of special tokens alone does not count as a reply.
    pub(super) fn tell_reply(&mut self, turn: &mut Turn) -> Result<Option<Reply>, SessionError> {
        let Some(token_ids) = turn.spoken.take() else { return Ok(None) };
        let text = self.language.clean_reply(&token_ids)?;
        if text.is_empty() {
            return Ok(None);
        }
        self.statistics.replies += 1;
        let (frame, time, repeats) = (turn.input.index, turn.input.time, turn.repeats);
        let reply = Reply { frame, time, text: text.clone(), repeats };
        self.events.push(Event::Reply { frame, time, text, token_ids, repeats });
        Ok(Some(reply))
    }
}
