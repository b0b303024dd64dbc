//! The pictures of the real model before their turn: scaled, and encoded ahead where that is wanted.

use std::sync::Arc;

use image::RgbImage;
use prospect_config::EncodeAhead;
use prospect_model::{ComputeDevice, EncodedImage, ImageEncoder, PixelValues};
use prospect_processor::{Pixels, Processor};

use crate::checkpoint::Checkpoint;
use crate::error::RunError;
use crate::picture::{Fingerprint, Picture};

/// How far a picture has come.
#[derive(Debug)]
pub enum PreparedPicture {
    /// Pixels as the vision tower takes them.
    Scaled(Pixels),
    /// Embeddings, for the decoder to take.
    Encoded(EncodedImage),
}

/// Prepares pictures in the order of the stream.
pub struct Preparation {
    processor: Arc<Processor>,
    ahead: Option<Ahead>,
}

struct Ahead {
    encoder: ImageEncoder,
    pixels: Pixels,
    /// The picture before: equal ones are encoded once.
    last: Option<(Fingerprint, EncodedImage)>,
}

impl Preparation {
    /// Scales pictures, and encodes them as well if `encode_ahead` is on, or if it is `auto` and the model leaves cores free, as it does on
    /// a GPU.
    ///
    /// # Errors
    /// No threads can be had.
    pub fn new(checkpoint: &Checkpoint, encode_ahead: EncodeAhead) -> Result<Self, RunError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let on_cpu = checkpoint.model.placement().device == ComputeDevice::Cpu;
        // A GPU needs one to be asked.
        let free = if on_cpu { cores.saturating_sub(prospect_model::threads()) } else { 1 };
        let threads = match encode_ahead {
            EncodeAhead::Off => 0,
            EncodeAhead::Auto => free,
            EncodeAhead::On => free.max(1),
        };
        let ahead = match threads {
            0 => None,
            threads => Some(Ahead {
                encoder: ImageEncoder::new(Arc::clone(&checkpoint.model), threads)?,
                pixels: Pixels::default(),
                last: None,
            }),
        };
        Ok(Self { processor: Arc::clone(&checkpoint.processor), ahead })
    }

    /// What can be done to a picture before its turn.
    ///
    /// # Errors
    /// A picture without pixels; a failure of the model.
    pub fn prepare(&mut self, image: &RgbImage) -> Result<Picture<PreparedPicture>, RunError> {
        let fingerprint = Fingerprint::of(image);
        let prepared = match &mut self.ahead {
            Some(ahead) => PreparedPicture::Encoded(ahead.encode(&self.processor, image, fingerprint)?),
            None => PreparedPicture::Scaled(self.processor.frame_pixels(image)?),
        };
        Ok(Picture { fingerprint, prepared })
    }
}

impl Ahead {
    fn encode(
        &mut self,
        processor: &Processor,
        image: &RgbImage,
        fingerprint: Fingerprint,
    ) -> Result<EncodedImage, RunError> {
        if let Some((_, embeddings)) = self.last.as_ref().filter(|(last, _)| *last == fingerprint) {
            return Ok(embeddings.clone());
        }
        processor.frame_pixels_into(image, &mut self.pixels)?;
        let embeddings = self.encoder.encode(pixel_values(&self.pixels))?;
        self.last = Some((fingerprint, embeddings.clone()));
        Ok(embeddings)
    }
}

/// Normalised pixels, as the model takes them.
pub(crate) fn pixel_values(pixels: &Pixels) -> PixelValues<'_> {
    PixelValues { values: &pixels.values, tiles: pixels.tiles, height: pixels.height, width: pixels.width }
}
