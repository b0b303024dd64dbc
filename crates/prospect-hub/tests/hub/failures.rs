//! A hub that refuses or fails, and a machine that does.

use std::time::{Duration, Instant};

use prospect_hub::{Environment, Hub, HubError, Patience};

use crate::stand_in::{Fault, ID, StandIn, id};

const LARGE: &str = "large model.safetensors";

/// The failure of a download in which `faults` happen to `file`, and how often that was asked for.
fn failure(file: &str, faults: &[Fault]) -> (HubError, usize) {
    let (server, cache) = (StandIn::serving("gqa-tied"), tempfile::tempdir().unwrap());
    server.fault(file, faults);
    let error = server.hub(cache.path()).download(&id(ID)).unwrap_err();
    assert_eq!(error.to_string().lines().count(), 1);
    (error, server.requests(file).len())
}

/// How often `file` was asked for in a download that succeeds in spite of `faults`.
fn success(file: &str, faults: &[Fault]) -> usize {
    let (server, cache) = (StandIn::serving("gqa-tied"), tempfile::tempdir().unwrap());
    server.fault(file, faults);
    server.hub(cache.path()).download(&id(ID)).unwrap();
    server.requests(file).len()
}

#[test]
fn a_model_that_wants_a_permission_is_not_asked_for_twice() {
    let gated = [Fault::Status(403, "X-Error-Code: GatedRepo\r\n")];
    let (error, asked) = failure("config.json", &gated);
    assert_eq!((error.is_passing(), asked), (false, 1));
    let message = error.to_string();
    for part in ["owner/Small-1.5", "403 (GatedRepo)", "HF_TOKEN"] {
        assert!(message.contains(part), "{message}");
    }
    let (error, asked) = failure("listing", &[Fault::Status(401, "")]);
    assert!(matches!(error, HubError::Unauthorised { status: 401, .. }), "{error}");
    assert_eq!(asked, 1);
}

#[test]
fn what_is_not_there_is_not_asked_for_twice() {
    let (server, cache) = (StandIn::serving("gqa-tied"), tempfile::tempdir().unwrap());
    for text in ["owner/other", "owner/Small-1.5@nowhere"] {
        let error = server.hub(cache.path()).download(&id(text)).unwrap_err();
        assert!(matches!(error, HubError::NotFound { .. }), "{error}");
        assert!(error.to_string().contains("404 (RepoNotFound)"), "{error}");
    }
    assert_eq!(server.log().len(), 2);
}

#[test]
fn a_hub_that_fails_is_asked_again_but_not_for_ever() {
    assert_eq!(success("listing", &[Fault::Status(500, ""), Fault::Status(503, "")]), 3);
    assert_eq!(success(LARGE, &[Fault::Status(502, "")]), 2);
    let (error, asked) = failure(LARGE, &[const { Fault::Status(500, "") }; 9]);
    assert!(matches!(error, HubError::Server { status: 500, .. }), "{error}");
    assert_eq!(asked, 4);
}

#[test]
fn a_body_that_drips_is_a_connection_that_broke() {
    let (server, cache) = (StandIn::serving("gqa-tied"), tempfile::tempdir().unwrap());
    let patience = Patience {
        tries: 3,
        first_pause: Duration::from_millis(1),
        silence: Duration::from_millis(200),
        least_bytes: 1000,
        ..Patience::default()
    };
    let download = || Hub::new(server.environment(cache.path())).with_patience(patience).download(&id(ID));
    for file in ["listing", LARGE] {
        server.fault(file, &[const { Fault::Drip(usize::MAX, Duration::from_millis(20)) }; 3]);
        let error = download().unwrap_err();
        assert!(matches!(error, HubError::Slow { least: 1000, .. }), "{error}");
        assert_eq!(server.requests(file).len(), 3, "{file}");
    }
    // A connection that breaks after every byte is one as well.
    server.fault(LARGE, &[const { Fault::Cut(1) }; 9]);
    assert!(matches!(download().unwrap_err(), HubError::Cut { .. }));
    assert_eq!(server.requests(LARGE).len(), 6);
    // What has come of it is kept.
    let before = server.requests(LARGE).len();
    server.forgive(LARGE);
    let snapshot = download().unwrap();
    assert!(server.requests(LARGE)[before].range.is_some_and(|start| start > 3));
    assert_eq!(
        std::fs::read(snapshot.folder.join("model.safetensors")).unwrap(),
        server.file("model.safetensors")
    );
}

