//! A build with our own CUDA kernels, for NVIDIA GPUs.

use candle_core::{DType, Tensor};
use prospect_cuda::Place;
pub(crate) use prospect_cuda::Step;

use crate::error::Result;
use crate::placement::{Compute, Kernels};
use crate::sampling::Choice;

/// Proof that there are kernels for the device and the number type of a model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fused(());

impl Fused {
    pub(crate) fn of(compute: &Compute) -> Option<Self> {
        let wanted = compute.placement.kernels != Kernels::Plain;
        (wanted && prospect_cuda::has_row_kernels(&compute.device, compute.dtype)).then_some(Self(()))
    }

    /// The state that a cache needs for these kernels.
    pub(crate) fn decoding(self, compute: &Compute) -> Result<Decoding> {
        let choice = Tensor::zeros(4, DType::F32, &compute.device)?;
        Ok(Decoding {
            step: Step::new(&compute.device)?,
            choice,
            #[cfg(feature = "flash-attn")]
            captured: Captured::new(),
        })
    }

    pub(crate) fn rms_norm(self, x: &Tensor, weight: &Tensor, eps: f32, to: DType) -> Result<Tensor> {
        Ok(prospect_cuda::rms_norm(x, weight, eps, to)?)
    }

    /// Also adds `pending` to the rows of `x`, in place.
    pub(crate) fn layer_norm(
        self,
        x: &Tensor,
        weight_and_bias: (&Tensor, &Tensor),
        eps: f32,
        pending: Option<&Tensor>,
        to: DType,
    ) -> Result<Tensor> {
        Ok(prospect_cuda::layer_norm(x, weight_and_bias, eps, pending, to)?)
    }

    /// Adds the bias in place.
    pub(crate) fn add_bias(self, x: &Tensor, bias: &Tensor, gelu: bool) -> Result<()> {
        Ok(prospect_cuda::add_bias(x, bias, gelu)?)
    }

    pub(crate) fn gated(self, gate_up: &Tensor) -> Result<Tensor> {
        Ok(prospect_cuda::gated(gate_up)?)
    }

    /// Returns the queries, `[tokens, heads, head_dim]`.
    pub(crate) fn turn_into_cache(
        self,
        qkv: &Tensor,
        tables: (&Tensor, &Tensor),
        step: &Step,
        sides: (&Tensor, &Tensor),
        heads: usize,
    ) -> Result<Tensor> {
        Ok(prospect_cuda::turn_into_cache(qkv, tables, step, sides, heads)?)
    }

    pub(crate) fn embed_word(self, table: &Tensor, step: &Step) -> Result<Tensor> {
        Ok(prospect_cuda::embed_word(table, step)?)
    }

    /// `x W^T` in f32.
    pub(crate) fn wide_product(self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        Ok(prospect_cuda::wide_product(&x.contiguous()?, weight)?)
    }

    /// Adds `x W^T` to `sums` in f32, in place.
    pub(crate) fn add_product(self, sums: &Tensor, x: &Tensor, weight: &Tensor) -> Result<()> {
        Ok(prospect_cuda::add_product(sums, &x.contiguous()?, weight)?)
    }
}

/// What a GPU holds for the next token of one stream: its place, and the choice computed from its
/// logits.
pub(crate) struct Decoding {
    step: Step,
    /// The four numbers that [`prospect_cuda::choose`] writes.
    choice: Tensor,
    #[cfg(feature = "flash-attn")]
    captured: Captured,
}

/// Work by its reach: `None` after it ran once, and then its captured graph.
#[cfg(feature = "flash-attn")]
type Captured = std::collections::HashMap<usize, Option<prospect_cuda::Graph>>;

impl Decoding {
    pub(crate) fn step(&self) -> &Step {
        &self.step
    }

    /// Sets the place of a chunk. `id` is its only token, or an id that no vocabulary has.
    pub(crate) fn start(&mut self, id: u32, position: usize, slot: usize) -> Result<()> {
        Ok(self.step.start(Place { id, position, slot })?)
    }

    /// Computes the choice from logits, `[1, vocab]`, on the device.
    pub(crate) fn choose(&self, logits: &Tensor, silence: u32) -> Result<()> {
        Ok(prospect_cuda::choose(logits, silence, &self.choice)?)
    }

    /// Runs `work` for the present step. The second call with the same `reach` captures it as a graph,
    /// and later calls launch that graph. `kept` must list all tensors that the work reads or writes,
    /// except those of this value.
    #[cfg(feature = "flash-attn")]
    pub(crate) fn again(
        &mut self,
        reach: usize,
        kept: impl FnOnce() -> Vec<Tensor>,
        work: impl Fn(&Self) -> Result<()>,
    ) -> Result<()> {
        let graph = match self.captured.remove(&reach) {
            // The first run loads all kernels, which a capture cannot do.
            None => {
                work(self)?;
                None
            }
            Some(None) => {
                let kept = [kept(), vec![self.choice.clone()]].concat();
                let captured = || work(self).map_err(candle_core::Error::wrap);
                let mut graph = prospect_cuda::Graph::capture(&self.step, kept, captured)?;
                graph.launch(&self.step)?;
                Some(graph)
            }
            Some(Some(mut graph)) => {
                graph.launch(&self.step)?;
                Some(graph)
            }
        };
        self.captured.insert(reach, graph);
        Ok(())
    }

    /// Runs `work` without a capture, because a captured step needs flash attention.
    #[cfg(not(feature = "flash-attn"))]
    pub(crate) fn again(
        &mut self,
        _: usize,
        _: impl FnOnce() -> Vec<Tensor>,
        work: impl Fn(&Self) -> Result<()>,
    ) -> Result<()> {
        work(self)
    }

    /// The last computed choice; waits for the device. `None` if a logit was not finite.
    pub(crate) fn choice(&self) -> Result<Option<Choice>> {
        let [likeliest, other, silence, nothing] = self.choice.to_vec1::<f32>()?[..] else {
            return Err(candle_core::Error::msg("a choice has four numbers").into());
        };
        let choice = Choice { likeliest: likeliest as u32, other: other as u32, silence };
        Ok((nothing == 0.0).then_some(choice))
    }
}
