//! Positions of the elements on a run's timeline. The template draws them.

use serde::Serialize;

use super::clock::clock;
use super::thumbnails::{SIDE, Thumbnails};
use prospect_evaluation::{Judgement, Verdict};

/// Smallest width of the drawing in its own units. The drawing of a long stream is wider and is
/// scrolled.
const LEAST_WIDTH: f64 = 960.0;
/// Largest width: two days at [`UNITS_PER_SECOND`]. Longer streams are drawn at a smaller scale.
const MOST_WIDTH: f64 = 518_400.0;
const UNITS_PER_SECOND: f64 = 3.0;
const MARGIN: f64 = 56.0;
/// Side of the square that contains a picture.
const PICTURE: f64 = 72.0;
const GAP: f64 = 6.0;
/// Possible distances between labels, in seconds.
const STEPS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0];
const HOUR: f64 = 3600.0;
/// Smallest distance between two labels, in units.
const LABEL_ROOM: f64 = 72.0;
/// Most rows of pictures. Pictures that do not fit appear only beside their replies.
const MOST_ROWS: usize = 3;
/// Width of the overview in its own units. It fills the width of the page.
const STRIP_WIDTH: f64 = 1000.0;
/// Number of intervals between the labels below the overview.
const STRIP_LABELS: u32 = 4;

/// The data of a run's timeline.
#[derive(Debug, Serialize)]
pub(super) struct Timeline {
    width: f64,
    /// Height of the drawing, including the rows of pictures below the replies.
    height: f64,
    picture: f64,
    left: f64,
    right: f64,
    ticks: Vec<(f64, String)>,
    references: Vec<ReferenceMark>,
    replies: Vec<ReplyMark>,
    evictions: Vec<EvictionMark>,
    /// Labels of the overview, from the beginning to the end of the stream.
    strip_labels: Vec<String>,
    /// Seconds that the overview shows.
    seconds: f64,
    /// Whether there are references for the replies.
    judged: bool,
}

#[derive(Debug, Serialize)]
struct EvictionMark {
    x: f64,
    /// Position in the overview. All marks have one.
    strip: f64,
    title: String,
}

#[derive(Debug, Serialize)]
struct ReferenceMark {
    x: f64,
    strip: f64,
    number: usize,
    missed: bool,
    title: String,
}

#[derive(Debug, Serialize)]
struct ReplyMark {
    x: f64,
    strip: f64,
    number: usize,
    /// `None` if there are no references.
    verdict: Option<Verdict>,
    /// Position of its reference.
    reference_x: Option<f64>,
    title: String,
    picture: Option<PictureMark>,
}

#[derive(Debug, Serialize)]
struct PictureMark {
    id: String,
    x: f64,
    y: f64,
}

/// Height of everything above the pictures.
const PICTURES_TOP: f64 = 150.0;

