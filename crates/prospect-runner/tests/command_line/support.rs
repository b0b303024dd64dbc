//! Runs the program, and provides checkpoint folders that tests may damage.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};
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

/// `run SOURCE` with a checkpoint, a trace folder, which a test may use again, and more arguments.
pub(crate) fn stream(source: &Path, model: &Path, out: &Path, more: &[&str]) -> Output {
    let (source, model, out) = (source.to_str().unwrap(), model.to_str().unwrap(), out.to_str().unwrap());
    // The checkpoint has fewer positions than the default budget.
    let budget = "context.max_seq_len=1024";
    let arguments =
        [&["run", source, "--model", model, "--out", out, "--overwrite", "--set", budget], more].concat();
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

/// Events without times, memory and number of threads.
pub(crate) fn reproducible(events: Vec<Value>) -> Vec<String> {
    let measured = |key: &str| key.ends_with("ms") || key.ends_with("_bytes") || key == "threads";
    let strip = |mut event: Value| {
        event.as_object_mut().unwrap().retain(|key, _| !measured(key));
        event.to_string()
    };
    events.into_iter().map(strip).collect()
}

/// A text as escaped in a page.
pub(crate) fn escaped(text: &str) -> String {
    let pairs = [('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&#x27;"), ('/', "&#x2f;")];
    pairs
        .iter()
        .fold(text.replace('&', "&amp;"), |text, (character, escape)| text.replace(*character, escape))
}

/// Checks that a page is self-contained: its policy has the digests of its only style and its only
/// script, no element has an inline style, which the policy would forbid, and it contains no network
/// address.
pub(crate) fn assert_keeps_its_policy(page: &str) {
    let policy =
        page.split("Content-Security-Policy\" content=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    for (element, directive) in [("style", "style-src"), ("script", "script-src")] {
        let parts: Vec<&str> = page.split(&format!("<{element}>")).collect();
        assert_eq!(parts.len(), 2, "one {element}");
        let content = parts[1].split(&format!("</{element}>")).next().unwrap();
        let digest = STANDARD.encode(Sha256::digest(content.as_bytes()));
        assert!(policy.contains(&format!("{directive} 'sha256-{digest}'")), "{policy}");
        assert_eq!(page.matches(&format!("<{element}")).count(), 1);
    }
    assert!(!page.contains(" style=") && !page.contains(" onclick"));
    let mut addresses = page.split("http").skip(1).filter(|rest| !rest.starts_with("-equiv"));
    assert!(addresses.all(|rest| rest.starts_with("://www.w3.org/2000/svg\"")), "an address in the page");
}
