//! The events of a video and the replies of a right assistant: the state of every frame, and every
//! reply.

use super::parts::Part;
use super::prng::Prng;

/// Frames per second of every workbench video.
pub(crate) const FPS: f64 = 2.0;
/// Position of the idle hand, in pixels.
const REST: (i32, i32) = (8, 10);
/// Position of the open hand over the box, in pixels.
pub(crate) const BOX: (i32, i32) = (52, 20);

/// The kind of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One recipe of distinct parts.
    Plain,
    /// A recipe in which parts repeat, so that the last part alone does not determine the next one.
    Repeats,
    /// The same recipe again and again, until at least this many frames have passed.
    Long(usize),
}

/// The state of one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FrameState {
    /// Centre of the hand in pixels.
    pub(crate) hand: (i32, i32),
    /// The part in the hand.
    pub(crate) held: Option<Part>,
    /// Whether the open hand is over the box, because a part has just been placed.
    pub(crate) at_box: bool,
    /// Whether a new tray is being brought in, covered by a cloth.
    pub(crate) covered: bool,
    /// The part in each slot of the tray.
    pub(crate) tray: Vec<Option<Part>>,
    /// Number of the recipe's parts that are placed after this frame.
    pub(crate) done: usize,
}

/// A reply of a right assistant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The frame after which it is said.
    pub(crate) frame: usize,
    /// Its text.
    pub(crate) text: String,
}

/// A whole video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Script {
    /// The seed of the script.
    pub(crate) seed: u64,
    /// The recipe: its parts in order.
    pub(crate) recipe: Vec<Part>,
    /// All frames.
    pub(crate) frames: Vec<FrameState>,
    /// All replies, ordered by frame.
    pub(crate) replies: Vec<Reply>,
}

impl Script {
    /// The script of a seed.
    pub(crate) fn new(seed: u64, kind: Kind) -> Self {
        let mut prng = Prng::new(seed, 1);
        let (recipe, tray) = parts_of(&mut prng, kind);
        let script = Script { seed, recipe, frames: Vec::new(), replies: Vec::new() };
        let mut director = Director { script, prng, tray: Vec::new(), done: 0 };
        let target = if let Kind::Long(frames) = kind { frames } else { 1 };
        while director.script.frames.len() < target {
            director.round(&tray);
        }
        director.script
    }

    /// The system prompt of the stream, which contains the recipe.
    pub(crate) fn system_prompt(&self) -> String {
        let names: Vec<String> = self.recipe.iter().map(Part::to_string).collect();
        format!("You guide the work. Recipe: {}.", names.join(", "))
    }

    /// The right answer to a request for a summary after `done` parts were placed.
    #[cfg(test)]
    pub(crate) fn summary(&self, done: usize) -> String {
        let names: Vec<String> = self.recipe[..done].iter().map(Part::to_string).collect();
        let list = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        let next = self.recipe.get(done).map_or_else(|| "nothing".to_owned(), Part::to_string);
        format!("Done: {list}. Next: {next}.")
    }
}

/// The recipe and the tray.
fn parts_of(prng: &mut Prng, kind: Kind) -> (Vec<Part>, Vec<Option<Part>>) {
    let mut all: Vec<usize> = (0..24).collect();
    prng.shuffle(&mut all);
    let slots = prng.within(6, 10) as usize;
    let distinct = if kind == Kind::Repeats { slots / 2 } else { slots };
    let mut parts: Vec<Part> = (0..slots).map(|slot| Part::from_index(all[slot % distinct])).collect();
    prng.shuffle(&mut parts);
    // With fewer distinct parts than steps, at least one part occurs twice.
    let steps =
        if kind == Kind::Repeats { slots - 1 } else { prng.within(4, (slots as i32 - 1).min(7)) as usize };
    let recipe = parts[..steps].to_vec();
    prng.shuffle(&mut parts);
    let mut tray: Vec<Option<Part>> = parts.into_iter().map(Some).collect();
    tray.resize(10, None);
    prng.shuffle(&mut tray);
    (recipe, tray)
}

/// Centre of a tray slot in pixels.
pub(crate) fn slot_centre(slot: usize) -> (i32, i32) {
    (8 + 12 * (slot as i32 % 5), 42 + 12 * (slot as i32 / 5))
}

/// Builds a script frame by frame.
struct Director {
    script: Script,
    prng: Prng,
    tray: Vec<Option<Part>>,
    done: usize,
}

impl Director {
    /// One round of the recipe, from the covered tray to the last part.
    fn round(&mut self, tray: &[Option<Part>]) {
        self.done = 0;
        self.tray = vec![None; tray.len()];
        self.push(REST, None, false, true);
        self.say(format!("Take the {}.", self.script.recipe[0]));
        self.tray = tray.to_vec();
        for step in 0..self.script.recipe.len() {
            self.idle();
            if self.prng.chance(25) {
                self.mistake(step);
            }
            self.right_part(step);
        }
        self.idle();
    }

    fn push(&mut self, hand: (i32, i32), held: Option<Part>, at_box: bool, covered: bool) {
        let jitter = (self.prng.within(-1, 1), self.prng.within(-1, 1));
        let hand = (hand.0 + jitter.0, hand.1 + jitter.1);
        let tray = self.tray.clone();
        self.script.frames.push(FrameState { hand, held, at_box, covered, tray, done: self.done });
    }

    fn say(&mut self, text: String) {
        self.script.replies.push(Reply { frame: self.script.frames.len() - 1, text });
    }

