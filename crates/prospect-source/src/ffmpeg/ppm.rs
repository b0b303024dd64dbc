//! Binary PPM images, one after the other, which ffmpeg writes.

use std::io::{BufRead, Read};

use image::RgbImage;

use crate::size::check_size;

/// The longest header that is read. No size needs more digits.
const LONGEST_HEADER: u64 = 64;

/// Reads one binary PPM image with 8 bits per channel; `None` at the end.
pub(super) fn read_ppm(input: &mut impl BufRead) -> Result<Option<RgbImage>, String> {
    if input.fill_buf().map_err(|error| error.to_string())?.is_empty() {
        return Ok(None);
    }
    let mut fields = Vec::new();
    while fields.len() < 4 {
        let mut line = Vec::new();
        let read = input.by_ref().take(LONGEST_HEADER).read_until(b'\n', &mut line);
        if read.map_err(|error| error.to_string())? == 0 {
            return Err("its output ends in a header".to_owned());
        }
        let fields_before = fields.len();
        fields.extend(String::from_utf8_lossy(&line).split_whitespace().map(str::to_owned));
        if fields.len() == fields_before || fields[0] != "P6" {
            break;
        }
    }
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u32>().ok());
    let (Some(width), Some(height), Some(255)) = (number(1), number(2), number(3)) else {
        let shown: String = fields.join(" ").chars().take(40).collect();
        return Err(format!("its output is no PPM image: {shown}"));
    };
    check_size(width, height).map_err(|size| size.to_string())?;
    let wanted = u64::from(width) * u64::from(height) * 3;
    let mut pixels = Vec::new();
    input.take(wanted).read_to_end(&mut pixels).map_err(|error| error.to_string())?;
    RgbImage::from_raw(width, height, pixels).map(Some).ok_or_else(|| "its output ends in a frame".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(mut bytes: &[u8]) -> Vec<Result<(u32, u32), String>> {
        let mut images = Vec::new();
        loop {
            match read_ppm(&mut bytes) {
                Ok(None) => return images,
                Ok(Some(image)) => images.push(Ok(image.dimensions())),
                Err(error) => {
                    images.push(Err(error));
                    return images;
                }
            }
        }
    }

    #[test]
    fn sizes_may_change_and_every_damage_is_named() {
        let two = b"P6\n2 1\n255\nabcdefP6 1 1\n255\nabc";
        assert_eq!(all(two), [Ok((2, 1)), Ok((1, 1))]);
        let damaged = |bytes: &[u8]| all(bytes).pop().unwrap().unwrap_err();
        assert_eq!(damaged(&two[..15]), "its output ends in a frame");
        assert_eq!(damaged(b"P6\n2 1\n"), "its output ends in a header");
        assert_eq!(damaged(b"P5\n2 1\n255\nab"), "its output is no PPM image: P5");
        assert_eq!(damaged(b"P6\n2 1\n65535\nab"), "its output is no PPM image: P6 2 1 65535");
        assert_eq!(
            damaged(b"P6\n99999 99999\n255\nab"),
            "a picture of 99999x99999 pixels, expected at most 178956970 in all"
        );
        assert_eq!(damaged(b"\n"), "its output is no PPM image: ");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"P6 \n0123"[..])], 0..80)) {
            all(&bytes);
            all(&[b"P6\n", &bytes[..]].concat());
        }
    }
}
