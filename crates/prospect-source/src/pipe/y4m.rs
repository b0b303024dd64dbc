//! Raw frames as YUV4MPEG2: a header line, then a line and the planes for each frame. `ffmpeg -f
//! yuv4mpegpipe` writes this format.

use std::io::{BufRead, Read};

use image::metadata::Orientation;

use super::bytes::{Y4M, at_end, damaged, shown};
use super::error::PipeError;
use crate::SourceError;
use crate::colour::{Chroma, Colour};
use crate::sample::{Pictures, Timed};
use crate::size::check_size;
use crate::yuv::YuvPicture;

const LONGEST_LINE: usize = 4096;

/// The content of the header.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Header {
    width: usize,
    height: usize,
    /// Frames per second, as a fraction.
    rate: (u32, u32),
    layout: Layout,
    full_range: bool,
}

/// The planes of a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Layout {
    /// The number of pixels per sample of chroma, horizontally and vertically; `None` without chroma.
    chroma: Option<(usize, usize)>,
    /// The bits of a sample: 8, or more in two bytes, the lower byte first.
    bits: u32,
}

pub(super) struct Y4mVideo<R> {
    bytes: R,
    name: String,
    header: Header,
    next: usize,
    over: bool,
}

impl<R: BufRead> Y4mVideo<R> {
    pub(super) fn open(mut bytes: R, name: &str) -> Result<Self, PipeError> {
        let line = line(&mut bytes)?.ok_or(PipeError::LongHeader { most: LONGEST_LINE })?;
        let header = header(&String::from_utf8_lossy(&line))?;
        Ok(Self { bytes, name: name.to_owned(), header, next: 0, over: false })
    }

    fn frame(&mut self) -> Result<Option<YuvPicture>, PipeError> {
        if at_end(&mut self.bytes)? {
            return Ok(None);
        }
        let frame = self.next;
        let line = line(&mut self.bytes)?.ok_or(PipeError::CutOff { frame })?;
        if line != b"FRAME" && !line.starts_with(b"FRAME ") {
            return Err(PipeError::NotAFrame { frame, found: shown(&line) });
        }
        let Header { width, height, layout, full_range, .. } = self.header;
        let y = to_8_bits(self.plane(width * height)?, layout.bits);
        let (subsampling, chroma, [u, v]) = match layout.chroma {
            Some((across, down)) => {
                let size = (width.div_ceil(across), height.div_ceil(down));
                let planes = [self.plane(size.0 * size.1)?, self.plane(size.0 * size.1)?];
                smoothed(planes, size, (width, height), layout)
            }
            // One grey sample of chroma for all pixels.
            None => ((width, height), Chroma::Shared, [vec![128], vec![128]]),
        };
        // What has no colours is taken as it is, whatever the header says: ffmpeg has it so.
        let colour = Colour { full_range: full_range || layout.chroma.is_none(), ..Colour::default() };
        let orientation = Orientation::NoTransforms;
        Ok(Some(YuvPicture { width, height, y, u, v, subsampling, chroma, colour, orientation }))
    }

    /// The bytes of one plane.
    fn plane(&mut self, samples: usize) -> Result<Vec<u8>, PipeError> {
        let bytes = samples * if self.header.layout.bits > 8 { 2 } else { 1 };
        let mut plane = Vec::new();
        let read = self.bytes.by_ref().take(bytes as u64).read_to_end(&mut plane)?;
        if read == bytes { Ok(plane) } else { Err(PipeError::CutOff { frame: self.next }) }
    }
}

/// Samples as 8 bits, rounded.
fn to_8_bits(plane: Vec<u8>, bits: u32) -> Vec<u8> {
    if bits == 8 {
        return plane;
    }
    let half = 1 << (bits - 9);
    let short = |pair: &[u8; 2]| ((u32::from(u16::from_le_bytes(*pair)) + half) >> (bits - 8)).min(255) as u8;
    plane.as_chunks().0.iter().map(short).collect()
}

/// Chroma in 8 bits, with its new subsampling and how it was obtained. Where ffmpeg interpolates chroma
/// between lines (more than 8 bits) or columns (4:1:1), this code does the same.
fn smoothed(
    planes: [Vec<u8>; 2],
    (columns, rows): (usize, usize),
    (width, height): (usize, usize),
    layout: Layout,
) -> ((usize, usize), Chroma, [Vec<u8>; 2]) {
    let planes = planes.map(|plane| to_8_bits(plane, layout.bits));
    let (across, down) = layout.chroma.unwrap_or((1, 1));
    if down == 2 && layout.bits > 8 {
        let lines = |plane: Vec<u8>| {
            let line = |row: usize| &plane[row * columns..(row + 1) * columns];
            let mixed = (0..height).flat_map(|row| {
                let (near, far) = neighbours(row, rows);
                line(near).iter().zip(line(far)).map(|(near, far)| mix(*near, *far))
            });
            mixed.collect()
        };
        return ((across, 1), Chroma::Interpolated, planes.map(lines));
    }
    if across == 4 {
        let doubled = |plane: Vec<u8>| {
            let mixed = plane.chunks_exact(columns).flat_map(|line| {
                (0..width.div_ceil(2)).map(|column| {
                    let (near, far) = neighbours(column, columns);
                    mix(line[near], line[far])
                })
            });
            mixed.collect()
        };
        return ((2, down), Chroma::Interpolated, planes.map(doubled));
    }
    let chroma = match (across * down, layout.bits) {
        (1, _) => Chroma::Own,
        (_, 8) => Chroma::Shared,
        _ => Chroma::Interpolated,
    };
    ((across, down), chroma, planes)
}

