//! The chunk that goes into the model at one frame.

use prospect_context::account::{Incoming, is_opening};
use prospect_context::{Encoded, Role, SegmentKind};

use crate::error::SessionError;
use crate::event::{Event, SegmentEntry};
use crate::frame::FrameInput;
use crate::session::Session;
use crate::stage::Chunk;

impl Session {
    /// The chunk of a frame: the opening, the user messages that are due, and the frame. The waiting tokens
    /// come before it. They are added later, because an eviction may drop some of them. The texts that open
    /// the stream are in the chunk if the stream was not opened yet, or was opened with other texts.
    pub(super) fn own_chunk(&self, frame: &FrameInput, opens: bool) -> Result<Chunk, SessionError> {
        let mut chunk = Chunk { said: self.said.len(), carries_opening: opens, ..Chunk::default() };
        let mut in_turn = self.account.turn_is_open();
        if opens {
            self.layout.closing().filter(|_| in_turn).iter().for_each(|end| chunk.push(end, false));
            in_turn = false;
            let system = self.options.opening.as_opening().text();
            let encoded = self.language.encode_message(Role::System, &system, !self.opened)?;
            chunk.push_message(Role::System, system, &encoded);
        }
        let open = &self.options.requests[self.next_request..];
        let due = open.iter().take_while(|request| request.time <= frame.time).map(|request| &request.text);
        chunk.known_requests = due.clone().count();
        let texts = due.chain(&self.said);
        let time = self.options.frame_time_text.then_some(frame.time);
        let encoded = self.language.encode_frame(time)?;
        chunk.frame_tokens = encoded.ids.len();
        if self.layout.is_in_turn() {
            self.layout.opening().filter(|_| !in_turn).iter().for_each(|begin| chunk.push(begin, false));
            chunk.push(&encoded, false);
            for (index, text) in texts.enumerate() {
                let ids = self.layout.text(self.language.as_ref(), text, index == 0)?;
                chunk.push_behind_frame(text.clone(), ids);
            }
            return Ok(chunk);
        }
        for text in texts {
            let encoded = self.language.encode_message(Role::User, text, false)?;
            chunk.push_message(Role::User, text.clone(), &encoded);
        }
        chunk.push(&encoded, false);
        Ok(chunk)
    }

    /// The waiting tokens as a chunk: first the texts that an eviction put back or that replace a reply, then
    /// the pending tokens.
    pub(super) fn waiting_chunk(&mut self) -> Chunk {
        let mut chunk = Chunk::default();
        let (deferred, pending) = self.account.take_waiting();
        for deferred in deferred {
            let pinned = is_opening(deferred.kind);
            chunk.push(&Encoded::single(deferred.kind, deferred.content), pinned);
        }
        if let Some((kind, ids)) = pending.filter(|(_, ids)| !ids.is_empty()) {
            let incoming = Incoming { continues: true, ..Incoming::new(kind, ids.len()) };
            chunk.ids.extend(ids);
            chunk.segments.push(incoming);
        }
        chunk
    }

    /// Adds a chunk to the account, and its segments to `entries` for the trace. `similarity` is that of its
    /// frame with the frame before. Returns the ids of the chunk.
    pub(super) fn take_in(
        &mut self,
        chunk: Chunk,
        time: f64,
        similarity: Option<f64>,
        entries: &mut Vec<SegmentEntry>,
    ) -> Vec<u32> {
        let Chunk { ids, segments, requests, known_requests, said, behind_frame, .. } = chunk;
        let behind_from = segments.len() - behind_frame;
        for (index, incoming) in segments.into_iter().enumerate() {
            let Incoming { kind, tokens, pinned, continues, .. } = incoming;
            self.account.append(&Incoming { similarity, ..incoming }, time);
            let with_frame = index >= behind_from;
            entries.push(SegmentEntry { continues, with_frame, ..SegmentEntry::new(kind, tokens, pinned) });
        }
        if requests > 0 {
            self.talk.asked();
        }
        // What was said since the chunk was made waits for the next one.
        self.said.drain(..said);
        self.next_request += known_requests;
        ids
    }

    /// Adds events for the messages that went in with a frame.
    pub(super) fn tell_messages(&mut self, messages: Vec<(Role, String)>, time: f64) {
        let told = messages.into_iter().map(|(role, text)| Event::Message { role, text, time });
        self.events.extend(told);
    }

    /// Records that the first chunk is in the cache.
    pub(super) fn note_opening(&mut self) {
        if !self.opened {
            self.opened = true;
            let first = self.account.ledger().segments().first();
            self.opening_tokens =
                first.filter(|first| first.kind == SegmentKind::System).map_or(0, |first| first.range.end);
        }
    }
}
