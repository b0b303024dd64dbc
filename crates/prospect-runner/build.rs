//! Passes the git commit to the compiler, so that files written by the program can name the commit that
//! it was built from.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Empty if the sources are a package or there is no git.
    let commit = commit().unwrap_or_default();
    println!("cargo:rustc-env=PROSPECT_COMMIT={commit}");
}

/// The commit, with the suffix `-dirty` if sources were changed since.
fn commit() -> Option<String> {
    let head = git(&["rev-parse", "--short=12", "HEAD"])?;
    let files = [git(&["rev-parse", "--git-path", "HEAD"]), git(&["rev-parse", "--git-path", "logs/HEAD"])];
    let sources = git(&["ls-files", "--full-name", "..", "../../Cargo.lock"])?;
    let root = git(&["rev-parse", "--show-toplevel"])?;
    let sources = sources.lines().filter(|file| file.contains("/src/") || file.ends_with("Cargo.lock"));
    let sources: Vec<String> = sources.map(|file| format!("{root}/{file}")).collect();
    for file in files.iter().flatten().chain(&sources).filter(|file| Path::new(file).exists()) {
        println!("cargo:rerun-if-changed={file}");
    }
    let changed = git(&["status", "--porcelain", "--untracked-files=no", "--", "..", "../../Cargo.lock"])?;
    let is_source = |line: &str| line.contains("/src/") || line.ends_with("Cargo.lock");
    let dirty = if changed.lines().any(is_source) { "-dirty" } else { "" };
    Some(format!("{head}{dirty}"))
}

fn git(arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim_end().to_owned())
}
