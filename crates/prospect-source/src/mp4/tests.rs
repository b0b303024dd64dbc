//! The videos of fixtures/videos against what ffprobe says of them, and damaged ones.

use std::fs::File;
use std::path::{Path, PathBuf};

use image::imageops;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::SourceError;
use crate::mutations::cases;
use crate::sample::{Picture, Pictures, Timed};
use crate::yuv::YuvPicture;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/videos")
}

fn opened(name: &str) -> Mp4Video {
    match Mp4Video::open(&folder().join(name)) {
        Ok(Opened::Video(video)) => *video,
        Ok(Opened::Foreign(what)) => panic!("{name}: {what}"),
        Err(error) => panic!("{error}"),
    }
}

/// Pictures as they come, and what stood in the place of others.
fn decoded(name: &str) -> (Vec<Timed<YuvPicture>>, Vec<SourceError>) {
    let mut video = opened(name);
    let (mut pictures, mut errors) = (Vec::new(), Vec::new());
    while let Some(item) = video.next_picture() {
        match item {
            Ok(picture) => pictures.push(picture),
            Err(error) => errors.push(error),
        }
    }
    (pictures, errors)
}

fn ffprobe() -> serde_json::Map<String, Value> {
    let text = std::fs::read_to_string(folder().join("ffprobe.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn times(probed: &Value) -> Vec<f64> {
    let frames = probed["frames"].as_array().unwrap().iter();
    frames.map(|frame| frame["pts_time"].as_str().unwrap().parse().unwrap()).collect()
}

#[test]
fn frames_and_time_stamps_are_ffprobes() {
    let mut compared = 0;
    for (name, probed) in ffprobe() {
        let stream = &probed["streams"][0];
        if stream["codec_name"] != "h264" || name == "truncated.mp4" {
            continue;
        }
        let expected = times(&probed);
        assert_eq!(opened(&name).times().len(), expected.len(), "{name}");
        let (pictures, errors) = decoded(&name);
        assert!(errors.is_empty(), "{name}: {errors:?}");
        let found: Vec<f64> = pictures.iter().map(|picture| picture.time).collect();
        assert_eq!(found.len(), expected.len(), "{name}: {found:?}");
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-6, "{name}: {found} for {expected}");
        }
        for (index, pair) in pictures.windows(2).enumerate() {
            assert!((pair[0].time + pair[0].duration - pair[1].time).abs() < 1e-9, "{name}: {index}");
        }
        let size = (pictures[0].picture.width as u64, pictures[0].picture.height as u64);
        assert_eq!(Some(size), stream["width"].as_u64().zip(stream["height"].as_u64()), "{name}");
        compared += 1;
    }
    assert!(compared >= 11, "{compared}");
}

#[test]
fn a_rotated_video_is_upright() {
    let upright = decoded("constant.mp4").0.remove(7).picture.rgb();
    let probed = ffprobe();
    for name in ["rotated_90.mp4", "rotated_180.mp4", "rotated_270.mp4"] {
        // What has to be done is against the sense of what was: ffprobe counts counterclockwise.
        let turned = match probed[name]["streams"][0]["side_data_list"][0]["rotation"].as_i64() {
            Some(-90) => imageops::rotate90(&upright),
            Some(-180) => imageops::rotate180(&upright),
            Some(90) => imageops::rotate270(&upright),
            other => panic!("{other:?}"),
        };
        assert!(decoded(name).0.remove(7).picture.rgb() == turned, "{name}");
    }
}

#[test]
fn a_trimmed_video_shows_what_the_whole_one_does_there() {
    let (whole, trimmed) = (decoded("bframes.mp4").0, decoded("trimmed.mp4").0);
    let skipped = whole.len() - trimmed.len();
    for (whole, trimmed) in whole[skipped..].iter().zip(&trimmed) {
        assert_eq!(whole.picture.rgb(), trimmed.picture.rgb());
    }
}

#[test]
fn a_cut_off_video_gives_what_is_whole_and_then_the_error() {
    let (pictures, errors) = decoded("truncated.mp4");
    let [SourceError::Truncated { sample, samples: 30, .. }] = errors[..] else { panic!("{errors:?}") };
    assert_eq!(pictures.len(), sample);
    let whole = decoded("bframes.mp4").0;
    let same = |picture: &&Timed<YuvPicture>| {
        whole.iter().any(|other| other.time == picture.time && other.picture.y == picture.picture.y)
    };
    assert_eq!(pictures.iter().filter(same).count(), sample);
}

#[test]
fn what_is_not_built_in_is_named() {
    assert!(matches!(
        Mp4Video::open(&folder().join("audio_only.mp4")),
        Err(SourceError::NoVideoTrack { .. })
    ));
    assert!(matches!(Mp4Video::open(&folder().join("foreign.mp4")), Ok(Opened::Foreign(_))));
}

#[test]
fn more_samples_than_can_be_are_not_indexed() {
    let mut bytes = std::fs::read(folder().join("fragmented.mp4")).unwrap();
    let run = bytes.windows(4).position(|kind| kind == b"trun").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.mp4");
    let mut opened = |samples: u32, length: u64| {
        bytes[run + 8..run + 12].copy_from_slice(&samples.to_be_bytes());
        std::fs::write(&path, &bytes).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
        Mp4Video::open(&path)
    };
    let whole = std::fs::metadata(self::folder().join("fragmented.mp4")).unwrap().len();
    let Err(error) = opened(u32::MAX, whole) else { panic!("four billion samples") };
    assert!(matches!(error, SourceError::TooManySamples { samples: 4_294_967_295.., .. }), "{error}");
    // As sound of one sample a byte has in three hours.
    let Ok(Opened::Foreign(what)) = opened(100_000_000, 200_000_000) else { panic!("an index of 6 GB") };
    assert!(what.starts_with("mp4 with 1000000"), "{what}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases(100)) })]

    #[test]
    fn damaged_bytes_never_panic(
        name in prop::sample::select(&["bframes.mp4", "trimmed.mp4", "delayed.mp4", "fragmented.mp4", "rotated_90.mp4", "audio_only.mp4",
            "matrix/fragments_negative.mp4", "matrix/fragments_behind.mp4", "matrix/fragments_sound_implicit.mp4", "matrix/colr_709_full.mp4",
            "matrix/orientation_both.mp4", "matrix/grey.mp4", "matrix/crop_begin.mp4"][..]),
        changes in prop::collection::vec((0.0f64..1.0, any::<u8>(), 0u8..8), 1..6),
    ) {
        let mut bytes = std::fs::read(folder().join(name)).unwrap();
        for (place, byte, kind) in changes {
            let at = (place * bytes.len() as f64) as usize;
            match kind {
                _ if bytes.is_empty() => {}
                0 => bytes.truncate(at),
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => bytes[at] = byte,
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("damaged.mp4");
        std::fs::write(&path, bytes).unwrap();
        match Mp4Video::open(&path) {
            Ok(Opened::Video(mut video)) => {
                prop_assert!(video.times().windows(2).all(|pair| pair[0] <= pair[1]));
                let items = std::iter::from_fn(|| video.next_picture()).take(64);
                for picture in items.filter_map(Result::ok) {
                    prop_assert!(picture.duration >= 0.0 && !picture.picture.y.is_empty());
                }
            }
            Ok(Opened::Foreign(what)) => prop_assert_eq!(what.lines().count(), 1),
            Err(error) => prop_assert_eq!(error.to_string().lines().count(), 1),
        }
    }
}
