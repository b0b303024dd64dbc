//! The SigLIP vision tower as SmolVLM uses it: patches, bucketed positions, pre-norm encoder, final norm.

use candle_core::{Device, Tensor};
use candle_nn::{Activation, Module};
use serde::Deserialize;

use crate::error::Result;
use crate::fused;
use crate::layers::{LayerNorm, Linear};
use crate::weights::Weights;

/// `vision_config` of config.json; what a checkpoint leaves out has the value of `transformers`' `SmolVLMVisionConfig`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct VisionConfig {
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width inside the MLP.
    pub intermediate_size: usize,
    /// Encoder layers.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Side of the square input in pixels.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Activation of the MLP.
    pub hidden_act: Activation,
    /// Epsilon of every layer norm.
    pub layer_norm_eps: f64,
}

impl Default for VisionConfig {
    fn default() -> Self {
        Self {
            hidden_size: 1152,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 16,
            image_size: 224,
            patch_size: 32,
            hidden_act: Activation::GeluPytorchTanh,
            layer_norm_eps: 1e-6,
        }
    }
}

impl VisionConfig {
    /// Patches along one side of the square input; pixels beyond the last whole patch are not seen.
    pub fn patches_per_side(&self) -> usize {
        self.image_size / self.patch_size
    }
}

struct Layer {
    layer_norm1: LayerNorm,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    layer_norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
}

/// The tower.
pub(crate) struct VisionTower {
    config: VisionConfig,
    patch_weight: Tensor,
    patch_bias: Tensor,
    position_embedding: Tensor,
    layers: Vec<Layer>,
    post_layernorm: LayerNorm,
}

impl VisionTower {
    pub(crate) fn load(weights: &Weights, config: &VisionConfig) -> Result<Self> {
        let (hidden, patch) = (config.hidden_size, config.patch_size);
        let prefix = "model.vision_model";
        let embeddings = format!("{prefix}.embeddings");
        let patch_weight =
            weights.get(&format!("{embeddings}.patch_embedding.weight"), &[hidden, 3, patch, patch])?;
        let positions = config.patches_per_side().pow(2);
        Ok(Self {
            config: config.clone(),
            patch_weight,
            patch_bias: weights.get(&format!("{embeddings}.patch_embedding.bias"), &[hidden])?,
            position_embedding: weights
                .get(&format!("{embeddings}.position_embedding.weight"), &[positions, hidden])?,
            layers: (0..config.num_hidden_layers)
                .map(|index| Layer::load(weights, config, &format!("{prefix}.encoder.layers.{index}")))
                .collect::<Result<_>>()?,
            post_layernorm: LayerNorm::load(
                weights,
                &format!("{prefix}.post_layernorm"),
                hidden,
                config.layer_norm_eps,
            )?,
        })
    }

    /// Pixels `[tiles, 3, height, width]` to hidden states `[tiles, patches, hidden]`.
    pub(crate) fn forward(&self, pixels: &Tensor) -> Result<Tensor> {
        let (tiles, _, height, width) = pixels.dims4()?;
        let patches = pixels.conv2d(&self.patch_weight, 0, self.config.patch_size, 1, 1)?;
        let patches = patches.flatten_from(2)?.transpose(1, 2)?.broadcast_add(&self.patch_bias)?;
        let rows = height / self.config.patch_size;
        let columns = width / self.config.patch_size;
        let ids = position_ids(rows, columns, self.config.patches_per_side());
        let ids = Tensor::new(ids, pixels.device())?;
        let mut x = patches.broadcast_add(&self.position_embedding.index_select(&ids, 0)?)?;
        x = x.reshape((tiles * rows * columns, self.config.hidden_size))?;
        for layer in &self.layers {
            x = layer.forward(&x, tiles, &self.config)?;
        }
        let x = self.post_layernorm.forward(&x)?;
        Ok(x.reshape((tiles, rows * columns, self.config.hidden_size))?)
    }

    pub(crate) fn device(&self) -> &Device {
        self.patch_bias.device()
    }
}

impl Layer {
    fn load(weights: &Weights, config: &VisionConfig, name: &str) -> Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let norm =
            |part: &str| LayerNorm::load(weights, &format!("{name}.{part}"), hidden, config.layer_norm_eps);
        let linear =
            |part: &str, output, input| Linear::load(weights, &format!("{name}.{part}"), output, input, true);
        Ok(Self {
            layer_norm1: norm("layer_norm1")?,
            q_proj: linear("self_attn.q_proj", hidden, hidden)?,
            k_proj: linear("self_attn.k_proj", hidden, hidden)?,
            v_proj: linear("self_attn.v_proj", hidden, hidden)?,
            out_proj: linear("self_attn.out_proj", hidden, hidden)?,
            layer_norm2: norm("layer_norm2")?,
            fc1: linear("mlp.fc1", inner, hidden)?,
            fc2: linear("mlp.fc2", hidden, inner)?,
        })
    }

    /// `[tiles * patches, hidden]`, attention within each tile.
    fn forward(&self, x: &Tensor, tiles: usize, config: &VisionConfig) -> Result<Tensor> {
        let x = (x + self.attention(&self.layer_norm1.forward(x)?, tiles, config)?)?;
        let inner = config.hidden_act.forward(&self.fc1.forward(&self.layer_norm2.forward(&x)?)?)?;
        Ok((&x + self.fc2.forward(&inner)?)?)
    }

    fn attention(&self, x: &Tensor, tiles: usize, config: &VisionConfig) -> Result<Tensor> {
        let (query, keys, values) =
            (self.q_proj.forward(x)?, self.k_proj.forward(x)?, self.v_proj.forward(x)?);
        let patches = x.dim(0)? / tiles;
        let tile = |tile: usize| {
            let part = |x: &Tensor| x.narrow(0, tile * patches, patches);
            fused::full(&part(&query)?, &part(&keys)?, &part(&values)?, config.num_attention_heads)
        };
        let mixed = (0..tiles).map(tile).collect::<Result<Vec<_>>>()?;
        self.out_proj.forward(&Tensor::cat(&mixed, 0)?)
    }
}

/// Position ids of a `rows` x `columns` grid of patches: fractional coordinates, bucketed into the `side` x `side` grid the
/// position embedding was trained on, in the f32 arithmetic of `transformers`.
fn position_ids(rows: usize, columns: usize, side: usize) -> Vec<u32> {
    let buckets = |count: usize| -> Vec<u32> {
        let step = 1.0 / count as f32;
        let bucket = |index: usize| {
            let coordinate = (index as f32 * step).min(1.0 - 1e-6);
            let boundary = |border: usize| ((border as f64) / side as f64) as f32;
            (1..side).take_while(|&border| boundary(border) <= coordinate).count() as u32
        };
        (0..count).map(bucket).collect()
    };
    let (row_buckets, column_buckets) = (buckets(rows), buckets(columns));
    let side = side as u32;
    row_buckets.iter().flat_map(|row| column_buckets.iter().map(move |column| row * side + column)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_square_has_the_identity() {
        for side in [2, 4, 8, 16, 32] {
            assert_eq!(position_ids(side, side, side), (0..(side * side) as u32).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_smaller_grid_is_spread_over_the_trained_one() {
        assert_eq!(position_ids(1, 2, 4), [0, 2]);
    }
}
