//! What a video of the memory task consists of.

use super::director::Director;
use super::facts::Fact;
use crate::workbench::parts::Part;
pub(crate) use crate::workbench::script::Reply;

/// The places of a tray.
pub(crate) const PLACES: [&str; 4] = ["left", "right", "top", "bottom"];

/// How long the calm stretches of a video are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calm {
    /// As a stream has them: some last minutes.
    Streaming,
    /// A few frames. The training repeats them to any length.
    Short,
}

/// The tray of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tray {
    /// The assistant guides the hand.
    Work,
    /// The hand does what it likes.
    Free,
}

/// The state of one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FrameState {
    /// Centre of the hand in pixels.
    pub(crate) hand: (i32, i32),
    /// The part in the hand, or the part that the open hand has just put down.
    pub(crate) held: Option<Part>,
    /// Whether the hand is open, because it has just put the part down.
    pub(crate) open: bool,
    /// Whether the open hand is over the box.
    pub(crate) at_box: bool,
    /// Whether a new tray is being brought in, covered by a cloth.
    pub(crate) covered: bool,
    /// Which tray it is.
    pub(crate) tray: Tray,
    /// The part at each of [`PLACES`].
    pub(crate) parts: [Option<Part>; PLACES.len()],
    /// Whether nothing happens: the empty hand rests.
    pub(crate) calm: bool,
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
    /// All replies of the assistant's own work, ordered by frame.
    pub(crate) replies: Vec<Reply>,
    /// All that can be asked.
    pub(crate) facts: Vec<Fact>,
    /// The right summaries: each holds from its frame on until the next one.
    pub(crate) summaries: Vec<Reply>,
}

impl Script {
    /// The script of a seed.
    pub(crate) fn new(seed: u64, calm: Calm) -> Self {
        Director::new(seed, calm).video()
    }

    /// The system prompt of the stream, which contains the recipe.
    pub(crate) fn system_prompt(&self) -> String {
        let names: Vec<String> = self.recipe.iter().map(Part::to_string).collect();
        format!("You guide the work. Recipe: {}.", names.join(", "))
    }

    /// Whether the assistant speaks after a frame of its own accord.
    pub(crate) fn speaks_at(&self, frame: usize) -> bool {
        self.replies.binary_search_by_key(&frame, |reply| reply.frame).is_ok()
    }
}
