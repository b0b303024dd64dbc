//! Whatever the bytes of a checkpoint are: it loads, or says what is wrong. Nothing panics.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::LazyLock;

use common::Scratch;
use common::mutations::{cases, mutate, mutations};
use proptest::prelude::*;
use prospect_context::PositionPolicy;
use prospect_model::{PixelValues, SmolVlm};

/// Uses a checkpoint that did load.
fn exercise(model: &SmolVlm) {
    let mut cache = model.new_cache(64, PositionPolicy::Rerotate).unwrap();
    if let Ok(chunk) = model.joint_embed(&[3, 4, 5], None) {
        drop(model.prefill(&chunk, &mut cache));
    }
    let side = model.config().vision_config.image_size;
    if side <= 64 {
        let values = vec![0.5; 3 * side * side];
        drop(model.encode_image(PixelValues { values: &values, tiles: 1, height: side, width: side }));
    }
}

fn load(scratch: &Scratch) {
    match scratch.load() {
        Ok(model) => exercise(&model),
        Err(error) => assert_eq!(error.to_string().lines().count(), 1, "{error}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(512)))]

    #[test]
    fn a_damaged_config_never_panics(mutations in mutations()) {
        static CONFIG: LazyLock<Vec<u8>> =
            LazyLock::new(|| std::fs::read(common::folder("gqa-tied").join("config.json")).unwrap());
        let scratch = Scratch::copy("gqa-tied");
        let mut bytes = CONFIG.clone();
        mutate(&mut bytes, &mutations);
        std::fs::write(scratch.path("config.json"), bytes).unwrap();
        load(&scratch);
    }

    #[test]
    fn any_sizes_in_a_config_never_panic(
        place in prop::sample::select(&[
            "/text_config/hidden_size", "/text_config/intermediate_size", "/text_config/num_hidden_layers",
            "/text_config/num_attention_heads", "/text_config/num_key_value_heads", "/text_config/head_dim",
            "/text_config/vocab_size", "/text_config/max_position_embeddings", "/vision_config/hidden_size",
            "/vision_config/intermediate_size", "/vision_config/num_hidden_layers", "/vision_config/image_size",
            "/vision_config/num_attention_heads", "/vision_config/patch_size", "/scale_factor", "/image_token_id",
        ][..]),
        size in prop_oneof![0u64..10, any::<u64>(), (0u32..64).prop_map(|power| 1 << power)],
    ) {
        let scratch = Scratch::copy("gqa-tied").config(|config| *config.pointer_mut(place).unwrap() = size.into());
        load(&scratch);
    }

    #[test]
    fn a_damaged_header_never_panics(mutations in mutations()) {
        static WEIGHTS: LazyLock<Vec<u8>> =
            LazyLock::new(|| std::fs::read(common::folder("gqa-tied").join("model.safetensors")).unwrap());
        let scratch = Scratch::copy("gqa-tied");
        let length = u64::from_le_bytes(WEIGHTS[..8].try_into().unwrap()) as usize;
        let mut header = WEIGHTS[..8 + length].to_vec();
        mutate(&mut header, &mutations);
        std::fs::write(scratch.path("model.safetensors"), [&header, &WEIGHTS[8 + length..]].concat()).unwrap();
        load(&scratch);
    }
}
