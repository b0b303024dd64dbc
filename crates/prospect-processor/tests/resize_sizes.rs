//! LANCZOS at many sizes against checksums of Pillow's results (fixtures/goldens/resize_sizes.py).
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use prospect_processor::{RgbImage, resize_lanczos};

/// The same picture as in the Python script.
fn picture(width: u32, height: u32) -> RgbImage {
    let mut state = u64::from(width) * 65_536 + u64::from(height);
    let mut image = RgbImage::new(width, height);
    for value in image.iter_mut() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *value = (state >> 56) as u8;
    }
    image
}

#[test]
fn every_size_is_pillow_s_bit_for_bit() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/goldens/resize_sizes.json");
    let cases: Vec<[u32; 5]> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert!(cases.len() > 200);
    for [width, height, to_width, to_height, checksum] in cases {
        let resized = resize_lanczos(&picture(width, height), to_width, to_height).unwrap();
        assert_eq!(crc32fast::hash(&resized), checksum, "{width}x{height} to {to_width}x{to_height}");
    }
}

#[test]
fn the_vertical_pass_comes_first_where_the_height_shrinks_most() {
    let grey = [[81, 193], [210, 141], [74, 15]];
    let image = RgbImage::from_fn(2, 3, |x, y| image::Rgb([grey[y as usize][x as usize]; 3]));
    let resized = resize_lanczos(&image, 3, 2).unwrap();
    let rows: Vec<u8> = resized.pixels().map(|pixel| pixel.0[0]).collect();
    assert_eq!(rows, [129, 160, 190, 139, 93, 46]);
}
