//! Draws a frame with integer arithmetic only, so that the bytes are the same on every machine.

use super::director::place_centre;
use super::script::{FrameState, Script, Tray};
use crate::workbench::prng::Prng;
use crate::workbench::render::Canvas;
use crate::workbench::video::Footage;

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
    let (wood, cloth, stripe) = match state.tray {
        Tray::Work => ([44, 44, 48], [236, 200, 170], [200, 60, 120]),
        Tray::Free => ([84, 60, 40], [170, 200, 236], [60, 120, 60]),
    };
    canvas.rectangle(1, 34, 63, 62, wood);
    if state.covered {
        canvas.rectangle(2, 35, 62, 61, cloth);
        canvas.rectangle(2, 46, 62, 50, stripe);
        return;
    }
    for (place, part) in state.parts.iter().enumerate() {
        if let Some(part) = part {
            canvas.part(*part, place_centre(place), 5);
        }
    }
}

fn draw_hand(canvas: &mut Canvas, state: &FrameState) {
    if !state.open {
        return canvas.closed_hand(state.hand, state.held);
    }
    canvas.open_hand(state.hand);
    if let Some(part) = state.held {
        canvas.part(part, (state.hand.0, state.hand.1 - 2), 4);
    }
}
