//! What can be wrong with the arguments of a linear layer.

use thiserror::Error;

/// A slice that does not have the length its layer needs, or a layer that cannot be packed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LinearError {
    /// A layer without inputs has nothing to multiply.
    #[error("a linear layer needs at least one input")]
    NoInputs,

    /// The weights are not a whole number of rows.
    #[error("{actual} weights are not a whole number of rows of {inputs}")]
    Weights {
        /// Values that were given.
        actual: usize,
        /// Length of a row.
        inputs: usize,
    },

    /// Not one bias per output.
    #[error("{actual} biases for {outputs} outputs")]
    Bias {
        /// Values that were given.
        actual: usize,
        /// Outputs of the part that they belong to.
        outputs: usize,
    },

    /// A weight is infinite or not a number, so its channel has no scale.
    #[error("output channel {channel} has a weight that is not finite")]
    NotFinite {
        /// The first such channel.
        channel: usize,
    },

    /// int8 in groups that no kernel has.
    #[error("{actual} inputs share a scale, where a multiple of {unit} up to {most} was expected")]
    InputsPerScale {
        /// Inputs that were to share one.
        actual: usize,
        /// Inputs of the smallest group.
        unit: usize,
        /// Inputs of the largest group.
        most: usize,
    },

    /// A layer in int8 was to be rounded to int8.
    #[error("the layer is in int8 already, where one in f32 was expected")]
    Rounded,

    /// The input is not `[rows, inputs]`.
    #[error("an input of {actual} values where {rows} x {inputs} were expected")]
    Input {
        /// Values that were given.
        actual: usize,
        /// Rows asked for.
        rows: usize,
        /// Inputs of the layer.
        inputs: usize,
    },

    /// The output is not `[rows, outputs]`.
    #[error("an output of {actual} values where {rows} x {outputs} were expected")]
    Output {
        /// Values that were given.
        actual: usize,
        /// Rows asked for.
        rows: usize,
        /// Outputs of the layer.
        outputs: usize,
    },
}
