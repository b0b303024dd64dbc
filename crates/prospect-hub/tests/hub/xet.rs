//! Large files from the Xet storage.

use std::path::Path;
use std::time::Duration;

use prospect_hub::{Hub, HubError, Patience, Snapshot};

use crate::stand_in::{Fault, ID, StandIn, digest, id};

const WEIGHTS: &str = "model.safetensors";
const LARGE: &str = "large model.safetensors";
const CHUNKS: &str = "xet model.safetensors";
const PLAN: &str = "xet plan model.safetensors";

fn storage() -> (StandIn, tempfile::TempDir) {
    (StandIn::serving("gqa-tied").with_xet(), tempfile::tempdir().unwrap())
}

/// A hub that is waited for: the library of the storage reads the system's certificates first, which takes a while.
fn patient(server: &StandIn, cache: &Path) -> Hub {
    let patience = Patience { tries: 4, first_pause: Duration::from_millis(5), ..Patience::default() };
    Hub::new(server.environment(cache)).with_patience(patience)
}

fn assert_whole(server: &StandIn, snapshot: &Snapshot) {
    for name in [WEIGHTS, "tokenizer.json"] {
        assert_eq!(std::fs::read(snapshot.folder.join(name)).unwrap(), server.file(name), "{name}");
    }
}

fn incomplete(server: &StandIn, cache: &Path) -> std::path::PathBuf {
    let blobs = cache.join("models--owner--Small-1.5/blobs");
    std::fs::create_dir_all(&blobs).unwrap();
    blobs.join(digest(WEIGHTS, &server.file(WEIGHTS)) + ".incomplete")
}

#[test]
fn large_files_come_from_the_storage_and_each_host_is_shown_its_own_token() {
    let (server, cache) = storage();
    let snapshot = patient(&server, cache.path()).download(&id(ID)).unwrap();
    assert_whole(&server, &snapshot);
    assert!(server.requests(LARGE).is_empty(), "not over HTTP");
    assert!(!server.requests(CHUNKS).is_empty());
    for request in server.log() {
        let expected = match request.what.as_str() {
            PLAN => Some("Bearer cas_secret"),
            // Its address is the permission.
            CHUNKS => None,
            _ => Some("Bearer hf_secret"),
        };
        assert_eq!(request.token.as_deref(), expected, "{}", request.what);
    }
    assert_eq!(server.requests("xet token").len(), 1);
}

#[test]
fn a_part_that_is_there_is_not_fetched_again() {
    let (server, cache) = storage();
    let (bytes, there) = (server.file(WEIGHTS), 20_000);
    assert!(bytes.len() > there);
    std::fs::write(incomplete(&server, cache.path()), &bytes[..there]).unwrap();
    let snapshot = patient(&server, cache.path()).download(&id(ID)).unwrap();
    assert_whole(&server, &snapshot);
    assert_eq!(server.requests(PLAN)[0].range, Some(there));
    let received: usize = server.requests(CHUNKS).iter().map(|request| request.sent).sum();
    assert!(received < bytes.len(), "{received} of {} bytes", bytes.len());
}

#[test]
fn a_storage_that_fails_is_left_and_the_files_come_over_http() {
    for (what, faults) in [
        // A mirror that passes on what the hub says of a file, and has no storage.
        ("xet token", vec![Fault::Status(404, "")]),
        ("xet token", vec![Fault::Stall(0)]),
        (CHUNKS, vec![Fault::Status(404, "")]),
        (CHUNKS, vec![Fault::Cut(100); 9]),
        (CHUNKS, vec![Fault::Stall(100); 9]),
    ] {
        let (server, cache) = storage();
        server.fault(what, &faults);
        let snapshot = server.hub(cache.path()).download(&id(ID)).unwrap();
        assert_whole(&server, &snapshot);
        assert_eq!(server.requests(LARGE).len(), 1, "{what} {:?}", faults[0]);
    }
}

#[test]
fn a_storage_that_is_asked_once_more_gives_the_rest() {
    let (server, cache) = storage();
    server.fault(CHUNKS, &[Fault::Status(503, ""), Fault::Slow(Duration::from_millis(100))]);
    let snapshot = patient(&server, cache.path()).download(&id(ID)).unwrap();
    assert_whole(&server, &snapshot);
    assert!(server.requests(LARGE).is_empty());
}

#[test]
fn other_contents_from_the_storage_are_no_checkpoint() {
    let (server, cache) = storage();
    // The same change to every byte leaves no chunk that could be read; a file of the same length in its place does.
    let other = vec![7; server.file(WEIGHTS).len()];
    let real = digest(WEIGHTS, &server.file(WEIGHTS));
    server.swap_in_storage(WEIGHTS, other);
    let error = patient(&server, cache.path()).download(&id(ID)).unwrap_err();
    assert!(matches!(&error, HubError::Digest { expected, .. } if *expected == real), "{error}");
    assert!(!cache.path().join("models--owner--Small-1.5/blobs").join(real).exists());
}

#[test]
fn who_does_not_want_the_storage_is_not_sent_there() {
    let (server, cache) = storage();
    let mut environment = server.environment(cache.path());
    environment.disable_xet = true;
    let snapshot = Hub::new(environment).download(&id(ID)).unwrap();
    assert_whole(&server, &snapshot);
    assert!(server.log().iter().all(|request| !request.what.starts_with("xet")));
    assert_eq!(server.requests(LARGE).len(), 1);
}
