//! The settings of the image and video processors, read from either generation of files.

use std::path::PathBuf;

use serde_json::Value;

use crate::checkpoint_files::CheckpointFiles;
use crate::error::{ProcessorError, Result};

/// Largest edge, in pixels, to which an image is resized, whatever the checkpoint says. `transformers`
/// has the same constant.
pub(crate) const MAX_EDGE: u32 = 4096;

/// How images become tensors.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ImageSettings {
    pub(crate) do_resize: bool,
    pub(crate) do_split: bool,
    /// The longest edge of an image before it is split or squared, in pixels.
    pub(crate) longest_edge: u32,
    /// The edge of a tile, in pixels.
    pub(crate) tile_edge: u32,
    /// The longest edge of a video frame before it is squared, in pixels.
    pub(crate) video_longest_edge: u32,
    pub(crate) rescale: Option<f64>,
    pub(crate) normalize: Option<([f32; 3], [f32; 3])>,
    /// Image tokens for one tile.
    pub(crate) image_seq_len: usize,
}

impl ImageSettings {
    /// Reads `preprocessor_config.json` and `processor_config.json`; at least one must hold the image settings.
    pub(crate) fn read(files: &CheckpointFiles) -> Result<Self> {
        let processor = Section::read(files, "processor_config.json")?;
        let preprocessor = Section::read(files, "preprocessor_config.json")?;
        let image = match processor
            .as_ref()
            .and_then(|file| file.child("image_processor"))
            .or(preprocessor.clone())
        {
            Some(section) => section,
            None => {
                return Err(ProcessorError::MissingFile {
                    path: files.path("preprocessor_config.json"),
                    expected: "the image settings (size, max_image_size, image_mean, image_std)",
                });
            }
        };
        let tile_edge = image.edge("max_image_size")?;
        let longest_edge = image.edge("size")?;
        let normalize = if image.flag("do_normalize", true)? {
            Some((image.channels("image_mean")?, image.channels("image_std")?))
        } else {
            None
        };
        let rescale = if image.flag("do_rescale", true)? {
            Some(image.number("rescale_factor")?.unwrap_or(1.0 / 255.0))
        } else {
            None
        };
        let settings = Self {
            do_resize: image.flag("do_resize", true)?,
            do_split: image.flag("do_image_splitting", true)?,
            longest_edge,
            tile_edge,
            video_longest_edge: video_edge(processor.as_ref(), preprocessor.as_ref())?.unwrap_or(tile_edge),
            rescale,
            normalize,
            image_seq_len: image_seq_len(files, processor)?,
        };
        match settings.endless_pixel() {
            None => Ok(settings),
            Some(found) => Err(ProcessorError::BadValue {
                path: image.path.clone(),
                key: image.full_key("rescale_factor"),
                found: format!("with image_mean and image_std one that makes a pixel {found}"),
                expected: "numbers of which pixels come out finite",
            }),
        }
    }

    /// The value of an 8-bit channel after rescaling and normalization. As in `transformers`, rescaling
    /// is done in f64, rounded to f32, and normalization in f32.
    pub(crate) fn pixel(&self, byte: u8, channel: usize) -> f32 {
        let value = self.rescale.map_or(f32::from(byte), |factor| (f64::from(byte) * factor) as f32);
        self.normalize.map_or(value, |(mean, std)| (value - mean[channel]) / std[channel])
    }

    /// A pixel value that is infinite or NaN, if the settings produce one. Checking the darkest and the
    /// brightest value is enough: all others lie between them.
    fn endless_pixel(&self) -> Option<f32> {
        let pixels = (0..3).flat_map(|channel| [0, u8::MAX].map(|byte| self.pixel(byte, channel)));
        pixels.into_iter().find(|pixel| !pixel.is_finite())
    }
}

