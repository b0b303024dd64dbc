//! The same settings on the same machine give the same trace except for measurements, with one thread
//! or two.

use crate::support::{program, reproducible, text, trace};

#[test]
fn two_runs_write_the_same_bytes_whatever_the_threads() {
    for strategy in ["summarize_and_drop", "drop_middle", "sink_window"] {
        let out = tempfile::tempdir().unwrap();
        let run = |threads: &str| {
            let folder = out.path().to_str().unwrap();
            let output = program(&["run", "--strategy", strategy, "--out", folder, "--overwrite"])
                .env("RAYON_NUM_THREADS", threads)
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", text(&output.stderr));
            let events = trace(out.path());
            assert_eq!(events[0]["threads"].to_string(), threads);
            reproducible(events)
        };
        let one = run("1");
        assert!(one.iter().any(|line| line.contains("\"event\":\"overflow\"")), "{strategy}: no overflow");
        assert_eq!(one, run("2"), "{strategy}");
        assert_eq!(one, run("2"), "{strategy}");
    }
}
