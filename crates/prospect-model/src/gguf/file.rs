//! A GGUF file: the header is in memory, tensors are read piece by piece.

use std::io::BufReader;
use std::path::Path;

use super::block_type::ALIGNMENT;
use super::error::GgufError;
use super::header::{Header, TensorPlace};
use super::metadata::Metadata;
use crate::error::{ModelError, Result};
use crate::open_file::OpenFile;

/// Approximate number of bytes that are decoded at once.
const PIECE: u64 = 1 << 20;

/// An open file with a valid header.
pub(super) struct GgufFile {
    file: OpenFile,
    header: Header,
}

impl GgufFile {
    /// Opens a file and checks its header.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = OpenFile::open(path)?;
        let header = file.with_reader(|reader| Header::read(BufReader::new(reader), file.length()))?;
        let header = header.map_err(|source| ModelError::Gguf { path: path.to_owned(), source })?;
        Ok(Self { file, header })
    }

    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    pub(super) fn metadata(&self) -> &Metadata {
        &self.header.metadata
    }

    /// An error that names this file.
    pub(super) fn fault(&self, source: GgufError) -> ModelError {
        ModelError::Gguf { path: self.path().to_owned(), source }
    }

    pub(super) fn tensor(&self, name: &str) -> Option<&TensorPlace> {
        self.header.tensors.get(name)
    }

    /// The format of each tensor.
    pub(super) fn formats(&self) -> impl Iterator<Item = &'static str> {
        self.header.tensors.values().map(|place| place.block_type.name)
    }

    /// The values of the tensor `name`, row-major; an error if it has another shape.
    pub(super) fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let (folder, expected) = (|| self.path().to_owned(), shape.to_vec());
        let Some(place) = self.tensor(name) else {
            return Err(ModelError::MissingTensor { folder: folder(), name: name.to_owned(), expected });
        };
        if place.shape != shape {
            let (name, actual) = (name.to_owned(), place.shape.clone());
            return Err(ModelError::TensorShape { folder: folder(), name, actual, expected });
        }
        self.decoded(place)
    }

    fn decoded(&self, place: &TensorPlace) -> Result<Vec<f32>> {
        let piece = (PIECE / place.block_type.bytes() * place.block_type.bytes()).min(place.bytes);
        let mut buffer = vec![0; piece as usize + ALIGNMENT];
        let aligned = buffer.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        let mut values = Vec::with_capacity(place.shape.iter().product());
        let mut done = 0;
        while done < place.bytes {
            let piece = piece.min(place.bytes - done);
            let bytes = &mut buffer[aligned..][..piece as usize];
            self.file.read(place.start + done, bytes)?;
            values.extend(place.block_type.decode(bytes)?);
            done += piece;
        }
        Ok(values)
    }
}
