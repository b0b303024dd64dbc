//! The matching of replies with references, as ProAssist defines it (arXiv 2506.05904, section on evaluation;
//! public code: pro-assist/ProAssist, `mmassist/eval/evaluators/pred_match.py`), rebuilt from its definition.
//!
//! The rows of the assignment are the replies, and the columns are all frames. A frame with a reference costs
//! `1 - |cosine|`, and a silent frame costs 1. Both cost more the farther they are from the reply. Every
//! reply gets a different frame, so that the sum of the costs is minimal.

use serde::{Deserialize, Serialize};

use super::assignment::assign;

/// The weight of the distance in the cost of a pair.
const DISTANCE_FACTOR: f64 = 0.3;
/// The exponent of the distance in the cost of a pair.
const DISTANCE_POWER: f64 = 1.5;
/// A pair is a match if its similarity is above this.
const MATCH_SIMILARITY: f64 = 0.5;

/// The verdict on a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The reply has a reference and says the same.
    Matched,
    /// The reply has a reference and says something else.
    Mismatched,
    /// The reply has no reference: the assistant should have been silent.
    Redundant,
}

/// The largest distance of a reference from its reply, in frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The most frames that it may come before the reply.
    pub before: usize,
    /// The most frames that it may come after the reply.
    pub after: usize,
}

impl Window {
    /// Converts seconds to whole frames, rounded down.
    pub fn from_seconds(before: f64, after: f64, fps: f64) -> Self {
        // Seconds times frames per second need not be exact.
        let frames = |seconds: f64| (seconds * fps + 1e-6) as usize;
        Self { before: frames(before), after: frames(after) }
    }

    fn penalty(self, distance: usize) -> f64 {
        let reach = self.before.max(self.after);
        if distance == 0 {
            return 0.0;
        }
        DISTANCE_FACTOR * (distance as f64 / reach as f64).powf(DISTANCE_POWER)
    }
}

/// The replies and references of one video, by frame.
#[derive(Debug, Clone, Copy)]
pub struct Dialogue<'a> {
    /// The number of frames of the video.
    pub frames: usize,
    /// For each reply, its frame.
    pub replies: &'a [usize],
    /// For each reference, its frame. A frame has at most one reference.
    pub references: &'a [usize],
    /// For each reply, its cosine with every reference.
    pub cosines: &'a [Vec<f64>],
}

/// The result of the assignment for one reply.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Assigned {
    /// Matched, mismatched or redundant.
    pub verdict: Verdict,
    /// The frame that was assigned to it.
    pub frame: usize,
    /// The reference of that frame, if it has one.
    pub reference: Option<usize>,
    /// `|cosine|` with the reference; 0 if there is none.
    pub similarity: f64,
    /// The cost of the pair.
    pub cost: f64,
}

/// The result for each reply. There always is an assignment, because every reply may be assigned its own
/// frame.
pub fn match_replies(dialogue: &Dialogue<'_>, window: Window) -> Vec<Assigned> {
    let costs = costs(dialogue, window);
    // No more replies than frames, and each allows its own: only a reply given twice at one frame could fail.
    let columns = assign(&costs).unwrap_or_else(|| dialogue.replies.to_vec());
    let verdict = |(reply, frame): (usize, usize)| {
        let cost = costs[reply].iter().find(|(column, _)| *column == frame).map_or(1.0, |(_, cost)| *cost);
        let reference = dialogue.references.binary_search(&frame).ok();
        let similarity = reference.map_or(0.0, |reference| dialogue.cosines[reply][reference].abs());
        let verdict = match reference {
            None => Verdict::Redundant,
            Some(_) if similarity > MATCH_SIMILARITY => Verdict::Matched,
            Some(_) => Verdict::Mismatched,
        };
        Assigned { verdict, frame, reference, similarity, cost }
    };
    columns.into_iter().enumerate().map(verdict).collect()
}

/// For each reply, the frames that may be assigned to it, with their costs.
pub fn costs(dialogue: &Dialogue<'_>, window: Window) -> Vec<Vec<(usize, f64)>> {
    let row = |(reply, &at): (usize, &usize)| {
        let pair = |frame: usize| {
            let reference = dialogue.references.binary_search(&frame).ok();
            let similarity = reference.map_or(0.0, |reference| dialogue.cosines[reply][reference].abs());
            // Rounding may give a cosine a hair above 1.
            (frame, (1.0 - similarity).max(0.0) + window.penalty(frame.abs_diff(at)))
        };
        let end = (at + window.after + 1).min(dialogue.frames);
        (at.saturating_sub(window.before)..end).map(pair).collect()
    };
    dialogue.replies.iter().enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { before: 30, after: 30 };

    fn verdicts(dialogue: &Dialogue<'_>) -> Vec<(Verdict, usize)> {
        match_replies(dialogue, WINDOW).iter().map(|given| (given.verdict, given.frame)).collect()
    }

    #[test]
    fn the_references_replayed_all_match_at_no_cost() {
        let frames = [0, 7, 8, 40];
        let cosines: Vec<Vec<f64>> =
            (0..4).map(|row| (0..4).map(|column| f64::from(u8::from(row == column))).collect()).collect();
        let dialogue = Dialogue { frames: 50, replies: &frames, references: &frames, cosines: &cosines };
        let given = match_replies(&dialogue, WINDOW);
        assert!(given.iter().all(|given| given.verdict == Verdict::Matched && given.cost == 0.0));
        assert_eq!(given.iter().map(|given| given.frame).collect::<Vec<_>>(), frames);
    }

    #[test]
    fn the_sum_decides_not_each_reply_for_itself() {
        // The second reply says the second reference better still, but the first one says nothing else.
        let cosines = [vec![0.1, 0.9], vec![0.2, 0.95]];
        let dialogue = Dialogue { frames: 60, replies: &[10, 12], references: &[9, 12], cosines: &cosines };
        assert_eq!(verdicts(&dialogue), [(Verdict::Matched, 12), (Verdict::Mismatched, 9)]);
    }

    #[test]
    fn beyond_the_window_a_reply_is_redundant() {
        let cosines = [vec![1.0]];
        let near = Dialogue { frames: 100, replies: &[40], references: &[10], cosines: &cosines };
        assert_eq!(verdicts(&near), [(Verdict::Matched, 10)]);
        let far = Dialogue { references: &[9], ..near };
        assert_eq!(verdicts(&far), [(Verdict::Redundant, 40)]);
    }

    #[test]
    fn a_window_counts_whole_frames() {
        assert_eq!(Window::from_seconds(15.0, 15.0, 2.0), WINDOW);
        assert_eq!(Window::from_seconds(0.3, 2.9, 10.0), Window { before: 3, after: 29 });
        assert_eq!(Window::from_seconds(0.4, 0.6, 1.9), Window { before: 0, after: 1 });
    }

    #[test]
    fn a_window_of_nothing_compares_at_the_frame_itself() {
        let window = Window { before: 0, after: 0 };
        let cosines = [vec![1.0, 0.0]];
        let dialogue = Dialogue { frames: 9, replies: &[4], references: &[4, 5], cosines: &cosines };
        assert_eq!(match_replies(&dialogue, window)[0].reference, Some(0));
    }
}
