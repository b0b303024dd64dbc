//! The judgement of every reply and reference of one run.

use serde::{Deserialize, Serialize};

use super::exact::{ExactCounts, joined_by_frame, match_exactly};
use super::matching::{Dialogue, Verdict, Window, match_replies};
use super::similarity::{Similarity, SimilarityError};
use super::text::words;
use crate::annotations::{Annotations, Message};
use prospect_session::Event;
use prospect_session::{Reference, Reply};

/// The most frames of a stream that are judged: a day at 2 frames per second.
const MOST_LOST: usize = 172_800;

/// A reply with its verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgedReply {
    /// The stream time in seconds.
    pub time: f64,
    /// The text of the reply.
    pub text: String,
    /// Whether the reply was right.
    pub verdict: Verdict,
    /// The index of its reference.
    pub reference: Option<usize>,
    /// `|cosine|` with that reference; 0 if there is none.
    pub similarity: f64,
}

/// The replies of a run and the references.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Every reply, in order.
    pub replies: Vec<JudgedReply>,
    /// Every reference, in order.
    pub references: Vec<Reference>,
    /// The counts of exact matching.
    pub exact: ExactCounts,
    /// The stream time of the run, in seconds.
    pub seconds: f64,
}

impl Judgement {
    /// Every matched reply with its reference, in order.
    pub fn matched(&self) -> impl Iterator<Item = (&JudgedReply, &Reference)> {
        let matched = self.replies.iter().filter(|reply| reply.verdict == Verdict::Matched);
        matched.filter_map(|reply| Some((reply, &self.references[reply.reference?])))
    }

    /// The words of the matched replies and of their references.
    pub fn matched_words(&self) -> impl Iterator<Item = (Vec<String>, Vec<String>)> {
        self.matched().map(|(reply, reference)| (words(&reply.text), words(&reference.text)))
    }

    /// For each reference, whether it was missed.
    pub fn missed(&self) -> Vec<bool> {
        let mut missed = vec![true; self.references.len()];
        self.replies.iter().filter_map(|reply| reply.reference).for_each(|index| missed[index] = false);
        missed
    }
}

/// Judges the replies of a run.
pub struct Judge<'a> {
    /// The comparison of texts.
    pub similarity: &'a dyn Similarity,
    /// The largest distance of a reference from its reply.
    pub window: Window,
    /// Frames per second of the stream.
    pub fps: f64,
    /// The part of the video that the run was meant to see, in seconds. If the run failed, all references of
    /// this part count.
    pub range: (f64, f64),
}

