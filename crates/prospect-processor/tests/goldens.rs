//! Token ids, pixels and resizes against the values of `transformers` recorded in fixtures/goldens.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};

use prospect_context::Role;
use prospect_processor::{Content, Grid, Message, Pixels, Processor, RgbImage, VideoClip, resize_lanczos};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/goldens")
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(root().join(name)).unwrap()).unwrap()
}

fn picture(name: &Value) -> RgbImage {
    image::open(root().join(name.as_str().unwrap())).unwrap().to_rgb8()
}

/// Share of bytes that differ, and the largest difference.
fn difference(ours: &[u8], theirs: &[u8]) -> (f64, u8) {
    assert_eq!(ours.len(), theirs.len());
    let differing = ours.iter().zip(theirs).filter(|(a, b)| a != b).count();
    let largest = ours.iter().zip(theirs).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    (differing as f64 / ours.len() as f64, largest)
}

#[test]
fn resizes_are_pillow_s_bit_for_bit() {
    for case in json("resize.json").as_array().unwrap() {
        let input = picture(&case["input"]);
        let expected = picture(&case["expected"]);
        let ours = resize_lanczos(&input, expected.width(), expected.height()).unwrap();
        assert_eq!(difference(&ours, &expected), (0.0, 0), "{case}");
    }
}

/// One of 255 steps of a channel, after normalization.
const BYTE: f32 = 2.0 / 255.0;

fn expected_pixels(tensors: &SafeTensors<'_>, name: &str) -> (Vec<f32>, Vec<usize>) {
    let tensor = tensors.tensor(name).unwrap();
    let values = match tensor.dtype() {
        Dtype::U8 => tensor.data().iter().map(|&byte| (f32::from(byte) / 255.0 - 0.5) / 0.5).collect(),
        Dtype::F32 => {
            tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
        }
        other => panic!("{other:?}"),
    };
    (values, tensor.shape().to_vec())
}

fn media(processor: &Processor, case: &Value) -> Option<(Pixels, Content)> {
    let files = case["media"].as_array()?;
    let frames: Vec<RgbImage> = files.iter().map(picture).collect();
    if case["name"] == "video" {
        let timestamps =
            (0..frames.len()).map(|index| index as f64 / case["fps"].as_f64().unwrap()).collect();
        let duration = Some(frames.len() as f64 / case["fps"].as_f64().unwrap());
        return Some((
            processor.video_pixels(&frames).unwrap(),
            Content::Video(VideoClip { timestamps, duration }),
        ));
    }
    let (pixels, grid) = processor.image_pixels(&frames[0], case["split"].as_bool().unwrap()).unwrap();
    if grid == Grid::default() {
        assert_eq!(
            processor.frame_pixels(&frames[0]).unwrap(),
            pixels,
            "streamed frames take the image path"
        );
    }
    Some((pixels, Content::Image(grid)))
}

fn messages(case: &Value, medium: Option<&Content>) -> Vec<Message> {
    let content = |item: &Value| match item["type"].as_str().unwrap() {
        "text" => Content::Text(item["text"].as_str().unwrap().into()),
        _ => medium.unwrap().clone(),
    };
    let role = |message: &Value| match message["role"].as_str().unwrap() {
        "system" => Role::System,
        "user" => Role::User,
        other => panic!("{other}"),
    };
    let list = case["messages"].as_array().unwrap();
    list.iter()
        .map(|message| Message {
            role: role(message),
            content: message["content"].as_array().unwrap().iter().map(content).collect(),
        })
        .collect()
}

#[test]
fn ids_and_pixels_are_the_reference_s() {
    let mut compared = 0;
    for entry in std::fs::read_dir(root().join("one_shot")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let golden: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let bytes = std::fs::read(path.with_extension("safetensors")).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let processor = Processor::from_dir(&root().join(golden["checkpoint"].as_str().unwrap())).unwrap();
        for case in golden["cases"].as_array().unwrap() {
            let name = format!("{}: {}", path.display(), case["name"]);
            let medium = media(&processor, case);
            let prompt = messages(case, medium.as_ref().map(|(_, content)| content));
            let encoded = processor.encode_prompt(&prompt, true).unwrap();
            let expected: Vec<u32> =
                case["input_ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect();
            assert_eq!(encoded.ids, expected, "{name}");
            if let Some((pixels, _)) = medium {
                let (values, shape) =
                    expected_pixels(&tensors, &format!("{}.pixels", case["name"].as_str().unwrap()));
                assert_eq!([pixels.tiles, 3, pixels.height, pixels.width], shape[..], "{name}");
                let differences: Vec<f32> =
                    pixels.values.iter().zip(&values).map(|(a, b)| (a - b).abs()).collect();
                let worst = differences.iter().copied().fold(0.0, f32::max);
                let equal = differences.iter().filter(|difference| **difference < 1e-6).count();
                let share = equal as f64 / differences.len() as f64;
                println!("{name}: {:.4}% of the values equal", share * 100.0);
                if case["name"] == "video" {
                    // `transformers` resizes videos with torchvision, whose weights and rounding differ
                    // from PIL's.
                    let mean = differences.iter().sum::<f32>() / differences.len() as f32;
                    assert!(
                        worst < 2.5 * BYTE && mean < BYTE,
                        "{name}: pixels differ by {worst}, on average by {mean}"
                    );
                } else {
                    assert!(worst < 1e-6, "{name}: pixels differ by {worst}");
                }
            }
            compared += 1;
        }
    }
    assert!(compared >= 4, "only {compared} cases found");
}