pub(super) fn timeline(
    judgement: &Judgement,
    judged: bool,
    frames_of_replies: &[usize],
    evictions: &[(f64, String)],
    end: f64,
    thumbnails: &Thumbnails,
) -> Timeline {
    // A trace can contain any times.
    let end = if end.is_finite() { end.max(0.0) } else { 0.0 };
    let width = (end * UNITS_PER_SECOND + 2.0 * MARGIN).clamp(LEAST_WIDTH, MOST_WIDTH);
    // A tenth of a unit is finer than a pixel.
    let tenths = |units: f64| (units * 10.0).round() / 10.0;
    let share = |time: f64| if time.is_finite() { (time / end.max(1e-9)).clamp(0.0, 1.0) } else { 0.0 };
    let at = |time: f64| tenths(MARGIN + share(time) * (width - 2.0 * MARGIN));
    let in_strip = |time: f64| tenths(share(time) * STRIP_WIDTH);
    let missed = judgement.missed();
    let references = judgement.references.iter().enumerate().map(|(index, reference)| ReferenceMark {
        x: at(reference.time),
        strip: in_strip(reference.time),
        number: index + 1,
        missed: missed[index],
        title: format!("{} reference {}: {}", clock(reference.time), index + 1, reference.text),
    });
    let mut rows = Rows::default();
    let replies = judgement.replies.iter().enumerate().map(|(index, reply)| {
        let x = at(reply.time);
        let id = frames_of_replies.get(index).and_then(|frame| thumbnails.id(*frame));
        ReplyMark {
            x,
            strip: in_strip(reply.time),
            number: index + 1,
            verdict: judged.then_some(reply.verdict),
            reference_x: reply.reference.map(|reference| at(judgement.references[reference].time)),
            title: format!("{} reply {}: {}", clock(reply.time), index + 1, reply.text),
            picture: id.and_then(|id| rows.place(id, x, width)),
        }
    });
    let replies: Vec<ReplyMark> = replies.collect();
    let least = end.max(1e-9) / (width - 2.0 * MARGIN) * LABEL_ROOM;
    // For longer streams the distance is a whole number of hours, so that labels never overlap.
    let step = STEPS.into_iter().find(|step| *step >= least).unwrap_or_else(|| (least / HOUR).ceil() * HOUR);
    let ticks = (0..).map(|number| f64::from(number) * step).take_while(|time| *time <= end);
    Timeline {
        width: tenths(width),
        height: PICTURES_TOP + rows.ends.len() as f64 * (PICTURE + GAP) + GAP,
        picture: PICTURE,
        left: MARGIN,
        right: tenths(width - MARGIN),
        ticks: ticks.map(|time| (at(time), clock(time))).collect(),
        references: references.collect(),
        replies,
        evictions: evictions
            .iter()
            .map(|(time, title)| EvictionMark { x: at(*time), strip: in_strip(*time), title: title.clone() })
            .collect(),
        strip_labels: (0..=STRIP_LABELS)
            .map(|part| clock(end * f64::from(part) / f64::from(STRIP_LABELS)))
            .collect(),
        seconds: end,
        judged,
    }
}

/// Pictures side by side, in as many rows as needed, up to [`MOST_ROWS`].
#[derive(Default)]
struct Rows {
    /// For each row, the end of its last picture.
    ends: Vec<f64>,
}

impl Rows {
    fn place(&mut self, id: String, x: f64, width: f64) -> Option<PictureMark> {
        let left = (x - PICTURE / 2.0).clamp(0.0, width - PICTURE);
        let row = self.ends.iter().position(|end| end + GAP <= left).unwrap_or(self.ends.len());
        if row == MOST_ROWS {
            return None;
        }
        self.ends.resize(self.ends.len().max(row + 1), 0.0);
        self.ends[row] = left + PICTURE;
        Some(PictureMark { id, x: left, y: PICTURES_TOP + row as f64 * (PICTURE + GAP) })
    }
}

const _: () = assert!(PICTURE <= SIDE as f64, "pictures are not blown up");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_never_cover_each_other() {
        let mut rows = Rows::default();
        let places: Vec<PictureMark> =
            [60.0, 100.0, 110.0, 900.0, 958.0].map(|x| rows.place(String::new(), x, 960.0).unwrap()).into();
        assert!(rows.place(String::new(), 115.0, 960.0).is_none(), "a fourth row");
        for (index, one) in places.iter().enumerate() {
            assert!(one.x >= 0.0 && one.x + PICTURE <= 960.0);
            let apart = |other: &PictureMark| other.y != one.y || (other.x - one.x).abs() >= PICTURE;
            assert!(places[index + 1..].iter().all(apart), "{places:?}");
        }
    }

    #[test]
    fn labels_keep_their_distance_however_long_the_stream() {
        for end in [0.5, 66.0, 600.0, 3600.0, 36_000.0, 1e6, 1e9, f64::MAX, f64::INFINITY, f64::NAN, -1.0] {
            let timeline = timeline(&Judgement::default(), true, &[], &[], end, &Thumbnails::default());
            assert!((1..=7_200).contains(&timeline.ticks.len()), "{end}: {}", timeline.ticks.len());
            assert!(timeline.width <= MOST_WIDTH);
            assert!(
                timeline.ticks.windows(2).all(|pair| pair[1].0 - pair[0].0 >= LABEL_ROOM - 1e-6),
                "{end}"
            );
        }
    }
}