fn image_seq_len(files: &CheckpointFiles, processor: Option<Section>) -> Result<usize> {
    let Some(processor) = processor else {
        let path = files.path("processor_config.json");
        return Err(ProcessorError::MissingFile { path, expected: "the key `image_seq_len`" });
    };
    match processor.positive("image_seq_len")? {
        Some(length) => Ok(length as usize),
        None => Err(processor.missing("image_seq_len", "the number of image tokens for a tile")),
    }
}

fn video_edge(processor: Option<&Section>, preprocessor: Option<&Section>) -> Result<Option<u32>> {
    let video = processor.and_then(|file| file.child("video_processor"));
    for section in [video.as_ref(), preprocessor].into_iter().flatten() {
        if let Some(size) = section.child("video_sampling").and_then(|sampling| sampling.child("video_size"))
        {
            return size.positive("longest_edge");
        }
    }
    match video.and_then(|video| video.child("size")) {
        Some(size) => size.positive("longest_edge"),
        None => Ok(None),
    }
}

/// A JSON object with the file and the key path that it came from.
#[derive(Debug, Clone)]
struct Section {
    path: PathBuf,
    key: String,
    value: Value,
}

impl Section {
    fn read(files: &CheckpointFiles, name: &str) -> Result<Option<Self>> {
        let Some(value) = files.json(name)? else { return Ok(None) };
        let path = files.path(name);
        if !value.is_object() {
            return Err(ProcessorError::BadValue {
                path,
                key: ".".into(),
                found: shorten(&value),
                expected: "an object",
            });
        }
        Ok(Some(Self { path, key: String::new(), value }))
    }

    fn full_key(&self, key: &str) -> String {
        if self.key.is_empty() { key.into() } else { format!("{}.{key}", self.key) }
    }

    fn get(&self, key: &str) -> Option<&Value> {
        self.value.get(key).filter(|value| !value.is_null())
    }

    fn child(&self, key: &str) -> Option<Self> {
        let value = self.get(key)?.clone();
        Some(Self { path: self.path.clone(), key: self.full_key(key), value })
    }

    fn missing(&self, key: &str, expected: &'static str) -> ProcessorError {
        ProcessorError::MissingKey { path: self.path.clone(), key: self.full_key(key), expected }
    }

    fn bad(&self, key: &str, value: &Value, expected: &'static str) -> ProcessorError {
        let found = shorten(value);
        ProcessorError::BadValue { path: self.path.clone(), key: self.full_key(key), found, expected }
    }

    fn flag(&self, key: &str, default: bool) -> Result<bool> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => value.as_bool().ok_or_else(|| self.bad(key, value, "true or false")),
        }
    }

    fn number(&self, key: &str) -> Result<Option<f64>> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or_else(|| self.bad(key, value, "a number")),
        }
    }

    fn positive(&self, key: &str) -> Result<Option<u32>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.as_u64() {
            Some(number) if (1..=u64::from(MAX_EDGE)).contains(&number) => Ok(Some(number as u32)),
            _ => Err(self.bad(key, value, "a whole number from 1 to 4096")),
        }
    }

    fn edge(&self, key: &str) -> Result<u32> {
        let size = self.child(key).ok_or_else(|| self.missing(key, "an object with `longest_edge`"))?;
        size.positive("longest_edge")?.ok_or_else(|| size.missing("longest_edge", "a size in pixels"))
    }

    fn channels(&self, key: &str) -> Result<[f32; 3]> {
        let value = self.get(key).ok_or_else(|| self.missing(key, "three numbers"))?;
        let numbers: Option<Vec<f32>> = value
            .as_array()
            .and_then(|list| list.iter().map(|item| item.as_f64().map(|x| x as f32)).collect());
        match numbers.and_then(|numbers| <[f32; 3]>::try_from(numbers).ok()) {
            Some(three) if key != "image_std" || three.iter().all(|&x| x != 0.0) => Ok(three),
            _ => Err(self.bad(key, value, "three numbers, and for image_std none of them 0")),
        }
    }
}

fn shorten(value: &Value) -> String {
    value.to_string().chars().take(60).collect()
}
