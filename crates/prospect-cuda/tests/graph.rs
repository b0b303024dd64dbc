//! Captured work, on a GPU or on the CPU stand-in of `cargo xtask cuda-test`.
#![cfg(feature = "flash-attn")]
#![allow(clippy::unwrap_used, reason = "tests")]

use candle_core::{DType, Device, Error, Tensor};
use prospect_cuda::{Graph, Handover, Place, Step, choose, embed_word, open, rms_norm};

const WORDS: usize = 5;

/// Embeddings that identify their token: feature `id` of token `id` is the largest.
fn table(gpu: &Device) -> Tensor {
    let rows: Vec<f32> = (0..WORDS * 32).map(|at| f32::from(at % 32 == at / 32)).collect();
    let rows = Tensor::from_vec(rows, (WORDS, 32), &Device::Cpu).unwrap();
    rows.to_dtype(DType::BF16).unwrap().to_device(gpu).unwrap()
}

fn at(id: u32) -> Place {
    Place { id, ..Place::default() }
}

struct Stage {
    gpu: Device,
    table: Tensor,
    choice: Tensor,
    step: Step,
}

impl Stage {
    fn new() -> Self {
        let gpu = open(0).unwrap();
        let choice = Tensor::zeros(4, DType::F32, &gpu).unwrap();
        Self { table: table(&gpu), choice, step: Step::new(&gpu).unwrap(), gpu }
    }

    fn kept(&self) -> Vec<Tensor> {
        vec![self.table.clone(), self.choice.clone()]
    }

    /// Looks up the embedding of the step's token and writes which token it was.
    fn work(&self) -> candle_core::Result<()> {
        choose(&embed_word(&self.table, &self.step)?, u32::MAX, &self.choice)
    }

    fn chosen(&self) -> u32 {
        self.choice.to_vec1::<f32>().unwrap()[0] as u32
    }
}

#[test]
fn a_graph_does_its_work_at_the_step_as_it_is() {
    let mut stage = Stage::new();
    stage.step.start(at(1)).unwrap();
    stage.work().unwrap();
    stage.step.start(at(2)).unwrap();
    let mut graph = Graph::capture(&stage.step, stage.kept(), || stage.work()).unwrap();
    // The capture executed nothing.
    assert_eq!(stage.chosen(), 1);
    for id in [2, 4, 0, 3] {
        stage.step.start(at(id)).unwrap();
        graph.launch(&stage.step).unwrap();
        assert_eq!(stage.chosen(), id);
    }
    // The table has no such row.
    stage.step.start(at(WORDS as u32)).unwrap();
    assert!(graph.launch(&stage.step).unwrap_err().to_string().contains("below"));
    let foreign = Step::new(&stage.gpu).unwrap();
    assert!(graph.launch(&foreign).unwrap_err().to_string().contains("captured with"));
    assert_eq!(stage.chosen(), 3);
}

#[test]
fn a_capture_that_fails_leaves_the_stream_as_it_was() {
    let mut stage = Stage::new();
    stage.step.start(at(1)).unwrap();
    stage.work().unwrap();
    // Waiting for the device cannot be captured. Memory that was allocated before the failure is freed.
    let reads = || {
        let word = embed_word(&stage.table, &stage.step)?;
        stage.choice.to_vec1::<f32>().map_err(Error::wrap)?;
        choose(&word, u32::MAX, &stage.choice)
    };
    assert!(Graph::capture(&stage.step, stage.kept(), reads).is_err());
    assert!(Graph::capture(&stage.step, stage.kept(), || candle_core::bail!("mine")).is_err());
    let panics = std::panic::AssertUnwindSafe(|| {
        Graph::capture(&stage.step, stage.kept(), || panic!("in the work")).map(drop)
    });
    assert!(std::panic::catch_unwind(panics).is_err());
    stage.step.start(at(3)).unwrap();
    stage.work().unwrap();
    assert_eq!(stage.chosen(), 3);
    let mut graph = Graph::capture(&stage.step, stage.kept(), || stage.work()).unwrap();
    stage.step.start(at(4)).unwrap();
    graph.launch(&stage.step).unwrap();
    assert_eq!(stage.chosen(), 4);
}

#[test]
fn tensors_of_two_streams_do_not_meet() {
    let [one, other] = [(); 2].map(|()| open(0).unwrap());
    let x = Tensor::ones((2, 32), DType::F32, &one).unwrap();
    let [mine, foreign] = [&one, &other].map(|gpu| Tensor::ones(32, DType::F32, gpu).unwrap());
    rms_norm(&x, &mine, 1e-5, DType::BF16).unwrap();
    let error = rms_norm(&x, &foreign, 1e-5, DType::BF16).unwrap_err();
    assert!(error.to_string().contains("several devices"), "{error}");
    let taken = Handover::of(foreign).unwrap().take(&one).unwrap();
    rms_norm(&x, &taken, 1e-5, DType::BF16).unwrap();
    // The tensor is read and written by the same call.
    let same = Tensor::ones(4, DType::F32, &one).unwrap();
    let error = choose(&same, 0, &same).unwrap_err();
    assert!(error.to_string().contains("shares its memory"), "{error}");
}
