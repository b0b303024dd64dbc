//! `download`, `run --model ID`, and the same without a network.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::stand_in::{COMMIT, Fault, ID, StandIn, digest, git_digest, repository};

const LARGE: &str = "large model.safetensors";

pub(crate) fn program(arguments: &[&str], home: &Path, endpoint: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prospect-runner"));
    for variable in ["HF_HUB_CACHE", "HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN_PATH"] {
        command.env_remove(variable);
    }
    command.args(arguments).env("HF_HOME", home).env("HF_ENDPOINT", endpoint);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Streams a few frames with the model of that name.
fn stream(model: &str, home: &Path, endpoint: &str, offline: bool, out: &Path) -> Output {
    let frames = repository().join("fixtures/goldens/frames");
    let arguments = [
        "run",
        frames.to_str().unwrap(),
        "--model",
        model,
        "--out",
        out.to_str().unwrap(),
        "--overwrite",
        "--set",
        "context.max_seq_len=1024",
        "--set",
        "stream.max_frames=2",
    ];
    let mut command = program(&arguments, home, endpoint);
    if offline {
        command.env("HF_HUB_OFFLINE", "1");
    }
    command.output().unwrap()
}

#[test]
fn a_model_of_the_hub_runs_and_runs_again_without_a_network() {
    let (server, home) = (StandIn::serving("gqa-tied"), tempfile::tempdir().unwrap());
    let out = tempfile::tempdir().unwrap();
    let endpoint = server.endpoint();
    let output = stream(ID, home.path(), &endpoint, false, out.path());
    assert!(output.status.success(), "{}", text(&output.stderr));
    // No bars where nobody looks.
    assert_eq!(text(&output.stderr), "");
    let trace = std::fs::read_to_string(out.path().join("trace.jsonl")).unwrap();
    let first: serde_json::Value = serde_json::from_str(trace.lines().next().unwrap()).unwrap();
    assert_eq!((first["model"].as_str(), first["commit"].as_str()), (Some(ID), Some(COMMIT)));
    drop(server);
    for (model, offline) in [(ID.to_owned(), true), (ID.to_owned(), false), (format!("{ID}@{COMMIT}"), false)]
    {
        let output = stream(&model, home.path(), &endpoint, offline, out.path());
        assert!(output.status.success(), "{model}: {}", text(&output.stderr));
    }
    let output = stream("owner/other", home.path(), &endpoint, true, out.path());
    let message = text(&output.stderr);
    assert_eq!((output.status.code(), message.lines().count()), (Some(2), 1), "{message}");
    assert!(message.contains("owner/other") && message.contains("HF_HUB_OFFLINE"), "{message}");
}

#[test]
fn a_download_says_where_it_is_and_offline_looks_into_the_cache() {
    let (server, home) = (StandIn::serving("gqa-tied"), tempfile::tempdir().unwrap());
    let output = program(&["download", ID], home.path(), &server.endpoint()).output().unwrap();
    let folder = home.path().join("hub/models--owner--Small-1.5/snapshots").join(COMMIT);
    assert_eq!(text(&output.stdout), format!("{ID} at {COMMIT}: {}\n", folder.display()));
    let mut again = program(&["download", ID], home.path(), &server.endpoint());
    let offline = again.env("HF_HUB_OFFLINE", "1").output().unwrap();
    assert_eq!(text(&offline.stdout), text(&output.stdout));
    let other = program(&["download", "owner/other"], home.path(), &server.endpoint()).output().unwrap();
    assert_eq!(other.status.code(), Some(2));
    assert!(text(&other.stderr).contains("404"), "{}", text(&other.stderr));
    let none = program(&["download", "no model"], home.path(), &server.endpoint()).output().unwrap();
    assert_eq!(none.status.code(), Some(2));
    assert!(text(&none.stderr).contains("expected OWNER/NAME"), "{}", text(&none.stderr));
}

#[test]
fn a_model_is_inspected_without_its_weights() {
    let home = tempfile::tempdir().unwrap();
    let inspect = |endpoint: &str, offline: bool, arguments: &[&str]| {
        let mut command = program(&[&["inspect", ID], arguments].concat(), home.path(), endpoint);
        if offline {
            command.env("HF_HUB_OFFLINE", "1");
        }
        let output = command.output().unwrap();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    for checkpoint in ["gqa-tied", "mha-untied-sharded"] {
        let server = StandIn::serving(checkpoint);
        // No snapshot of the other one.
        server.commit(&git_digest(checkpoint.as_bytes()), |_| {});
        let (code, shown) = inspect(&server.endpoint(), false, &[]);
        assert_eq!(code, Some(0), "{shown}");
        let asked: Vec<String> = server.log().into_iter().map(|request| request.what).collect();
        let (row, expected) = match checkpoint {
            "gqa-tied" => ("1 file", vec!["listing", "config.json"]),
            _ => ("2 files", vec!["listing", "config.json", "model.safetensors.index.json"]),
        };
        assert!(shown.contains(&format!(" MiB in {row} on the hub, not downloaded\n")), "{shown}");
        assert_eq!(asked, expected);
        let json = inspect(&server.endpoint(), false, &["--json"]).1;
        let report: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(report["weights"]["downloaded"], false);
        // What was fetched stays known without a network.
        let (code, shown) = inspect(&server.endpoint(), true, &[]);
        assert!(code == Some(0) && shown.contains("  weights       not downloaded\n"), "{shown}");
        let output = program(&["download", ID], home.path(), &server.endpoint()).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let shown = inspect(&server.endpoint(), true, &[]).1;
        assert!(!shown.contains("not downloaded") && shown.contains(" MiB in "), "{shown}");
        let refs = home.path().join("hub/models--owner--Small-1.5/refs/main");
        std::fs::remove_file(refs).unwrap();
    }
    let nothing = tempfile::tempdir().unwrap();
    let mut command = program(&["inspect", ID], nothing.path(), "http://127.0.0.1:9");
    let output = command.env("HF_HUB_OFFLINE", "1").output().unwrap();
    let message = text(&output.stderr);
    assert_eq!((output.status.code(), message.lines().count()), (Some(2), 1), "{message}");
}

#[test]
fn a_killed_download_goes_on_where_it_was() {
    let (server, home) = (StandIn::serving("gqa-tied"), tempfile::tempdir().unwrap());
    server.fault(LARGE, &[Fault::Stall(4096)]);
    let mut command = program(&["download", ID], home.path(), &server.endpoint());
    let mut killed = command.stdout(Stdio::null()).spawn().unwrap();
    let weights = digest("model.safetensors", &server.file("model.safetensors"));
    let blobs = home.path().join("hub/models--owner--Small-1.5/blobs");
    let incomplete = blobs.join(weights + ".incomplete");
    while std::fs::metadata(&incomplete).map_or(0, |about| about.len()) < 4096 {
        assert!(killed.try_wait().unwrap().is_none(), "the download ended by itself");
        std::thread::sleep(Duration::from_millis(10));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let output = program(&["download", ID], home.path(), &server.endpoint()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let starts: Vec<_> = server.requests(LARGE).iter().map(|request| request.range).collect();
    assert_eq!(starts, [None, Some(4096)]);
}
