//! One row of attention in f64, for values that overflow f32. It takes two passes over the slots.

use super::{Inputs, Mask, Number};

/// Features that are computed at a time: sums of this many fit the stack for any head size.
const FEATURES: usize = 64;

/// Computes the output of one query row, `[head_dim]`, before its values are turned back.
#[cold]
pub(super) fn row<T: Number>(
    inputs: &Inputs<T>,
    group: usize,
    head: usize,
    token: usize,
    output: &mut [f32],
) {
    let slots = match inputs.mask {
        Mask::Causal { cached } => 0..cached + token + 1,
        Mask::None => 0..inputs.keys.tokens,
    };
    let mut query = inputs.queries.row(head, token).to_vec();
    T::turn(&mut query);
    let score = |slot: usize| {
        let key = inputs.keys.row(head / group, slot);
        let product: f64 = query.iter().zip(key).map(|(q, k)| f64::from(*q) * k.number()).sum();
        product * inputs.keys.scale(head / group, slot) / (query.len() as f64).sqrt()
    };
    let max = slots.clone().map(score).fold(f64::MIN, f64::max);
    let weight = |slot: usize| (score(slot) - max).exp();
    let total: f64 = slots.clone().map(weight).sum();
    for (part, output) in output.chunks_mut(FEATURES).enumerate() {
        let mut sums = [0.0; FEATURES];
        for slot in slots.clone() {
            let share = weight(slot) / total * inputs.values.scale(head / group, slot);
            let values = &inputs.values.row(head / group, slot)[part * FEATURES..];
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += share * value.number());
        }
        // A mean of floats can round to slightly more than the largest float.
        let limit = f64::from(f32::MAX);
        output.iter_mut().zip(sums).for_each(|(to, sum)| *to = sum.clamp(-limit, limit) as f32);
    }
}
