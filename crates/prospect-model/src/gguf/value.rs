//! Values of metadata. An array takes as much memory as in the file.

use std::io::Read;

use super::error::GgufError;
use super::header_bytes::HeaderBytes;

/// Number of characters of a value that a message shows.
const SHOWN: usize = 60;

/// The value of a key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Flag(bool),
    Number(Number),
    Text(String),
    Numbers(Numbers),
    Texts(Texts),
}

/// A number of any type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Whole(i128),
    Real(f64),
}

/// An array of numbers of one type, as bytes of the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Numbers {
    scalar: Scalar,
    bytes: Vec<u8>,
}

/// An array of texts: all texts concatenated, and the end of each.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Texts {
    text: String,
    ends: Vec<usize>,
}

/// The type of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scalar {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Flag,
    U64,
    I64,
    F64,
}

const TEXT: u32 = 8;
const ARRAY: u32 = 9;
const WHAT: &str = "the metadata";

impl Scalar {
    fn of(code: u32) -> Option<Self> {
        Some(match code {
            0 => Self::U8,
            1 => Self::I8,
            2 => Self::U16,
            3 => Self::I16,
            4 => Self::U32,
            5 => Self::I32,
            6 => Self::F32,
            7 => Self::Flag,
            10 => Self::U64,
            11 => Self::I64,
            12 => Self::F64,
            _ => return None,
        })
    }

    fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Flag => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// Reads the number from as many bytes as its type has.
    fn number(self, bytes: &[u8]) -> Number {
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let unsigned = u64::from_le_bytes(wide);
        match self {
            Self::U8 | Self::U16 | Self::U32 | Self::U64 | Self::Flag => Number::Whole(unsigned.into()),
            Self::I8 => Number::Whole((unsigned as u8).cast_signed().into()),
            Self::I16 => Number::Whole((unsigned as u16).cast_signed().into()),
            Self::I32 => Number::Whole((unsigned as u32).cast_signed().into()),
            Self::I64 => Number::Whole(unsigned.cast_signed().into()),
            Self::F32 => Number::Real(shortest(f32::from_bits(unsigned as u32))),
            Self::F64 => Number::Real(f64::from_bits(unsigned)),
        }
    }
}

/// The shortest decimal number that rounds to this f32, which is most likely the intended one: 1e-5
/// instead of 9.999999747378752e-6.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

impl Value {
    /// Reads the value of `key`.
    pub(super) fn read<R: Read>(from: &mut HeaderBytes<R>, key: &str) -> Result<Self, GgufError> {
        let code = from.u32(WHAT)?;
        match (code, Scalar::of(code)) {
            (TEXT, _) => Ok(Self::Text(from.text(WHAT)?)),
            (ARRAY, _) => Self::array(from, key),
            (_, Some(Scalar::Flag)) => match from.array(WHAT)? {
                [0] => Ok(Self::Flag(false)),
                [1] => Ok(Self::Flag(true)),
                [found] => Err(GgufError::Boolean { key: key.to_owned(), found }),
            },
            (_, Some(scalar)) => Ok(Self::Number(scalar.number(&from.take(scalar.bytes() as u64, WHAT)?))),
            (found, None) => Err(GgufError::ValueType { key: key.to_owned(), found }),
        }
    }

    fn array<R: Read>(from: &mut HeaderBytes<R>, key: &str) -> Result<Self, GgufError> {
        let (code, count) = (from.u32(WHAT)?, from.u64(WHAT)?);
        match (code, Scalar::of(code)) {
            (TEXT, _) => {
                let mut texts = Texts::default();
                for _ in 0..count {
                    texts.push(&from.text(WHAT)?);
                }
                Ok(Self::Texts(texts))
            }
            (ARRAY, _) => Err(GgufError::NestedArray { key: key.to_owned() }),
            (_, Some(scalar)) => {
                let bytes = count.saturating_mul(scalar.bytes() as u64);
                Ok(Self::Numbers(Numbers { scalar, bytes: from.take(bytes, WHAT)? }))
            }
            (found, None) => Err(GgufError::ValueType { key: key.to_owned(), found }),
        }
    }

    /// The value as messages show it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Flag(flag) => flag.to_string(),
            Self::Number(Number::Whole(number)) => number.to_string(),
            Self::Number(Number::Real(number)) => number.to_string(),
            Self::Text(text) => format!("{:?}", shorten(text)),
            Self::Numbers(numbers) => format!("{} numbers", numbers.iter().len()),
            Self::Texts(texts) => format!("{} texts", texts.ends.len()),
        }
    }
}

/// The beginning of a text, at most [`SHOWN`] characters.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

impl Numbers {
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = Number> {
        self.bytes.chunks_exact(self.scalar.bytes()).map(|bytes| self.scalar.number(bytes))
    }
}

impl Texts {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        // Each end is the end of a complete text.
        starts.zip(&self.ends).map(|(start, end)| self.text.get(start..*end).unwrap_or_default())
    }
}
