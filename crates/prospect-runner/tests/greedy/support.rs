//! Recorded cases, and the computation with a checkpoint folder.

use std::path::{Path, PathBuf};

use prospect_context::{PositionPolicy, Role};
use prospect_model::{PixelValues, SmolVlm};
use prospect_processor::{Content, Message, Processor};
use serde::Deserialize;

#[derive(Deserialize)]
struct Recorded {
    cases: Vec<Case>,
}

/// A case recorded from `transformers`.
#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    image: Option<String>,
    split: bool,
    text: String,
    input_ids: Vec<u32>,
    greedy_ids: Vec<u32>,
    smallest_margin: f32,
    logits_std: f32,
}

pub(crate) fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/goldens")
}

pub(crate) fn cases(name: &str) -> Vec<Case> {
    let text = std::fs::read_to_string(goldens().join("greedy").join(format!("{name}.json"))).unwrap();
    serde_json::from_str::<Recorded>(&text).unwrap().cases
}

/// Checks every case with the checkpoint in `folder`.
pub(crate) fn check(folder: &Path, cases: &[Case]) {
    let (processor, model) = (Processor::from_dir(folder).unwrap(), SmolVlm::load(folder).unwrap());
    assert!(!cases.is_empty());
    for case in cases {
        // With smaller margins, equal ids would be a matter of luck.
        assert!(case.smallest_margin > 1e-3 * case.logits_std, "{}: {}", case.name, case.smallest_margin);
        let (input, output) = greedy(&processor, &model, case);
        assert_eq!(input, case.input_ids, "{}", case.name);
        assert_eq!(output, case.greedy_ids, "{}", case.name);
    }
}

fn greedy(processor: &Processor, model: &SmolVlm, case: &Case) -> (Vec<u32>, Vec<u32>) {
    let (mut content, mut images) = (Vec::new(), None);
    if let Some(file) = &case.image {
        let picture = image::open(goldens().join(file)).unwrap().to_rgb8();
        let (pixels, grid) = processor.image_pixels(&picture, case.split).unwrap();
        content.push(Content::Image(grid));
        let values = PixelValues {
            values: &pixels.values,
            tiles: pixels.tiles,
            height: pixels.height,
            width: pixels.width,
        };
        images = Some(model.encode_image(values).unwrap());
    }
    content.push(Content::Text(case.text.clone()));
    let prompt = processor.encode_prompt(&[Message { role: Role::User, content }], true).unwrap().ids;
    let length = case.greedy_ids.len();
    let mut cache = model.new_cache(prompt.len() + length, PositionPolicy::default()).unwrap();
    let mut logits =
        model.prefill(&model.joint_embed(&prompt, images.as_ref()).unwrap(), &mut cache).unwrap();
    // The end of an utterance does not end the recorded ids.
    let mut ids = Vec::with_capacity(length);
    while ids.len() < length {
        let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
        ids.push(best as u32);
        logits = model.prefill(&model.embed_words(&[best as u32]).unwrap(), &mut cache).unwrap();
    }
    (prompt, ids)
}
