//! Reads a decoder from the weights of a checkpoint.

use super::calibration::Calibration;
use super::decoder::{Decoder, Layer};
use super::lend::Spare;
use super::load::{Table, floats, layers, stacked};
use crate::error::Result;
use crate::layer_weights::table_and_head;
use crate::linear::{PackedLinear, Precision};
use crate::placement::Compute;
use crate::rotary::Rotary;
use crate::text_config::TextConfig;
use crate::weights::Weights;

impl Decoder {
    pub(crate) fn load(
        weights: &Weights,
        config: &TextConfig,
        tied: bool,
        precision: Precision,
    ) -> Result<Self> {
        let mut decoder = Self::without_layers(weights, config, tied, precision)?;
        decoder.layers = match precision {
            Precision::F32 => layers(config.num_hidden_layers, |number| read_layer(weights, config, number))?,
            Precision::Int8 { inputs_per_scale, rotated } => {
                let round = |linear: PackedLinear| linear.rounded(inputs_per_scale, rotated);
                let mut calibration = Calibration::new(&decoder);
                let layers = layers(config.num_hidden_layers, |number| {
                    let layer = read_layer(weights, config, number)?;
                    let layer = layer.map(|linear| Result::Ok(linear.observing()))?;
                    calibration.pass(&decoder, &layer)?;
                    Ok(layer.map(round)?)
                })?;
                calibration.show_head(&decoder);
                decoder.lm_head = decoder.lm_head.rounded(inputs_per_scale, rotated)?;
                layers
            }
        };
        // Moves the weights into one block of memory, because every token reads all of them in this
        // order.
        let layers = decoder.layers.iter_mut().flat_map(Layer::linears_mut);
        PackedLinear::gather(layers.chain([&mut decoder.lm_head]));
        Ok(decoder)
    }

    /// Everything but the layers. The head is not rounded yet.
    fn without_layers(
        weights: &Weights,
        config: &TextConfig,
        tied: bool,
        precision: Precision,
    ) -> Result<Self> {
        let hidden = config.hidden_size;
        let (table, head) = table_and_head(weights, tied);
        let shared = table == head && precision == Precision::F32;
        // The largest matrix is loaded first, so that its temporary memory is free again before the
        // others are loaded.
        let lm_head = stacked(weights, Precision::F32, &[(head, config.vocab_size)], hidden, false)?;
        let read = || floats(weights, &format!("{table}.weight"), &[config.vocab_size, hidden]);
        let rotary = Rotary::new(
            config.head_dim(),
            config.rope_theta(),
            config.max_position_embeddings,
            &Compute::cpu(),
        )?;
        Ok(Self {
            config: config.clone(),
            embed_tokens: if shared { None } else { Some(Table::new(read()?, hidden)) },
            layers: Vec::new(),
            norm: floats(weights, "model.text_model.norm.weight", &[hidden])?,
            lm_head: if precision == Precision::F32 { lm_head } else { lm_head.observing() },
            rotary,
            buffers: Spare::default(),
        })
    }
}

/// A layer whose weights are as they are in the checkpoint.
fn read_layer(weights: &Weights, config: &TextConfig, number: usize) -> Result<Layer> {
    Layer::read(
        config,
        &format!("model.text_model.layers.{number}"),
        |norm| floats(weights, &format!("{norm}.weight"), &[config.hidden_size]),
        |parts, inputs| stacked(weights, Precision::F32, parts, inputs, false),
    )
}
