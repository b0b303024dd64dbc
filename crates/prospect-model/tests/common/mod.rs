//! Goldens recorded from `transformers` (fixtures/goldens/README.md), and checkpoints with something wrong.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "test helpers; each test file uses some of them"
)]

pub mod gguf;
pub mod mutations;

use std::path::{Path, PathBuf};

use prospect_context::PositionPolicy;
use prospect_model::{Embeddings, KvCache, ModelError, PixelValues, SmolVlm};
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use serde_json::Value;

pub const CHECKPOINTS: [&str; 3] = ["gqa-tied", "mha-untied-sharded", "gqa-untied"];
pub const TOLERANCE: f32 = 1e-4;

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/goldens")
}

pub fn folder(checkpoint: &str) -> PathBuf {
    goldens().join("checkpoints").join(checkpoint)
}

pub fn load(checkpoint: &str) -> SmolVlm {
    SmolVlm::load(&folder(checkpoint)).unwrap()
}

/// One case of `one_shot/<checkpoint>.json` with its tensors.
pub struct OneShot {
    pub name: String,
    pub ids: Vec<u32>,
    pub greedy_ids: Vec<u32>,
    pub logits_from: usize,
    pub logits: Vec<f32>,
    pub images: Option<Images>,
}

pub struct Images {
    pub pixels: Vec<f32>,
    pub tiles: usize,
    pub side: usize,
    pub vision: Vec<f32>,
    pub connector: Vec<f32>,
}

#[derive(Deserialize)]
struct Recorded {
    cases: Vec<RecordedCase>,
}

#[derive(Deserialize)]
struct RecordedCase {
    name: String,
    input_ids: Vec<u32>,
    greedy_ids: Vec<u32>,
    logits_from: usize,
}

impl OneShot {
    pub fn read(checkpoint: &str) -> Vec<Self> {
        Self::read_in(&goldens().join("one_shot"), checkpoint)
    }

    /// As [`Self::read`], of another folder.
    pub fn read_in(folder: &Path, checkpoint: &str) -> Vec<Self> {
        let recorded = std::fs::read_to_string(folder.join(format!("{checkpoint}.json"))).unwrap();
        let recorded: Recorded = serde_json::from_str(&recorded).unwrap();
        let bytes = std::fs::read(folder.join(format!("{checkpoint}.safetensors"))).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let case = |case: RecordedCase| Self {
            logits: floats(&tensors, &format!("{}.logits", case.name)),
            images: Images::read(&tensors, &case.name),
            name: case.name,
            ids: case.input_ids,
            greedy_ids: case.greedy_ids,
            logits_from: case.logits_from,
        };
        recorded.cases.into_iter().map(case).collect()
    }

    pub fn split(checkpoint: &str) -> Self {
        Self::read(checkpoint).into_iter().find(|case| case.name == "split").unwrap()
    }

    pub fn chunk(&self, model: &SmolVlm) -> Embeddings {
        let images = self.images.as_ref().map(|images| model.encode_image(images.values()).unwrap());
        model.joint_embed(&self.ids, images.as_ref()).unwrap()
    }

    /// Logits of every token, flattened.
    pub fn logits_of(&self, model: &SmolVlm) -> Vec<f32> {
        model.prefill_all_logits(&self.chunk(model), &mut cache(model)).unwrap().concat()
    }
}

impl Images {
    fn read(tensors: &SafeTensors<'_>, case: &str) -> Option<Self> {
        let shape = tensors.tensor(&format!("{case}.pixels")).ok()?.shape().to_vec();
        Some(Self {
            pixels: floats(tensors, &format!("{case}.pixels")),
            tiles: shape[0],
            side: shape[2],
            vision: floats(tensors, &format!("{case}.vision")),
            connector: floats(tensors, &format!("{case}.connector")),
        })
    }

    pub fn values(&self) -> PixelValues<'_> {
        PixelValues { values: &self.pixels, tiles: self.tiles, height: self.side, width: self.side }
    }
}

/// `eviction/<checkpoint>.safetensors`.
pub struct Eviction {
    pub ids: Vec<u32>,
    pub kept: Vec<std::ops::Range<usize>>,
    pub before: Computed,
    pub after: Computed,
}

