//! What is fetched, in which order, and where it lies.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use prospect_hub::{HubError, WeightFiles};

use crate::stand_in::{COMMIT, ID, StandIn, digest, id};

/// The files of a repository by their names.
type Files = BTreeMap<String, Vec<u8>>;

fn model_folder(cache: &Path) -> PathBuf {
    cache.join("models--owner--Small-1.5")
}

#[test]
fn what_a_run_reads_is_fetched_and_lies_as_the_hubs_own_libraries_have_it() {
    let (server, cache) = (StandIn::serving("gqa-tied"), tempfile::tempdir().unwrap());
    let snapshot = server.hub(cache.path()).download(&id(ID)).unwrap();
    assert_eq!(snapshot.commit, COMMIT);
    assert_eq!(snapshot.folder, model_folder(cache.path()).join("snapshots").join(COMMIT));
    assert_eq!(std::fs::read_to_string(model_folder(cache.path()).join("refs/main")).unwrap(), COMMIT);
    let mut names: Vec<_> =
        std::fs::read_dir(&snapshot.folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let wanted = [
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "processor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ];
    assert_eq!(names, wanted);
    for name in wanted {
        let expected = Path::new("../../blobs").join(digest(name, &server.file(name)));
        assert_eq!(std::fs::read_link(snapshot.folder.join(name)).unwrap(), expected);
        assert_eq!(std::fs::read(snapshot.folder.join(name)).unwrap(), server.file(name), "{name}");
    }
    let asked: Vec<_> = server.log().into_iter().map(|request| request.what).collect();
    assert_eq!(asked[..2], ["listing", "config.json"]);
    assert_eq!(asked.last().unwrap(), "large model.safetensors");
}

#[test]
fn shards_are_those_of_the_index() {
    let (server, cache) = (StandIn::serving("mha-untied-sharded"), tempfile::tempdir().unwrap());
    let snapshot = server.hub(cache.path()).download(&id(ID)).unwrap();
    let weights = WeightFiles::in_folder(&snapshot.folder).unwrap();
    assert!(weights.files > 1 && weights.downloaded);
    assert!(snapshot.folder.join("chat_template.json").exists());
}

#[test]
fn what_is_there_is_not_asked_for_again() {
    let (server, cache) = (StandIn::serving("gqa-tied"), tempfile::tempdir().unwrap());
    let hub = server.hub(cache.path());
    let first = hub.download(&id(ID)).unwrap();
    let asked = server.log().len();
    assert_eq!(hub.find(&id(ID)).unwrap(), first);
    assert_eq!(hub.find(&id(&format!("{ID}@{COMMIT}"))).unwrap(), first);
    assert_eq!(server.log().len(), asked);
    // A download asks where the branch stands now.
    assert_eq!(hub.download(&id(ID)).unwrap(), first);
    assert_eq!(server.log().len(), asked + 1);
    std::fs::remove_file(first.folder.join("model.safetensors")).unwrap();
    assert_eq!(hub.find(&id(ID)).unwrap(), first);
    assert_eq!(server.requests("large model.safetensors").len(), 1, "the blob was still there");
}

#[test]
fn a_download_follows_the_branch_and_a_run_does_not() {
    let (server, cache) = (StandIn::serving("gqa-tied"), tempfile::tempdir().unwrap());
    let hub = server.hub(cache.path());
    let old = hub.download(&id(ID)).unwrap();
    let new_commit = "f".repeat(40);
    server.commit(&new_commit, |files| {
        files.get_mut("generation_config.json").unwrap().push(b'\n');
    });
    assert_eq!(hub.find(&id(ID)).unwrap(), old);
    let new = hub.download(&id(ID)).unwrap();
    assert_eq!(new.commit, new_commit);
    assert_eq!(hub.find(&id(ID)).unwrap(), new);
    assert_eq!(hub.find(&id(&format!("{ID}@{COMMIT}"))).unwrap(), old);
    assert_eq!(server.requests("large model.safetensors").len(), 1, "the weights are the same");
}

#[test]
fn a_revision_with_a_slash_is_one() {
    let (server, cache) = (StandIn::serving("gqa-tied"), tempfile::tempdir().unwrap());
    let request = format!("{ID}@refs/pr/1");
    let snapshot = server.hub(cache.path()).download(&id(&request)).unwrap();
    assert!(model_folder(cache.path()).join("refs/refs/pr/1").is_file());
    assert_eq!(server.hub(cache.path()).find(&id(&request)).unwrap(), snapshot);
}

#[test]
fn the_token_is_shown_to_the_hub_and_to_nobody_else() {
    let (server, cache) = (StandIn::serving("gqa-tied"), tempfile::tempdir().unwrap());
    server.hub(cache.path()).download(&id(ID)).unwrap();
    for request in server.log() {
        let expected = (!request.what.starts_with("large")).then(|| "Bearer hf_secret".to_owned());
        assert_eq!(request.token, expected, "{}", request.what);
    }
}

#[test]
fn something_else_is_refused_before_its_weights_are_fetched() {
    let (server, cache) = (StandIn::serving("gqa-tied"), tempfile::tempdir().unwrap());
    let hub = server.hub(cache.path()).with_config_check(|text, path| {
        match text.contains("\"hidden_size\": 2048") {
            true => Err(format!("{}: no SmolVLM", path.display()).into()),
            false => Ok(()),
        }
    });
    let refused = |change: &dyn Fn(&mut Files), commit: char| {
        server.commit(&commit.to_string().repeat(40), change);
        hub.download(&id(ID)).unwrap_err()
    };
    let error = refused(&|files| drop(files.remove("model.safetensors")), 'a');
    assert!(matches!(error, HubError::MissingFile { file: "model.safetensors", .. }), "{error}");
    let error = refused(&|files| drop(files.remove("tokenizer.json")), 'b');
    assert!(matches!(error, HubError::MissingFile { file: "tokenizer.json", .. }), "{error}");
    let other = br#"{"model_type": "llama", "hidden_size": 2048}"#;
    let error = refused(&|files| drop(files.insert("config.json".to_owned(), other.to_vec())), 'c');
    let message = error.to_string();
    assert!(matches!(error, HubError::NotACheckpoint(_)), "{message}");
    assert_eq!(message, "owner/Small-1.5/config.json: no SmolVLM");
    let error = refused(&|files| drop(files.remove("config.json")), 'd');
    assert!(matches!(error, HubError::MissingFile { file: "config.json", .. }), "{error}");
    assert!(server.requests("model.safetensors").is_empty());
}
