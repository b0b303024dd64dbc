//! One way from a file to pixels: each property of fixtures/videos/matrix through each reader, pixels within 2 of 255 of
//! `ffmpeg -pix_fmt rgb24`, times as ffprobe has them.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::path::{Path, PathBuf};

use image::{RgbImage, imageops};
use prospect_source::{Frame, SourceError, SourceOptions};

/// What is handed to ffmpeg, and why.
const FOREIGN: [(&str, &str); 7] = [
    ("annex_b", "H.264 of which no frame decodes here"),
    ("grey_cropped", "monochrome H.264 that is cropped"),
    ("interlaced", "interlaced H.264"),
    ("no_time_scale", "mp4 without a time scale"),
    ("orientation_45", "mp4 turned by 45 degrees"),
    ("subsampled_422", "H.264 in 4:2:2"),
    ("ten_bits", "H.264 with 10 bits"),
];
/// What ffmpeg 5.1 itself forgives with complaints, turns by an angle, shows at times that are not the file's, or crops only so far
/// as the machine's registers are wide.
const NOT_FFMPEGS: [&str; 5] =
    ["annex_b", "crop_begin", "fragments_negative", "no_time_scale", "orientation_45"];
/// How far a value may be away. swscale dithers the chroma that it interpolates for 4:1:1.
fn most(name: &str) -> u8 {
    if name == "y4m_411" { 3 } else { 2 }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/videos/matrix")
}

/// A video, and what ffmpeg makes of it.
struct Case {
    name: String,
    path: PathBuf,
    /// Seconds at which each frame begins and ends.
    times: Vec<(f64, f64)>,
    frames: Vec<RgbImage>,
}

fn cases(extension: &str) -> Vec<Case> {
    let text = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    let all: std::collections::BTreeMap<String, Vec<(f64, f64)>> = serde_json::from_str(&text).unwrap();
    let cases = all.into_iter().filter_map(|(file, times)| {
        let name = file.strip_suffix(extension)?.to_owned();
        let path = folder().join(&file);
        let strip = image::open(folder().join(format!("{file}.png"))).unwrap().into_rgb8();
        let (width, height) = (strip.width(), strip.height() / times.len() as u32);
        let frame = |k| imageops::crop_imm(&strip, 0, k as u32 * height, width, height).to_image();
        let frames = (0..times.len()).map(frame).collect();
        let times = times.into_iter().map(|(time, duration)| (time, time + duration)).collect();
        Some(Case { name, path, times, frames })
    });
    cases.collect()
}

fn foreign(name: &str) -> Option<&'static str> {
    FOREIGN.iter().find(|(foreign, _)| *foreign == name).map(|(_, why)| *why)
}

fn read(path: &Path, fps: f64) -> Result<(String, Vec<Frame>), SourceError> {
    let mut source = prospect_source::open(path.to_str().unwrap(), SourceOptions::at(fps))?;
    let frames: Result<Vec<_>, _> = std::iter::from_fn(|| source.next_frame()).collect();
    let frames = frames?;
    assert!(source.length().is_none_or(|length| length == frames.len()), "{}", path.display());
    Ok((source.description().to_owned(), frames))
}

/// Slots by the rule of sampling, with the number of the frame in each.
fn slots(times: &[(f64, f64)], fps: f64) -> Vec<(f64, usize)> {
    let slots =
        (0..1000).map(|slot| f64::from(slot) / fps).filter(|slot| *slot < times[times.len() - 1].1 - 1e-6);
    slots.filter_map(|slot| Some((slot, times.iter().rposition(|(time, _)| *time <= slot + 1e-6)?))).collect()
}

