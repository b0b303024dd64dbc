//! Streams that are generated from parameters.

use super::stream::{StreamSegment, StreamStep};
use crate::random::Random;
use crate::segment::SegmentKind;

/// The parameters of a generated stream. Equal parameters give equal streams, on every machine.
///
/// The stream begins with a pinned system prompt. At each frame the assistant is silent or replies. The last
/// token that it generates, or the silence token, goes in with the next frame. Every fact is shown by one
/// frame. The next reply tells it once more, unless a newer fact has been shown by then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StreamParameters {
    /// The number of frames.
    pub frames: usize,
    /// Frames per second. At 0 or less, all frames have the time 0.
    pub fps: f64,
    /// Tokens per frame.
    pub frame_tokens: usize,
    /// Tokens of the system prompt at the beginning; 0 means no prompt.
    pub system_tokens: usize,
    /// The assistant replies once in this number of frames; 0 means never.
    pub reply_every: usize,
    /// Tokens of a reply, including the last token, which goes in with the next frame.
    pub reply_tokens: usize,
    /// The user says something at the first frame, and then once in this number of frames; 0 means never.
    pub request_every: usize,
    /// Tokens of a user message.
    pub request_tokens: usize,
    /// The mean length of a scene in frames; 0 means one scene. Frames within a scene are similar.
    pub scene_frames: usize,
    /// A new fact is shown once in this number of frames; 0 means never.
    pub fact_every: usize,
    /// The seed for the lengths of scenes and the similarity of frames.
    pub seed: u64,
}

impl Default for StreamParameters {
    /// An hour at two frames per second, with the frame size of SmolVLM2 in tokens.
    fn default() -> Self {
        Self {
            frames: 7_200,
            fps: 2.0,
            frame_tokens: 67,
            system_tokens: 60,
            reply_every: 20,
            reply_tokens: 16,
            request_every: 1_200,
            request_tokens: 12,
            scene_frames: 30,
            fact_every: 50,
            seed: 0,
        }
    }
}

impl StreamParameters {
    /// Generates the stream.
    pub fn stream(&self) -> GeneratedStream {
        GeneratedStream {
            parameters: *self,
            random: Random::new(self.seed),
            index: 0,
            next_fact: 0,
            untold: None,
        }
    }
}

/// The steps of a generated stream ([`StreamParameters::stream`]).
#[derive(Debug, Clone)]
pub struct GeneratedStream {
    parameters: StreamParameters,
    random: Random,
    index: usize,
    next_fact: u32,
    /// The newest fact that no reply has told.
    untold: Option<u32>,
}

impl GeneratedStream {
    fn before(&self) -> Vec<StreamSegment> {
        let StreamParameters { system_tokens, request_every, request_tokens, .. } = self.parameters;
        let mut before = Vec::new();
        if self.index == 0 && system_tokens > 0 {
            before.push(StreamSegment::new(SegmentKind::System, system_tokens).pinned());
        }
        if request_every > 0 && self.index.is_multiple_of(request_every) {
            before.push(StreamSegment::new(SegmentKind::User, request_tokens));
        }
        before
    }

    fn frame(&mut self) -> StreamSegment {
        let mut frame = StreamSegment::new(SegmentKind::Frame, self.parameters.frame_tokens);
        if is_due(self.index, self.parameters.fact_every) {
            frame.fact = Some(self.next_fact);
            self.untold = frame.fact;
            self.next_fact = self.next_fact.wrapping_add(1);
        }
        frame
    }

    fn similarity(&mut self) -> Option<f64> {
        let scene_frames = self.parameters.scene_frames;
        let is_cut = scene_frames > 0 && self.random.chance(1.0 / scene_frames as f64);
        let similarity = if is_cut { 0.3 * self.random.unit() } else { 1.0 - 0.05 * self.random.unit() };
        (self.index > 0).then_some(similarity)
    }
}

impl Iterator for GeneratedStream {
    type Item = StreamStep;

    fn next(&mut self) -> Option<StreamStep> {
        let parameters = self.parameters;
        if self.index == parameters.frames {
            return None;
        }
        let time = if parameters.fps > 0.0 { self.index as f64 / parameters.fps } else { 0.0 };
        let (before, similarity, frame) = (self.before(), self.similarity(), self.frame());
        let silent = StreamStep { before, frame, similarity, ..StreamStep::silent(time, 0) };
        let speaks = is_due(self.index, parameters.reply_every) && parameters.reply_tokens > 0;
        self.index += 1;
        if !speaks {
            return Some(silent);
        }
        let reply = StreamSegment::new(SegmentKind::Assistant, parameters.reply_tokens - 1);
        let reply = StreamSegment { fact: self.untold.take(), ..reply };
        let waiting = Some(StreamSegment::last_token(SegmentKind::Assistant));
        Some(StreamStep { reply: vec![reply], spoke: true, waiting, ..silent })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.parameters.frames - self.index;
        (left, Some(left))
    }
}

impl ExactSizeIterator for GeneratedStream {}

/// Whether step `index` is the last of a round of `every` steps.
fn is_due(index: usize, every: usize) -> bool {
    every > 0 && (index + 1).is_multiple_of(every)
}
