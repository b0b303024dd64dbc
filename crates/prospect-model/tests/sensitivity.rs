//! Proof that the goldens detect errors: typical mistakes change our logits as much as they changed
//! those of `transformers`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod common;

use std::collections::BTreeMap;

use common::{CHECKPOINTS, OneShot, Scratch, TOLERANCE, load, max_difference};
use prospect_context::PositionPolicy;
use prospect_model::{EvictionPiece, SmolVlm};
use serde_json::{Value, json};

/// How much a mistake changed the logits of `transformers`.
fn reference_effect(name: &str, mistake: &str) -> f32 {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/goldens/sensitivity.json");
    let text = std::fs::read_to_string(path).unwrap();
    let effects: BTreeMap<String, BTreeMap<String, f32>> = serde_json::from_str(&text).unwrap();
    effects[name][mistake]
}

fn check(name: &str, mistake: &str, effect: f32) {
    let reference = reference_effect(name, mistake);
    println!("{name} {mistake}: moves the logits by {effect:.5}, the reference's by {reference:.5}");
    assert!(effect > 2.0 * TOLERANCE, "{name}: {mistake} moves the logits by {effect} only");
    assert!((effect / reference - 1.0).abs() < 0.1, "{name}: {mistake}: {effect} instead of {reference}");
}

fn check_config(mistake: &str, edit: impl Fn(&mut Value)) {
    for name in CHECKPOINTS {
        let case = OneShot::split(name);
        let wrong = Scratch::copy(name).config(&edit).load().unwrap();
        let effect = max_difference(&case.logits_of(&wrong), &case.logits_of(&load(name)));
        check(name, mistake, effect);
    }
}

#[test]
fn a_wrong_rope_theta_fails_the_goldens() {
    check_config("rope_theta", |config| {
        let text = &mut config["text_config"];
        let parameters = if text.get("rope_theta").is_some() { text } else { &mut text["rope_parameters"] };
        parameters["rope_theta"] = json!(parameters["rope_theta"].as_f64().unwrap() * 1.1);
    });
}

#[test]
fn the_exact_gelu_fails_the_goldens() {
    check_config("exact_gelu", |config| config["vision_config"]["hidden_act"] = json!("gelu"));
}

#[test]
fn a_wrong_rms_eps_fails_the_goldens() {
    check_config("rms_eps", |config| config["text_config"]["rms_norm_eps"] = json!(1e-6));
}

#[test]
fn a_wrong_layer_norm_eps_fails_the_goldens() {
    check_config("layer_norm_eps", |config| config["vision_config"]["layer_norm_eps"] = json!(1e-5));
}

#[test]
fn swapped_pixel_shuffle_axes_fail_the_goldens() {
    for name in CHECKPOINTS {
        let (model, case) = (load(name), OneShot::split(name));
        let scale = model.config().scale_factor;
        // Rows and columns of patches are swapped: within each block, by swapping columns of the projection ...
        let wrong = Scratch::copy(name)
            .tensor("model.connector.modality_projection.proj.weight", |shape, bytes| {
                swap_blocks(bytes, shape[0], scale)
            })
            .load()
            .unwrap();
        // ... and among the blocks.
        let images = case.images.as_ref().unwrap();
        let right = wrong.encode_image(images.values()).unwrap().to_vec().unwrap();
        let (hidden, tokens) = (wrong.config().text_config.hidden_size, wrong.config().image_seq_len());
        let (rows, side): (Vec<_>, _) = (right.chunks_exact(hidden).collect(), tokens.isqrt());
        let transposed = (0..rows.len()).flat_map(|row| {
            let (tile, token) = (row / tokens, row % tokens);
            rows[tile * tokens + token % side * side + token / side]
        });
        let transposed = wrong.image_embeddings(transposed.copied().collect()).unwrap();
        let chunk = wrong.joint_embed(&case.ids, Some(&transposed)).unwrap();
        let logits = wrong.prefill_all_logits(&chunk, &mut common::cache(&wrong)).unwrap().concat();
        check(name, "swapped_shuffle", max_difference(&logits, &case.logits_of(&model)));
    }
}

/// Swaps the two axes of the `scale` x `scale` blocks of which each of the `rows` rows is made.
fn swap_blocks(bytes: &mut [u8], rows: usize, scale: usize) {
    let block = bytes.len() / rows / (scale * scale);
    let right = bytes.to_vec();
    for (index, target) in bytes.chunks_exact_mut(block).enumerate() {
        let (row, down, across) = (index / (scale * scale), index / scale % scale, index % scale);
        let source = (row * scale + across) * scale + down;
        target.copy_from_slice(&right[source * block..][..block]);
    }
}

#[test]
fn a_position_off_by_one_fails_the_goldens() {
    for name in CHECKPOINTS {
        let (model, case) = (load(name), OneShot::split(name));
        let vocab = model.config().text_config.vocab_size;
        let half = case.ids.len() / 2;
        let right = case.logits_of(&model);
        let shifted = logits_behind_a_gap(&model, &case, half);
        check(name, "position_off_by_one", max_difference(&shifted, &right[half * vocab..]));
    }
}

/// Logits of the tokens from `half` on, each at a position one too high.
fn logits_behind_a_gap(model: &SmolVlm, case: &OneShot, half: usize) -> Vec<f32> {
    let (first, second) = case.ids.split_at(half);
    let images = model.encode_image(case.images.as_ref().unwrap().values()).unwrap().to_vec().unwrap();
    let is_image = |id: &&u32| **id == model.config().image_token_id;
    let seen = first.iter().filter(is_image).count() * model.config().text_config.hidden_size;
    let embed = |ids: &[u32], images: &[f32]| {
        model.joint_embed(ids, Some(&model.image_embeddings(images.to_vec()).unwrap())).unwrap()
    };
    let mut cache = model.new_cache(512, PositionPolicy::Preserve).unwrap();
    model.prefill(&embed(first, &images[..seen]), &mut cache).unwrap();
    // A token that is appended and evicted again leaves a gap in the positions.
    common::put(model, &mut cache, &[3]);
    model.evict(&mut cache, &[EvictionPiece::Keep(0..half)]).unwrap();
    assert_eq!(cache.next_position(), half + 1);
    model.prefill_all_logits(&embed(second, &images[seen..]), &mut cache).unwrap().concat()
}
