//! The vision tower's (SigLIP) section of config.json, and the position ids of its patches.

use candle_nn::Activation;
use serde::Deserialize;

/// `vision_config` of config.json. Missing keys have the defaults of `SmolVLMVisionConfig` in
/// `transformers`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct VisionConfig {
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width inside the MLP.
    pub intermediate_size: usize,
    /// Number of encoder layers.
    pub num_hidden_layers: usize,
    /// Number of attention heads.
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
    /// Number of patches along one side of the square input. Pixels beyond the last whole patch are
    /// ignored.
    pub fn patches_per_side(&self) -> usize {
        self.image_size / self.patch_size
    }
}

/// Position ids of a grid of `rows` x `columns` patches. Fractional coordinates are bucketed into the
/// `side` x `side` grid of the trained position embedding, in the f32 arithmetic of `transformers`.
pub(crate) fn position_ids(rows: usize, columns: usize, side: usize) -> Vec<u32> {
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
