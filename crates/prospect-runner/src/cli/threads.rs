//! How many threads compute: what `RAYON_NUM_THREADS` asks for, as far as the machine has them.

use std::thread::available_parallelism;

use prospect_model::start_threads;

use crate::error::RunError;

/// The variable by which a person asks for a number.
const VARIABLE: &str = "RAYON_NUM_THREADS";

/// Starts the threads; gives a line for the person where there are fewer than were asked for.
///
/// # Errors
/// [`RunError::Model`] if the system does not give them.
pub(super) fn start() -> Result<Option<String>, RunError> {
    let machine = available_parallelism().map_or(1, usize::from);
    let (threads, note) = choose(std::env::var(VARIABLE).ok().as_deref(), machine);
    start_threads(threads)?;
    Ok(note)
}

/// The number of threads, and what is said of it. More than the machine has only wait for each other: a job of a second took
/// 90 with a thousand.
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
