//! Sources sampled to a constant rate: the videos of fixtures/videos.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::path::{Path, PathBuf};

use prospect_source::{Frame, FrameSource, SourceError, SourceOptions};

fn data(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/videos").join(name).display().to_string()
}

fn items(source: &mut dyn FrameSource) -> Vec<Result<Frame, SourceError>> {
    std::iter::from_fn(|| source.next_frame()).collect()
}

fn frames(spec: &str, fps: f64) -> Vec<Frame> {
    let mut source = prospect_source::open(spec, SourceOptions::at(fps)).unwrap();
    let length = source.length();
    let frames: Vec<_> = items(source.as_mut()).into_iter().map(Result::unwrap).collect();
    assert!(length.is_none_or(|length| length == frames.len()), "{length:?} but {}", frames.len());
    assert!(frames.iter().enumerate().all(|(index, frame)| frame.index == index));
    frames
}

fn refusal(spec: &str) -> SourceError {
    let error = prospect_source::open(spec, SourceOptions::at(2.0)).err().unwrap();
    assert!(!error.to_string().contains('\n'));
    error
}

/// Times of the frames of a video by ffprobe.
fn ffprobe(name: &str) -> Vec<f64> {
    let text = std::fs::read_to_string(data("ffprobe.json")).unwrap();
    let probed: serde_json::Value = serde_json::from_str(&text).unwrap();
    let frames = probed[name]["frames"].as_array().unwrap().iter();
    frames.map(|frame| frame["pts_time"].as_str().unwrap().parse().unwrap()).collect()
}

/// Mean of the absolute differences of two pictures, in steps of 1/255.
fn difference(a: &Frame, b: &Frame) -> f64 {
    assert_eq!(a.image.dimensions(), b.image.dimensions());
    let sum: f64 = a.image.iter().zip(b.image.iter()).map(|(x, y)| f64::from(x.abs_diff(*y))).sum();
    sum / a.image.len() as f64
}

#[test]
fn b_frames_come_in_display_order() {
    let all = frames(&data("bframes.mp4"), 10.0);
    assert_eq!(all.len(), 30);
    assert!(all.iter().enumerate().all(|(k, frame)| (frame.time - k as f64 / 10.0).abs() < 1e-9));
    // The colours of the test picture's moving bar change little from one frame to the next.
    for pair in all.windows(2) {
        assert!(difference(&pair[0], &pair[1]) < 12.0);
    }
    let halves = frames(&data("bframes.mp4"), 2.0);
    assert_eq!(halves.len(), 6);
    for (k, half) in halves.iter().enumerate() {
        assert_eq!(half.image, all[5 * k].image);
    }
}

#[test]
fn a_variable_rate_holds_the_last_frame() {
    let all = frames(&data("variable.mp4"), 10.0);
    let times = ffprobe("variable.mp4");
    let last = times[times.len() - 1];
    assert!(all.len() > times.len() && (all[0].time - times[0]).abs() < 1e-6);
    assert!((all[all.len() - 1].time - last).abs() < 0.1 + 1e-6);
    for pair in all.windows(2) {
        let changes = times.iter().any(|time| (time - pair[1].time).abs() < 1e-6);
        assert!(changes || pair[0].image == pair[1].image, "at {}", pair[1].time);
    }
}

#[test]
fn sizes_rotation_and_a_single_frame() {
    let odd = frames(&data("odd.mp4"), 5.0);
    assert_eq!((odd.len(), odd[0].image.dimensions()), (5, (54, 38)));
    assert_eq!(frames(&data("one_frame.mp4"), 2.0).len(), 1);
    // Coded as 64x48, shown upright.
    assert_eq!(frames(&data("rotated_90.mp4"), 2.0)[0].image.dimensions(), (48, 64));
}

#[test]
fn frames_behind_those_that_were_passed_over_are_the_same() {
    // A key frame every 30 frames; one with frames out of order; one whose first frame comes late, one in whose gap a frame stays.
    for video in
        ["../workbench/videos/video_000.mp4", "bframes.mp4", "delayed.mp4", "trimmed.mp4", "variable.mp4"]
    {
        for (fps, start) in [(2.0, 0.0), (10.0, 0.0), (3.0, 0.9)] {
            let options = SourceOptions { start, ..SourceOptions::at(fps) };
            let open = || prospect_source::open(&data(video), options).unwrap();
            let whole: Vec<Frame> = items(open().as_mut()).into_iter().map(Result::unwrap).collect();
            for passed in (0..=whole.len()).step_by(whole.len() / 7 + 1).chain([whole.len()]) {
                let mut source = open();
                assert_eq!(source.skip_whole(passed), passed, "{video}");
                let rest = items(source.as_mut());
                assert_eq!(rest.len(), whole.len() - passed, "{video} behind {passed}");
                for (frame, expected) in
                    rest.iter().map(|frame| frame.as_ref().unwrap()).zip(&whole[passed..])
                {
                    assert_eq!((frame.index, frame.time), (expected.index, expected.time), "{video}");
                    assert!(frame.image == expected.image, "{video} behind {passed} at {}", frame.time);
                }
            }
            assert!(open().skip_whole(whole.len() + 5) < whole.len() + 5);
        }
    }
}

