//! Measures how fast the device reads memory and multiplies, which gives lower bounds for every stage.
//! Decoding reads all weights for every token; vision and prefill multiply.

use std::hint::black_box;
use std::time::Instant;

use prospect_model::SmolVlm;
use serde::Serialize;

use crate::error::RunError;

/// Larger than any cache.
const BYTES: usize = 512 << 20;
/// Number of reads. The fastest counts, since others may have been disturbed.
const READS: usize = 5;

/// Rates of a device.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rates {
    /// Bytes read per second: on a CPU by all threads together; on a GPU the bytes that a copy reads
    /// and writes.
    pub bytes_per_second: f64,
    /// Operations per second of a large product in the model's type. A multiplication and an addition
    /// count as two.
    pub operations_per_second: f64,
}

/// Measures the device of a model.
///
/// # Errors
/// The device fails.
pub fn rates(model: &SmolVlm) -> Result<Rates, RunError> {
    let bytes_per_second = match model.copy_rate()? {
        Some(copied) => copied,
        None => read_bandwidth(prospect_model::threads()),
    };
    Ok(Rates { bytes_per_second, operations_per_second: model.product_rate()? })
}

/// Bytes per second that `threads` threads read together.
fn read_bandwidth(threads: usize) -> f64 {
    let words = vec![1u64; BYTES / size_of::<u64>()];
    let fastest = (0..READS).map(|_| read(&words, threads)).fold(f64::INFINITY, f64::min);
    BYTES as f64 / fastest
}

/// Seconds to read all words.
fn read(words: &[u64], threads: usize) -> f64 {
    let started = Instant::now();
    std::thread::scope(|scope| {
        for part in words.chunks(words.len().div_ceil(threads.max(1))) {
            // Eight independent sums, so that additions do not wait for each other.
            scope.spawn(move || {
                let mut sums = [0u64; 8];
                for block in part.chunks_exact(8) {
                    sums.iter_mut().zip(block).for_each(|(sum, word)| *sum = sum.wrapping_add(*word));
                }
                black_box(sums);
            });
        }
    });
    started.elapsed().as_secs_f64()
}
