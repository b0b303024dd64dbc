//! A frame that shows what the one before showed is not encoded again.

use super::driver::{FakeModel, frame, session, settings};
use crate::{Event, Fingerprint, FrameInput, Guidance};

#[test]
fn equal_pixels_are_encoded_once() {
    let settings = settings(&["context.strategy=drop_all", "context.max_seq_len=4000"]);
    let mut model = FakeModel::new(4000, 4, &[1], 1);
    let mut session = session(&model, &settings, &Guidance::default()).unwrap();
    for (index, picture) in [7, 7, 5, 8, 8, 8, 7].into_iter().enumerate() {
        let input = FrameInput { fingerprint: Fingerprint([picture; 32]), ..frame(index) };
        model.frame(&mut session, input).unwrap();
    }
    session.finish(None);
    let events = session.take_events();
    assert_eq!(model.cache.encoded, 4);
    let reused = events.iter().filter_map(|event| match event {
        Event::Frame { encoding_reused, .. } => Some(*encoding_reused),
        _ => None,
    });
    assert_eq!(reused.collect::<Vec<_>>(), [false, true, false, false, true, true, false]);
    assert!(matches!(events.last(), Some(Event::RunFinished { encodings_reused: 3, .. })));
}
