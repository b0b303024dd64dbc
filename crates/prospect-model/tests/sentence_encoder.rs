//! The sentence encoder against `sentence-transformers` (fixtures/goldens/README.md), and invalid
//! folders.
#![cfg(feature = "sentence-encoder")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use prospect_model::{ModelError, SentenceEncoder};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde::Deserialize;
use serde_json::{Value, json};

const TOLERANCE: f32 = 1e-4;
const CONFIG: &str = "config.json";
const SETTINGS: &str = "sentence_bert_config.json";
const POOLING: &str = "1_Pooling/config.json";
const MODULES: &str = "modules.json";
const TOKENIZER: &str = "tokenizer.json";
const WEIGHTS: &str = "model.safetensors";

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    tokens: usize,
    embedding: Vec<f32>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/goldens/sentence_encoder")
}

fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(folder().join("golden.json")).unwrap();
    serde_json::from_str::<Golden>(&text).unwrap().cases
}

fn texts(cases: &[Case]) -> Vec<&str> {
    cases.iter().map(|case| case.text.as_str()).collect()
}

fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Largest deviation of any component of any text from the reference.
fn deviation(encoder: &SentenceEncoder) -> f32 {
    let cases = cases();
    let embeddings = encoder.encode(&texts(&cases)).unwrap();
    assert_eq!(embeddings.len(), cases.len());
    cases.iter().zip(&embeddings).map(|(case, ours)| difference(&case.embedding, ours)).fold(0.0, f32::max)
}

/// A copy of the folder to change.
struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::create_dir(scratch.path().join("1_Pooling")).unwrap();
        for file in [CONFIG, SETTINGS, POOLING, MODULES, TOKENIZER, WEIGHTS, "tokenizer_config.json"] {
            std::fs::copy(folder().join(file), scratch.path().join(file)).unwrap();
        }
        Self(scratch)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn edit(self, file: &str, edit: impl FnOnce(&mut Value)) -> Self {
        let mut value = serde_json::from_slice(&std::fs::read(self.path(file)).unwrap()).unwrap();
        edit(&mut value);
        self.write(file, value.to_string())
    }

    fn write(self, file: &str, text: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.path(file), text).unwrap();
        self
    }

    fn without(self, file: &str) -> Self {
        std::fs::remove_file(self.path(file)).unwrap();
        self
    }

    /// Rewrites the weights, each tensor with a new name and changed bytes.
    fn weights(self, name: impl Fn(&str) -> String, edit: impl Fn(&str, &mut [u8])) -> Self {
        let bytes = std::fs::read(self.path(WEIGHTS)).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let mut changed = Vec::new();
        for (old, view) in tensors.tensors() {
            let mut data = view.data().to_vec();
            edit(&old, &mut data);
            changed.push((name(&old), view.dtype(), view.shape().to_vec(), data));
        }
        let views = changed.iter().map(|(name, dtype, shape, data)| {
            (name.as_str(), TensorView::new(*dtype, shape.clone(), data).unwrap())
        });
        let bytes = safetensors::serialize(views, None).unwrap();
        self.write(WEIGHTS, bytes)
    }

    fn load(&self) -> Result<SentenceEncoder, ModelError> {
        SentenceEncoder::load(self.0.path())
    }

    /// The error of a folder that does not load.
    fn refused(&self) -> ModelError {
        let error = self.load().err().expect("the folder loads");
        assert!(error.is_bad_checkpoint(), "{error:?}");
        error
    }

    /// Asserts that the folder does not load and that one line says why.
    fn says(&self, parts: &[&str]) {
        assert_says(&self.refused(), parts);
    }
}

