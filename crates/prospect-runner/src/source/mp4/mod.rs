//! mp4 with H.264, demuxed and decoded in the process.

mod boxes;
mod declared;
mod edits;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use openh264::OpenH264API;
use openh264::decoder::{DecodedYUV, Decoder, DecoderConfig, Flush};
use openh264::formats::YUVSource;
use re_mp4::{StsdBoxContent, Track};

use super::SourceError;
use super::sample::{Pictures, TOLERANCE, Timed};
use super::size::check_size;
use super::yuv::{Rotation, YuvPicture, unpad};
use boxes::{parsable_end, parse, rotation};
use declared::declared_samples;
use edits::Edit;

/// Profiles above it (High 10, 4:2:2, 4:4:4) are not what the built-in decoder knows.
const HIGHEST_PROFILE: u8 = 100;
/// More samples in a file than a day of video and sound has: not for an index in memory.
const MOST_SAMPLES: u64 = 8 << 20;

/// What an mp4 file turned out to hold.
pub(super) enum Opened {
    Video(Box<Mp4Video>),
    /// A video that the built-in decoder does not know, in words.
    Foreign(String),
}

#[derive(Clone, Copy)]
struct Sample {
    offset: u64,
    size: u64,
    sync: bool,
    /// When it is shown, of those that are.
    ticks: i64,
    shown: bool,
}

/// The video track of one mp4 file. Only the index is in memory; samples are read when they are needed.
pub(super) struct Mp4Video {
    path: PathBuf,
    file: File,
    bytes: u64,
    timescale: f64,
    samples: Vec<Sample>,
    /// Presentation ticks of all samples that are shown, sorted, and the tick at which the last one ends.
    order: Vec<i64>,
    end: i64,
    parameter_sets: Vec<u8>,
    length_size: usize,
    rotation: Rotation,
    decoder: Decoder,
    next: usize,
    /// Presentation ticks of what went in and did not come out. The decoder gives pictures in display order, so
    /// each one that comes out is the earliest of these.
    waiting: BTreeSet<(i64, usize, bool)>,
    ready: VecDeque<Result<Timed<YuvPicture>, SourceError>>,
    finished: bool,
}

