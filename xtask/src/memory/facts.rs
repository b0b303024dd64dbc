//! What a person can ask about a video, with the answer, and what of the video one must have seen to know it.

use std::ops::Range;

use super::script::PLACES;
use crate::workbench::parts::Part;

/// Answers to "How many parts are in the box?".
const NUMBERS: [&str; 5] = ["None.", "One.", "Two.", "Three.", "Four."];
/// Ordinals of "Which part went in ...?".
const ORDINALS: [&str; 4] = ["first", "second", "third", "fourth"];

/// The kind of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// The place of a part that is gone.
    Place,
    /// The number of parts in the box.
    Count,
    /// The part that went in at a place of the order.
    Order,
    /// The part that was put down last.
    Last,
    /// Whether a part was there.
    Shown,
}

impl Kind {
    /// Its name in a dump.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Place => "place",
            Self::Count => "count",
            Self::Order => "order",
            Self::Last => "last",
            Self::Shown => "shown",
        }
    }
}

/// A question that has one right answer during a part of the video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact {
    /// Its kind.
    pub(crate) kind: Kind,
    /// The person's words.
    pub(crate) question: String,
    /// The answer.
    pub(crate) answer: String,
    /// The last frame that shows it.
    pub(crate) evidence: usize,
    /// The frames at which the question can be asked: it is no longer to be seen, and still holds.
    pub(crate) asked: Range<usize>,
    /// Runs of frames. Who has seen at least one frame of each can know the answer.
    pub(crate) needs: Vec<Range<usize>>,
    /// Words of a summary that tells the answer.
    pub(crate) noted: String,
}

/// Collects the facts of a video while it happens.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    all: Vec<Fact>,
    /// Facts that hold until something else happens.
    count: Option<usize>,
    last: Option<usize>,
    /// The frames at which parts went into the box of this round, after that of its cover.
    box_frames: Vec<Range<usize>>,
    /// Facts that end with the round.
    of_round: Vec<usize>,
}

impl Facts {
    /// All facts of a video of `frames` frames.
    pub(crate) fn finish(mut self, frames: usize) -> Vec<Fact> {
        for fact in &mut self.all {
            fact.asked.end = fact.asked.end.min(frames);
        }
        self.all.retain(|fact| !fact.asked.is_empty());
        self.all
    }

    /// A new tray is covered at `frame`, and the box is empty.
    pub(crate) fn cover(&mut self, frame: usize, is_free: bool) {
        for index in self.of_round.drain(..).chain(self.count.take()).chain(self.last.take()) {
            self.all[index].asked.end = self.all[index].asked.end.min(frame);
        }
        self.box_frames = vec![only(frame)];
        if is_free {
            self.counted(frame);
        }
    }

    /// A part went into the box at `frame`.
    pub(crate) fn placed(&mut self, frame: usize, part: Part) {
        self.box_frames.push(only(frame));
        self.counted(frame);
        let ordinal = ORDINALS[self.box_frames.len() - 2];
        self.of_round.push(self.all.len());
        self.all.push(Fact {
            kind: Kind::Order,
            question: format!("Which part went in {ordinal}?"),
            answer: format!("The {part}."),
            evidence: frame,
            asked: frame + 1..usize::MAX,
            needs: self.box_frames.clone(),
            noted: "Box:".to_owned(),
        });
        self.put_down(frame, part);
    }

    /// The hand put a part down at `frame`, in the box or at its place.
    pub(crate) fn put_down(&mut self, frame: usize, part: Part) {
        if let Some(before) = self.last.replace(self.all.len()) {
            self.all[before].asked.end = frame;
        }
        self.all.push(Fact {
            kind: Kind::Last,
            question: "What did the hand put down last?".to_owned(),
            answer: format!("The {part}."),
            evidence: frame,
            asked: frame + 1..usize::MAX,
            needs: vec![only(frame)],
            noted: "Last:".to_owned(),
        });
    }

    /// A part that lay at a place during the frames `seen` is no longer to be seen from `gone` on.
    pub(crate) fn gone(&mut self, part: Part, place: usize, seen: Range<usize>, gone: usize) {
        let place = PLACES[place];
        let (first, rest) = place.split_at(1);
        self.all.push(Fact {
            kind: Kind::Place,
            question: format!("Where was the {part}?"),
            answer: format!("{}{rest}.", first.to_uppercase()),
            evidence: seen.end - 1,
            asked: gone..usize::MAX,
            needs: vec![seen],
            noted: format!("{part} {place}"),
        });
    }

    /// The hand showed `part` during the frames `seen`; `other` is never to be seen.
    pub(crate) fn shown(&mut self, part: Part, other: Part, seen: Range<usize>) {
        for (asked, answer) in [(part, "Yes."), (other, "No.")] {
            self.all.push(Fact {
                kind: Kind::Shown,
                question: format!("Was there a {asked}?"),
                answer: answer.to_owned(),
                evidence: seen.end - 1,
                asked: seen.end..usize::MAX,
                needs: vec![seen.clone()],
                noted: part.to_string(),
            });
        }
    }

    fn counted(&mut self, frame: usize) {
        if let Some(before) = self.count.replace(self.all.len()) {
            self.all[before].asked.end = frame;
        }
        self.all.push(Fact {
            kind: Kind::Count,
            question: "How many parts are in the box?".to_owned(),
            answer: NUMBERS[self.box_frames.len() - 1].to_owned(),
            evidence: frame,
            asked: frame + 1..usize::MAX,
            needs: self.box_frames.clone(),
            noted: "Box:".to_owned(),
        });
    }
}

/// A run of one frame.
fn only(frame: usize) -> Range<usize> {
    frame..frame + 1
}
