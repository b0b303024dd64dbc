//! JPEG and PNG images one after the other, as `ffmpeg -f image2pipe` writes them.

use std::io::{BufRead, Read};
use std::path::PathBuf;
use std::sync::Arc;

use image::RgbImage;

use super::bytes::{at_end, damaged, shown};
use super::error::PipeError;
use crate::{Frame, FrameSource, SourceError, SourceOptions, still};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const JPEG: &[u8] = b"\xff\xd8";
/// The most bytes of an image: more than the picture of any camera, and less than the memory of a machine.
const MOST_BYTES: usize = 1 << 28;

/// Whether a stream with these first bytes is a stream of images.
pub(super) fn begins(head: &[u8]) -> bool {
    head.starts_with(PNG) || head.starts_with(JPEG)
}

/// A stream of images. Every image is a frame, and image number k has the time `k / fps`.
pub(super) struct ImageStream<R> {
    images: Splitter<R>,
    name: String,
    options: SourceOptions,
    next: usize,
    index: usize,
    over: bool,
}

impl<R: BufRead> ImageStream<R> {
    pub(super) fn new(bytes: R, name: &str, options: SourceOptions) -> Self {
        let images = Splitter { bytes, frame: 0, image: Vec::new() };
        Self { images, name: name.to_owned(), options, next: 0, index: 0, over: false }
    }

    fn decode(&self, number: usize) -> Result<RgbImage, SourceError> {
        still::decode(&self.images.image)
            .map_err(|error| error.at(&PathBuf::from(format!("{}, frame {number}", self.name))))
    }
}

impl<R: BufRead + Send> FrameSource for ImageStream<R> {
    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        while !self.over {
            let time = self.next as f64 / self.options.fps;
            if self.options.end.is_some_and(|end| time >= end - 1e-6)
                || self.options.max_frames.is_some_and(|most| self.index >= most)
            {
                break;
            }
            match self.images.next() {
                Ok(true) => {
                    let number = self.next;
                    self.next += 1;
                    if time >= self.options.start - 1e-6 {
                        let index = self.index;
                        self.index += 1;
                        let image = self.decode(number).map(Arc::new);
                        return Some(image.map(|image| Frame { index, time, image, name: None }));
                    }
                }
                Ok(false) => self.over = true,
                Err(error) => {
                    self.over = true;
                    return Some(Err(damaged(&self.name, error)));
                }
            }
        }
        None
    }

    fn length(&self) -> Option<usize> {
        None
    }

    fn description(&self) -> &str {
        &self.name
    }
}

/// Finds the ends of images without decoding them.
pub(super) struct Splitter<R> {
    pub(super) bytes: R,
    pub(super) frame: usize,
    /// The image that was found last.
    pub(super) image: Vec<u8>,
}

impl<R: BufRead> Splitter<R> {
    /// Reads the next image. Returns false at the end.
    pub(super) fn next(&mut self) -> Result<bool, PipeError> {
        self.image.clear();
        if at_end(&mut self.bytes)? {
            return Ok(false);
        }
        self.copy(JPEG.len())?;
        if self.image == JPEG {
            self.jpeg()?;
        } else {
            if PNG.starts_with(&self.image) {
                self.copy(PNG.len() - JPEG.len())?;
            }
            if self.image != PNG {
                return Err(PipeError::NotAnImage { frame: self.frame, found: shown(&self.image) });
            }
            self.png()?;
        }
        self.frame += 1;
        Ok(true)
    }

    /// Reads a PNG: chunks with length, type, data and checksum, up to the chunk that ends the image.
    fn png(&mut self) -> Result<(), PipeError> {
        loop {
            let at = self.image.len();
            self.copy(8)?;
            let [l0, l1, l2, l3, kind @ ..] = &self.image[at..] else { return Err(self.cut_off()) };
            let (length, last) = (u32::from_be_bytes([*l0, *l1, *l2, *l3]), kind == b"IEND");
            self.copy(length as usize + 4)?;
            if last {
                return Ok(());
            }
        }
    }

    /// Reads a JPEG: segments with a marker and a length. Behind the segment of a scan comes the
    /// entropy-coded data, in which the `ff` of a marker is not followed by `00` or a restart.
    fn jpeg(&mut self) -> Result<(), PipeError> {
        let mut marker = self.marker()?;
        loop {
            match marker {
                0xd9 => return Ok(()),
                0x01 | 0xd0..=0xd7 => marker = self.marker()?,
                0x00 | 0xd8 => return Err(self.no_marker(&[0xff, marker])),
                _ => {
                    let at = self.image.len();
                    self.copy(2)?;
                    let length = usize::from(u16::from_be_bytes([self.image[at], self.image[at + 1]]));
                    let Some(rest) = length.checked_sub(2) else {
                        return Err(self.no_marker(&[0xff, marker, 0, length as u8]));
                    };
                    self.copy(rest)?;
                    marker = if marker == 0xda { self.after_scan()? } else { self.marker()? };
                }
            }
        }
    }

    /// Reads a marker, before which any number of `ff` may come.
    fn marker(&mut self) -> Result<u8, PipeError> {
        let first = self.byte()?;
        if first != 0xff {
            return Err(self.no_marker(&[first]));
        }
        loop {
            match self.byte()? {
                0xff => {}
                marker => return Ok(marker),
            }
        }
    }

    fn after_scan(&mut self) -> Result<u8, PipeError> {
        loop {
            let room = (MOST_BYTES - self.image.len()) as u64;
            let read = self.bytes.by_ref().take(room).read_until(0xff, &mut self.image)?;
            match self.image.last() {
                Some(0xff) if read > 0 => {}
                _ if self.image.len() >= MOST_BYTES => return Err(self.too_long()),
                _ => return Err(self.cut_off()),
            }
            let mut marker = self.byte()?;
            while marker == 0xff {
                marker = self.byte()?;
            }
            if !matches!(marker, 0x00 | 0xd0..=0xd7) {
                return Ok(marker);
            }
        }
    }

    fn byte(&mut self) -> Result<u8, PipeError> {
        self.copy(1)?;
        Ok(self.image[self.image.len() - 1])
    }

    fn copy(&mut self, count: usize) -> Result<(), PipeError> {
        if self.image.len().saturating_add(count) > MOST_BYTES {
            return Err(self.too_long());
        }
        let read = self.bytes.by_ref().take(count as u64).read_to_end(&mut self.image)?;
        if read == count { Ok(()) } else { Err(self.cut_off()) }
    }

    fn cut_off(&self) -> PipeError {
        PipeError::CutOff { frame: self.frame }
    }

    fn too_long(&self) -> PipeError {
        PipeError::LongImage { frame: self.frame, most: MOST_BYTES }
    }

    fn no_marker(&self, found: &[u8]) -> PipeError {
        PipeError::JpegMarker { frame: self.frame, found: shown(found) }
    }
}