    /// A pause: usually short, sometimes long.
    fn idle(&mut self) {
        let frames = if self.prng.chance(15) { self.prng.within(12, 24) } else { self.prng.within(3, 9) };
        for _ in 0..frames {
            self.push(REST, None, false, false);
        }
    }

    /// The empty hand moves to a slot and lifts its part.
    fn pick(&mut self, slot: usize) -> Option<Part> {
        let to = slot_centre(slot);
        self.push(((REST.0 + to.0) / 2, (REST.1 + to.1) / 2 - 4), None, false, false);
        self.tray[slot].take()
    }

    /// The hand moves with the part, in `frames` steps between two points.
    fn carry(&mut self, held: Option<Part>, from: (i32, i32), to: (i32, i32), frames: i32) {
        for step in 1..=frames {
            let at = |a: i32, b: i32| a + (b - a) * step / (frames + 1);
            self.push((at(from.0, to.0), at(from.1, to.1)), held, false, false);
        }
    }

    fn right_part(&mut self, step: usize) {
        let part = self.script.recipe[step];
        let Some(slot) = self.tray.iter().position(|on_tray| *on_tray == Some(part)) else { return };
        let held = self.pick(slot);
        let frames = self.prng.within(3, 5);
        let (x, y) = slot_centre(slot);
        self.carry(held, (x, y - 6), BOX, frames);
        self.done = step + 1;
        self.push(BOX, None, true, false);
        let text = match self.script.recipe.get(step + 1) {
            Some(next) => format!("Good, the {part} is in. Next, take the {next}."),
            None => "All parts are in. Well done.".to_owned(),
        };
        self.say(text);
        self.push(((BOX.0 + REST.0) / 2, 14), None, false, false);
    }

    /// The hand lifts a wrong part, the assistant objects at once, and the hand puts the part back.
    fn mistake(&mut self, step: usize) {
        let expected = self.script.recipe[step];
        let wrong: Vec<usize> = (0..self.tray.len())
            .filter(|slot| self.tray[*slot].is_some_and(|part| part != expected))
            .collect();
        if wrong.is_empty() {
            return;
        }
        let slot = wrong[self.prng.below(wrong.len())];
        let held = self.pick(slot);
        let (x, y) = slot_centre(slot);
        self.push((x, y - 10), held, false, false);
        if let Some(part) = held {
            self.say(format!("Not the {part}, put it back. Take the {expected}."));
        }
        let frames = self.prng.within(1, 2);
        self.carry(held, (x, y - 14), (x, y - 8), frames);
        self.tray[slot] = held;
        self.push(((REST.0 + x) / 2, 20), None, false, false);
        self.idle();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kind() -> impl Strategy<Value = Kind> {
        prop_oneof![Just(Kind::Plain), Just(Kind::Repeats), (200usize..400).prop_map(Kind::Long)]
    }

    proptest! {
        #[test]
        fn every_part_of_the_recipe_goes_in_in_order(seed: u64, kind in kind()) {
            let script = Script::new(seed, kind);
            let mut carried = None;
            let mut done = Vec::new();
            for frame in &script.frames {
                if frame.covered {
                    done.clear();
                }
                if frame.at_box {
                    done.extend(carried);
                    prop_assert_eq!(done.as_slice(), &script.recipe[..frame.done]);
                }
                carried = frame.held;
            }
            prop_assert_eq!(done, script.recipe);
        }

        #[test]
        fn the_assistant_speaks_exactly_at_covers_box_frames_and_first_wrong_lifts(seed: u64, kind in kind()) {
            let script = Script::new(seed, kind);
            let mut before: Option<Part> = None;
            for (index, frame) in script.frames.iter().enumerate() {
                let lifted = frame.held.filter(|_| before.is_none());
                let wrong = lifted.is_some_and(|part| script.recipe[frame.done] != part);
                let spoken = script.replies.iter().filter(|reply| reply.frame == index).count();
                prop_assert_eq!(spoken, usize::from(frame.covered || frame.at_box || wrong), "frame {}", index);
                before = frame.held;
            }
        }

        #[test]
        fn replies_name_the_part_that_is_expected_then(seed: u64, kind in kind()) {
            let script = Script::new(seed, kind);
            for reply in &script.replies {
                let done = script.frames[reply.frame].done;
                match script.recipe.get(done) {
                    Some(next) => {
                        let ending = format!("take the {next}.");
                        prop_assert!(reply.text.to_lowercase().ends_with(&ending));
                    }
                    None => prop_assert_eq!(&reply.text, "All parts are in. Well done."),
                }
            }
        }

        #[test]
        fn equal_seeds_give_equal_scripts(seed: u64, kind in kind()) {
            prop_assert_eq!(Script::new(seed, kind), Script::new(seed, kind));
        }
    }

    #[test]
    fn repeated_recipes_repeat_and_plain_ones_do_not() {
        for seed in 0..200 {
            let distinct = |script: &Script| {
                script.recipe.iter().collect::<std::collections::HashSet<_>>().len() == script.recipe.len()
            };
            assert!(distinct(&Script::new(seed, Kind::Plain)));
            assert!(!distinct(&Script::new(seed, Kind::Repeats)), "seed {seed}");
        }
    }

    #[test]
    fn a_summary_names_what_is_done_and_what_comes_next() {
        let script = Script::new(7, Kind::Plain);
        assert_eq!(script.summary(0), format!("Done: nothing. Next: {}.", script.recipe[0]));
        let two = format!("Done: {}, {}. Next: {}.", script.recipe[0], script.recipe[1], script.recipe[2]);
        assert_eq!(script.summary(2), two);
        assert!(script.summary(script.recipe.len()).ends_with("Next: nothing."));
    }
}
