//! The SigLIP vision tower and the connector over buffers: from pixels to the embeddings of image
//! tokens.

use super::activation::activate;
use super::elementwise::{add, layer_norm};
use super::lend::{Spare, sized};
use super::load::{LayerNorm, floats, layers, stacked};
use super::patches::{patch_pixels, square_of_patches};
use super::stage::{for_rows, in_pool};
use crate::attention::{Heads, Inputs, Mask, Rounded, Scratch, attend};
use crate::error::Result;
use crate::layer_weights::VisionLayer;
use crate::linear::{PackedLinear, Precision};
use crate::precisions::{FloatType, Precisions};
use crate::vision::{VisionConfig, position_ids};
use crate::weights::Weights;

type Layer = VisionLayer<LayerNorm, PackedLinear>;

/// Vision tower and connector.
pub(crate) struct VisionEncoder {
    config: VisionConfig,
    /// The convolution, computed as a linear layer over the pixels of a patch, because patches do not
    /// overlap.
    patch_embedding: PackedLinear,
    /// Position embeddings of the patches of a tile, `[patches, hidden]`.
    positions: Vec<f32>,
    layers: Vec<Layer>,
    post_layernorm: LayerNorm,
    scale_factor: usize,
    projection: PackedLinear,
    /// Type of keys and values in attention.
    attention: FloatType,
    buffers: Spare<Buffers>,
}

#[derive(Debug, Default)]
struct Buffers {
    /// The residual stream, `[tiles * patches, hidden]`.
    x: Vec<f32>,
    /// Queries, keys and values, `[tiles * patches, 3 * hidden]`.
    qkv: Vec<f32>,
    /// Output of attention, and at the end the normalized hidden states, `[tiles * patches, hidden]`.
    mixed: Vec<f32>,
    attention: Scratch,
    /// Keys and values rounded to bf16, for attention in bf16.
    rounded: [Rounded; 2],
}

impl VisionEncoder {
    /// `text_hidden` is the width of the embeddings.
    pub(crate) fn load(
        weights: &Weights,
        config: &VisionConfig,
        scale_factor: usize,
        text_hidden: usize,
        precisions: Precisions,
    ) -> Result<Self> {
        let precision = precisions.vision;
        let (hidden, patch, side) = (config.hidden_size, config.patch_size, config.patches_per_side());
        let prefix = "model.vision_model";
        let embeddings = format!("{prefix}.embeddings");
        let table = format!("{embeddings}.position_embedding.weight");
        let table = floats(weights, &table, &[side * side, hidden])?;
        let position = |id: u32| table[id as usize * hidden..][..hidden].iter().copied();
        // The largest matrix is loaded first, so that its temporary memory is free again before the
        // others are loaded.
        let projection = [("model.connector.modality_projection.proj", text_hidden)];
        let block = hidden * scale_factor * scale_factor;
        let projection = stacked(weights, precision, &projection, block, false)?;
        let layer = |name: &str| {
            Layer::read(
                config,
                name,
                |norm| LayerNorm::load(weights, norm, hidden),
                |parts, inputs| stacked(weights, precision, parts, inputs, true),
            )
        };
        let mut encoder = Self {
            config: config.clone(),
            patch_embedding: patch_embedding(weights, &embeddings, hidden, patch)?,
            positions: position_ids(side, side, side).into_iter().flat_map(position).collect(),
            layers: layers(config.num_hidden_layers, |number| {
                layer(&format!("{prefix}.encoder.layers.{number}"))
            })?,
            post_layernorm: LayerNorm::load(weights, &format!("{prefix}.post_layernorm"), hidden)?,
            scale_factor,
            projection,
            attention: precisions.vision_attention,
            buffers: Spare::default(),
        };
        PackedLinear::gather(encoder.layers.iter_mut().flat_map(Layer::linears_mut));
        Ok(encoder)
    }

    /// Bytes of weights that are read for every frame.
    pub(crate) fn weight_bytes(&self) -> usize {
        let layers = self.layers.iter().flat_map(Layer::linears);
        layers.chain([&self.patch_embedding, &self.projection]).map(PackedLinear::weight_bytes).sum()
    }

    /// Pixels `[tiles, 3, side, side]` to the embeddings of their image tokens,
    /// `[image tokens, text hidden]`, tile by tile.
    pub(crate) fn encode(&self, pixels: &[f32], tiles: usize) -> Result<Vec<f32>> {
        let (hidden, scale) = (self.config.hidden_size, self.scale_factor);
        let patches = self.config.patches_per_side().pow(2);
        let squares = (self.config.patches_per_side() / scale).pow(2);
        let (inputs, outputs) = (self.projection.inputs(), self.projection.outputs());
        let mut embeddings = vec![0.0; tiles * squares * outputs];
        self.buffers.lend(|buffers| {
            in_pool(|| {
                let states = self.states(buffers, pixels, tiles)?;
                for_rows(&mut embeddings, outputs, inputs, |threads, first, embeddings, shuffled| {
                    for (row, square) in shuffled.chunks_exact_mut(inputs).zip(first..) {
                        let tile = &states[square / squares * patches * hidden..][..patches * hidden];
                        square_of_patches(tile, hidden, scale, square % squares, row);
                    }
                    threads.product(&self.projection, shuffled, embeddings)
                })
            })
        })?;
        Ok(embeddings)
    }

