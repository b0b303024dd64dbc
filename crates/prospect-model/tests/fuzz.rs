//! Whatever the bytes of a checkpoint are: it loads, or says what is wrong. Nothing panics.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::LazyLock;

use common::Scratch;
use common::mutations::{Mutation, cases, change_json, json_changes, mutate, mutations, odd_values};
use proptest::prelude::*;
use prospect_context::PositionPolicy;
use prospect_model::{GgufCheckpoint, PixelValues, Placement, SmolVlm};
use prospect_processor::Processor;
use serde_json::Value;

/// Uses a checkpoint that could be loaded.
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

/// Loads a pair of GGUF files whose text file or projector has changes in its header.
fn load_pair(mutations: &[Mutation], of_text: bool) {
    let folder = tempfile::tempdir().unwrap();
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/gguf");
    let copy = |name: &str, header: usize| {
        let (path, mut bytes) = (folder.path().join(name), std::fs::read(fixtures.join(name)).unwrap());
        let data = bytes.split_off(header);
        mutate(&mut bytes, mutations);
        // The tensors keep their place, unless a change alters the length of the header.
        std::fs::write(&path, [bytes, data].concat()).unwrap();
        path
    };
    let (text, projector) = match of_text {
        true => (copy("every-type.gguf", TEXT_HEADER), fixtures.join("mmproj-every-type.gguf")),
        false => (fixtures.join("every-type.gguf"), copy("mmproj-every-type.gguf", PROJECTOR_HEADER)),
    };
    let model = GgufCheckpoint::open(&text, &projector).and_then(|pair| {
        drop(Processor::from_files(pair.files()));
        SmolVlm::load_gguf(pair, Placement::default())
    });
    match model {
        Ok(model) => exercise(&model),
        Err(error) => assert_eq!(error.to_string().lines().count(), 1, "{error}"),
    }
}

/// Where the tensors begin in the files.
const TEXT_HEADER: usize = 10_624;
const PROJECTOR_HEADER: usize = 2_848;

/// Valid and invalid file names for a list of weights.
fn file_names() -> impl Strategy<Value = Value> {
    let names = [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "../model.safetensors",
        "/dev/zero",
        "config.json",
        "no such file",
        ".",
        "a\n\u{1b}[2J",
        "a\0",
    ];
    prop_oneof![2 => prop::sample::select(names.to_vec()).prop_map(Value::from), 1 => odd_values()]
}

/// The logits of three tokens.
fn logits(model: &SmolVlm) -> Vec<f32> {
    common::put(model, &mut common::cache(model), &[3, 4, 5])
}

/// A list of weights is either refused, or gives the weights of the intact checkpoint.
fn load_by_index(index: &[u8]) {
    static SOUND: LazyLock<Vec<f32>> = LazyLock::new(|| logits(&common::load(SHARDED)));
    let scratch = Scratch::copy(SHARDED);
    std::fs::write(scratch.path(INDEX), index).unwrap();
    match scratch.load() {
        Ok(model) => assert_eq!(logits(&model), *SOUND),
        Err(error) => assert_eq!(error.to_string().lines().count(), 1, "{error}"),
    }
}

const SHARDED: &str = "mha-untied-sharded";
const INDEX: &str = "model.safetensors.index.json";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(128)))]

    #[test]
    fn a_damaged_list_of_weights_names_the_same_ones_or_is_refused(mutations in mutations()) {
        let mut index = std::fs::read(common::folder(SHARDED).join(INDEX)).unwrap();
        mutate(&mut index, &mutations);
        load_by_index(&index);
    }

    #[test]
    fn an_odd_list_of_weights_names_the_same_ones_or_is_refused(changes in json_changes(file_names())) {
        let index = std::fs::read(common::folder(SHARDED).join(INDEX)).unwrap();
        let mut index = serde_json::from_slice(&index).unwrap();
        change_json(&mut index, &changes);
        load_by_index(index.to_string().as_bytes());
    }

    #[test]
    fn a_damaged_pair_of_gguf_files_never_panics(mutations in mutations(), of_text in any::<bool>()) {
        load_pair(&mutations, of_text);
    }

    #[test]
    fn an_odd_config_never_panics(changes in json_changes(odd_values())) {
        load(&Scratch::copy("gqa-tied").config(|config| change_json(config, &changes)));
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
