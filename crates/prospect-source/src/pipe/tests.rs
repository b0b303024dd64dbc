//! Streams as they should be, every damage, and any bytes at all.

use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};
use proptest::prelude::*;

use super::*;
use crate::mutations::cases;

fn encoded(value: u8, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    RgbImage::from_fn(19, 11, |x, y| Rgb([value, x as u8 * 9, y as u8 * 20]))
        .write_to(&mut bytes, format)
        .unwrap();
    bytes.into_inner()
}

fn y4m(header: &str, frames: usize, frame_bytes: usize) -> Vec<u8> {
    let mut bytes = format!("YUV4MPEG2 {header}\n").into_bytes();
    for frame in 0..frames {
        bytes.extend_from_slice(b"FRAME\n");
        bytes.extend(std::iter::repeat_n(16 + 20 * frame as u8, frame_bytes));
    }
    bytes
}

/// Time and size of a frame.
type Shape = (f64, (u32, u32));

/// All frames, and what stood in the place of others.
fn read(bytes: &[u8], options: SourceOptions) -> (Vec<Shape>, Vec<SourceError>) {
    let mut source = Pipe::new("-", Box::new(Cursor::new(bytes.to_vec())), options);
    let (mut frames, mut errors) = (Vec::new(), Vec::new());
    while let Some(item) = source.next_frame() {
        match item {
            Ok(frame) => frames.push((frame.time, frame.image.dimensions())),
            Err(error) => errors.push(error),
        }
    }
    assert!(source.next_frame().is_none(), "a source that is over stays over");
    (frames, errors)
}

fn damage(bytes: &[u8]) -> (usize, PipeError) {
    let (frames, mut errors) = read(bytes, SourceOptions::at(2.0));
    match (errors.pop(), errors.len()) {
        (Some(SourceError::Pipe { source, .. }), 0) => (frames.len(), source),
        other => panic!("{other:?}"),
    }
}

#[test]
fn images_of_both_kinds_one_after_the_other() {
    let stream: Vec<u8> = (0..6)
        .flat_map(|k| encoded(k * 40, if k % 2 == 0 { ImageFormat::Jpeg } else { ImageFormat::Png }))
        .collect();
    let (frames, errors) = read(&stream, SourceOptions::at(2.0));
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(frames, (0..6).map(|k| (f64::from(k) / 2.0, (19, 11))).collect::<Vec<_>>());
    let part = SourceOptions { start: 1.0, end: Some(2.5), ..SourceOptions::at(2.0) };
    assert_eq!(read(&stream, part).0, [(1.0, (19, 11)), (1.5, (19, 11)), (2.0, (19, 11))]);
    let two = SourceOptions { max_frames: Some(2), ..SourceOptions::at(2.0) };
    assert_eq!(read(&stream, two).0.len(), 2);
    assert_eq!(read(b"", SourceOptions::at(2.0)).0.len(), 0);
}

#[test]
fn an_image_that_does_not_decode_is_one_frame() {
    let mut broken = encoded(1, ImageFormat::Png);
    let end = broken.len() - 14;
    broken[end] ^= 0xff;
    let stream = [encoded(0, ImageFormat::Png), broken, encoded(2, ImageFormat::Jpeg)].concat();
    let (frames, errors) = read(&stream, SourceOptions::at(2.0));
    assert_eq!(frames, [(0.0, (19, 11)), (1.0, (19, 11))]);
    assert!(
        matches!(&errors[..], [SourceError::CorruptImage { path, .. }] if path.to_str() == Some("-, frame 1"))
    );
}

#[test]
fn raw_frames_of_every_layout_are_sampled_by_their_rate() {
    for (colour, bytes) in [
        ("", 5 * 3 + 2 * 3 * 2),
        ("C420mpeg2", 5 * 3 + 2 * 3 * 2),
        ("C420jpeg XCOLORRANGE=FULL", 5 * 3 + 2 * 3 * 2),
        ("C411", 5 * 3 + 2 * 2 * 3),
        ("C422", 5 * 3 + 2 * 3 * 3),
        ("C444", 5 * 3 * 3),
        ("Cmono", 5 * 3),
        ("C420p10", 2 * (5 * 3 + 2 * 3 * 2)),
        ("C422p9 XCOLORRANGE=LIMITED", 2 * (5 * 3 + 2 * 3 * 3)),
        ("C444p16", 2 * 5 * 3 * 3),
        ("Cmono12", 2 * 5 * 3),
        ("XYSCSS=444", 5 * 3 * 3),
        ("C420jpeg XYSCSS=444", 5 * 3 + 2 * 3 * 2),
    ] {
        let stream = y4m(&format!("W5 H3 F4:1 Ip A1:1 {colour}"), 8, bytes);
        let (frames, errors) = read(&stream, SourceOptions::at(2.0));
        assert!(errors.is_empty(), "{colour}: {errors:?}");
        assert_eq!(frames, (0..4).map(|k| (f64::from(k) / 2.0, (5, 3))).collect::<Vec<_>>(), "{colour}");
    }
}

