//! mp4 with H.264, demuxed and decoded in the process.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use openh264::OpenH264API;
use openh264::decoder::{DecodedYUV, Decoder, DecoderConfig, Flush};
use openh264::formats::YUVSource;
use re_mp4::{Mp4, StsdBoxContent, Track};

use super::SourceError;
use super::sample::{Pictures, Timed};
use super::yuv::{Rotation, YuvPicture, unpad};

/// Profiles above it (High 10, 4:2:2, 4:4:4) are not what the built-in decoder knows.
const HIGHEST_PROFILE: u8 = 100;

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
    ticks: i64,
}

/// The video track of one mp4 file. Only the index is in memory; samples are read when they are needed.
pub(super) struct Mp4Video {
    path: PathBuf,
    file: File,
    bytes: u64,
    timescale: f64,
    samples: Vec<Sample>,
    /// Presentation ticks of all samples, sorted, and the tick at which the last one ends.
    order: Vec<i64>,
    end: i64,
    parameter_sets: Vec<u8>,
    length_size: usize,
    rotation: Rotation,
    decoder: Decoder,
    next: usize,
    /// Presentation ticks of what went in and did not come out. The decoder gives pictures in display order, so
    /// each one that comes out is the earliest of these.
    waiting: BTreeSet<(i64, usize)>,
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
        let mp4 = parse(&file, end, path)?;
        let video =
            mp4.tracks().values().find(|track| &track.trak(&mp4).mdia.hdlr.handler_type.value == b"vide");
        let Some(track) = video else { return Err(SourceError::NoVideoTrack { path: path.to_owned() }) };
        let StsdBoxContent::Avc1(avc1) = &track.trak(&mp4).mdia.minf.stbl.stsd.contents else {
            let codec = track.codec_string(&mp4).unwrap_or_else(|| "an unknown codec".to_owned());
            return Ok(Opened::Foreign(format!("mp4 with {codec}")));
        };
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
        Self::build(path, file, bytes, track, (parameter_sets, length_size, rotation))
    }

    fn build(
        path: &Path,
        file: File,
        bytes: u64,
        track: &Track,
        (parameter_sets, length_size, rotation): (Vec<u8>, usize, Rotation),
    ) -> Result<Opened, SourceError> {
        if track.samples.is_empty() {
            return Err(SourceError::NoFrames { path: path.to_owned() });
        }
        let not_mp4 = |message: String| SourceError::NotMp4 { path: path.to_owned(), message };
        if track.timescale == 0 {
            return Err(not_mp4("the track's time scale is 0, expected ticks per second".to_owned()));
        }
        let samples: Vec<_> = track
            .samples
            .iter()
            .map(|s| Sample {
                offset: s.offset,
                size: s.size,
                sync: s.is_sync,
                ticks: s.composition_timestamp,
            })
            .collect();
        let mut order: Vec<_> = samples.iter().map(|sample| sample.ticks).collect();
        order.sort_unstable();
        let ends = track.samples.iter().map(|s| s.composition_timestamp.saturating_add_unsigned(s.duration));
        let end = ends.max().unwrap_or_default();
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
        self.waiting.insert((sample.ticks, number));
        let decoded = self.decoder.decode(&packet).map(|picture| picture.map(|p| planes(&p, self.rotation)));
        match decoded {
            Ok(Some(picture)) => self.deliver(picture),
            Ok(None) => {}
            Err(error) => {
                self.waiting.remove(&(sample.ticks, number));
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
        for (_, number) in std::mem::take(&mut self.waiting) {
            let error = self.corrupt(number, "the decoder gave no picture for it".to_owned());
            self.ready.push_back(Err(error));
        }
    }

    fn deliver(&mut self, picture: YuvPicture) {
        let Some((ticks, _)) = self.waiting.pop_first() else { return };
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
        rotation,
    }
}

fn rotation(track: &Track, mp4: &Mp4) -> Rotation {
    let matrix = &track.trak(mp4).tkhd.matrix;
    match (matrix.a.signum(), matrix.b.signum(), matrix.c.signum(), matrix.d.signum()) {
        (0, 1, -1, 0) => Rotation::Clockwise90,
        (-1, 0, 0, -1) => Rotation::Half,
        (0, -1, 1, 0) => Rotation::Clockwise270,
        _ => Rotation::None,
    }
}

/// Where the demuxer must stop: the declared end of the last top-level box that can be parsed. Media data may be cut
/// off, an index may not; `None` if there is no whole `moov`.
fn parsable_end(file: &mut File, bytes: u64) -> std::io::Result<Option<u64>> {
    let (mut at, mut has_index) = (0_u64, false);
    while at + 8 <= bytes {
        let mut header = [0_u8; 16];
        file.seek(SeekFrom::Start(at))?;
        let read = (bytes - at).min(16) as usize;
        file.read_exact(&mut header[..read])?;
        let [s0, s1, s2, s3, k0, k1, k2, k3, large @ ..] = header;
        let kind = [k0, k1, k2, k3];
        let size = match u32::from_be_bytes([s0, s1, s2, s3]) {
            0 => bytes - at,
            1 => u64::from_be_bytes(large),
            size => u64::from(size),
        };
        let end = at.saturating_add(size);
        if size < 8 || (end > bytes && &kind != b"mdat") {
            break;
        }
        has_index |= &kind == b"moov";
        at = end;
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(has_index.then_some(at))
}

/// The demuxer indexes tables without looking at their lengths, so damage shows as a panic in it. It is caught, and its
/// message kept off standard error: what reaches the person is our one line.
fn parse(file: &File, end: u64, path: &Path) -> Result<Mp4, SourceError> {
    let not_mp4 = |message: String| SourceError::NotMp4 { path: path.to_owned(), message };
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let parsed = std::panic::catch_unwind(|| Mp4::read(BufReader::new(file), end));
    std::panic::set_hook(hook);
    match parsed {
        Ok(result) => result.map_err(|error| not_mp4(error.to_string())),
        Err(_) => Err(not_mp4("its tables of samples contradict each other".to_owned())),
    }
}
