//! Small pictures of the frames at which somebody spoke.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, RgbImage};
use serde::Serialize;

use prospect_session::Event;
use prospect_source::SourceOptions;

/// Longest side in pixels.
pub(super) const SIDE: u32 = 96;
/// JPEG quality, 1 to 100.
const QUALITY: u8 = 80;

/// The pictures of one video.
#[derive(Debug, Default, Serialize)]
pub(super) struct Thumbnails {
    /// By frame.
    pictures: BTreeMap<usize, Picture>,
    /// Why there are none.
    missing: Option<String>,
}

#[derive(Debug, Serialize)]
struct Picture {
    /// The element that other elements show.
    id: String,
    width: u32,
    height: u32,
    /// JPEG in base64.
    data: String,
}

impl Thumbnails {
    /// The element with the picture of a frame.
    pub(super) fn id(&self, frame: usize) -> Option<String> {
        self.pictures.get(&frame).map(|picture| picture.id.clone())
    }
}

/// Pictures of `frames` of a video, which is read again as the trace's first event says; none if it is no longer there.
pub(super) fn thumbnails(
    video: &Path,
    started: Option<&Event>,
    frames: &BTreeSet<usize>,
    number: usize,
) -> Thumbnails {
    let Some(last) = frames.last() else { return Thumbnails::default() };
    let mut source = match prospect_source::open(&video.display().to_string(), options(started)) {
        Ok(source) => source,
        Err(error) => return Thumbnails { missing: Some(error.to_string()), ..Thumbnails::default() },
    };
    let mut thumbnails = Thumbnails::default();
    while let Some(frame) = source.next_frame() {
        // Frames that cannot be read have no picture.
        let Ok(frame) = frame else { continue };
        if frames.contains(&frame.index) {
            let id = format!("v{number}f{}", frame.index);
            thumbnails.pictures.extend(picture(&frame.image, id).map(|picture| (frame.index, picture)));
        }
        if frame.index >= *last {
            break;
        }
    }
    thumbnails
}

/// The part of the video that the run saw.
fn options(started: Option<&Event>) -> SourceOptions {
    let Some(Event::RunStarted { config, .. }) = started else { return SourceOptions::at(1.0) };
    let stream = &config["stream"];
    SourceOptions {
        fps: stream["fps"].as_f64().unwrap_or(1.0),
        start: stream["start"].as_f64().unwrap_or(0.0),
        end: stream["end"].as_f64(),
        max_frames: stream["max_frames"].as_u64().map(|frames| frames as usize),
    }
}

fn picture(image: &RgbImage, id: String) -> Option<Picture> {
    let small = DynamicImage::ImageRgb8(image.clone());
    let small = match image.width().max(image.height()) <= SIDE {
        true => small.into_rgb8(),
        false => small.thumbnail(SIDE, SIDE).into_rgb8(),
    };
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY).encode_image(&small).ok()?;
    Some(Picture { id, width: small.width(), height: small.height(), data: STANDARD.encode(jpeg) })
}