/// What a prefill leaves.
pub struct Computed {
    pub logits: Vec<f32>,
    pub keys0: Vec<f32>,
}

impl Eviction {
    pub fn read(checkpoint: &str) -> Self {
        let path = goldens().join("eviction").join(format!("{checkpoint}.safetensors"));
        let bytes = std::fs::read(path).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let computed = |label: &str| Computed {
            logits: floats(&tensors, &format!("{label}.logits")),
            keys0: floats(&tensors, &format!("{label}.keys0")),
        };
        let kept = integers(&tensors, "kept");
        Self {
            ids: integers(&tensors, "ids"),
            kept: kept.chunks_exact(2).map(|pair| pair[0] as usize..pair[1] as usize).collect(),
            before: computed("before"),
            after: computed("after"),
        }
    }
}

/// f32 as they are, bytes as normalised pixels.
fn floats(tensors: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let view = tensors.tensor(name).unwrap();
    match view.dtype() {
        Dtype::U8 => view.data().iter().map(|&byte| (f32::from(byte) / 255.0 - 0.5) / 0.5).collect(),
        Dtype::F32 => {
            let values = view.data().chunks_exact(4);
            values.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
        }
        other => panic!("{name} is {other:?}"),
    }
}

fn integers(tensors: &SafeTensors<'_>, name: &str) -> Vec<u32> {
    let values = tensors.tensor(name).unwrap().data().chunks_exact(8);
    values.map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap()) as u32).collect()
}

pub fn cache(model: &SmolVlm) -> KvCache {
    model.new_cache(512, PositionPolicy::Rerotate).unwrap()
}

/// Prefills ids without images.
pub fn put(model: &SmolVlm, cache: &mut KvCache, ids: &[u32]) -> Vec<f32> {
    model.prefill(&model.joint_embed(ids, None).unwrap(), cache).unwrap()
}

pub fn max_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Of the difference, as a share of the reference's.
pub fn relative_norm(a: &[f32], reference: &[f32]) -> f64 {
    assert_eq!(a.len(), reference.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let difference = norm(&mut a.iter().zip(reference).map(|(a, b)| f64::from(a - b)));
    difference / norm(&mut reference.iter().map(|value| f64::from(*value)))
}

/// Keys and values of every layer.
pub fn contents(model: &SmolVlm, cache: &KvCache) -> Vec<f32> {
    let layers = 0..model.config().text_config.num_hidden_layers;
    layers.flat_map(|layer| [cache.keys(layer).unwrap(), cache.values(layer).unwrap()].concat()).collect()
}

/// A checkpoint folder to break.
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    pub fn copy(checkpoint: &str) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(folder(checkpoint)).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), scratch.path().join(entry.file_name())).unwrap();
        }
        Self(scratch)
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    pub fn load(&self) -> Result<SmolVlm, ModelError> {
        SmolVlm::load(self.0.path())
    }

    /// Changes config.json.
    pub fn config(self, edit: impl FnOnce(&mut Value)) -> Self {
        let path = self.path("config.json");
        let mut config = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        edit(&mut config);
        std::fs::write(path, config.to_string()).unwrap();
        self
    }

    /// Changes the bytes of one tensor, given its shape.
    pub fn tensor(self, name: &str, edit: impl FnOnce(&[usize], &mut [u8])) -> Self {
        for entry in std::fs::read_dir(self.0.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "safetensors") {
                let mut bytes = std::fs::read(&path).unwrap();
                let (header, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
                if let Some(info) = metadata.info(name) {
                    let (start, end) = info.data_offsets;
                    edit(&info.shape, &mut bytes[8 + header + start..8 + header + end]);
                    std::fs::write(&path, bytes).unwrap();
                    return self;
                }
            }
        }
        panic!("no tensor {name}");
    }

    /// Replaces text in the header of a safetensors file by text of the same length.
    pub fn header(self, file: &str, from: &str, to: &str) -> Self {
        assert_eq!(from.len(), to.len());
        let mut bytes = std::fs::read(self.path(file)).unwrap();
        let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        std::fs::write(self.path(file), bytes).unwrap();
        self
    }
}
