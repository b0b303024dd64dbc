//! Libraries that take a damaged file at its word and panic where it lies.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// What `read` returns, or `None` if it panics, of which nothing is printed: what reaches the person is our one line. What
/// `read` was changing is not to be used any more then.
pub fn caught<T>(read: impl FnOnce() -> T) -> Option<T> {
    // The hook is the process's, so that it is set once and asks whose panic it is.
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
