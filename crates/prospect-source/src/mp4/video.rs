//! The video track of a file: reads its samples and decodes its pictures.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use image::metadata::Orientation;
use openh264::OpenH264API;
use openh264::decoder::{DecodedYUV, Decoder, DecoderConfig, Flush};
use openh264::formats::YUVSource;

use super::index::{Index, Sample};
use crate::SourceError;
use crate::colour::{Chroma, Colour};
use crate::sample::{Pictures, TOLERANCE, Timed};
use crate::yuv::{YuvPicture, unpad};

/// The number of frames that are tried for a first picture: more than an encoder usually puts between two key
/// frames.
const TRIED: usize = 300;

/// The properties of a decoded picture that the decoder does not give.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) colour: Colour,
    pub(super) orientation: Orientation,
    /// Whether the picture is monochrome. The decoder's planes of chroma then have no meaning.
    pub(super) monochrome: bool,
    /// The visible size in pixels: the smaller of the sizes that the stream and the container give.
    pub(super) size: (usize, usize),
}

/// How the frames of a track are encoded.
pub(super) struct Coding {
    /// The parameter sets in Annex B form.
    pub(super) parameter_sets: Vec<u8>,
    pub(super) length_size: usize,
}

/// The video track of one mp4 file. Only the index is in memory. Samples are read when they are needed.
pub(crate) struct Mp4Video {
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) bytes: u64,
    pub(super) timescale: f64,
    pub(super) index: Index,
    pub(super) coding: Coding,
    pub(super) look: Look,
    pub(super) decoder: Decoder,
    pub(super) next: usize,
    /// The presentation ticks of the samples that went in and whose pictures have not come out. The decoder
    /// gives pictures in display order, so each picture that comes out is the earliest of these.
    pub(super) waiting: BTreeSet<(i64, usize, bool)>,
    pub(super) ready: VecDeque<Result<Timed<YuvPicture>, SourceError>>,
    /// The number of pictures that the decoder has given.
    pub(super) decoded: usize,
    pub(super) finished: bool,
}

impl Mp4Video {
    /// The time stamps of all frames in seconds, sorted.
    pub(crate) fn times(&self) -> Vec<f64> {
        self.index.order.iter().map(|ticks| *ticks as f64 / self.timescale).collect()
    }

    /// The end of the last frame, in seconds.
    pub(crate) fn end(&self) -> f64 {
        self.index.end as f64 / self.timescale
    }

    /// Reads up to the first picture, which then waits. If none of the first frames gives a picture, returns
    /// why the decoder cannot decode this stream. Damage in one place, or a file that is cut off, is not a
    /// reason.
    pub(super) fn refused(&mut self) -> Option<String> {
        while self.decoded == 0 && !self.finished && self.next < TRIED {
            match self.index.samples.get(self.next).copied() {
                Some(sample) => self.feed(sample),
                None => self.drain(),
            }
        }
        let mut complaints = self.ready.iter().map(|item| match item {
            Err(SourceError::CorruptFrame { message, .. }) => Some(message),
            _ => None,
        });
        let first = complaints.next()??.clone();
        (self.decoded == 0 && complaints.all(|complaint| complaint.is_some())).then_some(first)
    }

    /// Feeds the next sample into the decoder.
    fn feed(&mut self, sample: Sample) {
        let number = self.next;
        self.next += 1;
        let packet = match self.packet(sample, number) {
            Ok(packet) => packet,
            Err(error) => {
                let cut_off = matches!(error, SourceError::Truncated { .. });
                if cut_off {
                    self.drain();
                }
                self.ready.push_back(Err(error));
                self.finished |= cut_off;
                return;
            }
        };
        self.waiting.insert((sample.ticks, number, sample.shown));
        let decoded = self.decoder.decode(&packet).map(|picture| picture.map(|p| planes(&p, &self.look)));
        match decoded {
            Ok(Some(picture)) => self.deliver(picture),
            Ok(None) => {}
            Err(error) => {
                self.waiting.remove(&(sample.ticks, number, sample.shown));
                self.ready.push_back(Err(self.corrupt(number, error.to_string())));
            }
        }
    }

    /// Takes the pictures that the decoder still holds back for reordering.
    fn drain(&mut self) {
        self.finished = true;
        let look = self.look;
        let rest = self.decoder.flush_remaining();
        match rest.map(|rest| rest.iter().map(|picture| planes(picture, &look)).collect::<Vec<_>>()) {
            Ok(pictures) => pictures.into_iter().for_each(|picture| self.deliver(picture)),
            Err(error) => self.ready.push_back(Err(self.corrupt(self.next, error.to_string()))),
        }
        for (_, number, _) in std::mem::take(&mut self.waiting) {
            let error = self.corrupt(number, "the decoder gave no picture for it".to_owned());
            self.ready.push_back(Err(error));
        }
    }

