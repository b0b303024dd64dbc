//! LANCZOS resize as Pillow computes it for 8-bit images: two passes with fixed-point weights of 22
//! bits, rounded after each pass.

use image::RgbImage;

use crate::error::{ProcessorError, Result};

/// Fraction bits of a weight: 32 minus 8 for the value and 2 for overshoot.
const PRECISION_BITS: u32 = 32 - 8 - 2;
/// Half of the filter window, in source pixels at scale 1.
const SUPPORT: f64 = 3.0;
const CHANNELS: usize = 3;

/// Resizes to `width` x `height` pixels, bit for bit like `PIL.Image.resize(..., LANCZOS)`.
///
/// # Errors
/// [`ProcessorError::EmptyImage`] if the image or the target has no pixels.
pub fn resize_lanczos(image: &RgbImage, width: u32, height: u32) -> Result<RgbImage> {
    for (width, height) in [(width, height), image.dimensions()] {
        if width == 0 || height == 0 {
            return Err(ProcessorError::EmptyImage { width, height });
        }
    }
    let (in_width, in_height) = image.dimensions();
    Ok(match (width != in_width, height != in_height) {
        (false, false) => image.clone(),
        (true, false) => horizontal(image, width),
        (false, true) => vertical(image, height),
        (true, true) if is_vertical_first(image.dimensions(), (width, height)) => {
            horizontal(&vertical(image, height), width)
        }
        (true, true) => vertical(&horizontal(image, width), height),
    })
}

/// Pillow's rule since version 13.0: the vertical pass comes first if the height shrinks by more than
/// twice as many pixels as the width. The horizontal pass then has fewer rows. The order changes the
/// result, because it is rounded between the passes.
fn is_vertical_first(from: (u32, u32), to: (u32, u32)) -> bool {
    let shrinks_by = |from: u32, to: u32| i64::from(from) - i64::from(to);
    let down = shrinks_by(from.1, to.1);
    down > 0 && down > 2 * shrinks_by(from.0, to.0)
}

/// The source pixels of one output pixel, and their weights.
struct Window {
    first: usize,
    weights: Vec<i32>,
}

fn windows(input: u32, output: u32) -> Vec<Window> {
    let scale = f64::from(input) / f64::from(output);
    let filter_scale = scale.max(1.0);
    let support = SUPPORT * filter_scale;
    (0..output)
        .map(|position| {
            let center = (f64::from(position) + 0.5) * scale;
            let first = ((center - support + 0.5) as i64).max(0);
            let last = ((center + support + 0.5) as i64).min(i64::from(input));
            let weights: Vec<f64> =
                (first..last).map(|x| lanczos((x as f64 - center + 0.5) * (1.0 / filter_scale))).collect();
            let sum: f64 = weights.iter().sum();
            let weights =
                weights.iter().map(|&weight| fixed(if sum == 0.0 { weight } else { weight / sum })).collect();
            Window { first: first as usize, weights }
        })
        .collect()
}

fn fixed(weight: f64) -> i32 {
    let scaled = weight * f64::from(1u32 << PRECISION_BITS);
    (if weight < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32
}

fn lanczos(x: f64) -> f64 {
    if (-SUPPORT..SUPPORT).contains(&x) { sinc(x) * sinc(x / SUPPORT) } else { 0.0 }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * std::f64::consts::PI;
    x.sin() / x
}

const HALF: i32 = 1 << (PRECISION_BITS - 1);

fn clip(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

fn horizontal(image: &RgbImage, width: u32) -> RgbImage {
    let windows = windows(image.width(), width);
    let mut output = RgbImage::new(width, image.height());
    let in_row = image.width() as usize * CHANNELS;
    let out_row = width as usize * CHANNELS;
    for (source, target) in image.as_raw().chunks_exact(in_row).zip(output.chunks_exact_mut(out_row)) {
        for (pixel, window) in target.chunks_exact_mut(CHANNELS).zip(&windows) {
            let mut sums = [HALF; CHANNELS];
            let source = source[window.first * CHANNELS..].chunks_exact(CHANNELS);
            for (value, &weight) in source.zip(&window.weights) {
                for (sum, &channel) in sums.iter_mut().zip(value) {
                    *sum += i32::from(channel) * weight;
                }
            }
            for (channel, sum) in pixel.iter_mut().zip(sums) {
                *channel = clip(sum);
            }
        }
    }
    output
}

fn vertical(image: &RgbImage, height: u32) -> RgbImage {
    let windows = windows(image.height(), height);
    let mut output = RgbImage::new(image.width(), height);
    let row = image.width() as usize * CHANNELS;
    let mut sums = vec![0; row];
    for (target, window) in output.chunks_exact_mut(row).zip(&windows) {
        sums.fill(HALF);
        for (source, &weight) in image.as_raw()[window.first * row..].chunks_exact(row).zip(&window.weights) {
            for (sum, &channel) in sums.iter_mut().zip(source) {
                *sum += i32::from(channel) * weight;
            }
        }
        for (channel, &sum) in target.iter_mut().zip(&sums) {
            *channel = clip(sum);
        }
    }
    output
}