#[test]
fn every_damage_is_named_and_keeps_the_frames_before_it() {
    let (jpeg, png) = (encoded(3, ImageFormat::Jpeg), encoded(4, ImageFormat::Png));
    assert!(matches!(damage(b"RIFF...."), (0, PipeError::Unknown { .. })));
    assert!(matches!(damage(&[&jpeg[..], &jpeg[..90]].concat()), (1, PipeError::CutOff { frame: 1 })));
    assert!(matches!(damage(&[&png[..], &png[..30]].concat()), (1, PipeError::CutOff { frame: 1 })));
    assert!(matches!(damage(&jpeg[..jpeg.len() - 2]), (0, PipeError::CutOff { frame: 0 })));
    assert!(matches!(damage(&[&png[..], b"\0\0"].concat()), (1, PipeError::NotAnImage { frame: 1, .. })));
    assert!(matches!(damage(b"\xff\xd8\xff\xd8\xff\xd9"), (0, PipeError::JpegMarker { .. })));
    assert!(matches!(damage(b"\xff\xd8\xff\xe0\0\x01ab"), (0, PipeError::JpegMarker { .. })));
    assert!(matches!(damage(b"\xff\xd8\x20\x20"), (0, PipeError::JpegMarker { .. })));
    let huge = [&png[..8], &[0xff, 0xff, 0xff, 0xff], b"IDAT"].concat();
    assert!(matches!(damage(&huge), (0, PipeError::LongImage { .. })));

    let whole = y4m("W4 H2 F2:1", 3, 12);
    assert!(matches!(damage(&whole[..whole.len() - 1]), (2, PipeError::CutOff { frame: 2 })));
    let extra = [&whole[..], b"FRAME"].concat();
    assert!(matches!(damage(&extra), (3, PipeError::CutOff { frame: 3 })));
    let shifted = [&whole[..], b"\x10FRAME\n"].concat();
    assert!(matches!(damage(&shifted), (3, PipeError::NotAFrame { frame: 3, .. })));
    assert!(matches!(damage(&y4m(&"I".repeat(5000), 1, 12)), (0, PipeError::LongHeader { .. })));
    for (header, missing) in [("H2 F2:1", 'W'), ("W4 F2:1", 'H'), ("W4 H2", 'F')] {
        assert!(
            matches!(damage(&y4m(header, 1, 12)), (0, PipeError::MissingField { field }) if field == missing)
        );
    }
    for header in ["W0 H2 F2:1", "W4 H-2 F2:1", "W4 H2 F0:0", "W4 H2 F2", "W4 H2 F2:1 C444alpha"] {
        assert!(matches!(damage(&y4m(header, 1, 12)), (0, PipeError::Field { .. })), "{header}");
    }
    assert!(matches!(damage(&y4m("W99999999 H99999999 F1:1", 1, 12)), (0, PipeError::TooLarge { .. })));
}

#[test]
fn a_reader_that_fails_is_an_error() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("unplugged"))
        }
    }
    let mut source = Pipe::new("-", Box::new(Failing), SourceOptions::at(2.0));
    let error = source.next_frame().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "-: cannot be read: unplugged");
}

/// Bytes of a sound stream with a few of them changed, taken out or put in.
fn damaged_stream() -> impl Strategy<Value = Vec<u8>> {
    let sound = prop_oneof![
        Just([encoded(9, ImageFormat::Jpeg), encoded(8, ImageFormat::Png)].concat()),
        Just([encoded(7, ImageFormat::Png), encoded(6, ImageFormat::Jpeg)].concat()),
        Just(y4m("W5 H3 F4:1 C422 XCOLORRANGE=FULL", 4, 33)),
        Just(y4m("W5 H3 F30000:1001 Ip Cmono", 4, 15)),
    ];
    let byte = prop_oneof![any::<u8>(), prop::sample::select(&b"\xff\xd8\xd9\xda\0\nWHFC0123456789:"[..])];
    let change = (0.0f64..1.0, byte, 0u8..4);
    (sound, prop::collection::vec(change, 0..5)).prop_map(|(mut bytes, changes)| {
        for (place, byte, kind) in changes {
            let at = (place * bytes.len() as f64) as usize;
            match kind {
                _ if bytes.is_empty() => {}
                0 | 1 => bytes[at] = byte,
                2 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases(300)) })]

    #[test]
    fn a_damaged_stream_ends_and_never_panics(bytes in damaged_stream()) {
        let (frames, errors) = read(&bytes, SourceOptions { max_frames: Some(64), ..SourceOptions::at(2.0) });
        prop_assert!(frames.windows(2).all(|pair| pair[1].0 > pair[0].0));
        for error in errors {
            prop_assert_eq!(error.to_string().lines().count(), 1);
        }
    }

    #[test]
    fn any_bytes_end_and_never_panic(head in 0usize..4, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let head: &[u8] = [b"" as &[u8], b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", Y4M][head];
        read(&[head, &bytes].concat(), SourceOptions { max_frames: Some(64), ..SourceOptions::at(2.0) });
    }
}
