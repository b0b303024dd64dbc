//! The SigLIP vision tower and the connector over tensors: from pixels to the embeddings of image
//! tokens.

use candle_core::Tensor;

use super::attention;
use super::layers::{LayerNorm, Linear};
use super::weights::OnDevice;
use crate::error::Result;
use crate::layer_weights::{Part, VisionLayer};
use crate::placement::Compute;
use crate::vision::{VisionConfig, position_ids};

type Layer = VisionLayer<LayerNorm, Linear>;

/// Vision tower and connector.
pub(crate) struct VisionEncoder {
    config: VisionConfig,
    compute: Compute,
    /// The convolution, computed as a linear layer over the pixels of a patch, because patches do not
    /// overlap.
    patch_embedding: Linear,
    /// Position embeddings of the patches of a tile, `[patches, hidden]`, in f32.
    positions: Tensor,
    layers: Vec<Layer>,
    post_layernorm: LayerNorm,
    scale_factor: usize,
    projection: Linear,
}

impl VisionEncoder {
    /// `text_hidden` is the width of the embeddings.
    pub(crate) fn load(
        weights: &OnDevice<'_>,
        config: &VisionConfig,
        scale_factor: usize,
        text_hidden: usize,
    ) -> Result<Self> {
        let (hidden, patch, side) = (config.hidden_size, config.patch_size, config.patches_per_side());
        let prefix = "model.vision_model";
        let embedding = format!("{prefix}.embeddings.patch_embedding");
        let kernel = weights.get(&format!("{embedding}.weight"), &[hidden, 3, patch, patch])?;
        let bias = weights.get(&format!("{embedding}.bias"), &[hidden])?;
        let table = weights
            .get_wide(&format!("{prefix}.embeddings.position_embedding.weight"), &[side * side, hidden])?;
        let ids = Tensor::new(position_ids(side, side, side), &weights.compute.device)?;
        let norm = |name: &str| LayerNorm::load(weights, name, hidden, config.layer_norm_eps);
        let linear = |parts: &[Part], input| Linear::stacked(weights, parts, input, true);
        let layer = |name: &str| Layer::read(config, name, norm, linear);
        let projection = [("model.connector.modality_projection.proj", text_hidden)];
        Ok(Self {
            config: config.clone(),
            compute: weights.compute.clone(),
            patch_embedding: Linear::of(weights, kernel.reshape((hidden, 3 * patch * patch))?, Some(bias))?,
            positions: table.index_select(&ids, 0)?,
            layers: (0..config.num_hidden_layers)
                .map(|index| layer(&format!("{prefix}.encoder.layers.{index}")))
                .collect::<Result<_>>()?,
            post_layernorm: norm(&format!("{prefix}.post_layernorm"))?,
            scale_factor,
            projection: Linear::stacked(weights, &projection, hidden * scale_factor * scale_factor, false)?,
        })
    }

    /// Bytes of weights that are read for every frame.
    pub(crate) fn weight_bytes(&self) -> usize {
        let layers = self.layers.iter().flat_map(Layer::linears);
        layers.chain([&self.patch_embedding, &self.projection]).map(Linear::weight_bytes).sum()
    }

    /// Pixels `[tiles, 3, side, side]` to the embeddings of their image tokens,
    /// `[image tokens, text hidden]`, tile by tile.
    pub(crate) fn encode(&self, pixels: &[f32], tiles: usize) -> Result<Tensor> {
        let states = self.hidden_states(pixels, tiles)?;
        let (side, scale, hidden) =
            (self.config.patches_per_side(), self.scale_factor, self.config.hidden_size);
        let squares = side / scale;
        // Pixel shuffle: the patches of a square become one row, line by line.
        let shuffled = states.reshape((tiles * squares, scale, squares, scale * hidden))?.transpose(1, 2)?;
        self.projection.forward(&shuffled.reshape((tiles * squares * squares, scale * scale * hidden))?)
    }

    /// Pixels `[tiles, 3, side, side]` to the normalized hidden states of the last layer,
    /// `[tiles * patches, hidden]`.
    pub(crate) fn hidden_states(&self, pixels: &[f32], tiles: usize) -> Result<Tensor> {
        let patches = self.patches(pixels, tiles)?;
        let hidden = self.config.hidden_size;
        let embedded = self.patch_embedding.forward_wide(&patches)?;
        let embedded = embedded.reshape((tiles, (), hidden))?.broadcast_add(&self.positions)?;
        let mut x = embedded.reshape(((), hidden))?;
        for layer in &self.layers {
            x = layer.forward(x, tiles, &self.config, &self.compute)?;
        }
        self.post_layernorm.forward(&x)
    }

    /// The pixels of each patch side by side, `[tiles * patches, 3 * patch * patch]`.
    fn patches(&self, pixels: &[f32], tiles: usize) -> Result<Tensor> {
        let (size, patch, side) =
            (self.config.image_size, self.config.patch_size, self.config.patches_per_side());
        let seen = side * patch;
        let pixels = Tensor::from_slice(pixels, (tiles, 3, size, size), &self.compute.device)?;
        let pixels = pixels.to_dtype(self.compute.dtype)?.narrow(2, 0, seen)?.narrow(3, 0, seen)?;
        let grid = pixels.reshape(vec![tiles, 3, side, patch, side, patch])?;
        Ok(grid.permute(vec![0, 2, 4, 1, 3, 5])?.reshape((tiles * side * side, 3 * patch * patch))?)
    }
}

impl Layer {
    /// One layer for `[tiles * patches, hidden]` in f32, with attention within each tile.
    fn forward(&self, x: Tensor, tiles: usize, config: &VisionConfig, compute: &Compute) -> Result<Tensor> {
        let (heads, hidden) = (config.num_attention_heads, config.hidden_size);
        let qkv = self.qkv_proj.forward(&self.layer_norm1.forward_ahead_of(&self.out_proj, &x)?)?;
        let qkv = qkv.reshape((tiles, (), 3 * heads, hidden / heads))?;
        let part = |index| qkv.narrow(2, index * heads, heads);
        let mixed = attention::full(compute, &part(0)?, &part(1)?, &part(2)?)?;
        let x = self.out_proj.add_to(x, &mixed)?;
        let normed = self.layer_norm2.forward_ahead_of(&self.fc2, &x)?;
        self.fc2.add_to(x, &self.fc1.forward_activated(&normed, config.hidden_act)?)
    }
}