fn assert_says(error: &ModelError, parts: &[&str]) {
    let message = error.to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    for part in parts {
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
}

#[test]
fn embeddings_are_those_of_the_reference() {
    let encoder = SentenceEncoder::load(&folder()).unwrap();
    assert_eq!((encoder.dimensions(), encoder.max_tokens()), (32, 48));
    let deviation = deviation(&encoder);
    assert!(deviation < TOLERANCE, "{deviation}");
}

#[test]
fn the_goldens_reach_the_limit_and_tell_texts_apart() {
    let cases = cases();
    assert!(cases.iter().filter(|case| case.tokens == 48).count() >= 2);
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let least = cases.iter().map(|case| dot(&case.embedding, &cases[8].embedding)).fold(1.0, f32::min);
    assert!(least < 0.3, "{least}");
}

/// If the goldens did not depend on a setting, ignoring it would not be noticed.
#[test]
fn what_the_configuration_says_shows_in_the_embeddings() {
    for (key, value) in [
        ("hidden_act", json!("gelu_new")),
        ("hidden_act", json!("relu")),
        ("layer_norm_eps", json!(1e-12)),
        ("num_attention_heads", json!(4)),
    ] {
        let scratch = Scratch::new().edit(CONFIG, |config| config[key] = value);
        let deviation = deviation(&scratch.load().unwrap());
        assert!(deviation > 2.0 * TOLERANCE, "{key}: {deviation}");
    }
    let scratch = Scratch::new().edit(SETTINGS, |settings| settings["max_seq_length"] = json!(47));
    assert!(deviation(&scratch.load().unwrap()) > 2.0 * TOLERANCE);
}

#[test]
fn embeddings_have_length_one() {
    let encoder = SentenceEncoder::load(&folder()).unwrap();
    for embedding in encoder.encode(&["take the red cube", ""]).unwrap() {
        let norm = embedding.iter().map(|value| value * value).sum::<f32>().sqrt();
        assert!((norm - 1.0).abs() < 1e-6, "{norm}");
    }
    assert!(encoder.encode(&[]).unwrap().is_empty());
}

#[test]
fn a_text_does_not_depend_on_its_batch() {
    let encoder = SentenceEncoder::load(&folder()).unwrap();
    let cases = cases();
    let mut texts = texts(&cases);
    let together = encoder.encode(&texts).unwrap();
    texts.reverse();
    let reversed = encoder.encode(&texts).unwrap();
    for (index, text) in texts.iter().rev().enumerate() {
        let alone = encoder.encode(&[text]).unwrap();
        assert!(difference(&alone[0], &together[index]) < 1e-6);
        assert!(difference(&alone[0], &reversed[texts.len() - 1 - index]) < 1e-6);
    }
}

#[test]
fn other_forms_of_the_folder_are_the_same_encoder() {
    let older_pooling = json!({
        "word_embedding_dimension": 32, "pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true,
        "pooling_mode_max_tokens": false, "pooling_mode_mean_sqrt_len_tokens": false
    });
    let older = Scratch::new().write(POOLING, older_pooling.to_string());
    let none_true = Scratch::new().write(POOLING, "{}");
    let listed = Scratch::new().edit(POOLING, |pooling| pooling["pooling_mode"] = json!(["mean"]));
    let bare = Scratch::new().without(MODULES).without(POOLING);
    let unnormalised = Scratch::new().edit(MODULES, |modules| drop(modules.as_array_mut().unwrap().pop()));
    let prefixed = Scratch::new().weights(|name| format!("bert.{name}"), |_, _| ());
    let tokenizers_limit = Scratch::new().without(SETTINGS).edit("tokenizer_config.json", |config| {
        config["model_max_length"] = json!(48);
    });
    // Settings of the training in tokenizer.json. A limit of 1 is less than the tokens that the
    // tokenizer adds.
    let training = Scratch::new().edit(TOKENIZER, |tokenizer| {
        tokenizer["truncation"] =
            json!({"max_length": 1, "strategy": "LongestFirst", "stride": 0, "direction": "Right"});
        tokenizer["padding"] = json!({
            "strategy": {"Fixed": 128}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
            "pad_type_id": 0, "pad_token": "[PAD]"
        });
    });
    for scratch in [older, none_true, listed, bare, unnormalised, prefixed, tokenizers_limit, training] {
        let deviation = deviation(&scratch.load().unwrap());
        assert!(deviation < TOLERANCE, "{deviation}");
    }
}

#[test]
fn the_transformer_may_lie_in_a_folder_of_its_own() {
    let scratch = Scratch::new().edit(MODULES, |modules| modules[0]["path"] = json!("0_Transformer"));
    std::fs::create_dir(scratch.path("0_Transformer")).unwrap();
    for file in [CONFIG, SETTINGS, TOKENIZER, WEIGHTS] {
        std::fs::rename(scratch.path(file), scratch.path("0_Transformer").join(file)).unwrap();
    }
    assert!(deviation(&scratch.load().unwrap()) < TOLERANCE);
}

#[test]
fn without_a_stated_limit_it_is_the_models() {
    let unlimited = json!({"model_max_length": 1e30}).to_string();
    let scratch = Scratch::new().without(SETTINGS).write("tokenizer_config.json", unlimited);
    assert_eq!(scratch.load().unwrap().max_tokens(), 64);
    let scratch = scratch.without("tokenizer_config.json");
    assert_eq!(scratch.load().unwrap().max_tokens(), 64);
}

#[test]
fn lower_case_is_obeyed_where_the_tokenizer_keeps_case() {
    let cased = |lower: bool| {
        let scratch =
            Scratch::new().edit(TOKENIZER, |tokenizer| tokenizer["normalizer"]["lowercase"] = json!(false));
        let encoder =
            scratch.edit(SETTINGS, |settings| settings["do_lower_case"] = json!(lower)).load().unwrap();
        let embeddings = encoder.encode(&["Take the RED cube", "take the red cube"]).unwrap();
        difference(&embeddings[0], &embeddings[1])
    };
    assert_eq!(cased(true), 0.0);
    assert!(cased(false) > 0.01);
}

#[test]
fn a_tokenizer_that_finds_nothing_gives_zeros() {
    let scratch = Scratch::new().edit(TOKENIZER, |tokenizer| tokenizer["post_processor"] = Value::Null);
    assert_eq!(scratch.load().unwrap().encode(&[" "]).unwrap(), [[0.0; 32]]);
}

#[test]
fn a_missing_file_is_named() {
    for file in [CONFIG, TOKENIZER, WEIGHTS, POOLING] {
        Scratch::new().without(file).says(&["cannot read", file, "No such file"]);
    }
}

#[test]
fn a_damaged_file_is_named() {
    for file in [CONFIG, SETTINGS, POOLING, MODULES, "tokenizer_config.json"] {
        let scratch = Scratch::new().without(SETTINGS);
        let error = scratch.write(file, "{\"a\": ").refused();
        assert!(matches!(error, ModelError::Config { .. }), "{error:?}");
        assert_says(&error, &[file, "expected"]);
    }
    let bytes = std::fs::read(folder().join(TOKENIZER)).unwrap();
    for damaged in [&bytes[..0], &bytes[..700], &bytes[..bytes.len() - 3], b"{}", b"[1]", b"\xff\xfe"] {
        let error = Scratch::new().write(TOKENIZER, damaged).refused();
        assert!(matches!(error, ModelError::Tokenizer { .. }), "{error:?}");
        assert_says(&error, &[TOKENIZER, "not a tokenizer"]);
    }
    let error = Scratch::new().write(WEIGHTS, [0; 100]).refused();
    assert!(matches!(error, ModelError::Safetensors { .. }), "{error:?}");
}

#[test]
fn another_kind_of_model_is_refused() {
    for kind in ["distilbert", "roberta", "mpnet", "xlm-roberta"] {
        // DistilBERT has other keys. The error names the model type, not a missing key.
        let scratch = Scratch::new().write(CONFIG, json!({"model_type": kind, "dim": 32}).to_string());
        scratch.says(&[CONFIG, &format!("model_type is {kind}: expected bert")]);
    }
    Scratch::new().write(CONFIG, "{}").says(&["missing field `model_type`", "BERT"]);
}

#[test]
fn another_pooling_is_refused() {
    let modes = [(json!("cls"), "cls"), (json!("max"), "max"), (json!(["mean", "cls"]), "mean and cls")];
    for (mode, says) in modes {
        let error = Scratch::new().edit(POOLING, |pooling| pooling["pooling_mode"] = mode).refused();
        assert!(matches!(error, ModelError::Pooling { .. }), "{error:?}");
        assert_says(&error, &[POOLING, &format!("the pooling is {says}: expected mean")]);
    }
    for (key, says) in [
        ("pooling_mode_cls_token", "cls_token"),
        ("pooling_mode_max_tokens", "max"),
        ("pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len"),
        ("pooling_mode_lasttoken", "lasttoken"),
    ] {
        let scratch = Scratch::new().write(POOLING, json!({key: true}).to_string());
        scratch.says(&[&format!("the pooling is {says}: expected mean")]);
        // modules.json is missing, but the pooling's folder exists.
        scratch.without(MODULES).says(&[says]);
    }
}

#[test]
fn other_modules_are_refused() {
    let dense = json!({"path": "2_Dense", "type": "sentence_transformers.models.Dense"});
    let with_dense = Scratch::new().edit(MODULES, |modules| modules[2] = dense);
    let alone = Scratch::new().edit(MODULES, |modules| modules.as_array_mut().unwrap().truncate(1));
    let four = Scratch::new().edit(MODULES, |modules| {
        let again = modules[2].clone();
        modules.as_array_mut().unwrap().push(again);
    });
    let none = Scratch::new().write(MODULES, "[]");
    for (scratch, modules) in [
        (with_dense, "[Transformer, Pooling, Dense]"),
        (alone, "[Transformer]"),
        (four, "[Transformer, Pooling, Normalize, Normalize]"),
        (none, "[]"),
    ] {
        let error = scratch.refused();
        assert!(matches!(error, ModelError::Modules { .. }), "{error:?}");
        assert_says(&error, &[MODULES, modules, "expected Transformer, Pooling"]);
    }
}

#[test]
fn modules_that_lie_elsewhere_are_not_opened() {
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::copy(folder().join(POOLING), elsewhere.path().join("config.json")).unwrap();
    for path in [elsewhere.path().to_str().unwrap(), "../x"] {
        for module in [0, 1] {
            let error =
                Scratch::new().edit(MODULES, |modules| modules[module]["path"] = json!(path)).refused();
            assert!(matches!(error, ModelError::ShardName { .. }), "{error:?}");
            assert_says(&error, &[MODULES, path, "expected the name of a file beside it"]);
        }
    }
}

#[test]
fn a_configuration_that_does_not_fit_is_refused_by_key() {
    for (key, value, says) in [
        ("num_attention_heads", json!(3), "hidden_size is 32: expected a positive multiple of 3"),
        ("num_attention_heads", json!(0), "num_attention_heads is 0: expected 1 to 1048576"),
        (
            "hidden_size",
            json!(64),
            "embeddings.word_embeddings.weight has shape [214, 32]: expected [214, 64]",
        ),
        ("num_hidden_layers", json!(3), "tensor encoder.layer.2.attention.self.query.weight is missing"),
        ("vocab_size", json!(1u64 << 40), "vocab_size is 1099511627776: expected 1 to 1048576"),
        (
            "position_embedding_type",
            json!("relative_key"),
            "position_embedding_type is relative_key: expected",
        ),
        ("is_decoder", json!(true), "is_decoder is true: expected false"),
        ("hidden_act", json!("silu"), "unknown variant `silu`"),
        ("hidden_size", json!(-1), "invalid value: integer `-1`"),
    ] {
        Scratch::new().edit(CONFIG, |config| config[key] = value).says(&[says]);
    }
}

#[test]
fn a_length_that_the_model_does_not_have_is_refused() {
    for length in [0, 2, 65] {
        let error =
            Scratch::new().edit(SETTINGS, |settings| settings["max_seq_length"] = json!(length)).refused();
        assert!(matches!(error, ModelError::Shape { key: "max_seq_length", .. }), "{error:?}");
        assert_says(&error, &[SETTINGS, &format!("max_seq_length is {length}: expected 3"), "to 64"]);
    }
    let scratch = Scratch::new().without(SETTINGS);
    let scratch = scratch.edit("tokenizer_config.json", |config| config["model_max_length"] = json!(-5));
    scratch.says(&["tokenizer_config.json", "model_max_length is 0: expected 3"]);
}

#[test]
fn a_missing_tensor_and_a_wrong_type_are_named() {
    let scratch = Scratch::new()
        .weights(|name| name.replace("output.LayerNorm.bias", "output.LayerNorm.beta"), |_, _| ());
    scratch.says(&["encoder.layer.0.attention.output.LayerNorm.bias is missing: expected shape [32]"]);
    let bytes = std::fs::read(folder().join(WEIGHTS)).unwrap();
    let (from, to) = (
        "\"embeddings.LayerNorm.bias\":{\"dtype\":\"F32\"",
        "\"embeddings.LayerNorm.bias\":{\"dtype\":\"I32\"",
    );
    let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    let changed = [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat();
    Scratch::new().write(WEIGHTS, changed).says(&["embeddings.LayerNorm.bias has type I32: expected F32"]);
}

#[test]
fn a_nan_in_the_weights_is_an_error() {
    let nan = |name: &str, bytes: &mut [u8]| {
        if name == "encoder.layer.1.output.dense.bias" {
            bytes[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        }
    };
    let encoder = Scratch::new().weights(str::to_owned, nan).load().unwrap();
    let error = encoder.encode(&["take"]).unwrap_err();
    assert!(matches!(error, ModelError::NonFiniteEmbedding { value, component: 0 } if value.is_nan()));
    assert_says(&error, &["the embedding holds NaN at component 0"]);
    assert!(!error.is_bad_checkpoint());
}

#[test]
fn a_tokenizer_of_another_model_is_an_error() {
    let larger = Scratch::new().edit(TOKENIZER, |tokenizer| tokenizer["model"]["vocab"]["cube"] = json!(214));
    let encoder = larger.load().unwrap();
    assert!(encoder.encode(&["take"]).is_ok());
    let error = encoder.encode(&["take", "cube"]).unwrap_err();
    assert_says(&error, &["token id 214 is not in the vocabulary: expected less than 214"]);
    let types = Scratch::new().edit(TOKENIZER, |tokenizer| {
        tokenizer["post_processor"]["single"][1]["Sequence"]["type_id"] = json!(7);
    });
    let error = types.load().unwrap().encode(&["take"]).unwrap_err();
    assert!(matches!(error, ModelError::Tensor(_)), "{error:?}");
    assert_says(&error, &["tensor library"]);
}

#[test]
fn a_text_without_tokens_for_it_is_an_error() {
    let unknown =
        Scratch::new().edit(TOKENIZER, |tokenizer| tokenizer["model"]["unk_token"] = json!("[NONE]"));
    let encoder = unknown.load().unwrap();
    let error = encoder.encode(&["кубик"]).unwrap_err();
    assert!(matches!(error, ModelError::Tokenise { .. }), "{error:?}");
    assert_says(&error, &["the text cannot be tokenised", "[UNK]"]);
}
