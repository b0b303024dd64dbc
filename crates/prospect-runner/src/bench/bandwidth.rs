//! How fast the machine reads memory: the floor of decoding, which reads every weight for every token.

use std::hint::black_box;
use std::time::Instant;

/// Larger than any cache.
const BYTES: usize = 512 << 20;
/// Reads, of which the fastest counts: others were disturbed.
const READS: usize = 5;

/// Bytes a second that `threads` threads read together.
pub fn read_bandwidth(threads: usize) -> f64 {
    let words = vec![1u64; BYTES / size_of::<u64>()];
    let fastest = (0..READS).map(|_| read(&words, threads)).fold(f64::INFINITY, f64::min);
    BYTES as f64 / fastest
}

/// Seconds for reading all of it.
fn read(words: &[u64], threads: usize) -> f64 {
    let started = Instant::now();
    std::thread::scope(|scope| {
        for part in words.chunks(words.len().div_ceil(threads.max(1))) {
            // Eight sums at a time, so that the additions do not wait for each other.
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