#[test]
fn a_foreign_codec_goes_through_ffmpeg_or_says_that_it_needs_it() {
    match prospect_source::open(&data("foreign.mp4"), SourceOptions::at(2.0)) {
        Ok(source) => assert!(source.description().contains("ffmpeg")),
        Err(error) => assert!(matches!(error, SourceError::NeedsFfmpeg { .. }), "{error}"),
    }
}

#[test]
fn a_cut_off_file_gives_what_decodes_and_then_an_error() {
    let mut source = prospect_source::open(&data("truncated.mp4"), SourceOptions::at(10.0)).unwrap();
    let mut items = items(source.as_mut());
    let errors: Vec<_> = items.extract_if(.., |item| item.is_err()).map(|item| item.unwrap_err()).collect();
    assert!(matches!(errors.as_slice(), [SourceError::Truncated { .. }]), "{errors:?}");
    assert!((4..30).contains(&items.len()), "{}", items.len());
}

#[test]
fn a_y4m_file_is_built_in_whatever_its_size() {
    let all = frames(&data("odd.y4m"), 10.0);
    assert_eq!((all.len(), all[0].image.dimensions()), (5, (13, 9)));
    assert_eq!(frames(&data("odd.y4m"), 5.0).len(), 3);
}

#[test]
fn a_delayed_video_begins_when_it_is_shown() {
    let all = frames(&data("delayed.mp4"), 2.0);
    assert_eq!(all.iter().map(|frame| frame.time).collect::<Vec<_>>(), [1.5, 2.0, 2.5, 3.0, 3.5, 4.0]);
}

/// What an installed ffmpeg makes of a video of this folder, in another container; `None` where there is no ffmpeg.
fn remuxed(name: &str, arguments: &[&str], to: &Path) -> Option<()> {
    let mut ffmpeg = std::process::Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-y", "-i", &data(name)]).args(arguments).args(["-c:v", "copy", "-copyts"]);
    match ffmpeg.arg(to).status() {
        Ok(status) => assert!(status.success()),
        Err(error) => {
            println!("skipped: there is no ffmpeg here: {error}");
            return None;
        }
    }
    Some(())
}

/// Times and pictures of `spec` are those of `delayed.mp4`, `shift` seconds earlier.
fn check_delayed(spec: &Path, shift: f64, part: (f64, Option<f64>), times: &[f64]) {
    let read = |spec: &str, shift: f64| -> Vec<Frame> {
        let (start, end) = (part.0 - shift, part.1.map(|end| end - shift));
        let options = SourceOptions { start, end, ..SourceOptions::at(2.0) };
        items(prospect_source::open(spec, options).unwrap().as_mut())
            .into_iter()
            .map(Result::unwrap)
            .collect()
    };
    let theirs = read(spec.to_str().unwrap(), shift);
    let found: Vec<f64> = theirs.iter().map(|frame| frame.time + shift).collect();
    assert_eq!(found, times, "{}", spec.display());
    let ours = read(&data("delayed.mp4"), 0.0);
    for theirs in &theirs {
        let Some(ours) = ours.iter().find(|ours| ours.time == theirs.time + shift) else { continue };
        assert!(difference(ours, theirs) < 14.0, "{} at {}", spec.display(), theirs.time);
    }
    assert!(ours.len().abs_diff(theirs.len()) <= 2);
}

#[test]
fn a_video_that_begins_late_does_so_through_ffmpeg_too() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let sound = ["-f", "lavfi", "-i", "sine=duration=4", "-map", "0:v", "-map", "1:a"];
    let made = [
        remuxed("delayed.mp4", &[], &at("alone.mkv")),
        remuxed("delayed.mp4", &sound, &at("sound.mkv")),
        remuxed("delayed.mp4", &["-output_ts_offset", "36000"], &at("clock.ts")),
    ];
    if made.contains(&None) {
        return;
    }
    let all = [1.5, 2.0, 2.5, 3.0, 3.5, 4.0];
    check_delayed(&at("alone.mkv"), 0.0, (0.0, None), &all);
    check_delayed(&at("alone.mkv"), 0.0, (1.0, Some(3.0)), &all[..3]);
    check_delayed(&at("alone.mkv"), 0.0, (2.0, None), &all[1..]);
    check_delayed(&at("alone.mkv"), 0.0, (0.0, Some(1.0)), &[]);
    check_delayed(&at("alone.mkv"), 0.0, (0.75, Some(2.5)), &[1.75, 2.25]);
    // Sound comes first, and moves the pictures by 3 ms.
    check_delayed(&at("sound.mkv"), 0.0, (0.0, Some(4.0)), &all[1..5]);
    check_delayed(&at("sound.mkv"), 0.0, (2.25, Some(3.5)), &[2.25, 2.75, 3.25]);
    // A recording whose clock ran for hours is counted from its start, as players do.
    check_delayed(&at("clock.ts"), 1.5, (1.5, None), &all);
}