    fn deliver(&mut self, picture: YuvPicture) {
        self.decoded += 1;
        let Some((ticks, _, true)) = self.waiting.pop_first() else { return };
        let after = self.index.order.partition_point(|other| *other <= ticks);
        let until = self.index.order.get(after).copied().unwrap_or(self.index.end);
        let (time, end) = (ticks as f64 / self.timescale, until as f64 / self.timescale);
        let item = if picture.width == 0 || picture.height == 0 {
            let (width, height) = (picture.width as u32, picture.height as u32);
            Err(SourceError::ZeroSize { path: self.path.clone(), width, height })
        } else {
            Ok(Timed { time, duration: (end - time).max(0.0), picture })
        };
        self.ready.push_back(item);
    }

    fn corrupt(&self, sample: usize, message: String) -> SourceError {
        SourceError::CorruptFrame { path: self.path.clone(), sample, message }
    }

    /// One sample in Annex B form. If decoding can start at it, the parameter sets come first.
    fn packet(&mut self, sample: Sample, number: usize) -> Result<Vec<u8>, SourceError> {
        let end = sample.offset.saturating_add(sample.size);
        if end > self.bytes {
            let (path, samples, bytes) = (self.path.clone(), self.index.samples.len(), self.bytes);
            return Err(SourceError::Truncated { path, sample: number, samples, end, bytes });
        }
        let unreadable = |source| SourceError::Unreadable { path: self.path.clone(), source };
        let mut raw = vec![0; sample.size as usize];
        self.file.seek(SeekFrom::Start(sample.offset)).map_err(unreadable)?;
        self.file.read_exact(&mut raw).map_err(unreadable)?;
        let mut packet = if sample.sync { self.coding.parameter_sets.clone() } else { Vec::new() };
        let mut rest = raw.as_slice();
        while !rest.is_empty() {
            let unit = split_unit(&mut rest, self.coding.length_size);
            let Some(unit) = unit else {
                return Err(self.corrupt(number, "a NAL unit is longer than its frame".to_owned()));
            };
            start_unit(&mut packet, unit);
        }
        Ok(packet)
    }
}

impl Pictures for Mp4Video {
    type Picture = YuvPicture;

    /// Jumps to the last key frame before `time` at which all frames that are decoded later are also shown
    /// later.
    fn jump(&mut self, time: f64) -> Option<f64> {
        let latest = |samples: &[Sample]| samples.iter().map(|sample| sample.ticks).max();
        let mut least_after = i64::MAX;
        for (number, sample) in self.index.samples.iter().enumerate().rev() {
            least_after = least_after.min(sample.ticks);
            let early = sample.ticks as f64 / self.timescale <= time + TOLERANCE;
            if sample.sync
                && early
                && sample.ticks == least_after
                && latest(&self.index.samples[..number]) < Some(sample.ticks)
            {
                // What was read for a first picture is read again where it is needed.
                if number > 0 {
                    (self.decoder, self.next, self.finished) = (decoder().ok()?, number, false);
                    self.waiting.clear();
                    self.ready.clear();
                }
                break;
            }
        }
        self.times().first().copied()
    }

    fn next_picture(&mut self) -> Option<Result<Timed<YuvPicture>, SourceError>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            match self.index.samples.get(self.next).copied() {
                _ if self.finished => return None,
                Some(sample) => self.feed(sample),
                None => self.drain(),
            }
        }
    }
}

pub(super) fn start_unit(out: &mut Vec<u8>, unit: &[u8]) {
    out.extend_from_slice(&[0, 0, 0, 1]);
    out.extend_from_slice(unit);
}

fn split_unit<'a>(rest: &mut &'a [u8], length_size: usize) -> Option<&'a [u8]> {
    let (length, tail) = rest.split_at_checked(length_size)?;
    let length = length.iter().fold(0_usize, |value, byte| value << 8 | usize::from(*byte));
    let (unit, tail) = tail.split_at_checked(length)?;
    *rest = tail;
    Some(unit)
}

pub(super) fn decoder() -> Result<Decoder, String> {
    let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
    Decoder::with_api_config(OpenH264API::from_source(), config)
        .map_err(|error| format!("the H.264 decoder does not start: {error}"))
}

fn planes(picture: &DecodedYUV<'_>, look: &Look) -> YuvPicture {
    let (width, height) = picture.dimensions();
    let (width, height) = (width.min(look.size.0), height.min(look.size.1));
    let (y, u, v) = picture.strides();
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let (subsampling, tint) = if look.monochrome {
        ((width.max(1), height.max(1)), [vec![128], vec![128]])
    } else {
        let plane = |plane, stride| unpad(plane, stride, half_width, half_height);
        ((2, 2), [plane(picture.u(), u), plane(picture.v(), v)])
    };
    let y = unpad(picture.y(), y, width, height);
    let [u, v] = tint;
    let Look { colour, orientation, .. } = *look;
    YuvPicture { width, height, y, u, v, subsampling, chroma: Chroma::Shared, colour, orientation }
}
