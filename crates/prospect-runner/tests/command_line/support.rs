//! Running the program, and checkpoint folders to damage.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A small random checkpoint with one weights file.
pub(crate) fn checkpoint() -> PathBuf {
    repository().join("fixtures/goldens/checkpoints/gqa-tied")
}

/// Frames that are images.
pub(crate) fn frames() -> PathBuf {
    repository().join("fixtures/goldens/frames")
}

/// A copy of the checkpoint that a test may damage.
pub(crate) fn checkpoint_copy() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(checkpoint()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prospect-runner"));
    command.args(arguments);
    command
}

/// `run SOURCE` with a checkpoint, a trace folder and more arguments.
pub(crate) fn stream(source: &Path, model: &Path, out: &Path, more: &[&str]) -> Output {
    let (source, model, out) = (source.to_str().unwrap(), model.to_str().unwrap(), out.to_str().unwrap());
    // The checkpoint has fewer positions than the default budget.
    let budget = "context.max_seq_len=1024";
    let arguments = [&["run", source, "--model", model, "--out", out, "--set", budget], more].concat();
    program(&arguments).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The one line on standard error, and the exit code.
pub(crate) fn complaint(output: &Output) -> (String, i32) {
    let message = text(&output.stderr);
    assert!(message.starts_with("error: ") && message.trim_end().lines().count() == 1, "{message}");
    (message.trim_end().to_owned(), output.status.code().unwrap())
}

pub(crate) fn trace(out: &Path) -> Vec<Value> {
    let lines = std::fs::read_to_string(out.join("trace.jsonl")).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn names(trace: &[Value]) -> Vec<&str> {
    trace.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

/// Without times, memory and the number of threads.
pub(crate) fn reproducible(events: Vec<Value>) -> Vec<String> {
    let measured = |key: &str| key.ends_with("ms") || key.ends_with("_bytes") || key == "threads";
    let strip = |mut event: Value| {
        event.as_object_mut().unwrap().retain(|key, _| !measured(key));
        event.to_string()
    };
    events.into_iter().map(strip).collect()
}
