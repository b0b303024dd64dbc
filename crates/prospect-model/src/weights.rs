//! Weights of a checkpoint: found by name, checked by shape, read once and converted to f32. Or random
//! weights of any shape, for measurements.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use half::bf16;
use prospect_processor::read_checkpoint_text;
use serde::Deserialize;

use crate::error::{ModelError, Result};
use crate::gguf::GgufCheckpoint;
use crate::names;
use crate::random::SplitMix64;
use crate::tensor_file::{CheckpointTensor, TensorFile};

/// The tensors of one checkpoint.
pub(crate) enum Weights {
    /// The tensors of a folder, by their published names.
    Files { folder: PathBuf, tensors: BTreeMap<String, CheckpointTensor> },
    /// The tensors of a pair of GGUF files.
    Gguf(Box<GgufCheckpoint>),
    /// Random tensors of any name and shape, the same ones every time. Norms are ones and biases zeros;
    /// linear layers keep the variance of their input.
    Random,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Weights {
    /// Opens `model.safetensors`, or the shards that `model.safetensors.index.json` names.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let mut tensors = BTreeMap::new();
        for path in shards(folder)? {
            for (name, tensor) in Arc::new(TensorFile::open(&path)?).tensors() {
                let name = names::published(&name).into_owned();
                // A folder with two tensors of the same name holds two models.
                if tensors.insert(name.clone(), tensor).is_some() {
                    return Err(ModelError::TensorTwice { folder: folder.to_owned(), name });
                }
            }
        }
        Ok(Self::Files { folder: folder.to_owned(), tensors })
    }

    /// Whether there is a tensor of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            Self::Files { tensors, .. } => tensors.contains_key(name),
            Self::Gguf(checkpoint) => checkpoint.has(name),
            Self::Random => true,
        }
    }

    /// The values of the tensor `name` in f32, row-major.
    pub(crate) fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        match self {
            Self::Files { folder, tensors } => stored(folder, tensors, name, shape)?.values(),
            Self::Gguf(checkpoint) => checkpoint.values(name, shape),
            Self::Random => Ok(random(name, shape).collect()),
        }
    }
}

/// The tensor `name`, if it has the shape and a type that config.json requires.
fn stored<'a>(
    folder: &Path,
    tensors: &'a BTreeMap<String, CheckpointTensor>,
    name: &str,
    shape: &[usize],
) -> Result<&'a CheckpointTensor> {
    let (folder, name, expected) = (|| folder.to_owned(), name.to_owned(), shape.to_vec());
    let Some(tensor) = tensors.get(&name) else {
        return Err(ModelError::MissingTensor { folder: folder(), name, expected });
    };
    if tensor.shape() != shape {
        let actual = tensor.shape().to_vec();
        return Err(ModelError::TensorShape { folder: folder(), name, actual, expected });
    }
    match tensor.wrong_type() {
        Some(actual) => Err(ModelError::TensorType { folder: folder(), name, actual }),
        None => Ok(tensor),
    }
}

/// Uniform values in bf16, like published weights. Their variance keeps the output of a layer as large
/// as its input.
pub(crate) fn random(name: &str, shape: &[usize]) -> impl Iterator<Item = f32> {
    let inputs: usize = shape[1..].iter().product();
    let (middle, width) = match shape {
        [_] if name.ends_with("bias") => (0.0, 0.0),
        [_] => (1.0, 0.0),
        _ => (0.0, (12.0 / inputs as f32).sqrt()),
    };
    let seed = name.bytes().fold(0u64, |seed, byte| (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
    let mut random = SplitMix64(seed);
    let value = move |_| {
        let value = middle + ((random.next() >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * width;
        bf16::from_f32(value).to_f32()
    };
    (0..shape.iter().product::<usize>()).map(value)
}

/// File extensions of weights that other programs read and this one does not.
const FOREIGN_WEIGHTS: [&str; 6] = ["bin", "gguf", "h5", "msgpack", "onnx", "pth"];

fn shards(folder: &Path) -> Result<Vec<PathBuf>> {
    let single = folder.join("model.safetensors");
    let index = folder.join("model.safetensors.index.json");
    if single.exists() {
        return Ok(vec![single]);
    }
    if !index.exists() {
        return match foreign_weights(folder) {
            Some(found) => Err(ModelError::ForeignWeights { folder: folder.to_owned(), found }),
            None => Ok(vec![single]),
        };
    }
    let listed: Index = read_json(&index, "a weight_map of tensor names to files")?;
    let names: BTreeSet<String> = listed.weight_map.into_values().collect();
    // A list may only name files in its own folder.
    match names.iter().find(|name| !is_file_name(name)) {
        Some(name) => Err(ModelError::ShardName { path: index, name: name.clone() }),
        None => Ok(names.into_iter().map(|name| folder.join(name)).collect()),
    }
}

/// Whether `name` is a plain file name on every operating system, without control characters.
pub(crate) fn is_file_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && !name.contains(|c: char| matches!(c, '/' | '\\' | ':') || c.is_control())
}

/// The name of a weight file in another format in the folder.
fn foreign_weights(folder: &Path) -> Option<String> {
    let names = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let foreign = names.filter(|path| {
        path.extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|extension| FOREIGN_WEIGHTS.contains(&extension))
    });
    foreign.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).min()
}

/// Reads a JSON file into a typed value.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path, expected: &'static str) -> Result<T> {
    let text =
        read_checkpoint_text(path).map_err(|source| ModelError::Read { path: path.to_owned(), source })?;
    serde_json::from_str(&text).map_err(|source| ModelError::Config {
        path: path.to_owned(),
        source,
        expected,
    })
}
