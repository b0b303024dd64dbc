//! Picture files of every kind become the pixels that Pillow has for them: fixtures/pictures.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use prospect_source::{Frame, FrameSource, MOST_PIXELS, SourceError, SourceOptions};
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/pictures")
}

fn expected() -> serde_json::Map<String, Value> {
    let text = std::fs::read_to_string(fixtures().join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn items(source: &mut dyn FrameSource) -> Vec<Result<Frame, SourceError>> {
    std::iter::from_fn(|| source.next_frame()).collect()
}

fn frames(path: &Path, fps: f64) -> Vec<Frame> {
    let mut source = prospect_source::open(path.to_str().unwrap(), SourceOptions::at(fps)).unwrap();
    items(source.as_mut()).into_iter().map(Result::unwrap).collect()
}

fn bytes(hex: &Value) -> Vec<u8> {
    let digits = hex.as_str().unwrap();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// The frame has these pixels, each value as near as it must be.
fn check(name: &str, frame: &Frame, rgb: &Value, case: &Value) {
    let size = |side: &str| case[side].as_u64().unwrap() as u32;
    assert_eq!(frame.image.dimensions(), (size("width"), size("height")), "{name}");
    let tolerance = case["tolerance"].as_u64().unwrap_or(0) as u8;
    let farthest =
        frame.image.as_raw().iter().zip(bytes(rgb)).map(|(ours, theirs)| ours.abs_diff(theirs)).max();
    assert!(farthest.unwrap() <= tolerance, "{name}: {farthest:?} of 255 away");
}

#[test]
fn every_kind_of_picture_has_pillow_s_pixels() {
    let mut stills = 0;
    for (name, case) in expected().iter().filter(|(_, case)| case["rgb"].is_string()) {
        let frames = frames(&fixtures().join(name), 2.0);
        assert_eq!(frames.len(), 1, "{name}");
        check(name, &frames[0], &case["rgb"], case);
        stills += 1;
    }
    assert!(stills > 40);
}

/// Whether it is opened alone, among others, or comes through a pipe.
#[test]
fn a_picture_is_the_same_however_it_is_delivered() {
    let cases = expected();
    let folder = tempfile::tempdir().unwrap();
    let mut stream = Vec::new();
    let names: Vec<&String> = cases.keys().filter(|name| cases[*name]["rgb"].is_string()).collect();
    for (number, name) in names.iter().enumerate() {
        let copy = folder.path().join(format!("{number}-{name}"));
        std::fs::copy(fixtures().join(name), copy).unwrap();
    }
    let together = frames(folder.path(), 2.0);
    assert_eq!(together.len(), names.len());
    for (frame, name) in together.iter().zip(&names) {
        check(name, frame, &cases[*name]["rgb"], &cases[*name]);
    }
    let piped: Vec<_> =
        names.iter().filter(|name| name.ends_with(".jpg") || name.ends_with(".png")).collect();
    for name in &piped {
        stream.extend(std::fs::read(fixtures().join(name)).unwrap());
    }
    // A named pipe, as `ffmpeg -f image2pipe` would fill it.
    #[cfg(unix)]
    {
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let into = pipe.clone();
        let writer = std::thread::spawn(move || std::fs::write(into, stream).unwrap());
        let mut source = prospect_source::open(pipe.to_str().unwrap(), SourceOptions::at(2.0)).unwrap();
        let through = items(source.as_mut());
        writer.join().unwrap();
        assert_eq!(through.len(), piped.len());
        for (frame, name) in through.iter().zip(&piped) {
            check(name, frame.as_ref().unwrap(), &cases[**name]["rgb"], &cases[**name]);
        }
    }
}

#[test]
fn animations_have_browsers_times_and_the_whole_canvas_on_white() {
    for (name, case) in expected().iter().filter(|(_, case)| case["times"].is_array()) {
        let times: Vec<u64> =
            case["times"].as_array().unwrap().iter().map(|time| time.as_u64().unwrap()).collect();
        let shown = frames(&fixtures().join(name), 1000.0);
        assert_eq!(shown.len() as u64, times[times.len() - 1], "{name}");
        for (part, rgb) in times.windows(2).zip(case["frames"].as_array().unwrap()) {
            let slots = &shown[part[0] as usize..part[1] as usize];
            check(name, &slots[0], rgb, case);
            // What is shown for long is one picture, not many.
            assert!(slots.iter().all(|frame| Arc::ptr_eq(&frame.image, &slots[0].image)), "{name}");
        }
    }
}

fn gif(screen: (u16, u16), frame: (u16, u16)) -> Vec<u8> {
    let [sw, sh, fw, fh] = [screen.0, screen.1, frame.0, frame.1].map(u16::to_le_bytes);
    let image = [&b"\x2c\0\0\0\0"[..], &fw, &fh, b"\0\x02\x02\x4c\x01\0\x3b"].concat();
    [&b"GIF89a"[..], &sw, &sh, b"\x80\0\0\0\0\0\xff\xff\xff", &image].concat()
}

/// `start` with what a decoder needs to know the size, for each format.
fn headers_of(side: u32) -> Vec<(&'static str, Vec<u8>)> {
    let mut png = std::fs::read(fixtures().join("grey1.png")).unwrap();
    png[16..24].copy_from_slice(&[side.to_be_bytes(), side.to_be_bytes()].concat());
    let crc = crc32fast::hash(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    let mut jpeg = std::fs::read(fixtures().join("grey.jpg")).unwrap();
    let frame = jpeg.windows(2).position(|marker| marker == b"\xff\xc0").unwrap();
    let short = u16::try_from(side.min(65_500)).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[short.to_be_bytes(), short.to_be_bytes()].concat());
    let mut bmp = std::fs::read(fixtures().join("rgb.bmp")).unwrap();
    bmp[18..26].copy_from_slice(&[side.to_le_bytes(), side.to_le_bytes()].concat());
    let webp = {
        let less = (side.min(16_383) - 1).to_le_bytes();
        let bits = u32::from_le_bytes(less) | (u32::from_le_bytes(less) << 14);
        let body = [&b"VP8L"[..], &8u32.to_le_bytes(), b"\x2f", &bits.to_le_bytes(), &[0; 3]].concat();
        [&b"RIFF"[..], &(body.len() as u32 + 4).to_le_bytes(), b"WEBP", &body].concat()
    };
    vec![
        ("a.png", png),
        ("a.jpg", jpeg),
        ("a.bmp", bmp),
        ("a.webp", webp),
        ("a.gif", gif((short, short), (1, 1))),
    ]
}

#[test]
fn one_limit_of_pixels_holds_for_every_format_alone_and_among_others() {
    let folder = tempfile::tempdir().unwrap();
    let wanted = |side: u64| side * side > MOST_PIXELS;
    for (name, bytes) in headers_of(60_000) {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = match prospect_source::open(path.to_str().unwrap(), SourceOptions::at(2.0)) {
            Ok(mut source) => source.next_frame().unwrap().unwrap_err(),
            Err(error) => error,
        };
        assert!(
            matches!(&error, SourceError::TooLarge { source, .. } if wanted(source.width)),
            "{name}: {error}"
        );
        assert_eq!(error.to_string().lines().count(), 1);
    }
    let mut source = prospect_source::open(folder.path().to_str().unwrap(), SourceOptions::at(2.0)).unwrap();
    let items = items(source.as_mut());
    assert_eq!(items.len(), 5);
    assert!(items.iter().all(|item| matches!(item, Err(SourceError::TooLarge { .. }))));
}

#[test]
fn a_gif_s_frame_that_is_larger_than_its_screen_is_bounded_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gif");
    std::fs::write(&path, gif((1, 1), (65_535, 65_535))).unwrap();
    let mut source = prospect_source::open(path.to_str().unwrap(), SourceOptions::at(2.0)).unwrap();
    assert!(matches!(source.next_frame(), Some(Err(SourceError::CorruptImage { .. }))));
    assert!(source.next_frame().is_none());
}

#[test]
fn hidden_files_are_no_frames_and_what_is_left_out_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    for number in 1..=3 {
        image::RgbImage::new(2, 2).save(folder.path().join(format!("f{number}.png"))).unwrap();
        std::fs::write(folder.path().join(format!("._f{number}.png")), b"\0\x05\x16\x07").unwrap();
    }
    std::fs::copy(fixtures().join("grey.jpg"), folder.path().join("f4.jfif")).unwrap();
    std::fs::write(folder.path().join("f5"), b"").unwrap();
    let mut source = prospect_source::open(folder.path().to_str().unwrap(), SourceOptions::at(2.0)).unwrap();
    let told = "(4 images; left out: 3 hidden files, 1 file that is no image by its name)";
    assert!(source.description().ends_with(told), "{}", source.description());
    let times: Vec<f64> = items(source.as_mut()).into_iter().map(|frame| frame.unwrap().time).collect();
    assert_eq!(times, [0.0, 0.5, 1.0, 1.5]);
}
