//! The activation functions that a config.json can name.

use candle_core::{Device, Tensor};
use candle_nn::{Activation, Module};

use super::elementwise::{gelu_tanh, silu_gate};
use crate::error::Result;

/// Applies an activation in place. Those of published checkpoints are our own loops; all others are
/// candle's.
pub(super) fn activate(activation: Activation, x: &mut [f32]) -> Result<()> {
    match activation {
        Activation::GeluPytorchTanh | Activation::NewGelu => gelu_tanh(x),
        other => {
            let activated = other.forward(&Tensor::from_slice(x, x.len(), &Device::Cpu)?)?;
            x.copy_from_slice(&activated.to_vec1::<f32>()?);
        }
    }
    Ok(())
}

/// `[rows, 2 * inner]`, gates and values side by side, to `activation(gate) * value`, `[rows, inner]`.
pub(super) fn gate(activation: Activation, x: &[f32], inner: usize, output: &mut [f32]) -> Result<()> {
    if matches!(activation, Activation::Silu | Activation::Swish) {
        silu_gate(x, output, inner);
        return Ok(());
    }
    let rows = || x.chunks_exact(2 * inner).map(|row| row.split_at(inner));
    for (output, (gates, _)) in output.chunks_exact_mut(inner).zip(rows()) {
        output.copy_from_slice(gates);
    }
    activate(activation, output)?;
    for (output, (_, values)) in output.chunks_exact_mut(inner).zip(rows()) {
        output.iter_mut().zip(values).for_each(|(gate, value)| *gate *= value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_are_candles() {
        let x: Vec<f32> = (-40..40).map(|value| value as f32 / 7.0).collect();
        for activation in [Activation::GeluPytorchTanh, Activation::Relu, Activation::Gelu, Activation::Silu]
        {
            let expected = activation.forward(&Tensor::new(x.as_slice(), &Device::Cpu).unwrap()).unwrap();
            let expected: Vec<f32> = expected.to_vec1().unwrap();
            let mut actual = x.clone();
            activate(activation, &mut actual).unwrap();
            let mut gated = vec![0.0; x.len()];
            let pairs: Vec<f32> = x.iter().flat_map(|gate| [*gate, 3.0]).collect();
            gate(activation, &pairs, 1, &mut gated).unwrap();
            for ((expected, actual), gated) in expected.into_iter().zip(actual).zip(gated) {
                assert!((expected - actual).abs() < 2e-6, "{activation:?}: {actual}, not {expected}");
                assert!((3.0 * expected - gated).abs() < 6e-6, "{activation:?}: {gated}, not 3 * {expected}");
            }
        }
    }
}
