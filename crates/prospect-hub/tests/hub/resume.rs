//! Connections that break, and files that are half there.

use std::path::Path;

use prospect_hub::HubError;

use crate::stand_in::{Fault, ID, StandIn, digest, id};

const WEIGHTS: &str = "model.safetensors";
const LARGE: &str = "large model.safetensors";

fn incomplete(server: &StandIn, cache: &Path) -> std::path::PathBuf {
    let blobs = cache.join("models--owner--Small-1.5/blobs");
    std::fs::create_dir_all(&blobs).unwrap();
    blobs.join(digest(WEIGHTS, &server.file(WEIGHTS)) + ".incomplete")
}

#[test]
fn a_broken_connection_goes_on_where_it_broke() {
    let (server, cache) = (StandIn::serving("gqa-tied"), tempfile::tempdir().unwrap());
    // More often than a hub that brings nothing would be asked.
    server.fault(LARGE, &[const { Fault::Cut(1000) }; 9]);
    server.fault("tokenizer.json", &[Fault::Cut(0), Fault::Cut(500), Fault::Cut(0)]);
    let snapshot = server.hub(cache.path()).download(&id(ID)).unwrap();
    for name in [WEIGHTS, "tokenizer.json"] {
        assert_eq!(std::fs::read(snapshot.folder.join(name)).unwrap(), server.file(name));
    }
    let requests = server.requests(LARGE);
    let starts: Vec<_> = requests.iter().map(|request| request.range.unwrap_or(0)).collect();
    assert_eq!(starts, (0..=9).map(|count| 1000 * count).collect::<Vec<_>>());
    let sent: usize = requests.iter().map(|request| request.sent).sum();
    assert_eq!(sent, server.file(WEIGHTS).len(), "no byte came twice");
    assert!(!incomplete(&server, cache.path()).exists());
}

#[test]
fn a_silent_connection_is_given_up_and_resumed() {
    let (server, cache) = (StandIn::serving("gqa-tied"), tempfile::tempdir().unwrap());
    server.fault(LARGE, &[Fault::Stall(3000)]);
    server.hub(cache.path()).download(&id(ID)).unwrap();
    assert_eq!(server.requests(LARGE)[1].range, Some(3000));
}

#[test]
fn a_connection_that_never_brings_anything_is_given_up_and_keeps_what_is_there() {
    let (server, cache) = (StandIn::serving("gqa-tied"), tempfile::tempdir().unwrap());
    server.fault(LARGE, &[Fault::Cut(700), Fault::Cut(0), Fault::Cut(0), Fault::Cut(0)]);
    let error = server.hub(cache.path()).download(&id(ID)).unwrap_err();
    assert!(matches!(error, HubError::Cut { received: 700, .. }), "{error}");
    assert_eq!(std::fs::metadata(incomplete(&server, cache.path())).unwrap().len(), 700);
    server.hub(cache.path()).download(&id(ID)).unwrap();
    assert_eq!(server.requests(LARGE).last().unwrap().range, Some(700));
}

#[test]
fn a_hub_that_cannot_send_parts_sends_the_whole() {
    let (server, cache) = (StandIn::serving("gqa-tied"), tempfile::tempdir().unwrap());
    server.fault(LARGE, &[Fault::Cut(5000), Fault::Whole]);
    let snapshot = server.hub(cache.path()).download(&id(ID)).unwrap();
    assert_eq!(std::fs::read(snapshot.folder.join(WEIGHTS)).unwrap(), server.file(WEIGHTS));
}

#[test]
fn what_was_there_and_is_something_else_is_fetched_again() {
    let (server, cache) = (StandIn::serving("gqa-tied"), tempfile::tempdir().unwrap());
    std::fs::write(incomplete(&server, cache.path()), vec![7; 4000]).unwrap();
    let snapshot = server.hub(cache.path()).download(&id(ID)).unwrap();
    assert_eq!(std::fs::read(snapshot.folder.join(WEIGHTS)).unwrap(), server.file(WEIGHTS));
    let starts: Vec<_> = server.requests(LARGE).iter().map(|request| request.range).collect();
    assert_eq!(starts, [Some(4000), None]);
}

#[test]
fn a_file_that_was_received_in_full_and_not_moved_is_not_asked_for() {
    let (server, cache) = (StandIn::serving("gqa-tied"), tempfile::tempdir().unwrap());
    std::fs::write(incomplete(&server, cache.path()), server.file(WEIGHTS)).unwrap();
    server.hub(cache.path()).download(&id(ID)).unwrap();
    assert!(server.requests(LARGE).is_empty());
}
