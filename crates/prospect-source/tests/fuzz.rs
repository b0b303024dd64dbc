//! Whatever the bytes of a file are: it is read, or refused in one line. Nothing panics.
//!
//! Short here; `PROSPECT_FUZZ=1000 cargo test --test fuzz` has a thousand times as many cases.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../prospect-model/tests/common/damaged.rs"]
mod damaged;
#[path = "../../prospect-model/tests/common/mutations.rs"]
mod mutations;

use damaged::{changed, here, one_line};
use mutations::{cases, mutate, mutations};
use proptest::prelude::*;
use prospect_source::SourceOptions;

const PICTURES: [&str; 14] = [
    "exif6.jpg",
    "exif6.png",
    "exif6.webp",
    "exif_late.png",
    "exif3_xmp6.jpg",
    "rgba16.png",
    "palette_trns.png",
    "cmyk.jpg",
    "progressive.jpg",
    "rgb.bmp",
    "rgba.webp",
    "still.gif",
    "moving.gif",
    "moving.webp",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(300)))]

    #[test]
    fn damaged_pictures_are_frames_or_one_line(name in prop::sample::select(&PICTURES[..]), changes in mutations()) {
        let (_folder, file) = changed(&here("../../fixtures/pictures").join(name), &changes);
        match prospect_source::open(file.to_str().unwrap(), SourceOptions::at(20.0)) {
            Ok(mut source) => {
                // A damaged delay may last for minutes.
                for item in std::iter::from_fn(|| source.next_frame()).take(64) {
                    match item {
                        Ok(frame) => prop_assert!(frame.image.width() > 0 && frame.image.height() > 0),
                        Err(error) => one_line(&error)?,
                    }
                }
            }
            Err(error) => one_line(&error)?,
        }
    }
}

#[cfg(feature = "arrow")]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(100)))]

    #[test]
    fn arrow_frames(changes in mutations(), framing in any::<bool>()) {
        let path = here("../../fixtures/proassist/frames/assembly_9012-a01b.arrow");
        let mut bytes = std::fs::read(&path).unwrap();
        if framing {
            // Most of a file are pictures: the schema and the first batch's metadata stand in front.
            let rest = bytes.split_off(900);
            mutate(&mut bytes, &changes);
            bytes.extend(rest);
        } else {
            mutate(&mut bytes, &changes);
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("frames.arrow");
        std::fs::write(&file, bytes).unwrap();
        match prospect_source::open(file.to_str().unwrap(), SourceOptions::at(2.0)) {
            Ok(mut source) => {
                for frame in std::iter::from_fn(|| source.next_frame()).take(50) {
                    if let Err(error) = frame {
                        one_line(&error)?;
                    }
                }
            }
            Err(error) => one_line(&error)?,
        }
    }
}
