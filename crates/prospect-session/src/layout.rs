//! Where frames stand in the dialogue: between the turns, or inside of the user's.
//!
//! Checkpoints were trained on frames inside of the user's turn, with a question behind them. There, a turn is opened before its
//! first frame and stays open until something asks for a reply: that closes it, and the next frame opens another one.

use prospect_config::FramesIn;
use prospect_context::account::{self, Account};
use prospect_context::{Encoded, Role, SegmentKind};

use crate::error::SessionError;
use crate::language::{Language, UserTurn};
use crate::options::SessionOptions;

/// Stands between frames and a text, and between two texts: as behind the frames of a published video.
const GAP: &str = "\n\n";
/// Openings and closings that an eviction may put in: before and behind what is kept of the beginning and of the end.
const MENDS_AT_AN_EVICTION: usize = 2;

/// How frames and texts become tokens.
pub(crate) struct Layout {
    /// Where frames stand in the user's turn, what is around them.
    turn: Option<UserTurn>,
    /// What stands for a reply that an eviction has left out.
    no_reply: Vec<u32>,
    /// A frame has its time before it.
    timed: bool,
}

impl Layout {
    /// # Errors
    /// A chat template whose turns cannot grow.
    pub(crate) fn new(language: &dyn Language, options: &SessionOptions) -> Result<Self, SessionError> {
        let timed = options.frame_time_text;
        let turn = match options.frames_in {
            FramesIn::BetweenTurns => None,
            FramesIn::UserTurn => Some(language.encode_user_turn(timed)?),
        };
        let mut no_reply = Vec::new();
        if let Some(turn) = &turn {
            no_reply.extend(language.encode_generation_prompt()?.ids);
            no_reply.push(language.end_of_utterance());
            no_reply.extend(&turn.after_reply);
        }
        Ok(Self { turn, no_reply, timed })
    }

    /// What an eviction needs to know.
    pub(crate) fn for_account(&self) -> Option<account::UserTurn<Vec<u32>>> {
        let turn = self.turn.as_ref()?;
        let (opening, closing) = (turn.opening.clone(), turn.closing.clone());
        Some(account::UserTurn { opening, closing, no_reply: self.no_reply.clone() })
    }

    /// Whether frames stand in the user's turn.
    pub(crate) fn is_in_turn(&self) -> bool {
        self.turn.is_some()
    }

    /// What opens a user's turn.
    pub(crate) fn opening(&self) -> Option<Encoded> {
        self.turn.as_ref().map(|turn| Encoded::single(SegmentKind::User, turn.opening.clone()))
    }

    /// What closes a user's turn.
    pub(crate) fn closing(&self) -> Option<Encoded> {
        self.turn.as_ref().map(|turn| Encoded::single(SegmentKind::User, turn.closing.clone()))
    }

    /// Room that turns need beside a reply and what asks for it.
    pub(crate) fn room(&self) -> usize {
        let around = |turn: &UserTurn| turn.opening.len() + turn.closing.len();
        MENDS_AT_AN_EVICTION * self.turn.as_ref().map_or(0, around) + self.no_reply.len()
    }

    /// A text inside of an open turn; `behind_frame`: nothing was said since the last frame.
    pub(crate) fn text(
        &self,
        language: &dyn Language,
        text: &str,
        behind_frame: bool,
    ) -> Result<Vec<u32>, SessionError> {
        let gap = if self.timed || !behind_frame { GAP } else { "" };
        Ok(language.encode_text(&format!("{gap}{text}"))?)
    }

    /// What the user asks behind what the account has and what waits; an open turn is closed. `None` is no words.
    pub(crate) fn question(
        &self,
        language: &dyn Language,
        account: &Account<Vec<u32>>,
        prompt: Option<&str>,
    ) -> Result<Encoded, SessionError> {
        let Some(turn) = self.turn.as_ref().filter(|_| account.turn_is_open()) else {
            let message = prompt.map(|prompt| language.encode_message(Role::User, prompt, false));
            return Ok(message.transpose()?.unwrap_or_default());
        };
        let behind_frame = account.last_kind() == Some(SegmentKind::Frame);
        let text = prompt.map(|prompt| self.text(language, prompt, behind_frame)).transpose()?;
        let ids = [text.unwrap_or_default(), turn.closing.clone()].concat();
        Ok(Encoded::single(SegmentKind::User, ids))
    }

    /// Most tokens of [`Self::question`].
    pub(crate) fn question_tokens(
        &self,
        language: &dyn Language,
        prompt: Option<&str>,
    ) -> Result<usize, SessionError> {
        let message = |prompt: &str| language.encode_message(Role::User, prompt, false);
        let message = prompt.map(message).transpose()?.map_or(0, |encoded| encoded.ids.len());
        let Some(turn) = &self.turn else { return Ok(message) };
        let text = prompt.map(|prompt| self.text(language, prompt, false)).transpose()?;
        Ok(message.max(text.unwrap_or_default().len() + turn.closing.len()))
    }

    /// What goes in with the next frame once `last` has ended a reply, or broken it off.
    pub(crate) fn end_of_reply(&self, language: &dyn Language, last: u32) -> Vec<u32> {
        let mut ids = vec![last];
        if let Some(turn) = &self.turn {
            if !language.ends_reply(last) {
                ids.push(language.end_of_utterance());
            }
            ids.extend(&turn.after_reply);
        }
        ids
    }
}