    /// Pixels `[tiles, 3, side, side]` to the normalized hidden states of the last layer,
    /// `[tiles * patches, hidden]`.
    pub(crate) fn hidden_states(&self, pixels: &[f32], tiles: usize) -> Result<Vec<f32>> {
        self.buffers.lend(|buffers| in_pool(|| Ok(self.states(buffers, pixels, tiles)?.to_vec())))
    }

    fn states<'a>(&self, buffers: &'a mut Buffers, pixels: &[f32], tiles: usize) -> Result<&'a [f32]> {
        let (hidden, eps) = (self.config.hidden_size, self.config.layer_norm_eps as f32);
        let rows = tiles * self.config.patches_per_side().pow(2);
        let x = sized(&mut buffers.x, rows * hidden);
        let qkv = sized(&mut buffers.qkv, rows * 3 * hidden);
        let mixed = sized(&mut buffers.mixed, rows * hidden);
        self.embed(pixels, tiles, x)?;
        for layer in &self.layers {
            layer.before_attention(&self.config, x, qkv)?;
            for tile in 0..tiles {
                let scratch = (&mut buffers.attention, &mut buffers.rounded);
                self.mix(scratch, tile, tiles, qkv, mixed)?;
            }
            layer.after_attention(&self.config, mixed, x)?;
        }
        let x = &*x;
        for_rows(mixed, hidden, 0, |_, first, normed, _| {
            let x = &x[first * hidden..][..normed.len()];
            layer_norm(x, &self.post_layernorm.weight, &self.post_layernorm.bias, eps, normed);
            Ok(())
        })?;
        Ok(mixed)
    }

    fn embed(&self, pixels: &[f32], tiles: usize, x: &mut [f32]) -> Result<()> {
        let VisionConfig { hidden_size: hidden, patch_size, image_size, .. } = self.config;
        let inputs = self.patch_embedding.inputs();
        let (tile_pixels, patches) = (pixels.len() / tiles, self.positions.len() / hidden);
        for_rows(x, hidden, inputs, |threads, first, x, gathered| {
            for (row, patch) in gathered.chunks_exact_mut(inputs).zip(first..) {
                let tile = &pixels[patch / patches * tile_pixels..][..tile_pixels];
                patch_pixels(tile, image_size, patch_size, patch % patches, row);
            }
            threads.product(&self.patch_embedding, gathered, x)?;
            for (row, patch) in x.chunks_exact_mut(hidden).zip(first..) {
                add(row, &self.positions[patch % patches * hidden..][..hidden]);
            }
            Ok(())
        })
    }

    /// Full attention between the patches of one tile.
    fn mix(
        &self,
        (scratch, rounded): (&mut Scratch, &mut [Rounded; 2]),
        tile: usize,
        tiles: usize,
        qkv: &[f32],
        mixed: &mut [f32],
    ) -> Result<()> {
        let (hidden, heads) = (self.config.hidden_size, self.config.num_attention_heads);
        let (patches, head_dim) = (mixed.len() / tiles / hidden, hidden / heads);
        let qkv = &qkv[tile * patches * 3 * hidden..];
        let part = |part: usize| {
            Heads::strided(&qkv[part * hidden..], [heads, patches, head_dim], [head_dim, 3 * hidden])
        };
        let (queries, keys, values, mask) = (part(0)?, part(1)?, part(2)?, Mask::None);
        let mixed = &mut mixed[tile * patches * hidden..][..patches * hidden];
        match self.attention {
            FloatType::F32 => attend(scratch, &Inputs { queries, keys, values, mask }, mixed)?,
            FloatType::Bf16 => {
                let [rounded_keys, rounded_values] = rounded;
                let (keys, values) = (rounded_keys.take(&keys), rounded_values.take(&values));
                attend(scratch, &Inputs { queries, keys, values, mask }, mixed)?;
            }
        }
        Ok(())
    }
}

impl Layer {
    fn before_attention(&self, config: &VisionConfig, x: &[f32], qkv: &mut [f32]) -> Result<()> {
        let (hidden, eps) = (config.hidden_size, config.layer_norm_eps as f32);
        for_rows(qkv, 3 * hidden, hidden, |threads, first, qkv, normed| {
            let x = &x[first * hidden..][..normed.len()];
            layer_norm(x, &self.layer_norm1.weight, &self.layer_norm1.bias, eps, normed);
            threads.product(&self.qkv_proj, normed, qkv)
        })
    }

    fn after_attention(&self, config: &VisionConfig, mixed: &[f32], x: &mut [f32]) -> Result<()> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        for_rows(x, hidden, hidden + inner, |threads, first, x, memory| {
            threads.add_product(&self.out_proj, &mixed[first * hidden..][..x.len()], x)?;
            let (normed, activated) = memory.split_at_mut(x.len());
            let eps = config.layer_norm_eps as f32;
            layer_norm(x, &self.layer_norm2.weight, &self.layer_norm2.bias, eps, normed);
            threads.product(&self.fc1, normed, activated)?;
            activate(config.hidden_act, activated)?;
            threads.add_product(&self.fc2, activated, x)
        })
    }
}

/// The patch embedding, always exact, because its inputs are pixels instead of hidden states.
fn patch_embedding(weights: &Weights, name: &str, hidden: usize, patch: usize) -> Result<PackedLinear> {
    let name = format!("{name}.patch_embedding");
    let weight = floats(weights, &format!("{name}.weight"), &[hidden, 3, patch, patch])?;
    let bias = floats(weights, &format!("{name}.bias"), &[hidden])?;
    Ok(PackedLinear::new(Precision::F32, &weight, Some(&bias), 3 * patch * patch)?)
}
