//! References that replace the replies of the assistant (`stream.reference_context`).

use prospect_context::SegmentKind;

use crate::error::SessionError;
use crate::options::Reference;
use crate::reference::{ROUNDING, reference_ids};
use crate::session::Session;
use crate::stage::Turn;
use crate::work::Work;

impl Session {
    /// Removes a reply from the cache. The reference of this frame, or silence, goes in with the next frame.
    pub(super) fn put_reference_instead(&mut self, turn: &mut Turn) -> Result<(), SessionError> {
        self.works.push_back(Work::Truncate { tokens: turn.before_reply });
        self.account.truncate(turn.before_reply);
        turn.entries.truncate(turn.shown);
        let (time, fps) = (turn.input.time, self.options.fps);
        // Those to which this frame is the nearest, as the evaluation has it; of two that are as near, the later one counts.
        let near = |reference: &&Reference| (reference.time - time) * fps < 0.5 - ROUNDING;
        let past: Vec<&Reference> =
            self.options.references[self.next_reference..].iter().take_while(near).collect();
        // What was said before the first frame is none of this stream.
        let first = self.statistics.frames == 0;
        let said = past.iter().filter(|reference| !first || reference.time >= time);
        // Those of one frame are one, as for the evaluation.
        let mut said: Vec<&str> = said.map(|reference| reference.text.as_str()).collect();
        let room = self.account.budget().max_reply_tokens - self.prompt_room;
        let mut ids = reference_ids(self.language.as_ref(), &said.join(" "))?;
        // Many at once, after frames that were dropped, need not fit: the last ones count.
        while said.len() > 1 && ids.len() > room {
            said.remove(0);
            ids = reference_ids(self.language.as_ref(), &said.join(" "))?;
        }
        self.next_reference += past.len();
        if !said.is_empty() {
            self.account.defer(SegmentKind::Assistant, ids);
        } else if self.talk.is_proactive() {
            self.account.wait(Some(vec![self.language.end_of_utterance()]));
        }
        Ok(())
    }
}