/// What is wrong with the frames of a case, one line for each.
fn wrong(case: &Case, found: &[Frame], fps: f64) -> Vec<String> {
    let expected = slots(&case.times, fps);
    let times: Vec<_> = found.iter().map(|frame| frame.time).collect();
    let same = |(found, expected): (&f64, &(f64, usize))| (found - expected.0).abs() < 1e-6;
    if times.len() != expected.len() || !times.iter().zip(&expected).all(same) {
        return vec![format!("{} at {fps} fps: times {times:?}, expected {expected:?}", case.name)];
    }
    let mut wrong = Vec::new();
    for (found, (time, number)) in found.iter().zip(&expected) {
        let right = &case.frames[*number];
        if found.image.dimensions() != right.dimensions() {
            wrong.push(format!("{} at {time}: {:?}", case.name, found.image.dimensions()));
            continue;
        }
        let away = found.image.iter().zip(right.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        if away > most(&case.name) {
            wrong.push(format!("{} at {time}: a value is {away} away", case.name));
        }
    }
    wrong
}

/// A rate at which every frame has slots of its own, and one at which some have none.
const RATES: [f64; 2] = [20.0, 4.0];

#[test]
fn the_built_in_reader() {
    let mut faults = Vec::new();
    let cases = cases(".mp4");
    let built_in: Vec<_> = cases.iter().filter(|case| foreign(&case.name).is_none()).collect();
    assert_eq!((built_in.len() > 30, cases.len() - built_in.len()), (true, FOREIGN.len()));
    for case in built_in {
        for fps in RATES {
            match read(&case.path, fps) {
                Ok((description, frames)) => {
                    assert!(description.ends_with("(mp4, H.264)"), "{description}");
                    faults.extend(wrong(case, &frames, fps));
                }
                Err(error) => faults.push(error.to_string()),
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn without_ffmpeg_one_line_says_what_it_is_needed_for() {
    let input = prospect_source::InputOptions { ffmpeg: "no-such-program".into(), ..Default::default() };
    for (name, why) in FOREIGN {
        let path = folder().join(format!("{name}.mp4")).display().to_string();
        let options = SourceOptions::at(2.0);
        let opened =
            prospect_source::open_with(&path, options, &input, &prospect_source::StopSignal::default());
        let error = opened.err().unwrap();
        assert!(matches!(&error, SourceError::NeedsFfmpeg { what, .. } if what.starts_with(why)), "{error}");
        assert_eq!(error.to_string().lines().count(), 1);
    }
}

#[test]
fn raw_frames_through_a_pipe() {
    let mut faults = Vec::new();
    let cases = cases(".y4m");
    assert!(cases.len() >= 10);
    for case in &cases {
        for fps in RATES {
            faults.extend(wrong(case, &read(&case.path, fps).unwrap().1, fps));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// As images the frames of every video come as they are, at the rate that is asked for.
#[cfg(unix)]
#[test]
fn images_through_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    for case in cases(".mp4") {
        let path = folder.path().join(&case.name);
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let mut bytes = std::io::Cursor::new(Vec::new());
        for frame in &case.frames {
            frame.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        }
        let writer = {
            let path = path.clone();
            std::thread::spawn(move || std::fs::write(path, bytes.into_inner()).unwrap())
        };
        let (_, frames) = read(&path, 10.0).unwrap();
        writer.join().unwrap();
        assert_eq!(frames.len(), case.frames.len(), "{}", case.name);
        for (number, (frame, right)) in frames.iter().zip(&case.frames).enumerate() {
            assert!(
                (frame.time - number as f64 / 10.0).abs() < 1e-9 && frame.image.as_raw() == right.as_raw(),
                "{}",
                case.name
            );
        }
    }
}

/// Whatever goes through ffmpeg is held to the same values. Only said to be skipped where there is none.
fn check_through_ffmpeg(case: &Case, path: &Path, faults: &mut Vec<String>) -> bool {
    for fps in RATES {
        match read(path, fps) {
            Ok((description, frames)) => {
                assert!(description.ends_with("(through ffmpeg)"), "{description}");
                faults.extend(wrong(case, &frames, fps));
            }
            Err(SourceError::NeedsFfmpeg { .. }) => {
                println!("skipped: there is no ffmpeg here");
                return false;
            }
            Err(error) => faults.push(error.to_string()),
        }
    }
    true
}

/// The same files under a first box that is none of mp4's.
#[test]
fn through_ffmpeg() {
    let mut faults = Vec::new();
    let folder = tempfile::tempdir().unwrap();
    for case in cases(".mp4").iter().filter(|case| !NOT_FFMPEGS.contains(&&*case.name)) {
        let mut bytes = std::fs::read(&case.path).unwrap();
        assert_eq!(&bytes[4..8], b"ftyp");
        bytes[4..8].copy_from_slice(b"free");
        let path = folder.path().join(format!("{}.mov", case.name));
        std::fs::write(&path, bytes).unwrap();
        if !check_through_ffmpeg(case, &path, &mut faults) {
            return;
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Copies of the same streams in another container, which has no matrices of tracks and no crops of its own.
#[test]
fn copied_into_matroska() {
    let mut faults = Vec::new();
    let folder = tempfile::tempdir().unwrap();
    let stays = |name: &str| !name.starts_with("orientation") && name != "crop_container";
    for case in cases(".mp4").iter().filter(|case| stays(&case.name) && !NOT_FFMPEGS.contains(&&*case.name)) {
        let path = folder.path().join(format!("{}.mkv", case.name));
        let mut ffmpeg = std::process::Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-copyts", "-i"]).arg(&case.path).args(["-c", "copy"]).arg(&path);
        match ffmpeg.status() {
            Ok(status) => assert!(status.success(), "{}", case.name),
            Err(error) => {
                println!("skipped: there is no ffmpeg here: {error}");
                return;
            }
        }
        check_through_ffmpeg(case, &path, &mut faults);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
