//! Ctrl-C closes the trace.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{checkpoint, frames, names, program, trace};

/// Long enough that the signal comes in the middle.
const FRAMES: usize = 5000;

#[test]
fn ctrl_c_ends_the_run_with_a_closed_trace() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for index in 0..FRAMES {
        std::os::unix::fs::symlink(
            std::fs::canonicalize(frames().join("000.png")).unwrap(),
            folder.path().join(format!("{index:05}.png")),
        )
        .unwrap();
    }
    let paths = [folder.path(), &checkpoint(), out.path()].map(|path| path.to_str().unwrap().to_owned());
    let mut child = program(&[
        "run",
        &paths[0],
        "--model",
        &paths[1],
        "--out",
        &paths[2],
        "--set",
        "context.max_seq_len=1024",
    ])
    .stdout(Stdio::null())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    let started = Instant::now();
    let lines =
        || std::fs::read_to_string(out.path().join("trace.jsonl")).map_or(0, |text| text.lines().count());
    while lines() < 5 {
        assert!(started.elapsed() < Duration::from_secs(120), "no frame after two minutes");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let events = trace(out.path());
    assert!(events.len() < FRAMES, "the run was over before the signal came");
    assert_eq!(names(&events)[events.len() - 2..], ["error", "run_finished"]);
}
