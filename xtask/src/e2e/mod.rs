//! `cargo xtask e2e`: runs the small model on unseen videos under every strategy, as a user would. It
//! fails if a trace breaks a law, if the replayed references are not all judged right, or if a strategy
//! misses its floor.

mod floors;
mod shards;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde_json::Value;

use crate::command::{announce, step};
use crate::fixtures;
use crate::workspace::workspace_root;
use floors::{BASELINE, DIFFERENCE, Floors};
use shards::Shards;

/// The row of the replayed references. It is always run, and so is the baseline.
const SANITY: &str = "sanity";

/// Marks a folder that this command may empty.
const MARKER: &str = ".prospect-e2e";
/// Number of videos in CI.
const CI_VIDEOS: usize = 12;

/// Runs the small model on unseen videos under every strategy: table, report, laws, floors.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only this strategy, NAME or NAME:POSITIONS; may be given more than once.
    #[arg(long)]
    strategy: Vec<String>,
    /// How many videos.
    #[arg(long, default_value_t = 24)]
    videos: usize,
    /// Folder for videos, traces and the report.
    #[arg(long, default_value_os_t = default_folder())]
    out: PathBuf,
}

impl Arguments {
    /// The run in CI: every strategy, fewer videos.
    pub(crate) fn for_ci() -> Self {
        Self { strategy: Vec::new(), videos: CI_VIDEOS, out: default_folder() }
    }
}

fn default_folder() -> PathBuf {
    workspace_root().join("target/e2e")
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let started = Instant::now();
    let (videos, results) = (arguments.out.join("videos"), arguments.out.join("results"));
    prepare(&arguments.out)?;
    step("build", "cargo", &["build", "--release", "-p", "prospect-runner"], &[])?;
    announce(&format!("{} videos", arguments.videos));
    fixtures::evaluation_videos(&videos, arguments.videos)?;
    announce("runs");
    let mut compare = vec!["compare".to_owned(), videos.display().to_string()];
    compare.extend(["--out".to_owned(), results.display().to_string()]);
    if !arguments.strategy.is_empty() {
        compare.extend(["--strategies".to_owned(), strategies(&arguments.strategy).join(",")]);
    }
    let binary = workspace_root().join("target/release/prospect-runner");
    Shards::spawn(&binary, &compare)?.wait(&results)?;
    let summary = merged(&binary, &results)?;
    check(&summary, &Floors::committed()?)?;
    announce(&format!("e2e passed in {:.0} s", started.elapsed().as_secs_f64()));
    Ok(())
}

/// Creates an empty folder. A folder with contents is emptied only if an earlier run of this command
/// made it.
fn prepare(folder: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(folder).map_err(failed)?;
    let is_ours = folder.join(MARKER).exists();
    if !is_ours && fs::read_dir(folder).map_err(failed)?.next().is_some() {
        return Err(format!("--out {}: is not empty: expected a new folder", folder.display()));
    }
    fs::remove_dir_all(folder).and_then(|()| fs::create_dir_all(folder)).map_err(failed)?;
    fs::write(folder.join(MARKER), "").map_err(failed)
}

/// The requested strategies, after the replayed references and the baseline.
fn strategies(asked: &[String]) -> Vec<String> {
    let others = asked.iter().filter(|name| ![SANITY, BASELINE].contains(&name.as_str())).cloned();
    [SANITY, BASELINE].map(str::to_owned).into_iter().chain(others).collect()
}

/// Prints the table, writes the report, and returns the figures as JSON.
fn merged(binary: &Path, results: &Path) -> Result<Value, String> {
    let merge = |more: &[&str]| {
        let command = std::process::Command::new(binary).arg("merge").arg(results).args(more).output();
        let output = command.map_err(|error| format!("merge: cannot start: {error}"))?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_owned();
        Ok::<_, String>((output.status.success(), text(output.stdout), text(output.stderr)))
    };
    let (sound, table, complaint) = merge(&[])?;
    print(&table);
    if !sound {
        // A broken law, a failed run or a missing result.
        return Err(complaint);
    }
    let (_, json, complaint) = merge(&["--json"])?;
    serde_json::from_str(&json).map_err(|error| format!("merge --json: {error}; {complaint}"))
}

/// Checks that the replayed references are all right and that every strategy reaches its floors.
fn check(summary: &Value, floors: &Floors) -> Result<(), String> {
    let rows = summary["strategies"].as_array().ok_or("merge --json: expected strategies")?;
    let mut complaints = Vec::new();
    for row in rows {
        let name = row["strategy"].as_str().unwrap_or_default();
        let figure = |metric: &str| {
            let metrics = &row["metrics"];
            let value = match metric.strip_suffix(DIFFERENCE) {
                Some(metric) => &metrics[metric]["difference"]["value"],
                None => &metrics[metric]["value"],
            };
            value.as_f64().unwrap_or(f64::NAN)
        };
        if name == SANITY {
            for metric in ["f1", "exact_f1"] {
                let value = figure(metric);
                if value != 1.0 {
                    complaints.push(format!("the references replayed have {metric} {value}: expected 1"));
                }
            }
        } else {
            complaints.extend(floors.complaints(name, figure));
        }
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("; ")) }
}

fn print(text: &str) {
    #[expect(clippy::print_stdout, reason = "the table is what this command is for")]
    {
        println!("{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(strategy: &str, f1: f64) -> Value {
        serde_json::json!({ "strategies": [
            { "strategy": strategy, "metrics": { "f1": { "value": f1 }, "exact_f1": { "value": f1 } } },
        ] })
    }

    #[test]
    fn sanity_below_one_and_floors_missed_are_failures() {
        let floors = Floors::parse("[exact_f1]\ndrop_all = 0.3\n").unwrap();
        assert_eq!(check(&summary("sanity", 1.0), &floors), Ok(()));
        assert!(check(&summary("sanity", 0.999), &floors).unwrap_err().contains("exact_f1 0.999"));
        assert_eq!(check(&summary("drop_all", 0.3), &floors), Ok(()));
        assert!(check(&summary("drop_all", 0.29), &floors).unwrap_err().contains("drop_all"));
        assert!(check(&summary("drop_all", f64::NAN), &floors).is_err());
        assert!(check(&summary("brand_new", 0.9), &floors).unwrap_err().contains("no floor"));
        assert!(check(&serde_json::json!({}), &floors).is_err());
    }

    #[test]
    fn only_its_own_folder_is_emptied() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("new/e2e");
        prepare(&own).unwrap();
        fs::write(own.join("old.txt"), "").unwrap();
        prepare(&own).unwrap();
        assert!(!own.join("old.txt").exists());
        fs::write(root.path().join("mine.txt"), "").unwrap();
        assert!(prepare(root.path()).unwrap_err().contains("is not empty"));
        assert!(root.path().join("mine.txt").exists());
    }

    #[test]
    fn sanity_and_the_baseline_are_always_run_once() {
        let asked = ["drop_all".to_owned(), "sanity".to_owned()];
        assert_eq!(strategies(&asked), ["sanity", "unlimited", "drop_all"]);
    }
}
