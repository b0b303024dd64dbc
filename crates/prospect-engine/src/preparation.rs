//! The preparation of pictures for the real model before their turn: they are scaled, and encoded ahead if
//! that is set.

use std::sync::Arc;

use prospect_config::EncodeAhead;
use prospect_model::SmolVlm;
use prospect_model::{ComputeDevice, EncodedImage, ImageEncoder, PixelValues};
use prospect_processor::{Pixels, Processor, RgbImage};

use crate::error::EngineError;
use crate::picture::{Picture, fingerprint_of, thumbnail_of};

/// A picture after its preparation.
#[derive(Debug, Clone)]
pub enum PreparedPicture {
    /// The pixels for the vision tower.
    Scaled(Arc<Pixels>),
    /// The embeddings for the decoder.
    Encoded(EncodedImage),
}

/// Prepares pictures in the order of the stream. A picture that is shown again is prepared only once.
pub struct Preparation {
    processor: Arc<Processor>,
    ahead: Option<Ahead>,
    /// The picture before, and the result of its preparation.
    last: Option<(Arc<RgbImage>, Picture<PreparedPicture>)>,
}

struct Ahead {
    encoder: ImageEncoder,
    pixels: Pixels,
}

impl Preparation {
    /// Makes a preparation that scales pictures. It also encodes them if `encode_ahead` is on, or if it is
    /// `auto` and the model leaves cores free, as it does on a GPU.
    ///
    /// # Errors
    /// The system could not start threads.
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

    /// Does the work on a picture that is possible before its turn.
    ///
    /// # Errors
    /// The picture has no pixels, or the model failed.
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

/// Normalised pixels in the form that the model accepts.
pub fn pixel_values(pixels: &Pixels) -> PixelValues<'_> {
    PixelValues { values: &pixels.values, tiles: pixels.tiles, height: pixels.height, width: pixels.width }
}
