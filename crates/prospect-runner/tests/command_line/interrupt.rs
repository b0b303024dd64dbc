//! Ctrl-C closes the trace, SIGUSR1 suspends.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{checkpoint, frames, names, program, trace};

/// Enough frames that the signal arrives during the run.
const FRAMES: usize = 5000;

/// A run that is in progress.
struct Running {
    out: TempDir,
    child: Child,
    _frames: TempDir,
}

impl Running {
    fn start(further: &[&str]) -> Self {
        let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let frame = std::fs::canonicalize(frames().join("000.png")).unwrap();
        for index in 0..FRAMES {
            std::os::unix::fs::symlink(&frame, folder.path().join(format!("{index:05}.png"))).unwrap();
        }
        let paths = [folder.path(), &checkpoint(), out.path()].map(|path| path.to_str().unwrap().to_owned());
        let [source, model, to] = &paths;
        let common = ["run", source, "--model", model, "--out", to, "--set", "context.max_seq_len=1024"];
        let child = program(&[&common[..], further].concat())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while lines(out.path()) < 5 {
            assert!(started.elapsed() < Duration::from_secs(120), "no frame after two minutes");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { out, child, _frames: folder }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    fn exit_code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

fn lines(out: &Path) -> usize {
    std::fs::read_to_string(out.join("trace.jsonl")).map_or(0, |text| text.lines().count())
}

#[test]
fn ctrl_c_ends_the_run_with_a_closed_trace() {
    let mut running = Running::start(&[]);
    running.signal("-INT");
    assert_eq!(running.exit_code(), Some(130));
    let events = trace(running.out.path());
    assert!(events.len() < FRAMES, "the run was over before the signal came");
    assert_eq!(names(&events)[events.len() - 2..], ["error", "run_finished"]);
}

#[test]
fn sigusr1_writes_the_stream_down_and_a_second_one_does_no_harm() {
    let kept = tempfile::tempdir().unwrap();
    let file = kept.path().join("stream");
    let mut running =
        Running::start(&["--checkpoint", file.to_str().unwrap(), "--checkpoint-every", "100000"]);
    running.signal("-USR1");
    running.signal("-USR1");
    assert_eq!(running.exit_code(), Some(130));
    let events = trace(running.out.path());
    assert!(events.len() < FRAMES, "the run was over before the signal came");
    let kept = std::fs::read(&file).unwrap();
    let text = String::from_utf8_lossy(&kept[..kept.len().min(1 << 16)]).replace("\\\"", "\"");
    let seen = names(&events).iter().filter(|name| **name == "frame").count();
    assert!(seen > 0 && text.contains(&format!("\"items\":{seen},")), "{seen} frames: {text}");
}
