//! A frame that shows what the one before showed is not encoded again.

use image::{Rgb, RgbImage};

use super::fake::{FakeModel, picture, settings};
use crate::session::{ContextRule, Session, SessionOptions};
use crate::source::Frame;
use crate::strategies::Registry;
use crate::trace::Event;

#[test]
fn equal_pixels_are_encoded_once() {
    let settings = settings(&["context.strategy=drop_all", "context.max_seq_len=4000"]);
    let rule: ContextRule = Registry::default().context_rule(&settings.context).unwrap();
    let options = SessionOptions::new(&settings, None);
    let (mut events, mut model) = (Vec::<Event>::new(), FakeModel::new(4000, 4, &[1], 1));
    let mut session = Session::new(&mut model, &rule, &options, None, &mut events).unwrap();
    // The same bytes in another shape are another picture.
    let pictures = [(2, 3, 7), (2, 3, 7), (3, 2, 7), (3, 2, 8), (3, 2, 8), (3, 2, 8), (2, 3, 7)];
    for (index, (width, height, grey)) in pictures.into_iter().enumerate() {
        let image = RgbImage::from_pixel(width, height, Rgb([grey; 3]));
        let frame = Frame { index, time: index as f64, image: image.into(), name: None };
        session.frame(&frame, picture(&frame)).unwrap();
    }
    session.finish().unwrap();
    assert_eq!(model.encoded, 4);
    let reused = events.iter().filter_map(|event| match event {
        Event::Frame { encoding_reused, .. } => Some(*encoding_reused),
        _ => None,
    });
    assert_eq!(reused.collect::<Vec<_>>(), [false, true, false, false, true, true, false]);
    assert!(matches!(events.last(), Some(Event::RunFinished { encodings_reused: 3, .. })));
}
