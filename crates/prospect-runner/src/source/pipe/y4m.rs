//! Raw frames as YUV4MPEG2: a header line, then per frame a line and the planes. `ffmpeg -f yuv4mpegpipe` writes it.

use std::io::{BufRead, Read};

use super::{PipeError, Y4M, at_end, damaged, shown};
use crate::source::SourceError;
use crate::source::sample::{Pictures, Timed};
use crate::source::size::check_size;
use crate::source::yuv::{Rotation, YuvPicture};

const LONGEST_LINE: usize = 4096;

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Header {
    width: usize,
    height: usize,
    /// Frames per second, as a fraction.
    rate: (u32, u32),
    /// Pixels to a sample of chroma, across and down; `None` without chroma.
    chroma: Option<(usize, usize)>,
    full_range: bool,
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
        let Header { width, height, chroma, full_range, .. } = self.header;
        let y = self.plane(width * height)?;
        let (subsampling, u, v) = match chroma {
            Some((across, down)) => {
                let samples = width.div_ceil(across) * height.div_ceil(down);
                ((across, down), self.plane(samples)?, self.plane(samples)?)
            }
            // One grey sample of chroma for all pixels.
            None => ((width, height), vec![128], vec![128]),
        };
        Ok(Some(YuvPicture { width, height, y, u, v, subsampling, full_range, rotation: Rotation::None }))
    }

    fn plane(&mut self, samples: usize) -> Result<Vec<u8>, PipeError> {
        let mut plane = Vec::new();
        let read = self.bytes.by_ref().take(samples as u64).read_to_end(&mut plane)?;
        if read == samples { Ok(plane) } else { Err(PipeError::CutOff { frame: self.next }) }
    }
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

/// One line without its break; `None` where none ends in the longest that is read.
fn line(bytes: &mut impl BufRead) -> Result<Option<Vec<u8>>, PipeError> {
    let mut line = Vec::new();
    bytes.by_ref().take(LONGEST_LINE as u64).read_until(b'\n', &mut line)?;
    Ok((line.pop() == Some(b'\n')).then_some(line))
}

fn header(line: &str) -> Result<Header, PipeError> {
    let (mut width, mut height, mut rate) = (None, None, None);
    let (mut chroma, mut full_range) = (Some((2, 2)), false);
    for field in line.split(' ').skip(1).filter(|field| !field.is_empty()) {
        let refuse = |expected| PipeError::Field { field: field.chars().take(40).collect(), expected };
        let size = |text: &str| text.parse().ok().filter(|size| *size > 0);
        let mut letters = field.chars();
        let (letter, value) = (letters.next(), letters.as_str());
        match letter {
            Some('W') => width = Some(size(value).ok_or_else(|| refuse("a width in pixels"))?),
            Some('H') => height = Some(size(value).ok_or_else(|| refuse("a height in pixels"))?),
            Some('F') => rate = Some(fraction(value).ok_or_else(|| refuse("a frame rate like F30:1"))?),
            Some('C') => {
                let expected = "8 bits: 420, 420jpeg, 420mpeg2, 420paldv, 411, 422, 444 or mono";
                chroma = subsampling(value).ok_or_else(|| refuse(expected))?;
            }
            Some('X') if value == "COLORRANGE=FULL" => full_range = true,
            // Interlacing, aspect and what others have put in.
            _ => {}
        }
    }
    let width: usize = width.ok_or(PipeError::MissingField { field: 'W' })?;
    let height: usize = height.ok_or(PipeError::MissingField { field: 'H' })?;
    let rate = rate.ok_or(PipeError::MissingField { field: 'F' })?;
    check_size(width as u64, height as u64)?;
    Ok(Header { width, height, rate, chroma, full_range })
}

fn fraction(text: &str) -> Option<(u32, u32)> {
    let (frames, seconds) = text.split_once(':')?;
    let (frames, seconds) = (frames.parse().ok()?, seconds.parse().ok()?);
    (frames > 0 && seconds > 0).then_some((frames, seconds))
}

/// Pixels to a sample of chroma; `None` for what is not read.
fn subsampling(colour: &str) -> Option<Option<(usize, usize)>> {
    match colour {
        "420" | "420jpeg" | "420mpeg2" | "420paldv" => Some(Some((2, 2))),
        "411" => Some(Some((4, 1))),
        "422" => Some(Some((2, 1))),
        "444" => Some(Some((1, 1))),
        "mono" => Some(None),
        _ => None,
    }
}

const _: () = assert!(Y4M.len() < LONGEST_LINE);
