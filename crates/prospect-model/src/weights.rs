//! Weights of a checkpoint folder: memory-mapped, checked by name and shape, converted to f32 once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use candle_core::safetensors::MmapedSafetensors;
use candle_core::{DType, Device, Tensor};
use serde::Deserialize;

use crate::error::{ModelError, Result};

/// The tensors of one checkpoint.
pub(crate) struct Weights {
    tensors: MmapedSafetensors,
    device: Device,
}

#[derive(Deserialize)]
struct Index {
    weight_map: std::collections::BTreeMap<String, String>,
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
        // SAFETY: the files are mapped read-only; as with every mapping, they must not be truncated by another process
        // while the weights are read, which ends when loading ends.
        #[allow(unsafe_code)]
        let tensors = unsafe { MmapedSafetensors::multi(&paths) };
        let tensors = tensors.map_err(|error| {
            let path = if let [path] = &paths[..] { path.clone() } else { folder.to_owned() };
            ModelError::Safetensors { path, message: first_line(&error.to_string()) }
        })?;
        Ok(Self { tensors, device: device.clone() })
    }

    /// The tensor `name` in f32.
    pub(crate) fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let Ok(view) = self.tensors.get(name) else {
            return Err(ModelError::MissingTensor { name: name.to_owned(), expected: shape.to_vec() });
        };
        if view.shape() != shape {
            let (actual, expected) = (view.shape().to_vec(), shape.to_vec());
            return Err(ModelError::TensorShape { name: name.to_owned(), actual, expected });
        }
        Ok(self.tensors.load(name, &self.device)?.to_dtype(DType::F32)?)
    }
}

fn shards(folder: &Path) -> Result<Vec<PathBuf>> {
    let single = folder.join("model.safetensors");
    let index = folder.join("model.safetensors.index.json");
    if single.exists() || !index.exists() {
        return Ok(vec![single]);
    }
    let index: Index = read_json(&index)?;
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// Reads a JSON file into a typed value.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ModelError::Read { path: path.to_owned(), source })?;
    serde_json::from_str(&text).map_err(|source| ModelError::Config { path: path.to_owned(), source })
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
