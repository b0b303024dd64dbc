//! Goldens recorded from `transformers` (fixtures/goldens/make_goldens.py).
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "test helpers; each test file uses some of them"
)]

use std::path::PathBuf;

use prospect_context::PositionPolicy;
use prospect_model::{Embeddings, KvCache, PixelValues, SmolVlm};
use safetensors::SafeTensors;

pub const CHECKPOINTS: [&str; 3] = ["gqa-tied-bf16", "mha-untied-sharded-f16", "gqa-untied-f32"];

pub struct Golden {
    pub folder: PathBuf,
    pub pixels: Vec<f32>,
    pub side: usize,
    pub tiles: usize,
    pub ids: Vec<u32>,
    pub vision: Vec<f32>,
    pub logits: Vec<f32>,
    pub greedy: Vec<u32>,
}

impl Golden {
    pub fn read(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/goldens").join(name);
        let bytes = std::fs::read(folder.join("golden.safetensors")).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let floats = |name: &str| -> Vec<f32> {
            let data = tensors.tensor(name).unwrap().data().to_vec();
            data.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
        };
        let ids = |name: &str| -> Vec<u32> {
            let data = tensors.tensor(name).unwrap().data().to_vec();
            data.chunks_exact(8).map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap()) as u32).collect()
        };
        let shape = tensors.tensor("pixels").unwrap().shape().to_vec();
        Self {
            folder,
            pixels: floats("pixels"),
            side: shape[2],
            tiles: shape[0],
            ids: ids("ids"),
            vision: floats("vision"),
            logits: floats("logits"),
            greedy: ids("greedy"),
        }
    }

    pub fn pixels(&self) -> PixelValues<'_> {
        PixelValues { values: &self.pixels, tiles: self.tiles, height: self.side, width: self.side }
    }

    pub fn chunk(&self, model: &SmolVlm) -> Embeddings {
        let images = model.encode_image(self.pixels()).unwrap();
        model.joint_embed(&self.ids, Some(&images)).unwrap()
    }

    pub fn logits_of(&self, model: &SmolVlm) -> Vec<f32> {
        let mut cache = cache(model);
        model.prefill_all_logits(&self.chunk(model), &mut cache).unwrap().concat()
    }
}

pub fn cache(model: &SmolVlm) -> KvCache {
    model.new_cache(256, PositionPolicy::Rerotate).unwrap()
}

pub fn max_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}