impl Judge<'_> {
    /// Judges the run with the trace `events`. If the run failed, its replies before the failure are judged,
    /// and the references that it did not reach are missed.
    ///
    /// # Errors
    /// The texts cannot be compared.
    pub fn judge(&self, events: &[Event], annotations: &Annotations) -> Result<Judgement, SimilarityError> {
        let frame = |event: &Event| match event {
            Event::Frame { index, time, .. } => Some((*index, *time)),
            // It has its place in the stream all the same: distances are the stream's, and what belonged there was missed.
            Event::FrameDropped { index: Some(index), time: Some(time), .. } => Some((*index, *time)),
            _ => None,
        };
        let Slots { frames, of_frame } = Slots::new(events.iter().filter_map(frame), self.fps);
        let watched = events.iter().filter(|event| matches!(event, Event::Frame { .. })).count();
        let seen = seen(&frames, self.fps);
        let messages: Vec<&Message> = match seen {
            Some((first, end)) => annotations.references_between(first, end).collect(),
            None => Vec::new(),
        };
        let (columns, mut references) = joined_by_frame(&messages, |time| nearest_frame(time, &frames));
        // A run that failed may have recorded a reply without its frame.
        let given = |event: &Event| match event {
            Event::Reply { frame, time, text, repeats, .. } => {
                let known = of_frame.binary_search_by_key(frame, |(index, _)| *index).ok()?;
                let row = of_frame[known].1;
                Some((row, Reply { frame: *frame, time: *time, text: text.clone(), repeats: *repeats }))
            }
            _ => None,
        };
        let (rows, replies): (Vec<usize>, Vec<Reply>) = events.iter().filter_map(given).unzip();
        let judged = self.judged(replies.clone(), &rows, &references, &columns, frames.len())?;
        let failed = !events.iter().any(|event| matches!(event, Event::RunFinished { .. }))
            || events.iter().any(|event| matches!(event, Event::Error { .. }));
        if failed {
            let from = seen.map_or(self.range.0, |(_, end)| end);
            let missed = annotations.references_between(from, self.range.1);
            let missed = missed.filter(|message| seen.is_none() || message.time > from);
            references.extend(missed.map(Reference::from));
        }
        let exact =
            match_exactly(&replies, &references, self.fps).counts(&replies, &references, watched, self.fps);
        Ok(Judgement { replies: judged, references, exact, seconds: frames.len() as f64 / self.fps })
    }

    fn judged(
        &self,
        replies: Vec<Reply>,
        rows: &[usize],
        references: &[Reference],
        columns: &[usize],
        frames: usize,
    ) -> Result<Vec<JudgedReply>, SimilarityError> {
        let said: Vec<&str> = replies.iter().map(|reply| reply.text.as_str()).collect();
        let right: Vec<&str> = references.iter().map(|reference| reference.text.as_str()).collect();
        let cosines = self.similarity.cosines(&said, &right)?;
        let dialogue = Dialogue { frames, replies: rows, references: columns, cosines: &cosines };
        let given = match_replies(&dialogue, self.window);
        let judged = |(reply, given): (Reply, super::matching::Assigned)| JudgedReply {
            time: reply.time,
            text: reply.text,
            verdict: given.verdict,
            reference: given.reference,
            similarity: given.similarity,
        };
        Ok(replies.into_iter().zip(given).map(judged).collect())
    }
}

/// The slots of a stream. A slot is as long as a frame. Frames that were not seen have slots as well, whether
/// their number or only the time shows that they are missing (a frame that does not decode, a camera that was
/// away).
struct Slots {
    /// The stream time of every slot, in seconds.
    frames: Vec<f64>,
    /// The numbers of the frames in the trace, and their slots.
    of_frame: Vec<(usize, usize)>,
}

impl Slots {
    fn new(known: impl Iterator<Item = (usize, f64)>, fps: f64) -> Self {
        let mut slots = Self { frames: Vec::new(), of_frame: Vec::new() };
        // A trace that names any numbers must not make a list of any length.
        let mut left = MOST_LOST;
        for (index, time) in known {
            if let (Some(&from), Some(&(before, _))) = (slots.frames.last(), slots.of_frame.last()) {
                let by_time = ((time - from) * fps).round() as usize;
                let lost = index.saturating_sub(before).max(by_time).saturating_sub(1).min(left);
                left -= lost;
                let step = (time - from) / (lost + 1) as f64;
                slots.frames.extend((1..=lost).map(|place| from + step * place as f64));
            }
            slots.of_frame.push((index, slots.frames.len()));
            slots.frames.push(time);
        }
        slots
    }
}

/// The stream time that the frames cover, in seconds. A frame lasts until the next one would come.
fn seen(frames: &[f64], fps: f64) -> Option<(f64, f64)> {
    let (first, last) = (frames.first()?, frames.last()?);
    // The next frame's own time belongs to it.
    Some((*first, last + (1.0 - 1e-6) / fps))
}

/// The frame with the nearest time; of two equally near frames, the later one.
fn nearest_frame(time: f64, frames: &[f64]) -> usize {
    let after = frames.partition_point(|at| *at < time).min(frames.len() - 1);
    match after.checked_sub(1) {
        Some(before) if time - frames[before] < frames[after] - time => before,
        _ => after,
    }
}

