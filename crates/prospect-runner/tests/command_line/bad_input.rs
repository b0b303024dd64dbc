//! Bad input gives one clear line and the matching exit code, and the trace keeps what was done.

use std::path::Path;

use serde_json::Value;

use crate::support::{checkpoint, checkpoint_copy, complaint, frames, names, program, stream, trace};

/// The error and exit code for a checkpoint that `damage` has changed.
fn refusal(damage: impl Fn(&Path)) -> (String, i32) {
    let model = checkpoint_copy();
    damage(model.path());
    let out = tempfile::tempdir().unwrap();
    complaint(&stream(&frames(), model.path(), out.path(), &[]))
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from} is not in {}", file.display());
    std::fs::write(file, text.replace(from, to)).unwrap();
}

/// Overwrites the first values of a tensor with bf16 NaN.
fn poison(weights: &Path, tensor: &str) {
    let mut bytes = std::fs::read(weights).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let start = 8 + length + header[tensor]["data_offsets"][0].as_u64().unwrap() as usize;
    bytes[start..start + 2].copy_from_slice(&0x7fc0_u16.to_le_bytes());
    std::fs::write(weights, bytes).unwrap();
}

#[test]
fn a_damaged_checkpoint_is_named_by_file_and_key() {
    let (message, code) = refusal(|model| std::fs::remove_file(model.join("model.safetensors")).unwrap());
    assert!(message.contains("model.safetensors") && code == 2, "{code}: {message}");
    let (message, code) = refusal(|model| {
        let file = model.join("model.safetensors");
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    });
    assert!(message.contains("model.safetensors: not a readable safetensors file") && code == 2, "{message}");
    let (message, code) = refusal(|model| {
        replace(&model.join("config.json"), "\"intermediate_size\": 192", "\"intermediate_size\": 190");
    });
    assert!(message.contains("mlp.gate_proj.weight has shape [192, 96]: expected [190, 96]"), "{message}");
    assert_eq!(code, 2);
    let (message, code) =
        refusal(|model| replace(&model.join("config.json"), "\"image_token_id\"", "\"image_token\""));
    assert!(message.contains("config.json: missing field `image_token_id`") && code == 2, "{message}");
    let (message, code) =
        refusal(|model| replace(&model.join("tokenizer.json"), "\"<image>\"", "\"<picture>\""));
    assert!(message.contains("tokenizer.json") && message.contains("<image>") && code == 2, "{message}");
    let (message, code) = refusal(|model| {
        replace(&model.join("processor_config.json"), "\"image_seq_len\": 4", "\"image_seq_len\": 5")
    });
    assert!(message.contains("4 tokens a frame") && code == 2, "{message}");
    let (message, code) = refusal(|model| {
        replace(&model.join("config.json"), "\"image_token_id\": 418", "\"image_token_id\": 417")
    });
    assert!(
        message.contains("image_token_id is 417, the tokenizer's image token is 418") && code == 2,
        "{message}"
    );
    let (message, code) = refusal(|model| {
        let ends = r#"{"eos_token_id": [42, 99999]}"#;
        std::fs::write(model.join("generation_config.json"), ends).unwrap();
    });
    assert!(
        message.contains("the special token 99999 is not in the model's vocabulary") && code == 2,
        "{message}"
    );
}

#[test]
fn numbers_that_are_none_end_the_run_and_leave_a_trace() {
    let model = checkpoint_copy();
    poison(&model.path().join("model.safetensors"), "model.text_model.norm.weight");
    let out = tempfile::tempdir().unwrap();
    let (message, code) = complaint(&stream(&frames(), model.path(), out.path(), &[]));
    assert!(message.contains("the logits hold NaN") && code == 1, "{code}: {message}");
    assert_eq!(names(&trace(out.path())), ["run_started", "budget", "error", "run_finished"]);
}

/// A folder of five images, the third of which is corrupt.
fn folder_with_a_corrupt_frame() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for index in 0..5 {
        let name = format!("{index:03}.png");
        std::fs::copy(frames().join(&name), folder.path().join(&name)).unwrap();
    }
    std::fs::write(folder.path().join("002.png"), b"\x89PNG and then nothing").unwrap();
    folder
}

#[test]
fn a_corrupt_frame_is_skipped_by_name_or_ends_the_run() {
    let folder = folder_with_a_corrupt_frame();
    let out = tempfile::tempdir().unwrap();
    let output = stream(folder.path(), &checkpoint(), out.path(), &[]);
    assert!(output.status.success());
    let events = trace(out.path());
    let dropped: Vec<&Value> = events.iter().filter(|event| event["event"] == "frame_dropped").collect();
    assert!(dropped.len() == 1 && dropped[0]["reason"].as_str().unwrap().contains("002.png"), "{dropped:?}");
    let frames: Vec<&Value> =
        events.iter().filter(|event| event["event"] == "frame").map(|event| &event["index"]).collect();
    assert_eq!(frames, [0, 1, 3, 4]);

    let fatal = ["--set", "stream.on_corrupt_frame=fail"];
    let (message, code) = complaint(&stream(folder.path(), &checkpoint(), out.path(), &fatal));
    assert!(message.contains("002.png") && code == 2, "{code}: {message}");
    let events = trace(out.path());
    assert_eq!(events.iter().filter(|event| event["event"] == "frame").count(), 2);
    assert_eq!(names(&events)[events.len() - 2..], ["error", "run_finished"]);
}

#[test]
fn sources_without_a_frame_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = tempfile::tempdir().unwrap();
    let refuse = |name: &str, bytes: &[u8]| {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        complaint(&stream(&file, &checkpoint(), out.path(), &[]))
    };
    let (message, code) = refuse("empty.mp4", b"");
    assert!(message.contains("empty.mp4: the video has no frames") && code == 2, "{message}");
    // A PNG header that says 0 x 0 pixels.
    let mut zero = std::fs::read(frames().join("000.png")).unwrap();
    zero[16..24].fill(0);
    let (message, code) = refuse("zero.png", &zero);
    assert!(message.contains("zero.png") && code == 2, "{message}");
    let (message, code) =
        complaint(&stream(&folder.path().join("nothing.mp4"), &checkpoint(), out.path(), &[]));
    assert!(message.contains("nothing.mp4: no such file or folder") && code == 2, "{message}");
}

#[test]
fn settings_are_refused_with_place_value_and_what_is_valid() {
    let refuse = |arguments: &[&str]| complaint(&program(&[&["run"], arguments].concat()).output().unwrap());
    let (message, code) = refuse(&["--set", "stream.fsp=2"]);
    assert_eq!(
        (message.as_str(), code),
        ("error: --set: unknown key stream.fsp; did you mean stream.fps?", 2)
    );
    let (message, code) = refuse(&["--set", "context.max_seq_len=9000"]);
    assert!(
        message.contains("--set: context.max_seq_len = 9000: expected at most 8192") && code == 2,
        "{message}"
    );
    let (message, code) = refuse(&["--dtype", "f16"]);
    assert!(
        message.contains("--dtype: model.dtype = \"f16\": expected auto or f32") && code == 2,
        "{message}"
    );
    let (message, code) = refuse(&["--device", "cuda"]);
    assert!(message.contains("--device: model.device = \"cuda\"") && code == 2, "{message}");
    let (message, code) = refuse(&["--model", "/no/such/folder"]);
    assert!(message.contains("/no/such/folder is no folder") && code == 2, "{message}");
    let long = format!("context.summarize_and_drop.summary_prompt={}", "and then ".repeat(200));
    let (message, code) = refuse(&["--set", &long]);
    assert!(message.contains("a prompt that leaves room") && code == 2, "{message}");
}
