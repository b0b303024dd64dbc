//! First steps with a published model: presets, repeated questions, budgets in seconds, and runs that
//! could never speak.

use serde_json::Value;

use crate::support::{complaint, program, text, trace};

fn run(arguments: &[&str]) -> (Vec<Value>, String) {
    let out = tempfile::tempdir().unwrap();
    let out = out.path().to_str().unwrap();
    let output = program(&[&["run", "--out", out], arguments].concat()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    (trace(out.as_ref()), text(&output.stdout))
}

fn questions(trace: &[Value], question: &str) -> usize {
    // A question from the settings becomes a user segment without a message event.
    let asks = |event: &&Value| {
        event["event"] == "frame"
            && event["segments"].as_array().unwrap().iter().any(|segment| segment["kind"] == "user")
    };
    assert!(trace[0]["config"]["stream"].to_string().contains(question), "{}", trace[0]["config"]["stream"]);
    trace.iter().filter(asks).count()
}

#[test]
fn every_preset_runs_and_stays_within_its_memory() {
    let listed = program(&["run", "--preset", "list"]).output().unwrap();
    let names: Vec<String> =
        text(&listed.stdout).lines().map(|line| line.split_whitespace().next().unwrap().to_owned()).collect();
    assert!(names.len() >= 5, "{names:?}");
    for name in &names {
        // The budgets of these presets are not given in seconds, and exceed the small model's
        // positions.
        let small = ["--set", "context.max_seq_len=1000"];
        let sets: &[&str] = if matches!(name.as_str(), "proassist" | "workbench") { &small } else { &[] };
        let (trace, printed) = run(&[&["--preset", name], sets].concat());
        let replies = trace.iter().filter(|event| event["event"] == "reply").count();
        assert!(replies > 0, "{name} says nothing");
        let max = trace[1]["max_seq_len"].as_u64().unwrap();
        assert!(printed.contains(&format!("memory: {max} tokens hold ")), "{printed}");
        let peak = trace.last().unwrap()["peak_cache_tokens"].as_u64().unwrap();
        assert!(peak <= max, "{name}: {peak} of {max}");
    }
    let (message, code) = complaint(&program(&["run", "--preset", "wach"]).output().unwrap());
    assert!(message.contains("did you mean \"watch\"?") && code == 2, "{message}");
}

#[test]
fn a_question_is_asked_at_intervals_or_when_the_picture_changes() {
    let (every, _) = run(&["--ask", "Is it in?", "--every", "10s"]);
    // The video lasts 66.5 seconds.
    assert_eq!(questions(&every, "Is it in?"), 6);
    let (changed, _) = run(&["--ask", "Is it in?", "--when-changed"]);
    let asked = questions(&changed, "Is it in?");
    assert!((2..60).contains(&asked), "{asked}");
    let (alone, _) = run(&["--ask", "7"]);
    assert_eq!(alone[0]["config"]["stream"]["on_change"]["prompt"], "7");
    assert_eq!(questions(&alone, "7"), asked);
    let both = program(&["run", "--ask", "x", "--every", "10s", "--when-changed"]).output().unwrap();
    assert_eq!(both.status.code(), Some(2));
    let (message, code) = complaint(&program(&["run", "--ask", "x", "--every", "soon"]).output().unwrap());
    assert!(message.contains("like 90s, 5m") && code == 2, "{message}");
}

#[test]
fn memory_is_given_and_told_in_seconds() {
    let keep = ["--strategy", "drop_oldest_frames", "--remember", "20s"];
    let (trace, printed) = run(&keep);
    let max = trace[1]["max_seq_len"].as_u64().unwrap();
    let line = printed.lines().find(|line| line.starts_with("memory: ")).unwrap();
    assert!(line.contains(&format!("memory: {max} tokens hold ")), "{line}");
    // An eviction leaves the requested number of seconds.
    assert!(line.ends_with("an eviction leaves 20 s of frames"), "{line}");
    let (message, code) = complaint(&program(&["run", "--remember", "9h"]).output().unwrap());
    assert!(message.contains("max_position_embeddings (about ") && code == 2, "{message}");
}

#[test]
#[ignore = "minutes and 1 GB"]
fn every_preset_runs_at_a_published_shape() {
    let folder = tempfile::tempdir().unwrap();
    prospect_runner::published::find("256m").unwrap().write_random(folder.path()).unwrap();
    let model = ["--model", folder.path().to_str().unwrap(), "--set", "generation.max_new_tokens=6"];
    let presets = [&["watch"][..], &["guide"], &["caption", "--every", "2s"], &["proassist"], &["workbench"]];
    for preset in presets {
        let (trace, printed) =
            run(&[&model[..], &["--set", "stream.max_frames=5", "--preset"], preset].concat());
        let memory = printed.lines().find(|line| line.starts_with("memory: ")).unwrap();
        let in_turn = trace[0]["config"]["stream"]["frames_in"] == "user_turn";
        assert!(!in_turn || memory.ends_with("an eviction leaves 30 s of frames"), "{memory}");
        assert_eq!(trace.iter().filter(|event| event["event"] == "frame").count(), 5);
    }
}

#[test]
fn the_page_says_of_the_memory_what_the_run_said_and_a_simulation_opens_the_same_turns() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    for (preset, strategy) in
        [("caption", "drop_middle"), ("watch", "summarize_and_drop"), ("guide", "keyframes")]
    {
        let sets = [
            "--strategy",
            strategy,
            "--remember",
            "8s",
            "--overwrite",
            "--set",
            "generation.max_new_tokens=12",
        ];
        let output =
            program(&[&["run", "--out", out, "--preset", preset], &sets[..]].concat()).output().unwrap();
        assert!(output.status.success(), "{preset}: {}", text(&output.stderr));
        let printed = text(&output.stdout);
        let memory = printed.lines().find_map(|line| line.strip_prefix("memory: ")).unwrap();
        let trace = trace(out.as_ref());
        assert!(trace[1]["user_turn"]["opening"].as_u64().unwrap() > 0, "{preset}");
        assert!(trace.iter().any(|event| event["event"] == "overflow"), "{preset}");
        let shown = program(&["report", out]).output().unwrap();
        assert!(shown.status.success(), "{}", text(&shown.stderr));
        let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
        assert!(page.contains(memory), "{preset}: {memory}");
        let simulated = program(&["simulate", out, "--strategies", "drop_all"]).output().unwrap();
        assert!(simulated.status.success(), "{preset}: {}", text(&simulated.stderr));
        assert!(text(&simulated.stdout).contains("replayed"), "{preset}");
    }
}

#[test]
fn a_run_that_could_never_speak_is_refused_before_weights_are_looked_for() {
    let nowhere = ["--model", "/nowhere/at/all"];
    for (sets, help) in [
        (["--set", "stream.talk=on_request"], "--ask-file"),
        (["--set", "stream.talk=on_transition"], "substep_source"),
    ] {
        let video = "../../fixtures/goldens/frames";
        let arguments = [&["run", video][..], &nowhere, &sets].concat();
        let (message, code) = complaint(&program(&arguments).output().unwrap());
        assert!(message.contains("could never speak") && message.contains(help) && code == 2, "{message}");
    }
}
