//! The parts: six colours by four shapes.

use std::fmt;

/// Names and RGB values of the colours.
pub(crate) const COLOURS: [(&str, [i32; 3]); 6] = [
    ("red", [214, 44, 40]),
    ("blue", [36, 72, 214]),
    ("green", [34, 160, 60]),
    ("yellow", [240, 214, 40]),
    ("purple", [150, 48, 190]),
    ("white", [250, 250, 250]),
];

/// Names of the shapes.
pub(crate) const SHAPES: [&str; 4] = ["cube", "ring", "bar", "cone"];

/// A kind of part; two parts of the same colour and shape are interchangeable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Part {
    /// Index into [`COLOURS`].
    pub(crate) colour: usize,
    /// Index into [`SHAPES`].
    pub(crate) shape: usize,
}

impl Part {
    /// The part with number `index` of 24.
    pub(crate) fn from_index(index: usize) -> Self {
        Self { colour: index / SHAPES.len() % COLOURS.len(), shape: index % SHAPES.len() }
    }

    /// Inverse of [`Part::from_index`].
    pub(crate) fn index(self) -> usize {
        self.colour * SHAPES.len() + self.shape
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", COLOURS[self.colour].0, SHAPES[self.shape])
    }
}
