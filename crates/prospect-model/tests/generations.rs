//! Older and newer generations of checkpoint files, and tied output heads.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{CHECKPOINTS, OneShot, Scratch, TOLERANCE, folder, load, max_difference};
use prospect_model::{ModelConfig, SmolVlm, TextConfig};
use serde_json::{Value, json};

fn text_logits(checkpoint: &str, model: &SmolVlm) -> Vec<f32> {
    OneShot::read(checkpoint)[0].logits_of(model)
}

fn remove(config: &mut Value, key: &str) {
    config.as_object_mut().unwrap().remove(key).unwrap();
}

/// Configurations as published and as `transformers` 5 writes them, with different keys for the same
/// values.
#[test]
fn both_generations_of_config_are_read() {
    let read = |name| ModelConfig::from_dir(&folder(name)).unwrap();
    let theta = CHECKPOINTS.map(|name| read(name).text_config.rope_theta());
    assert_eq!(theta, [10_000.0, 500.0, 2_000.0]);
    assert_eq!(CHECKPOINTS.map(|name| read(name).tie_word_embeddings), [true, false, false]);
}

#[test]
fn an_idefics3_checkpoint_is_the_same_graph() {
    let scratch = Scratch::copy("gqa-untied").config(|config| {
        config["model_type"] = json!("idefics3");
        config["architectures"] = json!(["Idefics3ForConditionalGeneration"]);
        config["vision_config"]["model_type"] = json!("idefics3");
    });
    let logits = text_logits("gqa-untied", &scratch.load().unwrap());
    assert_eq!(logits, text_logits("gqa-untied", &load("gqa-untied")));
}

/// `SmolVLM2-2.2B-Instruct` as published leaves out its 32 heads and 27 layers, since these are the
/// defaults.
#[test]
fn what_a_config_leaves_out_has_the_value_of_the_reference() {
    let config: TextConfig = serde_json::from_value(json!({})).unwrap();
    assert_eq!((config.hidden_size, config.intermediate_size, config.vocab_size), (4096, 11008, 32000));
    assert_eq!((config.num_hidden_layers, config.num_attention_heads, config.kv_heads()), (32, 32, 32));
    assert_eq!((config.head_dim(), config.max_position_embeddings), (128, 2048));
    assert_eq!((config.rms_norm_eps, config.rope_theta()), (1e-6, 10_000.0));
}

#[test]
fn leftovers_in_a_config_are_ignored() {
    let scratch = Scratch::copy("gqa-tied").config(|config| {
        config["pad_token_id"] = json!(128002);
        config["text_config"]["perceiver_config"] = json!({"model_type": "vllama3"});
        config["text_config"]["qk_layer_norms"] = json!(false);
        config["text_config"]["rope_scaling"] = Value::Null;
    });
    assert!(scratch.load().is_ok());
}

#[test]
fn the_top_level_key_alone_ties_the_head() {
    // A missing key means untied, whatever text_config says; the head must then exist.
    let untied = Scratch::copy("gqa-tied").config(|config| remove(config, "tie_word_embeddings"));
    assert!(untied.load().err().unwrap().to_string().contains("tensor lm_head.weight is missing"));
    let tied = Scratch::copy("gqa-tied").config(|config| {
        config["text_config"]["tie_word_embeddings"] = json!(false);
    });
    let logits = text_logits("gqa-tied", &tied.load().unwrap());
    assert_eq!(logits, text_logits("gqa-tied", &load("gqa-tied")));
    let untied = Scratch::copy("gqa-untied").config(|config| {
        remove(config, "tie_word_embeddings");
        config["text_config"]["tie_word_embeddings"] = json!(true);
    });
    let logits = text_logits("gqa-untied", &untied.load().unwrap());
    assert_eq!(logits, text_logits("gqa-untied", &load("gqa-untied")));
}

/// `transformers` 5 ties to the tensor that exists. If both exist and differ, it ties nothing.
#[test]
fn a_tied_head_is_read_under_either_name() {
    let (table, head) = ("model.text_model.embed_tokens.weight", "lm_head.weight");
    // The same bytes under the other name. The header is padded to its old length.
    let pad = " ".repeat(table.len() - head.len());
    let (from, to) = (format!("\"{table}\""), format!("\"{head}\"{pad}"));
    let renamed = Scratch::copy("gqa-tied").header("model.safetensors", &from, &to);
    let logits = text_logits("gqa-tied", &renamed.load().unwrap());
    assert_eq!(logits, text_logits("gqa-tied", &load("gqa-tied")));
    let both = Scratch::copy("gqa-untied").config(|config| config["tie_word_embeddings"] = json!(true));
    let logits = text_logits("gqa-untied", &both.load().unwrap());
    let difference = max_difference(&logits, &OneShot::read("gqa-untied")[0].logits);
    assert!(difference < TOLERANCE, "{difference}");
}
