//! The part of a file before the tensors: metadata and the places of the tensors. Everything in it is
//! checked against the file.

use std::collections::BTreeMap;
use std::io::Read;

use super::block_type::BlockType;
use super::error::GgufError;
use super::header_bytes::HeaderBytes;
use super::metadata::Metadata;
use super::value::{Number, Value};

type Result<T> = std::result::Result<T, GgufError>;

/// Longest header in bytes. With a vocabulary of 250,000 tokens a header has 20 MB.
const MOST_HEADER_BYTES: u64 = 128 << 20;

const MAGIC: [u8; 4] = *b"GGUF";
const DEFAULT_ALIGNMENT: u64 = 32;
const MOST_ALIGNMENT: u64 = 1 << 16;
const MOST_DIMENSIONS: u32 = 4;
const LIST: &str = "the list of tensors";

/// Everything that is known about a file before a tensor is read.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) metadata: Metadata,
    pub(super) tensors: BTreeMap<String, TensorPlace>,
}

/// The place and format of a tensor.
#[derive(Debug)]
pub(super) struct TensorPlace {
    /// Shape in row-major order, the size of a row last.
    pub(super) shape: Vec<usize>,
    pub(super) block_type: BlockType,
    /// First byte in the file.
    pub(super) start: u64,
    pub(super) bytes: u64,
}

impl Header {
    /// Reads the header of a file of `length` bytes.
    pub(super) fn read(from: impl Read, length: u64) -> Result<Self> {
        let mut from = HeaderBytes::new(from, length, MOST_HEADER_BYTES);
        let what = "the beginning";
        if length < MAGIC.len() as u64 || from.array(what)? != MAGIC {
            return Err(GgufError::Magic);
        }
        match from.u32(what)? {
            2 | 3 => {}
            version if matches!(version.swap_bytes(), 1..=3) => return Err(GgufError::BigEndian),
            version => return Err(GgufError::Version { version }),
        }
        let (tensors, keys) = (from.u64(what)?, from.u64(what)?);
        let metadata = Metadata::read(&mut from, keys)?;
        let alignment = alignment(&metadata)?;
        let mut places = BTreeMap::new();
        for _ in 0..tensors {
            let name = from.name(LIST)?;
            let place = TensorPlace::read(&mut from, &name, alignment)?;
            if places.contains_key(&name) {
                return Err(GgufError::TensorTwice { tensor: name });
            }
            places.insert(name, place);
        }
        // Cannot overflow: both the header and an alignment are limited.
        let data = from.position().next_multiple_of(alignment);
        for (name, place) in &mut places {
            place.put_behind(data, name, length)?;
        }
        check_apart(&places)?;
        Ok(Self { metadata, tensors: places })
    }
}

fn alignment(metadata: &Metadata) -> Result<u64> {
    let Some(value) = metadata.get("general.alignment") else { return Ok(DEFAULT_ALIGNMENT) };
    let alignment = match value {
        Value::Number(Number::Whole(number)) => u64::try_from(*number).ok(),
        _ => None,
    };
    let meant = |alignment: &u64| (1..=MOST_ALIGNMENT).contains(alignment) && alignment.is_multiple_of(8);
    alignment.filter(meant).ok_or_else(|| GgufError::Alignment { found: value.shown() })
}

impl TensorPlace {
    /// Reads the entry of the tensor `name`. Its start is relative to the first tensor.
    fn read<R: Read>(from: &mut HeaderBytes<R>, name: &str, alignment: u64) -> Result<Self> {
        let tensor = || name.to_owned();
        let count = from.u32(LIST)?;
        if !(1..=MOST_DIMENSIONS).contains(&count) {
            return Err(GgufError::Dimensions { tensor: tensor(), found: count });
        }
        let dimensions = (0..count).map(|_| from.u64(LIST)).collect::<Result<Vec<u64>>>()?;
        let (number, start) = (from.u32(LIST)?, from.u64(LIST)?);
        let Some(block_type) = BlockType::of(number) else {
            let expected = BlockType::names();
            return Err(GgufError::TensorType { tensor: tensor(), found: number, expected });
        };
        if !start.is_multiple_of(alignment) {
            return Err(GgufError::Offset { tensor: tensor(), offset: start, alignment });
        }
        // There is at least one dimension, as checked above.
        let (row, block) = (dimensions[0], block_type.values());
        if !row.is_multiple_of(block) {
            return Err(GgufError::Blocks { tensor: tensor(), row, block, block_type: block_type.name });
        }
        let size = || GgufError::TensorSize { tensor: tensor(), found: dimensions.clone() };
        let values = dimensions.iter().try_fold(1_u64, |values, size| values.checked_mul(*size));
        let values = values.filter(|values| *values > 0).ok_or_else(size)?;
        let bytes = (values / block).checked_mul(block_type.bytes()).ok_or_else(size)?;
        let shape = dimensions.iter().rev().map(|size| usize::try_from(*size));
        let shape = shape.collect::<std::result::Result<_, _>>().map_err(|_| size())?;
        Ok(Self { shape, block_type, start, bytes })
    }

    /// Makes the start of the tensor relative to the file, after checking that the file contains the
    /// whole tensor.
    fn put_behind(&mut self, data: u64, name: &str, length: u64) -> Result<()> {
        let start = data.saturating_add(self.start);
        let end = start.saturating_add(self.bytes);
        if end > length {
            return Err(GgufError::OutsideFile { tensor: name.to_owned(), end, length });
        }
        self.start = start;
        Ok(())
    }
}

/// Refuses overlapping tensors, with which a small file could stand for a large model.
fn check_apart(places: &BTreeMap<String, TensorPlace>) -> Result<()> {
    let mut in_order: Vec<_> = places.iter().collect();
    in_order.sort_by_key(|(_, place)| place.start);
    for pair in in_order.windows(2) {
        let ((other, before), (tensor, after)) = (pair[0], pair[1]);
        if before.start + before.bytes > after.start {
            return Err(GgufError::Overlap { tensor: tensor.clone(), other: other.clone() });
        }
    }
    Ok(())
}
