//! The orientation of a track, from its matrix and that of the movie.

use image::metadata::Orientation;

/// A matrix in the order of the file: `a b u`, `c d v`, `x y w`.
pub(super) type Matrix = [i32; 9];

/// The fractional bits in the three columns of a matrix.
const POINTS: [u32; 3] = [16, 16, 30];

/// The rotation and mirroring that make the pictures of a track upright, as ffmpeg's `autorotate` does. The
/// matrices give a multiple of 90 degrees and mirrors; scaling and a remaining shear are dropped. `Err` gives
/// another angle in degrees.
pub(super) fn orientation(track: &Matrix, movie: &Matrix) -> Result<Orientation, i32> {
    let [[a, b], [c, d]] = product(track, movie);
    let (wide, high) = ((a.powi(2) + c.powi(2)).sqrt(), (b.powi(2) + d.powi(2)).sqrt());
    if wide == 0.0 || high == 0.0 {
        return Ok(Orientation::NoTransforms);
    }
    let degrees = (b / high).atan2(a / wide).to_degrees().round() as i32;
    Ok(match degrees.rem_euclid(360) {
        0 if d < 0.0 => Orientation::FlipVertical,
        0 => Orientation::NoTransforms,
        90 if c > 0.0 => Orientation::Rotate90FlipH,
        90 => Orientation::Rotate90,
        180 => match (a < 0.0, d < 0.0) {
            (true, true) => Orientation::Rotate180,
            (true, false) => Orientation::FlipHorizontal,
            (false, true) => Orientation::FlipVertical,
            (false, false) => Orientation::NoTransforms,
        },
        270 if c < 0.0 => Orientation::Rotate270FlipH,
        270 => Orientation::Rotate270,
        other => return Err(other),
    })
}

/// The rotating part of the product of the matrices: first the track's, then the movie's.
fn product(track: &Matrix, movie: &Matrix) -> [[f64; 2]; 2] {
    let [a, b, u, c, d, v, ..] = *track;
    let rows = [[a, b, u], [c, d, v]];
    let [a, b, _, c, d, _, x, y, _] = *movie;
    let columns = [[a, c, x], [b, d, y]];
    let cell = |row: [i32; 3], column: [i32; 3]| {
        let terms = row.iter().zip(column).zip(POINTS);
        terms.map(|((left, right), point)| (i64::from(*left) * i64::from(right)) >> point).sum::<i64>() as f64
    };
    rows.map(|row| columns.map(|column| cell(row, column)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mutations::cases;

    const ONE: i32 = 1 << 16;

    fn matrix([a, b, c, d]: [i32; 4]) -> Matrix {
        [a, b, 0, c, d, 0, 0, 0, 1 << 30]
    }

    fn turned(turn: [i32; 4]) -> Result<Orientation, i32> {
        orientation(&matrix(turn.map(|value| value * ONE)), &matrix([ONE, 0, 0, ONE]))
    }

    const ALL: [([i32; 4], Orientation); 8] = [
        ([1, 0, 0, 1], Orientation::NoTransforms),
        ([-1, 0, 0, 1], Orientation::FlipHorizontal),
        ([-1, 0, 0, -1], Orientation::Rotate180),
        ([1, 0, 0, -1], Orientation::FlipVertical),
        ([0, 1, 1, 0], Orientation::Rotate90FlipH),
        ([0, 1, -1, 0], Orientation::Rotate90),
        ([0, -1, -1, 0], Orientation::Rotate270FlipH),
        ([0, -1, 1, 0], Orientation::Rotate270),
    ];

    #[test]
    fn all_eight() {
        for (turn, expected) in ALL {
            assert_eq!(turned(turn), Ok(expected), "{turn:?}");
        }
    }

    #[test]
    fn the_movies_matrix_comes_behind_the_tracks() {
        // Row vectors: (x, y) times the track's matrix, and the result times the movie's.
        for (first, _) in ALL {
            for (second, _) in ALL {
                let [[a, b], [c, d]] = [[first[0], first[1]], [first[2], first[3]]];
                let [[e, f], [g, h]] = [[second[0], second[1]], [second[2], second[3]]];
                let both = [a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h];
                let (track, movie) = (matrix(first.map(|v| v * ONE)), matrix(second.map(|v| v * ONE)));
                assert_eq!(orientation(&track, &movie), turned(both), "{first:?} {second:?}");
            }
        }
    }

    #[test]
    fn scalings_are_dropped_and_other_angles_are_named() {
        assert_eq!(turned([3, 0, 0, 2]), Ok(Orientation::NoTransforms));
        assert_eq!(turned([0, 0, 0, 0]), Ok(Orientation::NoTransforms));
        assert_eq!(turned([1, 1, -1, 1]), Err(45));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases(256)) })]

        #[test]
        fn any_matrix_has_an_answer(
            track in prop::array::uniform9(any::<i32>()), movie in prop::array::uniform9(any::<i32>()),
        ) {
            let degrees = orientation(&track, &movie);
            prop_assert!(degrees.is_ok() || (0..360).contains(&degrees.unwrap_err()));
        }
    }
}
