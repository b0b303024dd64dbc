//! Makes a video of the memory task, frame by frame.

use super::facts::Facts;
use super::script::{Calm, FrameState, PLACES, Reply, Script, Tray};
use crate::workbench::parts::Part;
use crate::workbench::prng::Prng;

/// Position of the idle hand, in pixels.
const REST: (i32, i32) = (8, 10);
/// Position of the open hand over the box.
const BOX: (i32, i32) = (52, 20);
/// Where the hand leaves the picture.
const EXIT: (i32, i32) = (-4, 26);
/// Where the hand shows a part.
const SHOW: (i32, i32) = (28, 14);
/// Fewest frames of a video.
const FRAMES: usize = 560;
/// Most rounds: each has four parts of its own, and the rest is for parts that are shown or asked for.
const MOST_ROUNDS: usize = 4;
/// Parts that are never to be seen.
const NEVER: usize = 2;
/// The parts that a summary names of those that are gone, and of those that were shown.
const NOTED: (usize, usize) = (10, 3);

/// Builds a script.
pub(crate) struct Director {
    script: Script,
    prng: Prng,
    facts: Facts,
    calm: Calm,
    /// Parts that were not used yet; the first [`NEVER`] of them stay unused.
    unused: Vec<Part>,
    tray: Tray,
    parts: [Option<Part>; PLACES.len()],
    since: usize,
    /// The calm stretches that come before the longest one.
    before_long: usize,
    in_box: Vec<Part>,
    last: Option<Part>,
    expected: Option<Part>,
    gone: Vec<(Part, usize)>,
    shown: Vec<Part>,
}

/// Centre of a place in pixels.
pub(crate) fn place_centre(place: usize) -> (i32, i32) {
    [(12, 48), (52, 48), (32, 41), (32, 55)][place]
}

impl Director {
    pub(crate) fn new(seed: u64, calm: Calm) -> Self {
        let mut prng = Prng::new(seed, 3);
        let mut unused: Vec<Part> = (0..24).map(Part::from_index).collect();
        prng.shuffle(&mut unused);
        let before_long = prng.below(8);
        let (frames, replies, facts, summaries) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self {
            script: Script { seed, recipe: Vec::new(), frames, replies, facts, summaries },
            prng,
            facts: Facts::default(),
            calm,
            unused,
            tray: Tray::Free,
            parts: [None; PLACES.len()],
            since: 0,
            before_long,
            in_box: Vec::new(),
            last: None,
            expected: None,
            gone: Vec::new(),
            shown: Vec::new(),
        }
    }

    /// The whole video: rounds at trays, of which one is for the work.
    pub(crate) fn video(mut self) -> Script {
        let rounds = match self.calm {
            Calm::Streaming => MOST_ROUNDS,
            Calm::Short => self.prng.within(1, MOST_ROUNDS as i32) as usize,
        };
        let work = self.prng.below(if self.calm == Calm::Streaming { 2 } else { rounds });
        let trays: Vec<[Part; PLACES.len()]> = (0..rounds).map(|_| self.four()).collect();
        let mut recipe = trays[work].to_vec();
        self.prng.shuffle(&mut recipe);
        recipe.truncate(self.prng.within(2, 4) as usize);
        self.script.recipe = recipe;
        for (round, parts) in trays.into_iter().enumerate() {
            if self.calm == Calm::Streaming && round >= 2 && self.script.frames.len() >= FRAMES {
                break;
            }
            if round == work { self.work(parts) } else { self.free(parts) }
        }
        self.rest();
        self.script.facts = self.facts.finish(self.script.frames.len());
        self.script
    }

    fn four(&mut self) -> [Part; PLACES.len()] {
        let rest = self.unused.len() - PLACES.len();
        let four = self.unused.split_off(rest);
        [four[0], four[1], four[2], four[3]]
    }

    /// A new tray comes, covered, with an empty box.
    fn cover(&mut self, tray: Tray, parts: [Part; PLACES.len()]) {
        let frame = self.script.frames.len();
        for place in 0..PLACES.len() {
            if let Some(part) = self.parts[place].take() {
                self.facts.gone(part, place, self.since..frame, frame + 1);
                self.gone.push((part, place));
            }
        }
        self.facts.cover(frame, tray == Tray::Free);
        (self.tray, self.last) = (tray, None);
        self.in_box.clear();
        self.expected = if tray == Tray::Work { self.script.recipe.first().copied() } else { None };
        self.frame(REST, None, Hand::Covered);
        self.parts = parts.map(Some);
        self.since = frame + 1;
    }

