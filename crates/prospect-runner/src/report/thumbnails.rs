//! Small pictures of the frames with replies.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, RgbImage};
use serde::Serialize;

use prospect_session::Event;
use prospect_source::{Frame, SourceOptions};

/// Longest side in pixels.
pub(super) const SIDE: u32 = 96;
/// Most pictures of a video. With more replies only some have a picture, so that the page of an hour
/// still opens.
const MOST_PICTURES: usize = 240;
/// JPEG quality, 1 to 100.
const QUALITY: u8 = 80;

/// The pictures of one video.
#[derive(Debug, Default, Serialize)]
pub(super) struct Thumbnails {
    /// Pictures by frame number.
    pictures: BTreeMap<usize, Picture>,
    /// Why there are no pictures.
    missing: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
struct Picture {
    /// Id of the HTML element, to which other elements refer.
    id: String,
    width: u32,
    height: u32,
    /// JPEG in base64.
    data: String,
}

/// Pictures of frames, taken during the run. A camera's frames cannot be read again, and an hour of
/// video need not be decoded twice.
#[derive(Debug, Clone, Default)]
pub struct TakenPictures {
    pictures: BTreeMap<usize, Picture>,
}

impl TakenPictures {
    /// Takes the picture of a frame with a reply. If there are too many pictures, the one whose
    /// neighbours are closest to each other is removed, so that the rest still covers the stream.
    pub fn take(&mut self, frame: &Frame) {
        let picture = picture(&frame.image, id_of(0, frame.index));
        self.pictures.extend(picture.map(|picture| (frame.index, picture)));
        if self.pictures.len() > MOST_PICTURES {
            let frames: Vec<usize> = self.pictures.keys().copied().collect();
            let crowded = frames.windows(3).min_by_key(|around| around[2] - around[0]);
            if let Some([_, crowded, _]) = crowded {
                self.pictures.remove(crowded);
            }
        }
    }

    /// Whether no picture was taken.
    pub(super) fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    /// The pictures as those of a page's first video.
    pub(super) fn thumbnails(&self) -> Thumbnails {
        Thumbnails { pictures: self.pictures.clone(), missing: None }
    }
}

/// Id of the HTML element with the picture of a frame.
fn id_of(video: usize, frame: usize) -> String {
    format!("v{video}f{frame}")
}

impl Thumbnails {
    /// Id of the HTML element with the picture of a frame, if there is one.
    pub(super) fn id(&self, frame: usize) -> Option<String> {
        self.pictures.get(&frame).map(|picture| picture.id.clone())
    }
}

/// Pictures of `frames` of a video, which is read again as described in the trace's first event. Empty
/// if the video no longer exists.
pub(super) fn thumbnails(
    video: &Path,
    started: Option<&Event>,
    frames: &BTreeSet<usize>,
    number: usize,
) -> Thumbnails {
    let step = frames.len().div_ceil(MOST_PICTURES).max(1);
    let frames: BTreeSet<usize> = frames.iter().copied().step_by(step).collect();
    let Some(&last) = frames.last() else { return Thumbnails::default() };
    let mut source = match prospect_source::open(&video.display().to_string(), options(started)) {
        Ok(source) => source,
        Err(error) => return Thumbnails { missing: Some(error.to_string()), ..Thumbnails::default() },
    };
    let mut thumbnails = Thumbnails::default();
    while let Some(frame) = source.next_frame() {
        // Frames that cannot be read have no picture.
        let Ok(frame) = frame else { continue };
        if frames.contains(&frame.index) {
            let id = id_of(number, frame.index);
            thumbnails.pictures.extend(picture(&frame.image, id).map(|picture| (frame.index, picture)));
        }
        if frame.index >= last {
            break;
        }
    }
    thumbnails
}

/// The part of the video that the run used.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_of_pictures_is_bounded_and_covers_the_hour() {
        let mut taken = TakenPictures::default();
        for index in 0..3600 {
            taken.take(&Frame { index, time: index as f64, image: RgbImage::new(4, 2).into(), name: None });
        }
        let kept: Vec<usize> = taken.pictures.keys().copied().collect();
        assert_eq!(kept.len(), MOST_PICTURES);
        assert!(kept[0] == 0 && *kept.last().unwrap() == 3599);
        let widest = kept.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        assert!(widest <= 2 * 3600 / MOST_PICTURES, "a gap of {widest} frames");
    }
}
