//! Tiles as normalized floats.

use image::RgbImage;

use crate::config::ImageSettings;

/// Normalized pixels, the input of the vision tower.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pixels {
    /// `[tiles, 3, height, width]`, row-major.
    pub values: Vec<f32>,
    /// `[tiles, height, width]`: true for real pixels, false for padding. `None` if there is no
    /// padding, as with all resizes of this crate.
    pub mask: Option<Vec<bool>>,
    /// Number of tiles.
    pub tiles: usize,
    /// Height of a tile in pixels.
    pub height: usize,
    /// Width of a tile in pixels.
    pub width: usize,
}

/// The normalized value of each 8-bit value, by channel.
#[derive(Debug, Clone)]
pub(crate) struct Normalizer {
    table: [[f32; 256]; 3],
}

impl Normalizer {
    pub(crate) fn new(settings: &ImageSettings) -> Self {
        let mut table = [[0.0; 256]; 3];
        for (channel, values) in table.iter_mut().enumerate() {
            for (byte, value) in (0..=u8::MAX).zip(values) {
                *value = settings.pixel(byte, channel);
            }
        }
        Self { table }
    }

    /// Writes tiles of equal size into `pixels`, whose buffer is reused.
    pub(crate) fn write(&self, tiles: &[RgbImage], pixels: &mut Pixels) {
        pixels.values.clear();
        pixels.mask = None;
        pixels.tiles = tiles.len();
        pixels.width = tiles.first().map_or(0, |tile| tile.width() as usize);
        pixels.height = tiles.first().map_or(0, |tile| tile.height() as usize);
        pixels.values.reserve(tiles.len() * 3 * pixels.width * pixels.height);
        for tile in tiles {
            for (channel, table) in self.table.iter().enumerate() {
                pixels
                    .values
                    .extend(tile.as_raw().chunks_exact(3).map(|pixel| table[usize::from(pixel[channel])]));
            }
        }
    }
}
