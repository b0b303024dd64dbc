//! The output of the commands.

use serde_json::Value;

use crate::support::{checkpoint, frames, names, program, repository, stream, text, trace};

#[test]
fn the_main_job_runs_without_any_argument() {
    let out = tempfile::tempdir().unwrap();
    let output = program(&["run", "--out", out.path().to_str().unwrap()]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    assert!(printed.contains("video_000.mp4 (mp4, H.264)"), "{printed}");
    assert!(printed.contains("   0:00.0  Take the "), "{printed}");
    assert!(printed.contains(" references matched exactly (exact F1 "), "{printed}");
    let trace = trace(out.path());
    let names = names(&trace);
    assert_eq!((names[0], names[names.len() - 1]), ("run_started", "run_finished"));
    assert!(names.contains(&"overflow") && names.contains(&"summary") && names.contains(&"reply"));
    assert_eq!(trace[0]["config"]["context"]["max_seq_len"], 384);
    let peak = trace[trace.len() - 1]["peak_cache_tokens"].as_u64().unwrap();
    assert!(peak <= 384, "{peak}");
}

#[test]
fn json_is_the_trace_on_standard_output() {
    let out = tempfile::tempdir().unwrap();
    let output = stream(&frames(), &checkpoint(), out.path(), &["--json", "--set", "stream.max_frames=4"]);
    let printed = text(&output.stdout);
    assert_eq!(printed, std::fs::read_to_string(out.path().join("trace.jsonl")).unwrap());
    let frames = printed.lines().filter(|line| line.contains("\"event\":\"frame\"")).count();
    assert_eq!(frames, 4);
}

#[test]
fn the_resolved_settings_can_be_fed_back() {
    let arguments = ["run", "--print-config", "--strategy", "sink_window", "--set", "stream.fps=4"];
    let output = program(&arguments).output().unwrap();
    let printed = text(&output.stdout);
    assert!(printed.contains("strategy = \"sink_window\"") && printed.contains("fps = 4.0"), "{printed}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    std::fs::write(&file, &printed).unwrap();
    let again = program(&["run", "--print-config", "--config", file.to_str().unwrap()]).output().unwrap();
    assert_eq!(text(&again.stdout), printed);
}

#[test]
fn generate_answers_a_prompt_about_images_and_videos() {
    let image = repository().join("fixtures/goldens/images/scene.png");
    let model = checkpoint();
    let common =
        ["--model", model.to_str().unwrap(), "--prompt", "What is this?", "--max-new-tokens", "5", "--json"];
    let answer = |media: &[&str]| -> Value {
        let output = program(&[&["generate"], media, &common].concat()).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let pictured = answer(&["--image", image.to_str().unwrap()]);
    assert_eq!(pictured["token_ids"].as_array().unwrap().len(), 5);
    let folder = frames();
    let filmed = answer(&["--video", folder.to_str().unwrap()]);
    let plain = answer(&[]);
    let prompt = |answer: &Value| answer["prompt_token_ids"].as_array().unwrap().len();
    assert!(prompt(&filmed) > prompt(&pictured) && prompt(&pictured) > prompt(&plain));
    assert!(pictured["text"].is_string());
}

#[test]
fn inspect_shows_shapes_and_memory() {
    let model = checkpoint();
    let output = program(&["inspect", model.to_str().unwrap(), "--json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["tokens_per_frame"], 4);
    // Two layers of keys and values, one head of 32 values, four bytes each.
    assert_eq!(report["kv_bytes_per_token_f32"], 2 * 2 * 32 * 4);
    // One byte each, and a scale.
    assert_eq!(report["kv_bytes_per_token_int8"], 2 * 2 * (32 + 4));
    let header = safetensors_parameters(&model.join("model.safetensors"));
    assert_eq!(report["parameters"].as_u64().unwrap(), header);
    let shown = program(&["inspect"]).output().unwrap();
    let shown = text(&shown.stdout);
    assert!(shown.contains("image tokens") && shown.contains("defaults: 4096 tokens hold "), "{shown}");
    assert_eq!(report["memory"].as_array().unwrap().len(), 4);
}

/// Number of elements of all tensors, from the file's header.
fn safetensors_parameters(path: &std::path::Path) -> u64 {
    let bytes = std::fs::read(path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let shapes = header.as_object().unwrap().values().filter_map(|tensor| tensor["shape"].as_array());
    shapes.map(|shape| shape.iter().map(|side| side.as_u64().unwrap()).product::<u64>()).sum()
}

#[test]
fn compare_prints_a_table_of_strategies() {
    let out = tempfile::tempdir().unwrap();
    let video = repository().join("fixtures/workbench/videos/video_001.mp4");
    let arguments =
        ["compare", video.to_str().unwrap(), "--strategies", "drop_all,drop_middle:legacy,unlimited"];
    let more = ["--out", out.path().to_str().unwrap(), "--set", "stream.max_frames=40"];
    let output = program(&[&arguments[..], &more[..]].concat()).output().unwrap();
    let shown = text(&output.stdout);
    let (quality, cost) = shown.split_once("\n\n").unwrap();
    for table in [quality, cost.split("\nno intervals: ").next().unwrap()] {
        let rows: Vec<&str> = table.lines().collect();
        assert!(rows[0].starts_with("strategy") && rows.len() == 4, "{table}");
        assert!(rows[2].starts_with("drop_middle:legacy"), "{table}");
        // The columns align.
        assert!(rows.iter().all(|row| row.chars().count() <= rows[0].chars().count() + 1), "{table}");
    }
    assert!(out.path().join("report.html").is_file());
    assert!(out.path().join("drop_middle_legacy/video_001/trace.jsonl").is_file());
}

#[test]
fn doctor_says_what_this_machine_offers_and_completions_are_a_script() {
    let output = program(&["doctor"]).env("PATH", "/nowhere").output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    for expected in [
        "program     prospect-runner ",
        "threads, instructions: ",
        "ffmpeg      not found",
        "256m        HuggingFaceTB/",
    ] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let output = program(&["completions", shell]).output().unwrap();
        assert!(output.status.success() && text(&output.stdout).contains("prospect-runner"), "{shell}");
    }
    let help = program(&["help", "run"]).output().unwrap();
    assert!(text(&help.stdout).contains("--preset <NAME>"));
    let misspelt = program(&["evall"]).output().unwrap();
    assert!(text(&misspelt.stderr).contains("'eval'"), "{}", text(&misspelt.stderr));
}
