//! The pictures of the real model before their turn: scaled, and encoded ahead where that is wanted.

use std::sync::Arc;

use prospect_config::EncodeAhead;
use prospect_model::SmolVlm;
use prospect_model::{ComputeDevice, EncodedImage, ImageEncoder, PixelValues};
use prospect_processor::{Pixels, Processor, RgbImage};

use crate::error::EngineError;
use crate::picture::{Picture, fingerprint_of, thumbnail_of};

/// How far a picture has come.
#[derive(Debug, Clone)]
pub enum PreparedPicture {
    /// Pixels as the vision tower takes them.
    Scaled(Arc<Pixels>),
    /// Embeddings, for the decoder to take.
    Encoded(EncodedImage),
}

/// Prepares pictures in the order of the stream. What is shown again is prepared once.
pub struct Preparation {
    processor: Arc<Processor>,
    ahead: Option<Ahead>,
    /// The picture before, and what came of it.
    last: Option<(Arc<RgbImage>, Picture<PreparedPicture>)>,
}

struct Ahead {
    encoder: ImageEncoder,
    pixels: Pixels,
}

impl Preparation {
    /// Scales pictures, and encodes them as well if `encode_ahead` is on, or if it is `auto` and the model leaves cores free, as it does on
    /// a GPU.
    ///
    /// # Errors
    /// No threads can be had.
    pub fn new(
        model: &Arc<SmolVlm>,
        processor: &Arc<Processor>,
        encode_ahead: EncodeAhead,
    ) -> Result<Self, EngineError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let on_cpu = model.placement().device == ComputeDevice::Cpu;
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
                encoder: ImageEncoder::new(Arc::clone(model), threads)?,
                pixels: Pixels::default(),
            }),
        };
        Ok(Self { processor: Arc::clone(processor), ahead, last: None })
    }

    /// What can be done to a picture before its turn.
    ///
    /// # Errors
    /// A picture without pixels; a failure of the model.
    pub fn prepare(&mut self, image: &Arc<RgbImage>) -> Result<Picture<PreparedPicture>, EngineError> {
        if let Some((_, picture)) = self.last.as_ref().filter(|(last, _)| Arc::ptr_eq(last, image)) {
            return Ok(picture.clone());
        }
        let fingerprint = fingerprint_of(image);
        let equal = self.last.take().filter(|(_, last)| last.fingerprint == fingerprint);
        let prepared = match (equal, &mut self.ahead) {
            (Some((_, last)), _) => last.prepared,
            (None, Some(ahead)) => PreparedPicture::Encoded(ahead.encode(&self.processor, image)?),
            (None, None) => PreparedPicture::Scaled(Arc::new(self.processor.frame_pixels(image)?)),
        };
        let picture = Picture { fingerprint, thumbnail: thumbnail_of(image), prepared };
        self.last = Some((Arc::clone(image), picture.clone()));
        Ok(picture)
    }
}

impl Ahead {
    fn encode(&mut self, processor: &Processor, image: &RgbImage) -> Result<EncodedImage, EngineError> {
        processor.frame_pixels_into(image, &mut self.pixels)?;
        Ok(self.encoder.encode(pixel_values(&self.pixels))?)
    }
}

/// Normalised pixels, as the model takes them.
pub fn pixel_values(pixels: &Pixels) -> PixelValues<'_> {
    PixelValues { values: &pixels.values, tiles: pixels.tiles, height: pixels.height, width: pixels.width }
}
