//! Sizes of images and their tiles.

use image::RgbImage;

use crate::config::{ImageSettings, MAX_EDGE};
use crate::error::{ProcessorError, Result};
use crate::resize::resize_lanczos;

/// Most tokens of an image. Settings that cut an image into tiles of one pixel would give millions.
const MOST_IMAGE_TOKENS: usize = 1 << 18;

/// Rows and columns of tiles; both 0 if the image was not split.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Grid {
    /// Rows of tiles.
    pub rows: usize,
    /// Columns of tiles.
    pub cols: usize,
}

impl Grid {
    /// Number of tiles, the global view included.
    pub fn tiles(self) -> usize {
        self.rows * self.cols + 1
    }
}

/// Width and height after scaling the longest edge to `edge`, rounded as `transformers` does.
pub(crate) fn rescaled(width: u32, height: u32, edge: u32) -> (u32, u32) {
    let edge = edge.min(MAX_EDGE);
    let aspect = f64::from(width) / f64::from(height);
    let even = |length: f64| (length as u32).next_multiple_of(2).max(1);
    let (width, height) = if width >= height {
        (edge, even(f64::from(edge) / aspect))
    } else {
        (even(f64::from(edge) * aspect), edge)
    };
    (width.min(MAX_EDGE), height.min(MAX_EDGE))
}

/// Width and height rounded up to whole tiles.
pub(crate) fn whole_tiles(width: u32, height: u32, tile: u32) -> (u32, u32) {
    let aspect = f64::from(width) / f64::from(height);
    if width >= height {
        let width = width.next_multiple_of(tile);
        (width, ((f64::from(width) / aspect) as u32).next_multiple_of(tile))
    } else {
        let height = height.next_multiple_of(tile);
        (((f64::from(height) * aspect) as u32).next_multiple_of(tile), height)
    }
}

/// Resizes the whole image to one square tile. As in `transformers` this takes two resizes: first to
/// `longest_edge`, then to the tile.
pub(crate) fn squared(image: &RgbImage, settings: &ImageSettings, longest_edge: u32) -> Result<RgbImage> {
    let tile = settings.tile_edge;
    let (width, height) = image.dimensions();
    if width == 0 || height == 0 {
        return Err(ProcessorError::EmptyImage { width, height });
    }
    if !settings.do_resize {
        return resize_lanczos(image, tile, tile);
    }
    let (width, height) = rescaled(width, height, longest_edge);
    resize_lanczos(&resize_lanczos(image, width, height)?, tile, tile)
}

/// The tiles of an image row by row, then its global view; a single tile if the image fits in one.
pub(crate) fn split(image: &RgbImage, settings: &ImageSettings) -> Result<(Vec<RgbImage>, Grid)> {
    let tile = settings.tile_edge;
    let (width, height) = image.dimensions();
    if width == 0 || height == 0 {
        return Err(ProcessorError::EmptyImage { width, height });
    }
    let mut whole = image.clone();
    if settings.do_resize {
        let (width, height) = rescaled(width, height, settings.longest_edge);
        whole = resize_lanczos(image, width, height)?;
    }
    let (width, height) = whole_tiles(whole.width(), whole.height(), tile);
    // A side of 0 after truncation makes `transformers` fail. Here a side is at least one tile.
    let (width, height) = (width.max(tile), height.max(tile));
    let whole = resize_lanczos(&whole, width, height)?;
    if width <= tile && height <= tile {
        return Ok((vec![whole], Grid::default()));
    }
    let grid = Grid { rows: (height / tile) as usize, cols: (width / tile) as usize };
    let tokens = grid.tiles().saturating_mul(settings.image_seq_len);
    if tokens > MOST_IMAGE_TOKENS {
        return Err(ProcessorError::TooManyTiles { tiles: grid.tiles(), tokens, most: MOST_IMAGE_TOKENS });
    }
    let mut tiles = Vec::with_capacity(grid.tiles());
    for y in (0..height).step_by(tile as usize) {
        for x in (0..width).step_by(tile as usize) {
            tiles.push(image::imageops::crop_imm(&whole, x, y, tile, tile).to_image());
        }
    }
    tiles.push(resize_lanczos(&whole, tile, tile)?);
    Ok((tiles, grid))
}
