//! `cargo xtask tidy`: checks the rules of docs/ARCHITECTURE.md that no compiler checks.

mod circles;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::workspace::workspace_root;

/// The crates of this workspace on which each crate may depend directly.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("prospect-foreign", &[]),
    ("prospect-config", &["prospect-context"]),
    ("prospect-context", &[]),
    ("prospect-session", &["prospect-config", "prospect-context"]),
    ("prospect-processor", &["prospect-context", "prospect-foreign"]),
    ("prospect-source", &["prospect-foreign"]),
    ("prospect-evaluation", &["prospect-config", "prospect-context", "prospect-foreign", "prospect-session"]),
    ("prospect-hub", &["prospect-foreign"]),
    ("prospect-cuda", &[]),
    ("prospect-model", &["prospect-context", "prospect-cuda", "prospect-processor"]),
    (
        "prospect-engine",
        &["prospect-config", "prospect-context", "prospect-model", "prospect-processor", "prospect-session"],
    ),
    ("prospect-journal", &["prospect-engine", "prospect-foreign", "prospect-model", "prospect-session"]),
    ("prospect-server", &["prospect-context", "prospect-foreign", "prospect-session", "prospect-source"]),
    (
        "prospect-runner",
        &[
            "prospect-config",
            "prospect-context",
            "prospect-engine",
            "prospect-evaluation",
            "prospect-foreign",
            "prospect-hub",
            "prospect-journal",
            "prospect-model",
            "prospect-processor",
            "prospect-server",
            "prospect-session",
            "prospect-source",
        ],
    ),
];

/// Crates that must not depend on a tensor crate, directly or indirectly.
pub(crate) const TENSOR_FREE: &[&str] = &[
    "prospect-foreign",
    "prospect-config",
    "prospect-context",
    "prospect-session",
    "prospect-processor",
    "prospect-source",
    "prospect-evaluation",
    "prospect-hub",
    "prospect-server",
];

/// The crates that may name candle: the model, and the crate with its GPU code.
const TENSOR_CRATES: &[&str] = &["prospect-model", "prospect-cuda"];

/// Number of files that still import each other in a circle, by crate. The numbers may only fall.
const FILES_IN_CIRCLES: &[(&str, usize)] = &[
    ("prospect-foreign", 0),
    ("prospect-config", 0),
    ("prospect-context", 0),
    ("prospect-session", 0),
    ("prospect-source", 0),
    ("prospect-evaluation", 0),
    ("prospect-hub", 0),
    ("prospect-processor", 0),
    ("prospect-cuda", 0),
    ("prospect-model", 0),
    ("prospect-engine", 0),
    ("prospect-journal", 0),
    ("prospect-server", 0),
    ("prospect-runner", 0),
];

/// Most lines of a Rust file, unless a line that starts with `// Long:` gives a reason.
const MAX_FILE_LINES: usize = 500;

/// Checks every rule and reports all violations at once.
pub(crate) fn run() -> Result<(), String> {
    let graph = DependencyGraph::read()?;
    let mut violations = graph.violations();
    for file in rust_files(workspace_root())? {
        violations.extend(file_violation(&file)?);
    }
    for (name, known) in FILES_IN_CIRCLES {
        let circles = circles::circles(&workspace_root().join("crates").join(name).join("src"))?;
        violations.extend(circle_violation(name, &circles, *known));
    }
    if violations.is_empty() { Ok(()) } else { Err(format!("tidy:\n  {}", violations.join("\n  "))) }
}

/// Normal dependencies by crate name, without those of tests and build scripts.
struct DependencyGraph {
    edges: BTreeMap<String, BTreeSet<String>>,
}

impl DependencyGraph {
    fn read() -> Result<Self, String> {
        let output = Command::new("cargo")
            .args(["metadata", "--format-version", "1", "--all-features"])
            .current_dir(workspace_root())
            .output()
            .map_err(|error| format!("cannot run cargo metadata: {error}"))?;
        if !output.status.success() {
            return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let metadata: Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("cargo metadata printed no JSON: {error}"))?;
        Ok(Self::from_metadata(&metadata))
    }

    fn from_metadata(metadata: &Value) -> Self {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let names: BTreeMap<String, String> = list(&metadata["packages"])
            .iter()
            .map(|package| (text(&package["id"]), text(&package["name"])))
            .collect();
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in list(&metadata["resolve"]["nodes"]) {
            let from = names.get(&text(&node["id"])).cloned().unwrap_or_default();
            let reached = edges.entry(from).or_default();
            for dependency in list(&node["deps"]) {
                let normal = list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
                if let (true, Some(name)) = (normal, names.get(&text(&dependency["pkg"]))) {
                    reached.insert(name.clone());
                }
            }
        }
        Self { edges }
    }

