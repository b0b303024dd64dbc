//! Memory that weights lie in.
//!
//! One token reads every weight once, so decoding runs at the speed of memory, and with pages of 4 KB a core reached hardly
//! more than half of what it reads from large ones (measured: 16 against 30 GB/s), because its prefetching stops at the end
//! of a page. A large page has 2 MB, more than most layers, so that layers are gathered in one region.

use std::ops::{Deref, Range};
use std::sync::Arc;

/// A part of a region that it shares with others.
pub(super) struct Steps<T> {
    region: Arc<Vec<T>>,
    range: Range<usize>,
}

impl<T> From<Vec<T>> for Steps<T> {
    fn from(steps: Vec<T>) -> Self {
        Self { range: 0..steps.len(), region: Arc::new(steps) }
    }
}

impl<T> Deref for Steps<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.region[self.range.clone()]
    }
}

/// Moves all parts into one region of large pages, in their order. Each old region is freed as soon as it is copied.
pub(super) fn gather<T: Copy>(mut parts: Vec<&mut Steps<T>>) {
    let mut region = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
    ask_for_large_pages(&mut region);
    for part in &mut parts {
        let start = region.len();
        region.extend_from_slice(part);
        // The range in the new region, which does not exist before the last part is in it.
        **part = Steps { region: Arc::default(), range: start..region.len() };
        give_back();
    }
    let region = Arc::new(region);
    for part in parts {
        part.region = Arc::clone(&region);
    }
}

/// Where the system has no large pages, nothing changes but the speed, so that its answer is of no interest.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
pub(crate) fn ask_for_large_pages<T>(region: &mut Vec<T>) {
    const LARGE: usize = 2 << 20;
    let memory = region.spare_capacity_mut();
    let (start, bytes) = (memory.as_mut_ptr().cast::<u8>(), size_of_val(memory));
    let skipped = start.align_offset(LARGE);
    if let Some(whole) =
        bytes.checked_sub(skipped).map(|rest| rest / LARGE * LARGE).filter(|whole| *whole > 0)
    {
        // SAFETY: `skipped + whole <= bytes`, so the range lies in the vector's own allocation; it starts at a page; and
        // the advice changes neither its contents nor its protection.
        unsafe {
            libc::madvise(start.add(skipped).cast(), whole, libc::MADV_HUGEPAGE);
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn ask_for_large_pages<T>(_: &mut Vec<T>) {}

/// Returns what was freed to the system: an allocator that keeps it for later would hold the weights twice.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
pub(crate) fn give_back() {
    // SAFETY: it frees what is not in use and touches nothing else.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back() {}
