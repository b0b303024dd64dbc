//! The trace of a real run, replayed without a model.

use std::path::Path;
use std::process::Output;

use prospect_context::strategies::BUILT_IN;

use crate::support::{complaint, program, repository, text};

fn stream(out: &Path, strategy: &str, sets: &[&str]) {
    let video = repository().join("fixtures/workbench/videos/video_001.mp4");
    let mut arguments =
        vec!["run", video.to_str().unwrap(), "--strategy", strategy, "--out", out.to_str().unwrap()];
    sets.iter().for_each(|set| arguments.extend(["--set", set]));
    let output = program(&arguments).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

fn simulate(out: &Path, more: &[&str]) -> Output {
    program(&[&["simulate", out.to_str().unwrap()], more].concat()).output().unwrap()
}

#[test]
fn every_strategys_run_is_replayed_eviction_by_eviction() {
    let early = ["context.summarize_and_drop.summarize_at=0.7"];
    let spoken_for = ["context.summarize_and_drop.summarize_at=0.4", "stream.reference_context=true"];
    let words = ["context.summarize_and_drop.summarize_at=0.5", "generation.max_new_tokens=1"];
    let particular: [(&str, &[&str]); 4] = [
        ("sink_window", &["context.sink_window.positions=recompute"]),
        ("summarize_and_drop", &early),
        ("summarize_and_drop", &spoken_for),
        ("summarize_and_drop", &words),
    ];
    let plain = BUILT_IN.iter().map(|strategy| (strategy.name, &[][..]));
    for (strategy, sets) in plain.chain(particular) {
        let out = tempfile::tempdir().unwrap();
        stream(out.path(), strategy, sets);
        let output = simulate(out.path(), &["--strategies", "drop_all,drop_middle:legacy"]);
        let shown = text(&output.stdout);
        assert!(output.status.success(), "{strategy}: {}", text(&output.stderr));
        let replayed = shown.lines().next().unwrap();
        let evictions = replayed.strip_prefix(&format!("{strategy}, replayed: the ")).unwrap();
        let evictions = evictions.strip_suffix(" evictions of the run").unwrap();
        assert!(evictions.parse::<usize>().unwrap() > 1, "{replayed}");
        // A heading, the run's strategy and the two others.
        assert_eq!(shown.lines().count(), 5, "{shown}");
    }
}

#[test]
fn a_replay_that_does_something_else_and_a_trace_that_does_not_add_up_are_told() {
    let out = tempfile::tempdir().unwrap();
    stream(out.path(), "drop_middle", &[]);
    let path = out.path().join("trace.jsonl");
    let written = std::fs::read_to_string(&path).unwrap();
    // With another parameter the run would have kept other tokens.
    std::fs::write(&path, written.replacen("\"last_keep_len\":128", "\"last_keep_len\":60", 1)).unwrap();
    let set = ["--strategies", "drop_middle", "--set", "context.last_keep_len=60"];
    let other = text(&simulate(out.path(), &set).stdout);
    assert!(other.contains("drop_middle (the run)") && other.contains("\ndrop_middle  "), "{other}");
    let (line, code) = complaint(&simulate(out.path(), &[]));
    assert!(line.contains("the run kept") && line.contains("the replay") && code == 1, "{line}");

    std::fs::write(&path, written.replacen("\"event\":\"budget\"", "\"event\":\"message\"", 1)).unwrap();
    assert_eq!(complaint(&simulate(out.path(), &[])).1, 2);
    let cut: String = written.split_inclusive('\n').filter(|line| !line.contains("\"budget\"")).collect();
    std::fs::write(&path, cut).unwrap();
    let (line, code) = complaint(&simulate(out.path(), &[]));
    assert!(line.contains("expected a `budget` event") && code == 2, "{line}");

    std::fs::write(&path, &written).unwrap();
    let (line, code) = complaint(&simulate(out.path(), &["--strategies", "unlimited"]));
    assert!(line.contains("evicts nothing") && code == 2, "{line}");
}
