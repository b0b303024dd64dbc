//! A picture of 256 grey values, by which a change is detected.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The number of blocks along each side.
pub const THUMBNAIL_SIDE: usize = 16;
const BLOCKS: usize = THUMBNAIL_SIDE * THUMBNAIL_SIDE;
/// The number of blocks that count as the tenth that changed most.
const TENTH: usize = BLOCKS / 10;

/// The mean grey of each of 16 x 16 blocks of a picture, row by row, from 0 (black) to 255.
///
/// The mean over a block suppresses the noise of a sensor: noise of 4 grey levels moves a block of 64 samples
/// by half a level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Thumbnail(pub [u8; BLOCKS]);

impl Thumbnail {
    /// A picture with the same grey everywhere.
    pub const fn grey(grey: u8) -> Self {
        Self([grey; BLOCKS])
    }

    /// How much of the picture changed, in [0, 1]: the mean difference in grey of the tenth of the blocks
    /// that changed most, where 1 is the difference of black and white. Only that tenth counts, because a
    /// person at a door fills only a small part of the picture.
    pub fn difference(&self, other: &Self) -> f64 {
        let mut differences = [0; BLOCKS];
        for (difference, (one, other)) in differences.iter_mut().zip(self.0.iter().zip(&other.0)) {
            *difference = one.abs_diff(*other);
        }
        differences.sort_unstable();
        let most: u32 = differences[BLOCKS - TENTH..].iter().copied().map(u32::from).sum();
        f64::from(most) / (TENTH as f64 * 255.0)
    }
}

/// Serialized as hexadecimal digits.
impl Serialize for Thumbnail {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits: String = self.0.iter().map(|grey| format!("{grey:02x}")).collect();
        digits.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Thumbnail {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(deserializer)?;
        let expected = || D::Error::custom(format!("expected {} hexadecimal digits", 2 * BLOCKS));
        let greys = digits
            .as_bytes()
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()));
        let greys: Vec<u8> = greys.collect::<Option<_>>().ok_or_else(expected)?;
        greys.try_into().map(Self).map_err(|_| expected())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_no_change_and_a_small_thing_is_one() {
        let still = Thumbnail::grey(120);
        assert_eq!(still.difference(&still), 0.0);
        let mut noisy = still;
        noisy.0.iter_mut().enumerate().for_each(|(block, grey)| *grey += (block % 2) as u8);
        assert!(still.difference(&noisy) < 0.01);
        // A thing of 5 x 5 blocks that is half as bright again.
        let mut thing = still;
        for row in 4..9 {
            thing.0[row * THUMBNAIL_SIDE + 3..][..5].fill(180);
        }
        let difference = still.difference(&thing);
        assert!((0.2..0.25).contains(&difference), "{difference}");
        assert_eq!(difference, thing.difference(&still));
        assert_eq!(Thumbnail::grey(0).difference(&Thumbnail::grey(255)), 1.0);
    }

    #[test]
    fn it_reads_back_and_nothing_else_does() {
        let mut picture = Thumbnail::grey(7);
        picture.0[255] = 255;
        let text = serde_json::to_string(&picture).unwrap();
        assert_eq!(serde_json::from_str::<Thumbnail>(&text).unwrap(), picture);
        for wrong in ["\"\"", "\"0g\"", &text[..text.len() - 3], "7", "\"ää\""] {
            assert!(serde_json::from_str::<Thumbnail>(wrong).is_err(), "{wrong}");
        }
    }
}