    fn free(&mut self, parts: [Part; PLACES.len()]) {
        self.cover(Tray::Free, parts);
        let events = self.prng.within(3, 5) as usize;
        let shown = if self.prng.chance(75) { Some(self.prng.below(events)) } else { None };
        for event in 0..events {
            self.rest();
            if shown == Some(event) && self.unused.len() > NEVER {
                self.show();
                continue;
            }
            let lying: Vec<usize> = (0..PLACES.len()).filter(|place| self.parts[*place].is_some()).collect();
            if lying.is_empty() {
                continue;
            }
            let place = lying[self.prng.below(lying.len())];
            match self.prng.below(100) {
                0..60 => self.put_in(place),
                60..80 => self.put_back(place, None),
                _ => self.carry_away(place),
            }
        }
        self.rest();
    }

    fn work(&mut self, parts: [Part; PLACES.len()]) {
        self.cover(Tray::Work, parts);
        let recipe = self.script.recipe.clone();
        self.say(format!("Take the {}.", recipe[0]));
        for (step, part) in recipe.iter().enumerate() {
            self.rest();
            if self.prng.chance(30) {
                self.mistake(*part);
            }
            let Some(place) = self.parts.iter().position(|lies| lies == &Some(*part)) else { continue };
            self.expected = recipe.get(step + 1).copied();
            self.put_in(place);
        }
        self.rest();
    }

    /// The hand lifts a wrong part, the assistant objects at once, and the hand puts the part back.
    fn mistake(&mut self, expected: Part) {
        let is_wrong = |place: &usize| self.parts[*place].is_some_and(|part| part != expected);
        let wrong: Vec<usize> = (0..PLACES.len()).filter(is_wrong).collect();
        if !wrong.is_empty() {
            let place = wrong[self.prng.below(wrong.len())];
            self.put_back(place, Some(expected));
            self.rest();
        }
    }

    /// The hand takes a part to the box.
    fn put_in(&mut self, place: usize) {
        let Some(part) = self.lift(place) else { return };
        let steps = self.prng.within(2, 3);
        self.carry(part, above(place), BOX, steps);
        let frame = self.script.frames.len();
        self.in_box.push(part);
        self.last = Some(part);
        self.frame(BOX, Some(part), Hand::OverBox);
        if self.tray == Tray::Work {
            let text = match self.expected {
                Some(next) => format!("Good, the {part} is in. Next, take the {next}."),
                None => "All parts are in. Well done.".to_owned(),
            };
            self.say(text);
        } else {
            self.facts.placed(frame, part);
        }
        self.gone_from(place, part);
        self.frame(midway(BOX, REST), None, Hand::Empty);
    }

    /// The hand takes a part out of the picture.
    fn carry_away(&mut self, place: usize) {
        let Some(part) = self.lift(place) else { return };
        let steps = self.prng.within(2, 3);
        self.carry(part, above(place), EXIT, steps);
        self.gone_from(place, part);
        self.frame(midway(EXIT, REST), None, Hand::Empty);
    }

    /// The hand lifts a part and puts it back. At work the assistant objects, since another is `expected`.
    fn put_back(&mut self, place: usize, expected: Option<Part>) {
        let Some(part) = self.lift(place) else { return };
        let at = above(place);
        self.frame((at.0, at.1 - 6), Some(part), Hand::Carries);
        if let Some(expected) = expected {
            self.say(format!("Not the {part}, put it back. Take the {expected}."));
        }
        let steps = self.prng.within(1, 2);
        self.carry(part, (at.0, at.1 - 6), at, steps);
        self.gone.retain(|(gone, _)| *gone != part);
        self.parts[place] = Some(part);
        self.last = Some(part);
        let frame = self.script.frames.len();
        self.frame(at, Some(part), Hand::Opens);
        if self.tray == Tray::Free {
            self.facts.put_down(frame, part);
        }
        self.frame(midway(at, REST), None, Hand::Empty);
    }

