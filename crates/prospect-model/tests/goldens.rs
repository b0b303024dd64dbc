//! Parity with `transformers` in every recorded case.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{CHECKPOINTS, Eviction, OneShot, TOLERANCE, cache, load, max_difference, put};
use prospect_context::PositionPolicy;
use prospect_model::{EvictionPiece, Generator, Sampling};

#[test]
fn vision_tower_and_connector_equal_the_reference() {
    for name in CHECKPOINTS {
        let model = load(name);
        for case in OneShot::read(name) {
            let Some(images) = &case.images else { continue };
            let vision = max_difference(&model.vision_output(images.values()).unwrap(), &images.vision);
            let connector = model.encode_image(images.values()).unwrap().to_vec().unwrap();
            let connector = max_difference(&connector, &images.connector);
            println!("{name} {}: vision within {vision:.1e}, connector within {connector:.1e}", case.name);
            assert!(vision < TOLERANCE, "{name} {}: vision tower off by {vision}", case.name);
            assert!(connector < TOLERANCE, "{name} {}: connector off by {connector}", case.name);
        }
    }
}

#[test]
fn logits_equal_the_reference() {
    for name in CHECKPOINTS {
        let model = load(name);
        for case in OneShot::read(name) {
            let logits = case.logits_of(&model);
            let vocab = model.config().text_config.vocab_size;
            let difference = max_difference(&logits[case.logits_from * vocab..], &case.logits);
            println!("{name} {}: logits within {difference:.1e}", case.name);
            assert!(difference < TOLERANCE, "{name} {}: logits off by {difference}", case.name);
        }
    }
}

#[test]
fn greedy_ids_equal_the_reference() {
    for name in CHECKPOINTS {
        let model = load(name);
        for case in OneShot::read(name) {
            // An end token outside the vocabulary never stops the generation, as in the recording.
            let mut generator = Generator::new(u32::MAX, Sampling::Greedy);
            let mut cache = cache(&model);
            let (chunk, tokens) = (case.chunk(&model), case.greedy_ids.len());
            let generated = generator.generate(&model, &chunk, &mut cache, None, tokens).unwrap();
            assert_eq!(generated.token_ids, case.greedy_ids, "{name} {}", case.name);
            assert_eq!(cache.len(), case.ids.len() + tokens - 1, "{name} {}", case.name);
        }
    }
}

#[test]
fn a_prefill_before_an_eviction_equals_the_reference() {
    for name in CHECKPOINTS {
        let (model, golden) = (load(name), Eviction::read(name));
        let mut cache = cache(&model);
        let logits = max_difference(&put(&model, &mut cache, &golden.ids), &golden.before.logits);
        let keys = max_difference(&cache.keys(0).unwrap(), &golden.before.keys0);
        println!("{name} before: logits within {logits:.1e}, keys within {keys:.1e}");
        assert!(logits < TOLERANCE && keys < TOLERANCE, "{name}: off by {logits}, {keys}");
    }
}

#[test]
fn rerotated_keys_equal_the_reference_at_the_new_positions() {
    for name in CHECKPOINTS {
        let (model, golden) = (load(name), Eviction::read(name));
        let mut cache = model.new_cache(64, PositionPolicy::Rerotate).unwrap();
        put(&model, &mut cache, &golden.ids);
        model.evict(&mut cache, &pieces(&golden)).unwrap();
        let keys = max_difference(&cache.keys(0).unwrap(), &golden.after.keys0);
        println!("{name} rerotated: keys within {keys:.1e}");
        assert!(keys < TOLERANCE, "{name}: off by {keys}");
    }
}

#[test]
fn recompute_equals_the_references_prefill_of_the_survivors() {
    for name in CHECKPOINTS {
        let (model, golden) = (load(name), Eviction::read(name));
        let mut cache = model.new_cache(64, PositionPolicy::Recompute).unwrap();
        put(&model, &mut cache, &golden.ids);
        model.evict(&mut cache, &pieces(&golden)).unwrap();
        let keys = max_difference(&cache.keys(0).unwrap(), &golden.after.keys0);
        // The last kept token is computed again, to get its logits.
        cache.truncate(cache.len() - 1);
        let logits = put(&model, &mut cache, &golden.ids[golden.ids.len() - 1..]);
        let logits = max_difference(&logits, &golden.after.logits);
        println!("{name} recomputed: logits within {logits:.1e}, keys within {keys:.1e}");
        assert!(logits < TOLERANCE && keys < TOLERANCE, "{name}: off by {logits}, {keys}");
    }
}

fn pieces(golden: &Eviction) -> Vec<EvictionPiece> {
    golden.kept.iter().cloned().map(EvictionPiece::Keep).collect()
}
