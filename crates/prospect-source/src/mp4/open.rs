//! The choice of the track that is read, and whether the built-in reader can read it correctly. Otherwise
//! ffmpeg reads the file.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::Seek;
use std::path::Path;

use re_mp4::{Avc1Box, Mp4, StsdBoxContent, TrakBox};

use super::boxes::{parsable_end, parse};
use super::declared::declared_samples;
use super::edits::edit;
use super::entry::{Entry, entry};
use super::index::Index;
use super::orientation::orientation;
use super::sps::Sps;
use super::video::{Coding, Look, Mp4Video, decoder, start_unit};
use crate::SourceError;
use crate::colour::{Colour, Matrix};

/// The most samples of a file: more than a day of video and sound has. The index of a larger file would need
/// too much memory.
const MOST_SAMPLES: u64 = 8 << 20;
/// The flag of a track that is shown.
const ENABLED: u32 = 1;
/// Codecs of tracks that are covers and thumbnails.
const STILLS: [&[u8; 4]; 3] = [b"jpeg", b"mjpa", b"png "];

/// The content of an mp4 file.
pub(crate) enum Opened {
    Video(Box<Mp4Video>),
    /// A video that the built-in reader cannot read correctly, with the reason in words.
    Foreign(String),
}

impl Mp4Video {
    /// # Errors
    /// No decoder could read the file: no index, more samples than bytes, no video track, or no frame.
    pub(crate) fn open(path: &Path) -> Result<Opened, SourceError> {
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
        let mp4 = match parse(&file, end) {
            Ok(mp4) => mp4,
            Err(message) => {
                return Ok(Opened::Foreign(format!(
                    "mp4 with boxes that are not understood here ({message})"
                )));
            }
        };
        let Some(number) = chosen(&mp4.moov.traks) else {
            return Err(SourceError::NoVideoTrack { path: path.to_owned() });
        };
        let entry = entry(&mut file, end, number).map_err(unreadable)?;
        match built_in(&mp4, &mp4.moov.traks[number], entry) {
            Ok((coding, look, Some(index))) => {
                let timescale = f64::from(mp4.moov.traks[number].mdia.mdhd.timescale);
                drop(mp4);
                Ok(Self::begin(path, (file, bytes), timescale, (coding, look, index)))
            }
            Ok((_, _, None)) => Err(SourceError::NoFrames { path: path.to_owned() }),
            Err(foreign) => Ok(Opened::Foreign(foreign)),
        }
    }

    fn begin(
        path: &Path,
        (file, bytes): (File, u64),
        timescale: f64,
        (coding, look, index): (Coding, Look, Index),
    ) -> Opened {
        let decoder = match decoder() {
            Ok(decoder) => decoder,
            Err(message) => return Opened::Foreign(format!("mp4 with H.264 ({message})")),
        };
        let mut video = Self {
            path: path.to_owned(),
            file,
            bytes,
            timescale,
            index,
            coding,
            look,
            decoder,
            next: 0,
            waiting: BTreeSet::new(),
            ready: VecDeque::new(),
            decoded: 0,
            finished: false,
        };
        match video.refused() {
            None => Opened::Video(Box::new(video)),
            Some(message) => Opened::Foreign(format!("H.264 of which no frame decodes here ({message})")),
        }
    }
}

/// The first video track that is shown and is not a cover; if there is none, the first video track.
fn chosen(tracks: &[TrakBox]) -> Option<usize> {
    let is_video = |track: &TrakBox| &track.mdia.hdlr.handler_type.value == b"vide";
    let is_still = |track: &TrakBox| match &track.mdia.minf.stbl.stsd.contents {
        StsdBoxContent::Unknown(codec) => STILLS.contains(&&codec.value),
        _ => false,
    };
    let moving = |track: &TrakBox| is_video(track) && !is_still(track);
    let shown = tracks.iter().position(|track| moving(track) && track.tkhd.flags & ENABLED != 0);
    shown.or_else(|| tracks.iter().position(moving)).or_else(|| tracks.iter().position(is_video))
}

