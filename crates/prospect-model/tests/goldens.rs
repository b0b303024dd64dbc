//! Parity with `transformers`, and proof that the goldens bite.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{CHECKPOINTS, Golden, cache, max_difference};
use prospect_context::PositionPolicy;
use prospect_model::{EvictionPiece, Generator, SmolVlm};

const TOLERANCE: f32 = 1e-4;

#[test]
fn vision_tower_and_logits_equal_the_reference() {
    for name in CHECKPOINTS {
        let golden = Golden::read(name);
        let model = SmolVlm::load(&golden.folder).unwrap();
        let vision = max_difference(&model.vision_output(golden.pixels()).unwrap(), &golden.vision);
        assert!(vision < TOLERANCE, "{name}: vision tower off by {vision}");
        let logits = max_difference(&golden.logits_of(&model), &golden.logits);
        assert!(logits < TOLERANCE, "{name}: logits off by {logits}");
        println!("{name}: vision within {vision:.1e}, logits within {logits:.1e}");
    }
}

#[test]
fn greedy_ids_equal_the_reference() {
    for name in CHECKPOINTS {
        let golden = Golden::read(name);
        let model = SmolVlm::load(&golden.folder).unwrap();
        // An id outside the vocabulary never stops the generation, as in the recording.
        let mut generator = Generator::new(u32::MAX);
        let mut cache = cache(&model);
        let chunk = golden.chunk(&model);
        let generated =
            generator.fast_greedy_generate(&model, &chunk, &mut cache, None, golden.greedy.len()).unwrap();
        assert_eq!(generated.token_ids, golden.greedy, "{name}");
        assert_eq!(cache.len(), golden.ids.len() + golden.greedy.len() - 1, "{name}");
    }
}

/// Loads the checkpoint with one text of its config.json replaced and tells how far the logits move.
fn effect_of(name: &str, from: &str, to: &str) -> f32 {
    let golden = Golden::read(name);
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(&golden.folder).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let config = std::fs::read_to_string(golden.folder.join("config.json")).unwrap();
    assert!(config.contains(from), "{name} has no {from}");
    std::fs::write(folder.path().join("config.json"), config.replace(from, to)).unwrap();
    let model = SmolVlm::load(folder.path()).unwrap();
    max_difference(&golden.logits_of(&model), &golden.logits)
}

#[test]
fn a_wrong_setting_fails_the_goldens() {
    for (from, to) in [
        ("\"rope_theta\": 500.0", "\"rope_theta\": 501.0"),
        ("\"hidden_act\": \"gelu_pytorch_tanh\"", "\"hidden_act\": \"gelu\""),
        ("\"rms_norm_eps\": 0.01", "\"rms_norm_eps\": 0.011"),
        ("\"layer_norm_eps\": 0.01", "\"layer_norm_eps\": 0.011"),
    ] {
        for name in CHECKPOINTS {
            let effect = effect_of(name, from, to);
            assert!(effect > 2.0 * TOLERANCE, "{name}: {to} moves the logits by {effect} only");
        }
    }
}

#[test]
fn shuffled_patches_fail_the_goldens() {
    let golden = Golden::read("gqa-tied-bf16");
    let model = SmolVlm::load(&golden.folder).unwrap();
    let side = golden.side;
    let transpose = |index: usize| {
        let (plane, row, column) = (index / (side * side), index / side % side, index % side);
        golden.pixels[plane * side * side + column * side + row]
    };
    let swapped =
        Golden { pixels: (0..golden.pixels.len()).map(transpose).collect(), ..Golden::read("gqa-tied-bf16") };
    assert!(max_difference(&swapped.logits_of(&model), &golden.logits) > 2.0 * TOLERANCE);
}

#[test]
fn a_position_off_by_one_fails_the_goldens() {
    let golden = Golden::read("gqa-untied-f32");
    let model = SmolVlm::load(&golden.folder).unwrap();
    let ids = &golden.ids[..5];
    // Legacy positions after an eviction of the first token: token i stands at position i, not i - 1.
    let mut shifted = model.new_cache(64, PositionPolicy::Preserve).unwrap();
    model.prefill(&model.joint_embed(ids, None).unwrap(), &mut shifted).unwrap();
    model.evict(&mut shifted, &[EvictionPiece::Keep(1..5)]).unwrap();
    let mut straight = model.new_cache(64, PositionPolicy::Rerotate).unwrap();
    model.prefill(&model.joint_embed(ids, None).unwrap(), &mut straight).unwrap();
    model.evict(&mut straight, &[EvictionPiece::Keep(1..5)]).unwrap();
    assert_eq!(shifted.positions(), [1, 2, 3, 4]);
    assert_eq!(straight.positions(), [0, 1, 2, 3]);
    assert!(max_difference(&shifted.keys(0).unwrap(), &straight.keys(0).unwrap()) > 2.0 * TOLERANCE);
}
