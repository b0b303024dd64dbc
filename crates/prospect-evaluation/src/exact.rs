//! Exact matching: a reply matches a reference if it has the same text and is within two frames of it.

use crate::annotations::Message;
use prospect_session::{Reference, Reply};

/// The number of frames by which a reply may be early or late.
pub const WINDOW_FRAMES: f64 = 2.0;

/// The pairs of replies and references.
#[derive(Debug, Clone, PartialEq)]
pub struct ExactMatch {
    /// For each reply, its reference.
    pub of_reply: Vec<Option<usize>>,
    /// For each reference, its reply.
    pub of_reference: Vec<Option<usize>>,
}

/// The counts of one video, or the sums over several videos.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ExactCounts {
    /// The number of references that a reply matched.
    pub matched: usize,
    /// The number of replies.
    pub replies: usize,
    /// The number of references.
    pub references: usize,
    /// The number of frames without a reference.
    pub silent_frames: usize,
    /// The number of these frames at which the assistant spoke.
    pub false_speech: usize,
}

impl ExactCounts {
    /// The share of the replies that match a reference; 1 if there are no replies.
    pub fn precision(&self) -> f64 {
        share(self.matched, self.replies)
    }

    /// The share of the references that a reply matches; 1 if there are no references.
    pub fn recall(&self) -> f64 {
        share(self.matched, self.references)
    }

    /// The harmonic mean of precision and recall: `2 * matched / (replies + references)`.
    pub fn f1(&self) -> f64 {
        share(2 * self.matched, self.replies + self.references)
    }

    /// The share of the silent frames at which the assistant spoke.
    pub fn false_speech_share(&self) -> f64 {
        if self.silent_frames == 0 { 0.0 } else { self.false_speech as f64 / self.silent_frames as f64 }
    }
}

impl std::iter::Sum for ExactCounts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |sum, one| Self {
            matched: sum.matched + one.matched,
            replies: sum.replies + one.replies,
            references: sum.references + one.references,
            silent_frames: sum.silent_frames + one.silent_frames,
            false_speech: sum.false_speech + one.false_speech,
        })
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

/// Assigns to each reference, in order, the first free reply with the same text within [`WINDOW_FRAMES`]
/// frames of it.
pub fn match_exactly(replies: &[Reply], references: &[Reference], fps: f64) -> ExactMatch {
    let mut matched =
        ExactMatch { of_reply: vec![None; replies.len()], of_reference: vec![None; references.len()] };
    for (number, reference) in references.iter().enumerate() {
        let is_near = |reply: &Reply| (reply.time - reference.time).abs() * fps <= WINDOW_FRAMES + 1e-6;
        let fits = |(index, reply): &(usize, &Reply)| {
            matched.of_reply[*index].is_none() && reply.text == reference.text && is_near(reply)
        };
        if let Some((index, _)) = replies.iter().enumerate().find(fits) {
            matched.of_reply[index] = Some(number);
            matched.of_reference[number] = Some(index);
        }
    }
    matched
}

/// The counts of a run with these replies. The first of its frames is at `first` seconds, at `fps` frames per
/// second. Only references for which the run had a frame count.
pub fn exact_counts(
    replies: &[Reply],
    references: &[&Message],
    (first, frames): (f64, usize),
    fps: f64,
) -> ExactCounts {
    // Frames follow each other as the settings say.
    let (_, references) = joined_by_frame(references, |time| ((time - first) * fps).round() as usize);
    match_exactly(replies, &references, fps).counts(replies, &references, frames, fps)
}

/// The frame of each reference, and the references, with those of one frame joined. `frame` gives the frame
/// that is nearest to a time in seconds.
pub(super) fn joined_by_frame(
    messages: &[&Message],
    frame: impl Fn(f64) -> usize,
) -> (Vec<usize>, Vec<Reference>) {
    let (mut frames, mut references): (Vec<usize>, Vec<Reference>) = (Vec::new(), Vec::new());
    for message in messages {
        let at = frame(message.time);
        match references.last_mut() {
            Some(last) if frames.last() == Some(&at) => {
                last.text = format!("{} {}", last.text, message.text);
            }
            _ => {
                frames.push(at);
                references.push(Reference::from(*message));
            }
        }
    }
    (frames, references)
}

impl ExactMatch {
    /// The counts of a video of `frames` frames at `fps` frames per second.
    pub fn counts(
        &self,
        replies: &[Reply],
        references: &[Reference],
        frames: usize,
        fps: f64,
    ) -> ExactCounts {
        let frame_of = |time: f64| (time * fps).round() as usize;
        let mut speaking: Vec<usize> = references.iter().map(|reference| frame_of(reference.time)).collect();
        speaking.dedup();
        let is_false = |reply: &&Reply| speaking.binary_search(&frame_of(reply.time)).is_err();
        ExactCounts {
            matched: self.of_reference.iter().flatten().count(),
            replies: replies.len(),
            references: references.len(),
            silent_frames: frames.saturating_sub(speaking.len()),
            false_speech: replies.iter().filter(is_false).count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotations::Speaker;

    fn message(time: f64, text: &str) -> Message {
        Message::new(time, Speaker::Assistant, text)
    }

    fn reply(time: f64, text: &str) -> Reply {
        Reply { frame: (time * 2.0) as usize, time, text: text.into(), repeats: false }
    }

    #[test]
    fn the_references_replayed_are_all_right() {
        let references = [message(0.0, "a"), message(3.0, "b"), message(9.5, "a")];
        let references = references.map(|message| Reference::from(&message));
        let replies: Vec<Reply> = references.iter().map(|r| reply(r.time, &r.text)).collect();
        let matched = match_exactly(&replies, &references, 2.0);
        let counts = matched.counts(&replies, &references, 30, 2.0);
        assert_eq!((counts.f1(), counts.false_speech, counts.silent_frames), (1.0, 0, 27));
    }

    #[test]
    fn a_reply_counts_once_and_only_near_its_reference() {
        let references = [message(0.0, "a"), message(1.0, "a"), message(5.0, "b")];
        let references = references.map(|message| Reference::from(&message));
        let replies = [reply(1.0, "a"), reply(6.5, "b"), reply(7.0, "c")];
        let matched = match_exactly(&replies, &references, 2.0);
        assert_eq!(matched.of_reference, [Some(0), None, None]);
        let counts = matched.counts(&replies, &references, 20, 2.0);
        assert_eq!((counts.matched, counts.false_speech, counts.silent_frames), (1, 2, 17));
        assert!((counts.f1() - 2.0 / 6.0).abs() < 1e-12);
    }

    #[test]
    fn references_of_one_frame_are_one() {
        let references = [message(0.0, "a"), message(0.2, "b"), message(0.25, "c"), message(2.0, "d")];
        let messages: Vec<&Message> = references.iter().collect();
        let (_, joined) = joined_by_frame(&messages, |time| (time * 2.0).round() as usize);
        let joined: Vec<(f64, &str)> =
            joined.iter().map(|joined| (joined.time, joined.text.as_str())).collect();
        // A quarter of a second is as near to the second frame as to the first: the later one counts.
        assert_eq!(joined, [(0.0, "a b"), (0.25, "c"), (2.0, "d")]);
        let counts = exact_counts(&[reply(0.0, "a b")], &messages, (0.0, 9), 2.0);
        assert_eq!((counts.matched, counts.references), (1, 3));
    }

    #[test]
    fn nothing_said_and_nothing_to_say_is_right() {
        let counts = match_exactly(&[], &[], 2.0).counts(&[], &[], 10, 2.0);
        assert_eq!((counts.f1(), counts.false_speech_share()), (1.0, 0.0));
    }
}