/// For samples with twice the distance, the sample nearest to a place, and the next one.
fn neighbours(place: usize, samples: usize) -> (usize, usize) {
    let near = place / 2;
    let far = if place.is_multiple_of(2) { near.saturating_sub(1) } else { near + 1 };
    (near, far.min(samples - 1))
}

/// Mixes two samples. The result is truncated, as in swscale.
fn mix(near: u8, far: u8) -> u8 {
    ((3 * u16::from(near) + u16::from(far)) / 4) as u8
}

impl<R: BufRead + Send> Pictures for Y4mVideo<R> {
    type Picture = YuvPicture;

    fn next_picture(&mut self) -> Option<Result<Timed<YuvPicture>, SourceError>> {
        if self.over {
            return None;
        }
        match self.frame() {
            Ok(Some(picture)) => {
                let (frames, seconds) = self.header.rate;
                let duration = f64::from(seconds) / f64::from(frames);
                let time = self.next as f64 * f64::from(seconds) / f64::from(frames);
                self.next += 1;
                Some(Ok(Timed { time, duration, picture }))
            }
            Ok(None) => {
                self.over = true;
                None
            }
            Err(error) => {
                self.over = true;
                Some(Err(damaged(&self.name, error)))
            }
        }
    }
}

/// One line without its line break; `None` if the line is longer than the limit.
fn line(bytes: &mut impl BufRead) -> Result<Option<Vec<u8>>, PipeError> {
    let mut line = Vec::new();
    bytes.by_ref().take(LONGEST_LINE as u64).read_until(b'\n', &mut line)?;
    Ok((line.pop() == Some(b'\n')).then_some(line))
}

fn header(line: &str) -> Result<Header, PipeError> {
    let (mut width, mut height, mut rate) = (None, None, None);
    // What old writers of the format say beside it is asked only where the format says nothing.
    let (mut said, mut beside, mut full_range) = (None, None, false);
    for field in line.split(' ').skip(1).filter(|field| !field.is_empty()) {
        let refuse = |expected| PipeError::Field { field: field.chars().take(40).collect(), expected };
        let size = |text: &str| text.parse().ok().filter(|size| *size > 0);
        let mut letters = field.chars();
        let (letter, value) = (letters.next(), letters.as_str());
        let layout = |name: &str| layout(name).ok_or_else(|| refuse(LAYOUTS));
        match letter {
            Some('W') => width = Some(size(value).ok_or_else(|| refuse("a width in pixels"))?),
            Some('H') => height = Some(size(value).ok_or_else(|| refuse("a height in pixels"))?),
            Some('F') => rate = Some(fraction(value).ok_or_else(|| refuse("a frame rate like F30:1"))?),
            Some('C') => said = Some(layout(value)?),
            Some('X') => match value.split_once('=') {
                Some(("COLORRANGE", range)) => full_range = range == "FULL",
                Some(("YSCSS", name)) => beside = Some(layout(&name.to_lowercase())?),
                _ => {}
            },
            // Interlacing (fields stay woven, as ffmpeg leaves them), aspect and what others have put in.
            _ => {}
        }
    }
    let width: usize = width.ok_or(PipeError::MissingField { field: 'W' })?;
    let height: usize = height.ok_or(PipeError::MissingField { field: 'H' })?;
    let rate = rate.ok_or(PipeError::MissingField { field: 'F' })?;
    check_size(width as u64, height as u64)?;
    let layout = said.or(beside).unwrap_or(Layout { chroma: Some((2, 2)), bits: 8 });
    Ok(Header { width, height, rate, layout, full_range })
}

fn fraction(text: &str) -> Option<(u32, u32)> {
    let (frames, seconds) = text.split_once(':')?;
    let (frames, seconds) = (frames.parse().ok()?, seconds.parse().ok()?);
    (frames > 0 && seconds > 0).then_some((frames, seconds))
}

const LAYOUTS: &str = "420, 420jpeg, 420mpeg2, 420paldv, 411, 422, 444 or mono; 420, 422, 444 and mono with 9 to 16 bits like 420p10 and mono10";

/// The layout with this name; `None` for a layout that cannot be read.
fn layout(name: &str) -> Option<Layout> {
    let chroma = |name: &str| match name {
        "420" | "420jpeg" | "420mpeg2" | "420paldv" => Some((2, 2)),
        "411" => Some((4, 1)),
        "422" => Some((2, 1)),
        "444" => Some((1, 1)),
        _ => None,
    };
    let bits = |text: &str| text.parse().ok().filter(|bits| (9..=16).contains(bits));
    match (name.strip_prefix("mono"), name.split_once('p')) {
        (Some(""), _) => Some(Layout { chroma: None, bits: 8 }),
        (Some(text), _) => Some(Layout { chroma: None, bits: bits(text)? }),
        (None, Some((plain @ ("420" | "422" | "444"), text))) if bits(text).is_some() => {
            Some(Layout { chroma: chroma(plain), bits: bits(text)? })
        }
        (None, _) => Some(Layout { chroma: Some(chroma(name)?), bits: 8 }),
    }
}

const _: () = assert!(Y4M.len() < LONGEST_LINE);
