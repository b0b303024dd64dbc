//! A model in a pair of GGUF files gives the same results as in a checkpoint folder.

use std::path::Path;

use crate::support::{complaint, program, repository, reproducible, text, trace};

#[path = "../common/gguf_of_folder.rs"]
mod gguf_of_folder;

use gguf_of_folder::write_pair;

/// The events of a run, without the lines that name the model.
fn events(model: &Path, more: &[&str]) -> Vec<String> {
    let (out, config) = (tempfile::tempdir().unwrap(), repository().join("configs/workbench.toml"));
    let video = repository().join("fixtures/workbench/videos/video_000.mp4");
    let [config, video, model, to] =
        [&config, &video, model, out.path()].map(|path: &Path| path.to_str().unwrap().to_owned());
    let arguments = ["run", &video, "--config", &config, "--model", &model, "--out", &to];
    let output = program(&[&arguments[..], more].concat()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let events = trace(out.path());
    assert_eq!(events[0]["event"], "run_started");
    reproducible(events[1..].to_vec())
}

#[test]
fn the_workbench_model_says_the_same_in_either_format() {
    let folder = tempfile::tempdir().unwrap();
    let (workbench, pair) = (repository().join("fixtures/workbench"), folder.path());
    write_pair(&workbench, pair);
    for more in [&[][..], &["--quantize", "q8"]] {
        let expected = events(&workbench, more);
        assert!(expected.iter().any(|line| line.contains(r#""event":"reply""#)));
        assert_eq!(events(pair, more), expected);
    }
}

#[test]
fn a_pair_answers_and_is_described() {
    let folder = repository().join("fixtures/gguf");
    let (model, picture) =
        (folder.join("every-type.gguf"), repository().join("fixtures/goldens/images/small.png"));
    let [model, picture] = [model, picture].map(|path| path.to_str().unwrap().to_owned());
    let answer = |model: &str| {
        let arguments = ["generate", "--model", model, "--prompt", "What is this?", "--image", &picture];
        let output = program(&arguments).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let both = format!("{model},{}", folder.join("mmproj-every-type.gguf").display());
    assert_eq!(answer(&model), answer(&both));
    let described = program(&["inspect", &model]).output().unwrap();
    let described = text(&described.stdout);
    let weights =
        "0.6 MiB in 2 files: BF16, F16, F32, Q2_K, Q3_K, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0";
    for expected in ["256 wide, 2 layers, 2 query and 1 key heads of 48", "4 image tokens", weights] {
        assert!(described.contains(expected), "{described}");
    }
}

#[test]
fn half_a_pair_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let text_file = repository().join("fixtures/gguf/every-type.gguf");
    std::fs::copy(text_file, folder.path().join("m.gguf")).unwrap();
    let model = folder.path().join("m.gguf");
    let refused = |model: &str| complaint(&program(&["inspect", model]).output().unwrap());
    let (message, code) = refused(model.to_str().unwrap());
    assert!(message.contains("m.gguf: no mmproj-*.gguf beside it") && code == 2, "{message}");
    std::fs::write(folder.path().join("mmproj-m.gguf"), "GGUF").unwrap();
    let (message, code) = refused(model.to_str().unwrap());
    assert!(message.contains("mmproj-m.gguf: it is cut off within the beginning") && code == 2, "{message}");
    let (message, code) = refused(folder.path().join("other.gguf").to_str().unwrap());
    assert!(message.contains("a GGUF file") && code == 2, "{message}");
}
