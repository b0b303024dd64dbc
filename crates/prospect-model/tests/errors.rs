//! Invalid checkpoints and calls: each gives one clear line, and the cache is unchanged.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{OneShot, Scratch, cache, folder, load, put};
use prospect_context::PositionPolicy;
use prospect_model::{CacheType, EvictionPiece, Generator, ModelConfig, ModelError, PixelValues, Sampling};
use serde_json::{Value, json};

/// The message of a checkpoint that does not load.
fn message(scratch: &Scratch) -> String {
    let error = scratch.load().err().expect("the checkpoint loads");
    assert!(error.is_bad_checkpoint(), "{error:?}");
    line(&error)
}

fn line(error: &ModelError) -> String {
    let message = error.to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
}

#[test]
fn a_missing_file_is_named() {
    for file in ["config.json", "model.safetensors"] {
        let scratch = Scratch::copy("gqa-tied");
        std::fs::remove_file(scratch.path(file)).unwrap();
        assert_says(&message(&scratch), &["cannot read", file, "No such file"]);
    }
}

#[test]
fn a_missing_shard_is_named() {
    let scratch = Scratch::copy("mha-untied-sharded");
    std::fs::remove_file(scratch.path("model-00002-of-00002.safetensors")).unwrap();
    assert_says(&message(&scratch), &["cannot read", "model-00002-of-00002.safetensors"]);
}

#[test]
fn an_index_without_a_weight_map_is_refused() {
    let scratch = Scratch::copy("mha-untied-sharded");
    std::fs::write(scratch.path("model.safetensors.index.json"), "{}").unwrap();
    assert_says(
        &message(&scratch),
        &["model.safetensors.index.json", "missing field `weight_map`", "expected"],
    );
}