/// The replies of a run that says all references at their frames; `None` at the frames at which it is silent.
/// [`Judge::judge`] must judge all these replies as right.
pub fn references_as_replies(annotations: &Annotations, times: &[f64], fps: f64) -> Vec<Option<String>> {
    let mut replies = vec![None; times.len()];
    if let Some((first, end)) = seen(times, fps) {
        let messages: Vec<&Message> = annotations.references_between(first, end).collect();
        let (columns, references) = joined_by_frame(&messages, |time| nearest_frame(time, times));
        for (column, reference) in columns.into_iter().zip(references) {
            replies[column] = Some(reference.text);
        }
    }
    replies
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotations::Speaker;
    use crate::similarity::Lexical;
    use prospect_session::RunStatistics;
    use prospect_session::StageTimes;

    fn annotations(messages: &[(f64, &str)]) -> Annotations {
        let message = |(time, text): &(f64, &str)| Message::new(*time, Speaker::Assistant, *text);
        Annotations { messages: messages.iter().map(message).collect(), ..Annotations::default() }
    }

    fn events(times: &[f64], replies: &[(usize, &str)]) -> Vec<Event> {
        let mut events = Vec::new();
        for (index, &time) in times.iter().enumerate() {
            for (frame, text) in replies.iter().filter(|(frame, _)| *frame == index) {
                let text = (*text).to_owned();
                events.push(Event::Reply { frame: *frame, time, text, token_ids: vec![], repeats: false });
            }
            let times = StageTimes::default();
            let (segments, not_talk_probability) = (vec![], None);
            let (cache_tokens, similarity) = (0, None);
            events.push(Event::Frame {
                index,
                time,
                segments,
                cache_tokens,
                spoke: false,
                encoding_reused: false,
                similarity,
                pace: None,
                not_talk_probability,
                times,
            });
        }
        events.push(RunStatistics::default().finished(None));
        events
    }

    fn judge(times: &[f64], replies: &[(usize, &str)], right: &Annotations) -> Judgement {
        let judge = Judge {
            similarity: &Lexical,
            window: Window { before: 30, after: 30 },
            fps: 2.0,
            range: (0.0, 60.0),
        };
        judge.judge(&events(times, replies), right).unwrap()
    }

    #[test]
    fn references_replayed_are_all_right_also_two_at_one_frame_and_between_frames() {
        let times = [0.0, 0.5, 1.0, 1.5, 2.0];
        let right = annotations(&[
            (0.0, "Stir."),
            (0.1, "Stir on."),
            (1.3, "Pour it."),
            (2.4, "Done."),
            (9.0, "Later."),
        ]);
        let said = references_as_replies(&right, &times, 2.0);
        let replies: Vec<(usize, &str)> =
            said.iter().enumerate().filter_map(|(frame, text)| Some((frame, text.as_deref()?))).collect();
        assert_eq!(replies, [(0, "Stir. Stir on."), (3, "Pour it."), (4, "Done.")]);
        let judgement = judge(&times, &replies, &right);
        assert!(judgement.replies.iter().all(|reply| reply.verdict == Verdict::Matched));
        assert_eq!((judgement.missed(), judgement.seconds), (vec![false; 3], 2.5));
        assert_eq!((judgement.exact.f1(), judgement.references[1].time), (1.0, 1.3));
    }

    #[test]
    fn what_was_left_over_is_missed_and_what_nobody_waited_for_is_redundant() {
        let times: Vec<f64> = (0..100).map(|frame| f64::from(frame) / 2.0).collect();
        let right = annotations(&[(1.0, "Stir the soup."), (20.0, "Pour the milk.")]);
        let judgement = judge(&times, &[(4, "Stir the soup."), (90, "Pour the milk.")], &right);
        let verdicts: Vec<Verdict> = judgement.replies.iter().map(|reply| reply.verdict).collect();
        assert_eq!(verdicts, [Verdict::Matched, Verdict::Redundant]);
        assert_eq!(judgement.missed(), [false, true]);
        assert_eq!((judgement.exact.matched, judgement.exact.references), (1, 2));
    }

    #[test]
    fn frames_that_were_dropped_are_still_part_of_the_stream() {
        let times: Vec<f64> = (0..120).map(|frame| f64::from(frame) / 2.0).collect();
        let right = annotations(&[(1.0, "Stir the soup."), (20.0, "Pour the milk."), (59.5, "Done.")]);
        // Within reach if only the frames counted that were seen.
        let said = [(4, "Stir the soup."), (90, "Pour the milk.")];
        let whole = judge(&times, &said, &right);
        let mut dropped = events(&times, &said);
        for event in &mut dropped {
            if let Event::Frame { index, time, .. } = event
                && !said.iter().any(|(frame, _)| frame == index)
                && *index % 4 != 0
            {
                let (index, time) = (Some(*index), Some(*time));
                *event = Event::FrameDropped { reason: "stale".into(), index, time };
            }
        }
        let judge = Judge {
            similarity: &Lexical,
            window: Window { before: 30, after: 30 },
            fps: 2.0,
            range: (0.0, 60.0),
        };
        let judged = judge.judge(&dropped, &right).unwrap();
        assert_eq!((judged.missed(), judged.seconds), (vec![false, true, true], 60.0));
        assert_eq!((&judged.replies, &judged.references), (&whole.replies, &whole.references));
        // Silence is a decision, and none was taken where nothing was seen.
        assert!(judged.exact.silent_frames < whole.exact.silent_frames);
    }

    #[test]
    fn frames_that_do_not_decode_keep_their_place() {
        // 40 images at 2 fps, of which 5 to 34 are damaged: what belongs to frame 4 is 32 frames from a reply at frame 36.
        let times: Vec<f64> = (0..40).map(|frame| f64::from(frame) / 2.0).collect();
        let right = annotations(&[(2.0, "Stir the soup.")]);
        let mut events = events(&times, &[(36, "Stir the soup.")]);
        let lost = |event: &Event| matches!(event, Event::Frame { index, .. } if (5..35).contains(index));
        for event in events.iter_mut().filter(|event| lost(event)) {
            *event = Event::FrameDropped { reason: "not a readable image".into(), index: None, time: None };
        }
        let within = |frames: usize| {
            let window = Window { before: frames, after: frames };
            let judge = Judge { similarity: &Lexical, window, fps: 2.0, range: (0.0, 20.0) };
            let judged = judge.judge(&events, &right).unwrap();
            (judged.replies[0].verdict, judged.seconds)
        };
        assert_eq!(within(32), (Verdict::Matched, 20.0));
        assert_eq!(within(31), (Verdict::Redundant, 20.0));
    }

    #[test]
    fn a_camera_that_was_away_was_away_as_long_as_the_clock_says() {
        // Frame 5 comes 16 seconds after frame 4, and no event tells of frames between them.
        let times: Vec<f64> =
            (0..10).map(|frame| f64::from(frame) / 2.0 + if frame > 4 { 15.5 } else { 0.0 }).collect();
        let right = annotations(&[(2.0, "Stir the soup.")]);
        let events = events(&times, &[(5, "Stir the soup.")]);
        let within = |frames: usize| {
            let window = Window { before: frames, after: frames };
            let judge = Judge { similarity: &Lexical, window, fps: 2.0, range: (0.0, 20.5) };
            let judged = judge.judge(&events, &right).unwrap();
            (judged.replies[0].verdict, judged.seconds)
        };
        assert_eq!(within(32), (Verdict::Matched, 20.5));
        assert_eq!(within(31), (Verdict::Redundant, 20.5));
    }

    #[test]
    fn a_run_that_failed_keeps_what_it_said_and_missed_the_rest() {
        let times: Vec<f64> = (0..10).map(|frame| f64::from(frame) / 2.0).collect();
        let right = annotations(&[(1.0, "Stir."), (30.0, "Pour."), (60.0, "Eat."), (61.0, "Not in range.")]);
        let judge = Judge {
            similarity: &Lexical,
            window: Window { before: 30, after: 30 },
            fps: 2.0,
            range: (0.0, 60.0),
        };
        let mut events = events(&times, &[(2, "Stir.")]);
        events.insert(events.len() - 1, Event::Error { message: "no room".into() });
        let judgement = judge.judge(&events, &right).unwrap();
        assert_eq!(judgement.missed(), [false, true, true]);
        assert_eq!((judgement.exact.matched, judgement.exact.references), (1, 3));
        // Nothing seen at all.
        assert_eq!(judge.judge(&[], &right).unwrap().missed(), [true, true, true]);
        assert!(references_as_replies(&right, &[], 2.0).is_empty());
    }
}
