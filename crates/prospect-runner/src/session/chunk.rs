//! What goes into the model at one frame.

use prospect_context::{Role, SegmentKind};
use prospect_processor::Encoded;

use super::Session;
use crate::error::RunError;
use crate::source::Frame;
use crate::stream_model::StreamModel;
use crate::trace::{Event, SegmentEntry};

/// Tokens of one kind on their way into the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ChunkSegment {
    kind: SegmentKind,
    tokens: usize,
    pinned: bool,
    /// They belong to the segment before them: the silence token of a frame, the last token of a reply.
    continues: bool,
}

/// Whether an eviction has to keep segments of this kind, or drop everything.
pub(super) fn is_opening(kind: SegmentKind) -> bool {
    matches!(kind, SegmentKind::System | SegmentKind::Summary)
}

/// Token ids of one step, every one in a segment.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) ids: Vec<u32>,
    segments: Vec<ChunkSegment>,
    /// Messages that the trace shows once the chunk is in.
    messages: Vec<(Role, String)>,
    /// User messages in it.
    pub(super) requests: usize,
    /// Tokens of its frame.
    pub(super) frame_tokens: usize,
}

impl Chunk {
    pub(super) fn push(&mut self, encoded: &Encoded, pinned: bool) {
        self.ids.extend_from_slice(&encoded.ids);
        for segment in &encoded.segments {
            self.push_segment(segment.kind, segment.tokens.len(), pinned, false);
        }
    }

    /// Tokens that were generated before and are not in the cache yet.
    pub(super) fn push_pending(&mut self, kind: SegmentKind, ids: &[u32]) {
        self.ids.extend_from_slice(ids);
        self.push_segment(kind, ids.len(), false, true);
    }

    fn push_segment(&mut self, kind: SegmentKind, tokens: usize, pinned: bool, continues: bool) {
        if tokens > 0 {
            self.segments.push(ChunkSegment { kind, tokens, pinned, continues });
        }
    }
}

impl<M: StreamModel> Session<'_, M> {
    /// Everything that goes in with a frame, in order: what an eviction put back, the opening, the pending tokens, the user
    /// messages that are due, the frame.
    pub(super) fn chunk(&self, frame: &Frame) -> Result<Chunk, RunError> {
        let mut chunk = Chunk::default();
        for (kind, ids) in &self.deferred {
            chunk.push(&Encoded::single(*kind, ids.clone()), is_opening(*kind));
        }
        if !self.opened {
            let system = self.opening_text();
            chunk.push(&self.model.encode_message(Role::System, &system, true)?, true);
            chunk.messages.push((Role::System, system));
        }
        chunk.push_pending(self.pending_kind(), &self.pending);
        let open = &self.options.requests[self.next_request..];
        for request in open.iter().take_while(|request| request.time <= frame.time) {
            chunk.push(&self.model.encode_message(Role::User, &request.text, false)?, false);
            chunk.messages.push((Role::User, request.text.clone()));
            chunk.requests += 1;
        }
        let time = self.options.frame_time_text.then_some(frame.time);
        let encoded = self.model.encode_frame(time)?;
        chunk.frame_tokens = encoded.ids.len();
        chunk.push(&encoded, false);
        Ok(chunk)
    }

    /// The text of the system message that opens the stream.
    fn opening_text(&self) -> String {
        let task_knowledge = self.options.task_knowledge.as_deref();
        prospect_context::Opening { system_prompt: &self.options.system_prompt, task_knowledge }.text()
    }

    /// What the pending tokens belong to: the last segment of the cache, or a frame that is no longer there.
    fn pending_kind(&self) -> SegmentKind {
        let last = self.ledger.segments().last().map(|segment| segment.kind);
        last.filter(|kind| !is_opening(*kind)).unwrap_or(SegmentKind::Frame)
    }

    /// Writes a chunk that went in into the ledger, and what the trace shows of it into `entries`; `similarity` is that of its
    /// frame with the one before.
    pub(super) fn account(
        &mut self,
        chunk: &Chunk,
        time: f64,
        similarity: Option<f64>,
        entries: &mut Vec<SegmentEntry>,
    ) -> Result<(), RunError> {
        for segment in &chunk.segments {
            let last = self.ledger.segments().last();
            let continues = segment.continues && last.is_some_and(|last| !last.pinned);
            match segment.kind {
                _ if continues => self.ledger.extend_last(segment.tokens),
                SegmentKind::Frame if !segment.continues => {
                    self.ledger.append_frame(segment.tokens, time, segment.pinned, similarity);
                }
                kind => self.ledger.append(kind, segment.tokens, time, segment.pinned),
            }
            let entry = SegmentEntry::new(segment.kind, segment.tokens, segment.pinned);
            entries.push(SegmentEntry { continues: segment.continues, ..entry });
        }
        if !self.opened {
            self.opened = true;
            self.opening_tokens = self.ledger.segments().first().map_or(0, |segment| segment.range.end);
        }
        for (role, text) in &chunk.messages {
            self.trace.record(&Event::Message {
                role: role.as_str().to_owned(),
                text: text.clone(),
                time,
            })?;
        }
        if chunk.requests > 0 {
            self.talk.asked();
        }
        self.next_request += chunk.requests;
        self.deferred.clear();
        self.pending.clear();
        Ok(())
    }
}
