//! A build without our own CUDA kernels. No value of these types can exist, so the functions are never
//! called.

use candle_core::{DType, Tensor};

use crate::error::Result;
use crate::placement::Compute;
use crate::sampling::Choice;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Fused {}

pub(crate) enum Step {}

pub(crate) enum Decoding {}

impl Fused {
    pub(crate) fn of(_: &Compute) -> Option<Self> {
        None
    }

    pub(crate) fn decoding(self, _: &Compute) -> Result<Decoding> {
        match self {}
    }

    pub(crate) fn rms_norm(self, _: &Tensor, _: &Tensor, _: f32, _: DType) -> Result<Tensor> {
        match self {}
    }

    pub(crate) fn layer_norm(
        self,
        _: &Tensor,
        _: (&Tensor, &Tensor),
        _: f32,
        _: Option<&Tensor>,
        _: DType,
    ) -> Result<Tensor> {
        match self {}
    }

    pub(crate) fn add_bias(self, _: &Tensor, _: &Tensor, _: bool) -> Result<()> {
        match self {}
    }

    pub(crate) fn gated(self, _: &Tensor) -> Result<Tensor> {
        match self {}
    }

    pub(crate) fn turn_into_cache(
        self,
        _: &Tensor,
        _: (&Tensor, &Tensor),
        _: &Step,
        _: (&Tensor, &Tensor),
        _: usize,
    ) -> Result<Tensor> {
        match self {}
    }

    pub(crate) fn embed_word(self, _: &Tensor, _: &Step) -> Result<Tensor> {
        match self {}
    }

    pub(crate) fn wide_product(self, _: &Tensor, _: &Tensor) -> Result<Tensor> {
        match self {}
    }

    pub(crate) fn add_product(self, _: &Tensor, _: &Tensor, _: &Tensor) -> Result<()> {
        match self {}
    }
}

impl Decoding {
    pub(crate) fn step(&self) -> &Step {
        match *self {}
    }

    pub(crate) fn start(&mut self, _: u32, _: usize, _: usize) -> Result<()> {
        match *self {}
    }

    pub(crate) fn again(
        &mut self,
        _: usize,
        _: impl FnOnce() -> Vec<Tensor>,
        _: impl Fn(&Self) -> Result<()>,
    ) -> Result<()> {
        match *self {}
    }

    pub(crate) fn choose(&self, _: &Tensor, _: u32) -> Result<()> {
        match *self {}
    }

    pub(crate) fn choice(&self) -> Result<Option<Choice>> {
        match *self {}
    }
}
