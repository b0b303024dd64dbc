//! The number of computing threads: that of `RAYON_NUM_THREADS`, limited by the machine.

use std::thread::available_parallelism;

use prospect_model::start_threads;

use crate::error::RunError;

/// The variable with the requested number.
const VARIABLE: &str = "RAYON_NUM_THREADS";

/// Starts the threads. Returns a note if there are fewer than requested.
///
/// # Errors
/// [`RunError::Model`] if the system refuses the threads.
pub(super) fn start() -> Result<Option<String>, RunError> {
    let machine = available_parallelism().map_or(1, usize::from);
    let (threads, note) = choose(std::env::var(VARIABLE).ok().as_deref(), machine);
    start_threads(threads)?;
    Ok(note)
}

/// The number of threads, and a note. Threads beyond those of the machine only wait for each other: a job of
/// one second took 90 s with a thousand threads.
fn choose(asked: Option<&str>, machine: usize) -> (usize, Option<String>) {
    let Some(asked) = asked else { return (machine, None) };
    match asked.trim().parse() {
        Ok(0) => (machine, None),
        Ok(threads) if threads <= machine => (threads, None),
        Ok(_) => (
            machine,
            Some(format!("{VARIABLE}={asked} is more than this machine has: {machine} threads compute")),
        ),
        Err(_) => (machine, Some(format!("{VARIABLE}={asked:?} is no number: {machine} threads compute"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_machine_has() {
        assert_eq!(
            [None, Some("0"), Some("4")].map(|asked| choose(asked, 4)),
            [(4, None), (4, None), (4, None)]
        );
        assert_eq!(choose(Some("1"), 4), (1, None));
        let (threads, note) = choose(Some("1000"), 4);
        assert_eq!(
            (threads, note.unwrap().as_str()),
            (4, "RAYON_NUM_THREADS=1000 is more than this machine has: 4 threads compute")
        );
        assert!(choose(Some("many"), 4).1.unwrap().contains("is no number"));
    }
}
