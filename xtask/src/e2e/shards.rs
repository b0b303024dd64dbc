//! Runs a suite with one process per core, because the small model is too small for several threads.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Interval at which the results are counted.
const PERIOD: Duration = Duration::from_millis(200);

/// The processes of one suite.
pub(super) struct Shards(Vec<Child>);

impl Shards {
    /// Starts one process per core.
    pub(super) fn spawn(binary: &Path, arguments: &[String]) -> Result<Self, String> {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let shard = |index: usize| {
            Command::new(binary)
                .args(arguments)
                .args(["--shard", &format!("{index}/{count}")])
                .env("RAYON_NUM_THREADS", "1")
                .stdout(Stdio::null())
                .spawn()
                .map_err(|error| format!("{}: cannot start: {error}", binary.display()))
        };
        let mut shards = Self(Vec::new());
        for index in 0..count {
            shards.0.push(shard(index)?);
        }
        Ok(shards)
    }

    /// Waits for all processes, and shows the number of results in `folder`.
    pub(super) fn wait(mut self, folder: &Path) -> Result<(), String> {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} runs done, {elapsed}") {
            bar.set_style(style);
        }
        let mut running = true;
        while running {
            std::thread::sleep(PERIOD);
            running = false;
            for child in &mut self.0 {
                running |= child.try_wait().map_err(|error| error.to_string())?.is_none();
            }
            bar.set_position(results(folder));
            bar.tick();
        }
        bar.finish_and_clear();
        // Failures are on standard error, and the merge reports them again.
        Ok(())
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Number of results in `folder/<strategy>/<video>/`.
fn results(folder: &Path) -> u64 {
    let inside = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let strategies = inside(folder).map(|entry| entry.path());
    let runs =
        strategies.flat_map(|strategy| inside(&strategy).map(|entry| entry.path()).collect::<Vec<_>>());
    runs.filter(|run| run.join("result.json").is_file()).count() as u64
}