impl Mp4Video {
    pub(super) fn open(path: &Path) -> Result<Opened, SourceError> {
        let unreadable = |source| SourceError::Unreadable { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(unreadable)?;
        let bytes = file.metadata().map_err(unreadable)?.len();
        let end = parsable_end(&mut file, bytes).map_err(unreadable)?;
        let Some(end) = end else { return Err(SourceError::NoIndex { path: path.to_owned() }) };
        let samples = declared_samples(&mut file, end).map_err(unreadable)?;
        if samples > bytes {
            return Err(SourceError::TooManySamples { path: path.to_owned(), samples, bytes });
        }
        if samples > MOST_SAMPLES {
            return Ok(Opened::Foreign(format!("mp4 with {samples} samples")));
        }
        file.rewind().map_err(unreadable)?;
        let mp4 = parse(&file, end, path)?;
        let video =
            mp4.tracks().values().find(|track| &track.trak(&mp4).mdia.hdlr.handler_type.value == b"vide");
        let Some(track) = video else { return Err(SourceError::NoVideoTrack { path: path.to_owned() }) };
        let StsdBoxContent::Avc1(avc1) = &track.trak(&mp4).mdia.minf.stbl.stsd.contents else {
            let codec = track.codec_string(&mp4).unwrap_or_else(|| "an unknown codec".to_owned());
            return Ok(Opened::Foreign(format!("mp4 with {codec}")));
        };
        check_size(avc1.width, avc1.height).map_err(|size| size.at(path))?;
        let config = &avc1.avcc.contents;
        if config.avc_profile_indication > HIGHEST_PROFILE {
            return Ok(Opened::Foreign(format!("H.264 profile {}", config.avc_profile_indication)));
        }
        let mut parameter_sets = Vec::new();
        for unit in config.sequence_parameter_sets.iter().chain(&config.picture_parameter_sets) {
            start_unit(&mut parameter_sets, &unit.bytes);
        }
        let length_size = usize::from(config.length_size_minus_one & 3) + 1;
        let rotation = rotation(track, &mp4);
        let Some(edit) = edits::edit(track.trak(&mp4), u64::from(mp4.moov.mvhd.timescale)) else {
            return Ok(Opened::Foreign("mp4 with an edit list of several parts".to_owned()));
        };
        Self::build(path, file, bytes, track, (parameter_sets, length_size, rotation, &edit))
    }

    fn build(
        path: &Path,
        file: File,
        bytes: u64,
        track: &Track,
        (parameter_sets, length_size, rotation, edit): (Vec<u8>, usize, Rotation, &Edit),
    ) -> Result<Opened, SourceError> {
        let not_mp4 = |message: String| SourceError::NotMp4 { path: path.to_owned(), message };
        if track.timescale == 0 {
            return Err(not_mp4("the track's time scale is 0, expected ticks per second".to_owned()));
        }
        let shown = track.samples.iter().map(|sample| sample.composition_timestamp);
        let first = shown.filter(|ticks| edit.shown.contains(ticks)).min();
        let Some(first) = first else { return Err(SourceError::NoFrames { path: path.to_owned() }) };
        let shift = edit.begins.map_or(0, |begins| begins.saturating_sub(first));
        let samples: Vec<_> = track
            .samples
            .iter()
            .map(|s| Sample {
                offset: s.offset,
                size: s.size,
                sync: s.is_sync,
                ticks: s.composition_timestamp.saturating_add(shift),
                shown: edit.shown.contains(&s.composition_timestamp),
            })
            .collect();
        let mut order: Vec<_> = samples.iter().filter(|sample| sample.shown).map(|s| s.ticks).collect();
        order.sort_unstable();
        let end = last_end(track, edit).saturating_add(shift);
        let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
        let decoder = Decoder::with_api_config(OpenH264API::from_source(), config)
            .map_err(|error| not_mp4(format!("the H.264 decoder does not start: {error}")))?;
        Ok(Opened::Video(Box::new(Self {
            path: path.to_owned(),
            file,
            bytes,
            timescale: track.timescale as f64,
            samples,
            order,
            end,
            parameter_sets,
            length_size,
            rotation,
            decoder,
            next: 0,
            waiting: BTreeSet::new(),
            ready: VecDeque::new(),
            finished: false,
        })))
    }

    /// Time stamps of all frames in seconds, sorted.
    pub(super) fn times(&self) -> Vec<f64> {
        self.order.iter().map(|ticks| *ticks as f64 / self.timescale).collect()
    }

    /// When the last frame ends, in seconds.
    pub(super) fn end(&self) -> f64 {
        self.end as f64 / self.timescale
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
        let decoded = self.decoder.decode(&packet).map(|picture| picture.map(|p| planes(&p, self.rotation)));
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
        let rotation = self.rotation;
        let rest = self.decoder.flush_remaining();
        match rest.map(|rest| rest.iter().map(|picture| planes(picture, rotation)).collect::<Vec<_>>()) {
            Ok(pictures) => pictures.into_iter().for_each(|picture| self.deliver(picture)),
            Err(error) => self.ready.push_back(Err(self.corrupt(self.next, error.to_string()))),
        }
        for (_, number, _) in std::mem::take(&mut self.waiting) {
            let error = self.corrupt(number, "the decoder gave no picture for it".to_owned());
            self.ready.push_back(Err(error));
        }
    }

    fn deliver(&mut self, picture: YuvPicture) {
        let Some((ticks, _, true)) = self.waiting.pop_first() else { return };
        let after = self.order.partition_point(|other| *other <= ticks);
        let until = self.order.get(after).copied().unwrap_or(self.end);
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

    /// One sample in Annex B form, with the parameter sets before it where decoding can start.
    fn packet(&mut self, sample: Sample, number: usize) -> Result<Vec<u8>, SourceError> {
        let end = sample.offset.saturating_add(sample.size);
        if end > self.bytes {
            let (path, samples, bytes) = (self.path.clone(), self.samples.len(), self.bytes);
            return Err(SourceError::Truncated { path, sample: number, samples, end, bytes });
        }
        let unreadable = |source| SourceError::Unreadable { path: self.path.clone(), source };
        let mut raw = vec![0; sample.size as usize];
        self.file.seek(SeekFrom::Start(sample.offset)).map_err(unreadable)?;
        self.file.read_exact(&mut raw).map_err(unreadable)?;
        let mut packet = if sample.sync { self.parameter_sets.clone() } else { Vec::new() };
        let mut rest = raw.as_slice();
        while !rest.is_empty() {
            let unit = split_unit(&mut rest, self.length_size);
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

    /// To the last key frame that divides what is decoded after it from what is shown before it.
    fn jump(&mut self, time: f64) -> Option<f64> {
        let latest = |samples: &[Sample]| samples.iter().map(|sample| sample.ticks).max();
        let mut least_after = i64::MAX;
        for (number, sample) in self.samples.iter().enumerate().rev() {
            least_after = least_after.min(sample.ticks);
            let early = sample.ticks as f64 / self.timescale <= time + TOLERANCE;
            if sample.sync
                && early
                && sample.ticks == least_after
                && latest(&self.samples[..number]) < Some(sample.ticks)
            {
                self.next = number;
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
            match self.samples.get(self.next).copied() {
                _ if self.finished => return None,
                Some(sample) => self.feed(sample),
                None => self.drain(),
            }
        }
    }
}

/// When the last frame ends that is shown, in ticks of the media. The demuxer takes the last sample's duration from the
/// track's, which may be shorter than its samples: then it is as long as the one before it.
fn last_end(track: &Track, edit: &Edit) -> i64 {
    let plausible = |duration: u64| i64::try_from(duration).ok().filter(|ticks| *ticks < i64::MAX / 4);
    let mut before = 0;
    let shown = track.samples.iter().filter(|sample| edit.shown.contains(&sample.composition_timestamp));
    let ends = shown.map(|sample| {
        before = plausible(sample.duration).unwrap_or(before);
        sample.composition_timestamp.saturating_add(before)
    });
    ends.max().unwrap_or_default().min(edit.shown.end)
}

fn start_unit(out: &mut Vec<u8>, unit: &[u8]) {
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

fn planes(picture: &DecodedYUV<'_>, rotation: Rotation) -> YuvPicture {
    let (width, height) = picture.dimensions();
    let (y, u, v) = picture.strides();
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    YuvPicture {
        width,
        height,
        y: unpad(picture.y(), y, width, height),
        u: unpad(picture.u(), u, half_width, half_height),
        v: unpad(picture.v(), v, half_width, half_height),
        subsampling: (2, 2),
        full_range: false,
        rotation,
    }
}
