//! A build with the kernels, for NVIDIA's GPUs.

use candle_core::{DType, Tensor};
use prospect_cuda::Place;
pub(crate) use prospect_cuda::Step;

use crate::error::Result;
use crate::placement::{Compute, Kernels};
use crate::sampling::Choice;

/// Shows that the kernels are there for where, and for the type in which, a model computes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fused(());

impl Fused {
    pub(crate) fn of(compute: &Compute) -> Option<Self> {
        let wanted = compute.placement.kernels != Kernels::Plain;
        (wanted && prospect_cuda::has_row_kernels(&compute.device, compute.dtype)).then_some(Self(()))
    }

    /// What a cache needs besides.
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

    /// Leaves the rows with `pending` added to them.
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

    /// In place.
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

    /// Adds `x W^T` to `sums` in f32, where they lie.
    pub(crate) fn add_product(self, sums: &Tensor, x: &Tensor, weight: &Tensor) -> Result<()> {
        Ok(prospect_cuda::add_product(sums, &x.contiguous()?, weight)?)
    }
}

/// What a GPU knows of the next word of one stream: where it goes, and what it may be.
pub(crate) struct Decoding {
    step: Step,
    /// As [`prospect_cuda::choose`] has it.
    choice: Tensor,
    #[cfg(feature = "flash-attn")]
    captured: Captured,
}

/// Work that was done once, by how far it reaches; captured once it is asked for again.
#[cfg(feature = "flash-attn")]
type Captured = std::collections::HashMap<usize, Option<prospect_cuda::Graph>>;

impl Decoding {
    pub(crate) fn step(&self) -> &Step {
        &self.step
    }

    /// Moves to a chunk that begins with the word `id`, or has none.
    pub(crate) fn start(&mut self, id: u32, position: usize, slot: usize) -> Result<()> {
        Ok(self.step.start(Place { id, position, slot })?)
    }

    /// Notes what these logits, `[1, vocab]`, let expect.
    pub(crate) fn choose(&self, logits: &Tensor, silence: u32) -> Result<()> {
        Ok(prospect_cuda::choose(logits, silence, &self.choice)?)
    }

    /// Does `work` at the step, or what it was when it was done before with the same reach. `kept` are all tensors that it reads or
    /// writes, but for those of this.
    #[cfg(feature = "flash-attn")]
    pub(crate) fn again(
        &mut self,
        reach: usize,
        kept: impl FnOnce() -> Vec<Tensor>,
        work: impl Fn(&Self) -> Result<()>,
    ) -> Result<()> {
        let graph = match self.captured.remove(&reach) {
            // All kernels are loaded by that.
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

    /// As it is: a step that is to be captured needs flash attention.
    #[cfg(not(feature = "flash-attn"))]
    pub(crate) fn again(
        &mut self,
        _: usize,
        _: impl FnOnce() -> Vec<Tensor>,
        work: impl Fn(&Self) -> Result<()>,
    ) -> Result<()> {
        work(self)
    }

    /// What was noted last; waits for the device. `None` if a logit was not finite.
    pub(crate) fn choice(&self) -> Result<Option<Choice>> {
        let [likeliest, other, silence, nothing] = self.choice.to_vec1::<f32>()?[..] else {
            return Err(candle_core::Error::msg("a choice has four numbers").into());
        };
        let choice = Choice { likeliest: likeliest as u32, other: other as u32, silence };
        Ok((nothing == 0.0).then_some(choice))
    }
}
