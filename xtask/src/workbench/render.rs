//! Draws a frame with integer arithmetic only, so that the bytes are the same on every machine.

use super::parts::{COLOURS, Part};
use super::prng::Prng;
use super::script::{FrameState, Script, slot_centre};
use super::video::Footage;

/// Width and height of a frame in pixels.
pub(crate) const SIZE: usize = 64;
/// Bytes of a frame: rows of RGB pixels.
pub(crate) const FRAME_BYTES: usize = SIZE * SIZE * 3;
/// The colour of the hand.
pub(crate) const SKIN: [i32; 3] = [236, 176, 130];

impl Footage for Script {
    fn frames(&self) -> usize {
        self.frames.len()
    }

    fn frame(&self, index: usize) -> Vec<u8> {
        let state = &self.frames[index];
        let mut look = Prng::new(self.seed, 2);
        let mut canvas = Canvas::room(&mut look);
        draw_tray(&mut canvas, state);
        draw_hand(&mut canvas, state);
        let light = look.within(94, 106);
        canvas.bytes(light, &mut Prng::new(self.seed, 1000 + index as u64))
    }
}

fn draw_tray(canvas: &mut Canvas, state: &FrameState) {
    canvas.rectangle(1, 34, 63, 62, [44, 44, 48]);
    if state.covered {
        canvas.rectangle(2, 35, 62, 61, [236, 200, 170]);
        canvas.rectangle(2, 46, 62, 50, [200, 60, 120]);
        return;
    }
    for (slot, part) in state.tray.iter().enumerate() {
        if let Some(part) = part {
            canvas.part(*part, slot_centre(slot), 4);
        }
    }
}

fn draw_hand(canvas: &mut Canvas, state: &FrameState) {
    if state.at_box {
        canvas.open_hand(state.hand);
    } else {
        canvas.closed_hand(state.hand, state.held);
    }
}

/// A picture that is being drawn.
pub(crate) struct Canvas {
    pixels: Vec<[i32; 3]>,
}

impl Canvas {
    /// The table and the closed box. `look` is the generator of the video's look.
    pub(crate) fn room(look: &mut Prng) -> Self {
        let mut canvas = Self { pixels: vec![[0; 3]; SIZE * SIZE] };
        let shade = look.within(-14, 14);
        canvas.rectangle(0, 0, 64, 64, [116 + shade, 104 + shade, 92 + shade]);
        canvas.rectangle(44, 4, 62, 16, [70, 52, 36]);
        canvas.rectangle(48, 9, 58, 11, [20, 16, 12]);
        canvas
    }

    /// The hand that has just put something down.
    pub(crate) fn open_hand(&mut self, (x, y): (i32, i32)) {
        self.rectangle(x - 8, y - 2, x - 4, y + 6, SKIN);
        self.rectangle(x + 4, y - 2, x + 8, y + 6, SKIN);
        self.rectangle(x - 8, y + 4, x + 8, y + 8, SKIN);
    }

    /// The hand, empty or with a part.
    pub(crate) fn closed_hand(&mut self, (x, y): (i32, i32), held: Option<Part>) {
        self.rectangle(x - 5, y - 6, x + 5, y, SKIN);
        if let Some(part) = held {
            self.rectangle(x - 7, y - 2, x - 5, y + 5, SKIN);
            self.rectangle(x + 5, y - 2, x + 7, y + 5, SKIN);
            self.part(part, (x, y + 5), 5);
        }
    }

    fn set(&mut self, x: i32, y: i32, colour: [i32; 3]) {
        if (0..SIZE as i32).contains(&x) && (0..SIZE as i32).contains(&y) {
            self.pixels[y as usize * SIZE + x as usize] = colour;
        }
    }

    /// Fills a rectangle.
    pub(crate) fn rectangle(&mut self, left: i32, top: i32, right: i32, bottom: i32, colour: [i32; 3]) {
        for y in top..bottom {
            for x in left..right {
                self.set(x, y, colour);
            }
        }
    }

    /// Draws a part of `2 * radius + 1` pixels around `centre`.
    pub(crate) fn part(&mut self, part: Part, centre: (i32, i32), radius: i32) {
        for dy in -radius..=radius {
            for dx in -radius..=radius {
                let square = dx * dx + dy * dy;
                let inside = match part.shape {
                    0 => true,
                    1 => square <= radius * radius + 1 && square >= 5,
                    2 => dy.abs() <= 1,
                    _ => dx.abs() * 2 <= dy + radius,
                };
                if inside {
                    self.set(centre.0 + dx, centre.1 + dy, COLOURS[part.colour].1);
                }
            }
        }
    }

    /// Rows of RGB bytes, with the light of the video and noise.
    pub(crate) fn bytes(&self, light: i32, noise: &mut Prng) -> Vec<u8> {
        let lit =
            |value: &i32, noise: &mut Prng| (value * light / 100 + noise.within(-4, 4)).clamp(0, 255) as u8;
        self.pixels.iter().flatten().map(|value| lit(value, noise)).collect()
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::super::script::Kind;
    use super::*;

    fn hash(seed: u64, kind: Kind) -> String {
        let script = Script::new(seed, kind);
        let mut hasher = Sha256::new();
        (0..script.frames.len()).for_each(|index| hasher.update(script.frame(index)));
        hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Training and evaluation rest on these bytes: when this changes, the checkpoint has to be trained anew.
    #[test]
    fn the_frames_of_known_seeds_are_fixed() {
        assert_eq!(hash(1, Kind::Plain), "4c4a03b76e59913f");
        assert_eq!(hash(4, Kind::Repeats), "d11f1366d14da58c");
    }

    #[test]
    fn a_held_part_is_drawn_in_its_colour() {
        let script = Script::new(3, Kind::Plain);
        for (index, state) in script.frames.iter().enumerate() {
            let Some(part) = state.held.filter(|part| part.shape == 0) else { continue };
            let (x, y) = (state.hand.0 as usize, state.hand.1 as usize + 5);
            let pixels = script.frame(index);
            let at = (y * SIZE + x) * 3;
            for (channel, wanted) in COLOURS[part.colour].1.iter().enumerate() {
                assert!((i32::from(pixels[at + channel]) - wanted).abs() < 24, "frame {index}");
            }
        }
    }
}
