//! Writes random weights of any shape, to try a model size without its checkpoint.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use half::bf16;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde_json::json;

use crate::config::ModelConfig;
use crate::error::{ModelError, Result};
use crate::weights::random;

/// Bytes of one value in bf16.
const VALUE: usize = size_of::<bf16>();

/// Names and shapes of the tensors in one file.
type Shard = Vec<(String, Vec<usize>)>;

/// Writes the weights of a checkpoint in bf16: as `model.safetensors`, or, if they are larger than
/// `shard_bytes`, as shards with an index. The bytes are the same every time. Values are written as
/// they are drawn and are not kept in memory.
///
/// # Errors
/// [`ModelError::Write`].
pub fn write_random_weights(config: &ModelConfig, folder: &Path, shard_bytes: usize) -> Result<()> {
    let shards = shards(config.tensors(), shard_bytes);
    if let [whole] = shards.as_slice() {
        return write_shard(&folder.join("model.safetensors"), whole);
    }
    let (mut map, mut total) = (BTreeMap::new(), 0);
    for (index, shard) in shards.iter().enumerate() {
        let file = format!("model-{:05}-of-{:05}.safetensors", index + 1, shards.len());
        write_shard(&folder.join(&file), shard)?;
        total += shard.iter().map(|(_, shape)| bytes(shape)).sum::<usize>();
        map.extend(shard.iter().map(|(name, _)| (name.clone(), file.clone())));
    }
    let index = json!({ "metadata": { "total_size": total }, "weight_map": map });
    let path = folder.join("model.safetensors.index.json");
    let written = std::fs::write(&path, format!("{index:#}\n"));
    written.map_err(|source| ModelError::Write { path, source })
}

fn bytes(shape: &[usize]) -> usize {
    shape.iter().product::<usize>() * VALUE
}

fn shards(tensors: Shard, shard_bytes: usize) -> Vec<Shard> {
    let (mut shards, mut size) = (vec![Shard::new()], 0);
    for (name, shape) in tensors {
        size += bytes(&shape);
        match shards.last_mut() {
            Some(shard) if size <= shard_bytes || shard.is_empty() => shard.push((name, shape)),
            _ => {
                size = bytes(&shape);
                shards.push(vec![(name, shape)]);
            }
        }
    }
    shards
}

fn write_shard(path: &Path, tensors: &Shard) -> Result<()> {
    let failed = |source| ModelError::Write { path: PathBuf::from(path), source };
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).map_err(failed)?);
    let header = header(path, tensors)?;
    let mut write = |bytes: &[u8]| file.write_all(bytes).map_err(failed);
    write(&(header.len() as u64).to_le_bytes())?;
    write(header.as_bytes())?;
    for (name, shape) in tensors {
        for value in random(name, shape) {
            write(&bf16::from_f32(value).to_le_bytes())?;
        }
    }
    file.flush().map_err(failed)
}

/// The JSON of the header, padded to a multiple of 8 bytes like in the `safetensors` library.
fn header(path: &Path, tensors: &Shard) -> Result<String> {
    let mut end = 0;
    let info = |(name, shape): &(String, Vec<usize>)| {
        let start = end;
        end += bytes(shape);
        (name.clone(), TensorInfo { dtype: Dtype::BF16, shape: shape.clone(), data_offsets: (start, end) })
    };
    let format = [("format".to_owned(), "pt".to_owned())].into_iter().collect();
    let wrong = |message: String| ModelError::Safetensors { path: path.to_owned(), message };
    let metadata = Metadata::new(Some(format), tensors.iter().map(info).collect());
    let metadata = metadata.map_err(|error| wrong(error.to_string()))?;
    let mut text = serde_json::to_string(&metadata).map_err(|error| wrong(error.to_string()))?;
    text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(8) - text.len()));
    Ok(text)
}