#[test]
fn a_hub_that_wants_to_be_left_alone_is_left_alone_as_long_as_it_says() {
    let begun = Instant::now();
    assert_eq!(success(LARGE, &[Fault::Status(429, "Retry-After: 1\r\n")]), 2);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(success("listing", &[Fault::Status(429, "")]), 2);
    // Longer than anybody waits: it is said at once.
    let (error, asked) = failure("listing", &[Fault::Status(429, "Retry-After: 3600\r\n")]);
    assert!(error.to_string().contains("for 3600 s"), "{error}");
    assert_eq!(asked, 1);
    let (error, asked) = failure("listing", &[const { Fault::Status(429, "Retry-After: 0\r\n") }; 9]);
    assert!(matches!(error, HubError::RateLimited { .. }), "{error}");
    assert_eq!(asked, 4);
}

#[test]
fn other_contents_than_the_list_says_are_no_checkpoint() {
    let (error, asked) = failure(LARGE, &[Fault::Longer]);
    assert!(matches!(error, HubError::Size { actual, expected, .. } if actual == expected + 1), "{error}");
    assert_eq!(asked, 1);
    for file in [LARGE, "tokenizer.json"] {
        let (error, asked) = failure(file, &[Fault::Other]);
        assert!(matches!(error, HubError::Digest { .. }), "{error}");
        assert_eq!(asked, 1);
        // Pieces that do not belong together are fetched again, in one.
        assert_eq!(success(file, &[Fault::Cut(100), Fault::Other]), 3);
    }
}

#[test]
fn a_file_that_changed_behind_the_list_is_noticed_before_it_is_received() {
    let (server, cache) = (StandIn::serving("gqa-tied"), tempfile::tempdir().unwrap());
    let other = format!("ETag: \"{}\"\r\nContent-Range: bytes 0-0/1\r\n", "a".repeat(40));
    server.fault("tokenizer.json", &[Fault::Status(200, Box::leak(other.into_boxed_str()))]);
    let error = server.hub(cache.path()).download(&id(ID)).unwrap_err();
    assert!(matches!(error, HubError::Size { actual: 0, .. }), "{error}");
}

#[test]
fn a_hub_that_is_not_there_is_said_not_to_be() {
    let cache = tempfile::tempdir().unwrap();
    let server = StandIn::serving("gqa-tied");
    let environment = server.environment(cache.path());
    drop(server);
    let patience = Patience { tries: 2, first_pause: Duration::from_millis(1), ..Patience::default() };
    let error = Hub::new(environment).with_patience(patience).find(&id(ID)).unwrap_err();
    assert!(matches!(error, HubError::Unreachable { .. }), "{error}");
    let nowhere = Environment {
        cache: cache.path().into(),
        endpoint: "no address".into(),
        token: None,
        offline: false,
        disable_xet: false,
    };
    let error = Hub::new(nowhere).find(&id(ID)).unwrap_err();
    assert!(matches!(error, HubError::Answer { .. }), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_to_be_full() {
    let (server, cache) = (StandIn::serving("gqa-tied"), tempfile::tempdir().unwrap());
    let bytes = server.file("model.safetensors");
    let blobs = cache.path().join("models--owner--Small-1.5/blobs");
    std::fs::create_dir_all(&blobs).unwrap();
    let name = crate::stand_in::digest("model.safetensors", &bytes) + ".incomplete";
    std::os::unix::fs::symlink("/dev/full", blobs.join(name)).unwrap();
    let error = server.hub(cache.path()).download(&id(ID)).unwrap_err();
    assert!(error.to_string().contains("no space left"), "{error}");
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let (server, folder) = (StandIn::serving("gqa-tied"), tempfile::tempdir().unwrap());
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = server.hub(&file).download(&id(ID)).unwrap_err();
    assert!(matches!(&error, HubError::Write { path, .. } if path.starts_with(&file)), "{error}");
}