    fn direct(&self, name: &str) -> BTreeSet<String> {
        self.edges.get(name).cloned().unwrap_or_default()
    }

    fn reachable(&self, name: &str) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut open = vec![name.to_owned()];
        while let Some(next) = open.pop() {
            for dependency in self.direct(&next) {
                if seen.insert(dependency.clone()) {
                    open.push(dependency);
                }
            }
        }
        seen
    }

    fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (name, allowed) in MAY_KNOW {
            for dependency in self.direct(name) {
                if dependency.starts_with("prospect-") && !allowed.contains(&dependency.as_str()) {
                    found.push(format!("{name} depends on {dependency}: expected only {allowed:?} of ours"));
                }
            }
            if !TENSOR_CRATES.contains(name)
                && self.direct(name).iter().any(|crate_| crate_.starts_with("candle"))
            {
                found.push(format!("{name} names candle: expected only {} to", TENSOR_CRATES.join(" and ")));
            }
        }
        for name in TENSOR_FREE {
            for dependency in self.reachable(name) {
                if dependency.starts_with("candle") {
                    found.push(format!("{dependency} is reachable from {name}: expected no tensor crate"));
                }
            }
        }
        found
    }
}

/// A violation, if the number of files in circles differs from the known number.
fn circle_violation(name: &str, circles: &[Vec<PathBuf>], known: usize) -> Option<String> {
    let found: usize = circles.iter().map(Vec::len).sum();
    if found == known {
        return None;
    }
    let circle =
        |files: &Vec<PathBuf>| files.iter().map(|file| shown(file)).collect::<Vec<_>>().join(" <-> ");
    let circles: Vec<String> = circles.iter().map(circle).collect();
    let expected = if found < known { "FILES_IN_CIRCLES lowered" } else { "none more" };
    Some(format!(
        "{name}: {found} files import each other in circles, known are {known}: expected {expected}: {}",
        circles.join("; ")
    ))
}

/// The path relative to the workspace's root.
fn shown(file: &Path) -> String {
    file.strip_prefix(workspace_root()).unwrap_or(file).display().to_string()
}

fn rust_files(root: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    let mut open = vec![root.join("crates"), root.join("xtask")];
    while let Some(folder) = open.pop() {
        let entries = std::fs::read_dir(&folder)
            .map_err(|error| format!("cannot list {}: {error}", folder.display()))?;
        for entry in entries {
            let path = entry.map_err(|error| format!("cannot list {}: {error}", folder.display()))?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn file_violation(path: &Path) -> Result<Option<String>, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let lines = text.lines().count();
    let explained = text.lines().any(|line| line.starts_with("// Long:"));
    Ok((lines > MAX_FILE_LINES && !explained).then(|| {
        format!(
            "{} has {lines} lines: expected at most {MAX_FILE_LINES}, or a `// Long:` reason",
            path.display()
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> DependencyGraph {
        let edges = edges
            .iter()
            .map(|(from, to)| ((*from).to_owned(), to.iter().map(|name| (*name).to_owned()).collect()))
            .collect();
        DependencyGraph { edges }
    }

    #[test]
    fn a_lawful_graph_has_no_violation() {
        let graph =
            graph(&[("prospect-model", &["candle-core", "prospect-context"]), ("prospect-context", &[])]);
        assert!(graph.violations().is_empty());
    }

    #[test]
    fn candle_behind_another_crate_is_found() {
        let graph = graph(&[("prospect-context", &["helper"]), ("helper", &["candle-core"])]);
        assert_eq!(
            graph.violations(),
            ["candle-core is reachable from prospect-context: expected no tensor crate"]
        );
    }

    #[test]
    fn a_room_that_knows_too_much_is_found() {
        let graph = graph(&[("prospect-config", &["prospect-session"])]);
        assert_eq!(graph.violations().len(), 1);
    }

    #[test]
    fn the_runner_may_not_name_candle() {
        let graph = graph(&[("prospect-runner", &["candle-core"])]);
        assert_eq!(
            graph.violations(),
            ["prospect-runner names candle: expected only prospect-model and prospect-cuda to"]
        );
    }

    #[test]
    fn circles_may_become_fewer_and_have_to_be_said_then() {
        let circle = vec![PathBuf::from("a.rs"), PathBuf::from("b.rs")];
        assert_eq!(circle_violation("x", std::slice::from_ref(&circle), 2), None);
        assert!(circle_violation("x", &[circle], 0).unwrap().contains("a.rs <-> b.rs"));
        assert!(circle_violation("x", &[], 2).unwrap().contains("FILES_IN_CIRCLES lowered"));
    }

    #[test]
    fn the_workspace_keeps_its_own_rules() {
        assert_eq!(DependencyGraph::read().unwrap().violations(), Vec::<String>::new());
    }
}