    /// The hand shows a part for a second or two, and it is never to be seen again.
    fn show(&mut self) {
        let Some(part) = self.unused.pop() else { return };
        let from = self.script.frames.len();
        for _ in 0..self.prng.within(2, 4) {
            self.frame(SHOW, Some(part), Hand::Carries);
        }
        self.shown.push(part);
        let other = self.unused[self.prng.below(NEVER)];
        self.facts.shown(part, other, from..self.script.frames.len());
        self.frame(midway(SHOW, REST), None, Hand::Empty);
    }

    /// The empty hand moves to a place and lifts its part.
    fn lift(&mut self, place: usize) -> Option<Part> {
        self.frame(midway(REST, above(place)), None, Hand::Empty);
        let part = self.parts[place].take()?;
        self.gone.push((part, place));
        Some(part)
    }

    fn gone_from(&mut self, place: usize, part: Part) {
        let lying = |frame: &FrameState| frame.parts[place] == Some(part);
        let until = self.script.frames.iter().rposition(lying).map_or(self.since, |frame| frame + 1);
        self.facts.gone(part, place, self.since..until, self.script.frames.len());
    }

    fn carry(&mut self, part: Part, from: (i32, i32), to: (i32, i32), steps: i32) {
        for step in 1..=steps {
            let at = |a: i32, b: i32| a + (b - a) * step / (steps + 1);
            self.frame((at(from.0, to.0), at(from.1, to.1)), Some(part), Hand::Carries);
        }
    }

    /// A calm stretch.
    fn rest(&mut self) {
        let frames = match (self.calm, self.before_long) {
            (Calm::Short, _) => self.prng.within(2, 5),
            (Calm::Streaming, 0) => self.prng.within(240, 420),
            (Calm::Streaming, _) => match self.prng.below(100) {
                0..60 => self.prng.within(4, 12),
                60..90 => self.prng.within(16, 40),
                _ => self.prng.within(60, 120),
            },
        };
        self.before_long = self.before_long.checked_sub(1).unwrap_or(usize::MAX);
        for _ in 0..frames {
            self.frame(REST, None, Hand::Rests);
        }
    }

    fn say(&mut self, text: String) {
        self.script.replies.push(Reply { frame: self.script.frames.len() - 1, text });
    }

    fn frame(&mut self, at: (i32, i32), held: Option<Part>, hand: Hand) {
        let at = (at.0 + self.prng.within(-1, 1), at.1 + self.prng.within(-1, 1));
        let frame = self.script.frames.len();
        self.script.frames.push(FrameState {
            hand: at,
            held,
            open: matches!(hand, Hand::OverBox | Hand::Opens),
            at_box: hand == Hand::OverBox,
            covered: hand == Hand::Covered,
            tray: self.tray,
            parts: self.parts,
            calm: hand == Hand::Rests,
        });
        let text = self.summary();
        if self.script.summaries.last().is_none_or(|before| before.text != text) {
            self.script.summaries.push(Reply { frame, text });
        }
    }

    /// What later questions need, in a bounded length.
    fn summary(&self) -> String {
        let list = |names: Vec<String>| match names.is_empty() {
            true => "nothing".to_owned(),
            false => names.join(", "),
        };
        let of = |parts: &[Part]| list(parts.iter().map(Part::to_string).collect());
        let newest = self.gone.len().saturating_sub(NOTED.0);
        let gone = self.gone[newest..].iter().map(|(part, place)| format!("{part} {}", PLACES[*place]));
        format!(
            "Box: {}. Last: {}. Next: {}. Shown: {}. Seen: {}.",
            of(&self.in_box),
            of(self.last.as_slice()),
            of(self.expected.as_slice()),
            of(&self.shown[self.shown.len().saturating_sub(NOTED.1)..]),
            list(gone.collect()),
        )
    }
}

/// What the hand does in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hand {
    Rests,
    Empty,
    Carries,
    Opens,
    OverBox,
    Covered,
}

/// Where the hand is when it lifts the part of a place.
fn above(place: usize) -> (i32, i32) {
    let (x, y) = place_centre(place);
    (x, y - 8)
}

fn midway(from: (i32, i32), to: (i32, i32)) -> (i32, i32) {
    ((from.0 + to.0) / 2, (from.1 + to.1) / 2)
}
