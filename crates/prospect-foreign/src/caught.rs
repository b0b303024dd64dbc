//! Catches the panics of libraries that trust the contents of a damaged file.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Returns what `read` returns, or `None` if `read` panics. The panic message is not printed, so that
/// the person sees only the one line that Prospect prints. After a panic, values that `read` was
/// changing must not be used any more.
pub fn caught<T>(read: impl FnOnce() -> T) -> Option<T> {
    // The panic hook belongs to the whole process. It is therefore set once, and decides at each panic
    // whether to print.
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = take_hook();
        set_hook(Box::new(move |panic| {
            if !CAUGHT.get() {
                others(panic);
            }
        }));
    });
    CAUGHT.set(true);
    let result = catch_unwind(AssertUnwindSafe(read)).ok();
    CAUGHT.set(false);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_nothing_and_the_next_one_is_somebody_elses() {
        assert_eq!(caught(|| 3), Some(3));
        let entries: &[u32] = &[];
        assert_eq!(caught(|| entries[entries.len()]), None);
        assert!(catch_unwind(|| assert_eq!(entries.len(), 1)).is_err() && !CAUGHT.get());
    }
}
