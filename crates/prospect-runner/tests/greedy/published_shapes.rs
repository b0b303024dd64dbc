//! A published size at its full shape, with random weights.

use prospect_processor::Processor;
use prospect_runner::published;

use crate::support::{cases, check};

/// A checkpoint of that size with the same random weights as `transformers` had.
fn check_size(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    published::find(name).unwrap().write_random(folder.path()).unwrap();
    check(folder.path(), &cases(name));
    folder
}

#[test]
#[ignore = "half a minute and 2 GB, half of them on disk"]
fn the_middle_published_size_says_what_transformers_says() {
    check_size("500m");
}

#[test]
#[ignore = "minutes and 9 GB, half of them on disk"]
fn the_largest_published_size_says_what_transformers_says() {
    check_size("2.2b");
}

#[test]
fn the_smallest_published_size_says_what_transformers_says() {
    let folder = check_size("256m");
    let special = *Processor::from_dir(folder.path()).unwrap().special();
    assert_eq!((special.bos, special.pad, special.end_of_utterance), (1, 2, 49_279));
    assert_eq!((special.image, special.global_image), (49_190, Some(49_152)));
}