#[test]
fn an_index_stays_in_its_folder() {
    for name in ["../x.safetensors", "/x.safetensors", "a/b.safetensors", "..", "C:x", "a\\nb"] {
        let scratch = Scratch::copy("mha-untied-sharded");
        let index = format!(r#"{{"weight_map": {{"lm_head.weight": "{name}"}}}}"#);
        std::fs::write(scratch.path("model.safetensors.index.json"), index).unwrap();
        assert_says(&message(&scratch), &["index.json", name, "expected the name of a file beside it"]);
    }
}

#[test]
fn a_tensor_that_two_files_have_is_refused() {
    let scratch = Scratch::copy("mha-untied-sharded");
    std::fs::copy(scratch.path("model-00001-of-00002.safetensors"), scratch.path("again.safetensors"))
        .unwrap();
    let index = r#"{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "again.safetensors"}}"#;
    std::fs::write(scratch.path("model.safetensors.index.json"), index).unwrap();
    assert_says(&message(&scratch), &["is there twice", "expected each once"]);
}

#[test]
fn what_is_no_file_or_in_another_format_says_what_to_do() {
    let scratch = Scratch::copy("gqa-tied");
    std::fs::write(
        scratch.path("model.safetensors"),
        "version https://git-lfs.github.com/spec/v1\nsize 67\n",
    )
    .unwrap();
    assert_says(&message(&scratch), &["model.safetensors", "Git LFS pointer", "git lfs pull"]);
    std::fs::remove_file(scratch.path("model.safetensors")).unwrap();
    std::fs::create_dir(scratch.path("model.safetensors")).unwrap();
    assert_says(&message(&scratch), &["it is a folder: expected a file"]);
    std::fs::remove_dir(scratch.path("model.safetensors")).unwrap();
    std::fs::write(scratch.path("pytorch_model.bin"), "").unwrap();
    assert_says(&message(&scratch), &["pytorch_model.bin", "safetensors"]);
}

#[test]
fn a_truncated_file_is_named() {
    for (checkpoint, file) in
        [("gqa-tied", "model.safetensors"), ("mha-untied-sharded", "model-00002-of-00002.safetensors")]
    {
        for length in [0, 5, 100, 100_000] {
            let scratch = Scratch::copy(checkpoint);
            let bytes = std::fs::read(scratch.path(file)).unwrap();
            std::fs::write(scratch.path(file), &bytes[..length]).unwrap();
            assert_says(&message(&scratch), &[file, "not a readable safetensors file"]);
        }
    }
}

#[test]
fn a_missing_tensor_is_named() {
    let scratch = Scratch::copy("gqa-tied");
    let scratch = scratch.header("model.safetensors", "layers.1.mlp.up_proj", "layers.1.mlp.up_brot");
    let expected = "model.text_model.layers.1.mlp.up_proj.weight is missing: expected shape [192, 96]";
    assert_says(&message(&scratch), &[expected, scratch.path("").to_str().unwrap().trim_end_matches('/')]);
}

#[test]
fn a_wrong_shape_is_named() {
    let scratch =
        Scratch::copy("gqa-untied").config(|config| config["text_config"]["intermediate_size"] = json!(128));
    let expected = "mlp.gate_proj.weight has shape [192, 96]: expected [128, 96] by the configuration";
    assert_says(&message(&scratch), &[expected]);
}

#[test]
fn a_wrong_type_is_named() {
    let name = "\"model.connector.modality_projection.proj.weight\":{\"dtype\":\"";
    let scratch = Scratch::copy("gqa-untied");
    let scratch = scratch.header("model.safetensors", &format!("{name}F32"), &format!("{name}I32"));
    let expected = "model.connector.modality_projection.proj.weight has type I32: expected F32, BF16 or F16";
    assert_says(&message(&scratch), &[expected]);
}

#[test]
fn a_missing_key_without_default_is_named() {
    for key in ["model_type", "text_config", "image_token_id"] {
        let scratch =
            Scratch::copy("gqa-tied").config(|config| drop(config.as_object_mut().unwrap().remove(key)));
        let field = format!("missing field `{key}`");
        assert_says(&message(&scratch), &["config.json", &field, "expected the configuration of a SmolVLM"]);
    }
}

#[test]
fn a_configuration_that_does_not_fit_is_refused_by_key() {
    let text = |key: &'static str, value: Value| move |config: &mut Value| config["text_config"][key] = value;
    let vision =
        |key: &'static str, value: Value| move |config: &mut Value| config["vision_config"][key] = value;
    let top = |key: &'static str, value: Value| move |config: &mut Value| config[key] = value;
    let refused = |edit: Box<dyn FnOnce(&mut Value)>, says: &[&str]| {
        assert_says(&message(&Scratch::copy("gqa-untied").config(edit)), says);
    };
    refused(
        Box::new(top("model_type", json!("llava"))),
        &["model_type is llava: expected smolvlm or idefics3"],
    );
    refused(Box::new(top("scale_factor", json!(3))), &["image_size / patch_size is 8", "multiple of 3"]);
    refused(Box::new(top("scale_factor", json!(0))), &["scale_factor is 0: expected 1 to 1048576"]);
    refused(
        Box::new(top("image_token_id", json!(424))),
        &["image_token_id is 424: expected less than", "424"],
    );
    refused(Box::new(top("image_token_id", json!("x"))), &["config.json", "invalid type", "expected"]);
    refused(Box::new(text("num_key_value_heads", json!(2))), &["num_attention_heads is 3", "multiple of 2"]);
    refused(Box::new(text("num_key_value_heads", json!(0))), &["num_key_value_heads is 0: expected 1 to"]);
    refused(Box::new(text("head_dim", json!(31))), &["head_dim is 31", "multiple of 2"]);
    refused(
        Box::new(text("max_position_embeddings", json!(1u64 << 40))),
        &["max_position_embeddings is", "1 to"],
    );
    refused(Box::new(text("attention_bias", json!(true))), &["attention_bias is true: expected false"]);
    refused(Box::new(text("mlp_bias", json!(true))), &["mlp_bias is true: expected false"]);
    refused(Box::new(text("rope_theta", json!(0))), &["rope_theta is 0: expected more than 0"]);
    // Text quoted from a file stays on one line.
    refused(
        Box::new(text("rope_scaling", json!({"type": "line\nar"}))),
        &["rope_type is line ar: expected default"],
    );
    refused(Box::new(text("hidden_act", json!("no_such"))), &["unknown variant `no_such`"]);
    refused(Box::new(text("hidden_act", json!("no\nsuch"))), &["unknown variant `no such`"]);
    refused(Box::new(vision("num_attention_heads", json!(5))), &["vision_config.hidden_size is 32", "of 5"]);
    refused(Box::new(vision("patch_size", json!(0))), &["vision_config.patch_size is 0"]);
}

#[test]
fn bad_calls_are_refused_by_what_was_expected() {
    let model = load("gqa-tied");
    let mut cache = model.new_cache(16, PositionPolicy::Rerotate).unwrap();
    let error = model.joint_embed(&[3, 424], None).unwrap_err();
    assert_eq!(line(&error), "token id 424 is not in the vocabulary: expected less than 424");
    let error = model.joint_embed(&[3, 418], None).unwrap_err();
    assert_eq!(line(&error), "1 image tokens for 0 image embeddings: expected as many");
    let error = model.image_embeddings(vec![0.0; 97]).unwrap_err();
    assert_eq!(line(&error), "97 values of image embeddings: expected a multiple of the hidden size, 96");
    let error = model.prefill(&model.joint_embed(&[], None).unwrap(), &mut cache).unwrap_err();
    assert_eq!(line(&error), "the chunk holds no token: expected at least one");
    let error = model.prefill(&model.joint_embed(&[3; 17], None).unwrap(), &mut cache).unwrap_err();
    assert_eq!(line(&error), "17 tokens do not fit into the cache: 0 of 16 slots are taken");
    let error = model.evict(&mut cache, &[EvictionPiece::Keep(0..1)]).unwrap_err();
    assert_eq!(line(&error), "slots 0..1 cannot be kept: expected a range within the 0 tokens of the cache");
    assert!(!error.is_bad_checkpoint());
    assert!(cache.is_empty());
}

#[test]
fn pixels_that_are_no_whole_tiles_are_refused() {
    let model = load("gqa-tied");
    for (tiles, side, values) in [(1, 63, 3 * 63 * 63), (1, 64, 5), (0, 64, 0), (usize::MAX, 64, 3 * 64 * 64)]
    {
        let values = vec![0.0; values];
        let pixels = PixelValues { values: &values, tiles, height: side, width: side };
        let error = model.encode_image(pixels).unwrap_err();
        assert_says(&line(&error), &["pixel values for", "expected at least one tile of 3x64x64"]);
    }
}

#[test]
fn a_position_past_the_models_maximum_is_refused() {
    let scratch = Scratch::copy("gqa-tied").config(|config| {
        config["text_config"]["max_position_embeddings"] = json!(16);
    });
    let model = scratch.load().unwrap();
    let mut cache = model.new_cache(32, PositionPolicy::Rerotate).unwrap();
    put(&model, &mut cache, &[3; 10]);
    let error = model.prefill(&model.joint_embed(&[3; 7], None).unwrap(), &mut cache).unwrap_err();
    assert_eq!(line(&error), "position 16 is past the model's maximum: expected at most 15");
    assert_eq!(cache.len(), 10);
}

#[test]
fn a_failure_of_the_tensor_library_is_one_line() {
    let error = ModelError::from(candle_core::Error::msg("first\nsecond").bt());
    assert_eq!(line(&error), "tensor library: first");
}

#[test]
fn a_nan_in_the_weights_is_an_error_and_leaves_the_cache_usable() {
    // Only the embedding of one token is damaged.
    let scratch =
        Scratch::copy("gqa-untied").tensor("model.text_model.embed_tokens.weight", |shape, bytes| {
            let row = bytes.len() / shape[0];
            bytes[7 * row..7 * row + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        });
    let model = scratch.load().unwrap();
    let (mut cache, mut untouched) = (cache(&model), cache(&model));
    for cache in [&mut cache, &mut untouched] {
        put(&model, cache, &[3, 4, 5]);
    }
    let chunk = model.joint_embed(&[6, 7], None).unwrap();
    let mut generator = Generator::new(u32::MAX, Sampling::Greedy);
    let error = generator.generate(&model, &chunk, &mut cache, None, 5).unwrap_err();
    assert_says(&line(&error), &["the logits hold NaN at token 0", "damaged checkpoint"]);
    assert!(!error.is_bad_checkpoint());
    assert!(model.prefill_all_logits(&chunk, &mut cache).is_err());
    assert_eq!((cache.len(), cache.next_position()), (3, 3));
    assert_eq!(put(&model, &mut cache, &[8, 9]), put(&model, &mut untouched, &[8, 9]));
}

#[test]
fn a_nan_in_the_head_is_an_error_with_its_token() {
    let scratch = Scratch::copy("mha-untied-sharded").tensor("lm_head.weight", |shape, bytes| {
        let row = bytes.len() / shape[0];
        bytes[300 * row..300 * row + 2].copy_from_slice(&0x7e00u16.to_le_bytes());
    });
    let model = scratch.load().unwrap();
    let case = OneShot::split("mha-untied-sharded");
    let error = model.prefill(&case.chunk(&model), &mut cache(&model)).unwrap_err();
    assert!(matches!(error, ModelError::NonFiniteLogits { token: 300, value } if value.is_nan()));
}

#[test]
fn the_configuration_alone_tells_what_a_stream_costs() {
    let config = ModelConfig::from_dir(&folder("gqa-untied")).unwrap();
    assert_eq!((config.image_seq_len(), config.kv_bytes_per_token(CacheType::F32)), (16, 2 * 2 * 32 * 4));
}