/// The built-in decoder and an installed ffmpeg give the same frames. Only said to be skipped where there is no ffmpeg.
#[test]
fn ffmpeg_gives_what_the_built_in_reader_gives() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["constant.mp4", "bframes.mp4", "odd.mp4"] {
        // As a file that is none of the built-in formats.
        let matroska = folder.path().join("video.mkv");
        let Some(()) = remuxed(name, &[], &matroska) else { return };
        let (ours, theirs) = (frames(&data(name), 2.0), frames(matroska.to_str().unwrap(), 2.0));
        assert_eq!(ours.len(), theirs.len(), "{name}");
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours.time, theirs.time, "{name}");
            assert!(difference(ours, theirs) < 12.0, "{name} at {}: {}", ours.time, difference(ours, theirs));
        }
    }
}

#[test]
fn an_animation_has_the_times_of_its_delays() {
    let all = frames(&data("animation.gif"), 5.0);
    assert_eq!((all.len(), all[0].image.dimensions()), (10, (32, 24)));
    assert_eq!(frames(&data("animation.gif"), 1.0).len(), 2);
}

#[test]
fn what_is_no_video_is_refused() {
    assert!(matches!(refusal(&data("audio_only.mp4")), SourceError::NoVideoTrack { .. }));
    assert!(matches!(refusal(&data("missing.mp4")), SourceError::NotFound { .. }));
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let whole = std::fs::read(data("one_frame.mp4")).unwrap();
    let stub = file("stub.mp4", &whole[..60]);
    assert!(matches!(refusal(stub.to_str().unwrap()), SourceError::NoIndex { .. }));
    let empty = file("empty.mp4", b"");
    assert!(matches!(refusal(empty.to_str().unwrap()), SourceError::NoFrames { .. }));
}

#[test]
fn damaged_bytes_never_panic_the_source() {
    let whole = std::fs::read(data("bframes.mp4")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.mp4");
    let mut refused = 0;
    for at in (40..whole.len()).step_by(173) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        std::fs::write(&path, &bytes).unwrap();
        match prospect_source::open(path.to_str().unwrap(), SourceOptions::at(10.0)) {
            // A damaged duration may last for hours: the first frames have to do.
            Ok(mut source) => drop(std::iter::from_fn(|| source.next_frame()).take(64).count()),
            Err(_) => refused += 1,
        }
    }
    assert!(refused < whole.len() / 173);
}

#[test]
fn a_corrupt_image_is_named_and_the_folder_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    for number in [1, 2, 10] {
        let image = image::RgbImage::from_pixel(4, 4, image::Rgb([number; 3]));
        image.save(folder.path().join(format!("f{number}.png"))).unwrap();
    }
    std::fs::write(folder.path().join("f3.png"), b"\x89PNG no").unwrap();
    std::fs::write(folder.path().join("notes.txt"), b"not a frame").unwrap();
    let spec = folder.path().display().to_string();
    let mut source = prospect_source::open(&spec, SourceOptions::at(2.0)).unwrap();
    assert_eq!(source.length(), Some(4));
    let mut items = items(source.as_mut());
    let error = items.remove(2).unwrap_err();
    assert!(matches!(&error, SourceError::CorruptImage { path, .. } if path.ends_with("f3.png")), "{error}");
    let good: Vec<_> =
        items.into_iter().map(Result::unwrap).map(|f| (f.index, f.time, f.image[(0, 0)].0[0])).collect();
    assert_eq!(good, [(0, 0.0, 1), (1, 0.5, 2), (3, 1.5, 10)]);
    let pattern = folder.path().join("f1*.png").display().to_string();
    assert_eq!(frames(&pattern, 2.0).len(), 2);
    let none = tempfile::tempdir().unwrap();
    assert!(matches!(refusal(none.path().to_str().unwrap()), SourceError::NoImages { .. }));
}

#[test]
fn options_that_make_no_sense_are_refused() {
    for options in [
        SourceOptions::at(0.0),
        SourceOptions::at(f64::NAN),
        SourceOptions { start: -1.0, ..SourceOptions::at(1.0) },
        SourceOptions { end: Some(0.0), ..SourceOptions::at(1.0) },
    ] {
        let refused = prospect_source::open(&data("one_frame.mp4"), options).err();
        assert!(matches!(refused, Some(SourceError::Option { .. })));
    }
}
