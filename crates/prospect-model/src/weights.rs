//! Weights of a checkpoint folder: memory-mapped, checked by name and shape, converted to f32 once. Or random ones of any
//! shape, for measurements.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use candle_core::safetensors::MmapedSafetensors;
use candle_core::{DType, Device, Tensor};
use half::bf16;
use serde::Deserialize;

use crate::error::{ModelError, Result, first_line};
use crate::random::SplitMix64;

/// The tensors of one checkpoint.
pub(crate) struct Weights {
    source: Source,
    device: Device,
}

enum Source {
    Files { folder: PathBuf, tensors: MmapedSafetensors },
    Random,
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
        Ok(Self { source: Source::Files { folder: folder.to_owned(), tensors }, device: device.clone() })
    }

    /// Tensors of any name and shape, the same ones every time: norms are ones, biases zeros, and what a layer puts out is
    /// about as large as what goes in.
    pub(crate) fn random(device: &Device) -> Self {
        Self { source: Source::Random, device: device.clone() }
    }

    /// Whether there is a tensor of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        match &self.source {
            Source::Files { tensors, .. } => tensors.get(name).is_ok(),
            Source::Random => true,
        }
    }

    /// The tensor `name` in f32.
    pub(crate) fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let (folder, tensors) = match &self.source {
            Source::Files { folder, tensors } => (folder, tensors),
            Source::Random => return Ok(Tensor::from_vec(random(name, shape), shape, &self.device)?),
        };
        let (folder, name, expected) = (|| folder.clone(), name.to_owned(), shape.to_vec());
        let Ok(view) = tensors.get(&name) else {
            return Err(ModelError::MissingTensor { folder: folder(), name, expected });
        };
        if view.shape() != shape {
            let actual = view.shape().to_vec();
            return Err(ModelError::TensorShape { folder: folder(), name, actual, expected });
        }
        match DType::try_from(view.dtype()) {
            Ok(DType::F32 | DType::BF16 | DType::F16) => {
                Ok(tensors.load(&name, &self.device)?.to_dtype(DType::F32)?)
            }
            _ => {
                Err(ModelError::TensorType { folder: folder(), name, actual: format!("{:?}", view.dtype()) })
            }
        }
    }
}

/// Uniform, with the variance that keeps a layer's output as large as its input; bf16, as published weights are.
fn random(name: &str, shape: &[usize]) -> Vec<f32> {
    let count = shape.iter().product();
    match shape {
        [_] if name.ends_with("bias") => vec![0.0; count],
        [_] => vec![1.0; count],
        _ => {
            let inputs: usize = shape[1..].iter().product();
            let width = (12.0 / inputs as f32).sqrt();
            let seed =
                name.bytes().fold(0u64, |seed, byte| (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
            let mut random = SplitMix64(seed);
            let mut value = || ((random.next() >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * width;
            (0..count).map(|_| bf16::from_f32(value()).to_f32()).collect()
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
