//! Weights of a checkpoint folder: memory-mapped, checked by name and shape, converted to f32 once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use candle_core::safetensors::MmapedSafetensors;
use candle_core::{DType, Device, Tensor};
use serde::Deserialize;

use crate::error::{ModelError, Result, first_line};

/// The tensors of one checkpoint.
pub(crate) struct Weights {
    folder: PathBuf,
    tensors: MmapedSafetensors,
    device: Device,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Weights {
    /// Opens `model.safetensors`, or the shards that `model.safetensors.index.json` names.
    pub(crate) fn open(folder: &Path, device: &Device) -> Result<Self> {
        let paths = shards(folder)?;
        for path in &paths {
            if let Err(source) = std::fs::File::open(path) {
                return Err(ModelError::Read { path: path.clone(), source });
            }
        }
        let tensors = map(&paths).map_err(|error| {
            // One of several shards: the first that is at fault alone.
            let at_fault = paths.iter().find(|path| map(&[path]).is_err());
            let path = at_fault.map_or(folder, PathBuf::as_path).to_owned();
            ModelError::Safetensors { path, message: parser_message(error) }
        })?;
        Ok(Self { folder: folder.to_owned(), tensors, device: device.clone() })
    }

    /// Whether there is a tensor of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.tensors.get(name).is_ok()
    }

    /// The tensor `name` in f32.
    pub(crate) fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let (folder, name, expected) = (|| self.folder.clone(), name.to_owned(), shape.to_vec());
        let Ok(view) = self.tensors.get(&name) else {
            return Err(ModelError::MissingTensor { folder: folder(), name, expected });
        };
        if view.shape() != shape {
            let actual = view.shape().to_vec();
            return Err(ModelError::TensorShape { folder: folder(), name, actual, expected });
        }
        match DType::try_from(view.dtype()) {
            Ok(DType::F32 | DType::BF16 | DType::F16) => {
                Ok(self.tensors.load(&name, &self.device)?.to_dtype(DType::F32)?)
            }
            _ => {
                Err(ModelError::TensorType { folder: folder(), name, actual: format!("{:?}", view.dtype()) })
            }
        }
    }
}

fn map<P: AsRef<Path>>(paths: &[P]) -> candle_core::Result<MmapedSafetensors> {
    // SAFETY: the files are mapped read-only; as with every mapping, they must not be truncated by another process while
    // the weights are read, which ends when loading ends.
    #[allow(unsafe_code)]
    unsafe {
        MmapedSafetensors::multi(paths)
    }
}

fn shards(folder: &Path) -> Result<Vec<PathBuf>> {
    let single = folder.join("model.safetensors");
    let index = folder.join("model.safetensors.index.json");
    if single.exists() || !index.exists() {
        return Ok(vec![single]);
    }
    let index: Index = read_json(&index, "a weight_map of tensor names to files")?;
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// Reads a JSON file into a typed value.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path, expected: &'static str) -> Result<T> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ModelError::Read { path: path.to_owned(), source })?;
    serde_json::from_str(&text).map_err(|source| ModelError::Config {
        path: path.to_owned(),
        source,
        expected,
    })
}

/// What the parser says, without the path, which the error names itself.
fn parser_message(error: candle_core::Error) -> String {
    match error {
        candle_core::Error::WithPath { inner, .. } => parser_message(*inner),
        error => first_line(&error),
    }
}