/// How a track is read. `Err` says which property the built-in reader cannot handle correctly. The index is
/// `None` if no frame is shown.
fn built_in(mp4: &Mp4, trak: &TrakBox, entry: Entry) -> Result<(Coding, Look, Option<Index>), String> {
    let Some(track) = mp4.tracks().get(&trak.tkhd.track_id) else {
        return Err("mp4 with two tracks of one number".to_owned());
    };
    let StsdBoxContent::Avc1(avc1) = &trak.mdia.minf.stbl.stsd.contents else {
        let codec = track.codec_string(mp4).unwrap_or_else(|| "an unknown codec".to_owned());
        return Err(format!("mp4 with {codec}"));
    };
    if entry.descriptions > 1 {
        return Err(format!("mp4 with {} sample descriptions", entry.descriptions));
    }
    let (sps, coding) = stream(avc1)?;
    if trak.mdia.mdhd.timescale == 0 {
        return Err("mp4 without a time scale".to_owned());
    }
    let (track_matrix, movie_matrix) = (&trak.tkhd.matrix, &mp4.moov.mvhd.matrix);
    let m = track_matrix;
    let track_matrix = [m.a, m.b, m.u, m.c, m.d, m.v, m.x, m.y, m.w];
    let m = movie_matrix;
    let movie_matrix = [m.a, m.b, m.u, m.c, m.d, m.v, m.x, m.y, m.w];
    let orientation = orientation(&track_matrix, &movie_matrix)
        .map_err(|degrees| format!("mp4 turned by {degrees} degrees"))?;
    let edit =
        edit(trak, u64::from(mp4.moov.mvhd.timescale)).ok_or("mp4 with an edit list of several parts")?;
    // The stream's own word is the last one.
    let matrix = Matrix::from_code(sps.matrix.or(entry.matrix).unwrap_or(2));
    let full_range = sps.full_range.or(entry.full_range).unwrap_or(false);
    let look = Look {
        colour: Colour { matrix, full_range },
        orientation,
        monochrome: sps.is_monochrome(),
        size: visible(&sps, (avc1.width.into(), avc1.height.into())),
    };
    Ok((coding, look, Index::of(mp4, track, &edit)))
}

/// The parameter sets of the stream. Those of a sequence must agree in the properties that matter here.
fn stream(description: &Avc1Box) -> Result<(Sps, Coding), String> {
    let config = &description.avcc.contents;
    let mut sets = config.sequence_parameter_sets.iter().map(|unit| Sps::parse(&unit.bytes));
    let Some(Some(sps)) = sets.next() else {
        return Err("H.264 without a readable parameter set".to_owned());
    };
    if sets.any(|other| other.as_ref() != Some(&sps)) {
        return Err("H.264 with parameter sets that differ".to_owned());
    }
    if let Some(foreign) = sps.foreign() {
        return Err(foreign);
    }
    let mut parameter_sets = Vec::new();
    for unit in config.sequence_parameter_sets.iter().chain(&config.picture_parameter_sets) {
        start_unit(&mut parameter_sets, &unit.bytes);
    }
    Ok((sps, Coding { parameter_sets, length_size: usize::from(config.length_size_minus_one & 3) + 1 }))
}

/// The size in pixels to which the container crops the pictures, as in ffmpeg: a container may crop more than
/// the stream does, within a macroblock. The largest numbers if the container does not crop.
fn visible(sps: &Sps, container: (u64, u64)) -> (usize, usize) {
    let crops = |container: u64, stream: u64| {
        container > 0 && container <= stream && container.next_multiple_of(16) == stream.next_multiple_of(16)
    };
    let (wide, high) = (crops(container.0, sps.size.0), crops(container.1, sps.size.1));
    if wide && high && !sps.begins_cropped() {
        (container.0 as usize, container.1 as usize)
    } else {
        (usize::MAX, usize::MAX)
    }
}
