//! A pair of GGUF files with tensors of every type, against `transformers` with the dequantized
//! weights.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use common::gguf::GgufWriter;
use common::{OneShot, TOLERANCE, cache, max_difference, relative_norm};
use proptest::prelude::*;
use prospect_context::Role;
use prospect_model::{Generator, GgufCheckpoint, Precisions, Sampling, SmolVlm};
use prospect_processor::Processor;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/gguf")
}

fn pair() -> GgufCheckpoint {
    let folder = fixtures();
    GgufCheckpoint::open(&folder.join("every-type.gguf"), &folder.join("mmproj-every-type.gguf")).unwrap()
}

/// The same pair with a projector in the format of early 2025.
fn old_pair() -> GgufCheckpoint {
    let folder = fixtures();
    GgufCheckpoint::open(&folder.join("every-type.gguf"), &folder.join("old/mmproj-old.gguf")).unwrap()
}

fn cases() -> Vec<OneShot> {
    OneShot::read_in(&fixtures().join("one_shot"), "every-type")
}

fn model() -> SmolVlm {
    SmolVlm::load_gguf(pair(), Precisions::EXACT).unwrap()
}

#[test]
fn vision_tower_connector_and_logits_equal_the_reference() {
    let model = model();
    for case in cases() {
        let vocab = model.config().text_config.vocab_size;
        let logits = max_difference(&case.logits_of(&model)[case.logits_from * vocab..], &case.logits);
        println!("{}: logits within {logits:.1e}", case.name);
        assert!(logits < TOLERANCE, "{}: logits off by {logits}", case.name);
        let Some(images) = &case.images else { continue };
        let vision = max_difference(&model.vision_output(images.values()).unwrap(), &images.vision);
        let connector = model.encode_image(images.values()).unwrap().to_vec().unwrap();
        let connector = max_difference(&connector, &images.connector);
        println!("{}: vision within {vision:.1e}, connector within {connector:.1e}", case.name);
        assert!(vision < TOLERANCE && connector < TOLERANCE, "{}: {vision}, {connector}", case.name);
    }
}

#[test]
fn greedy_ids_equal_the_reference() {
    let model = model();
    for case in cases() {
        let mut generator = Generator::new(u32::MAX, Sampling::Greedy);
        let (chunk, tokens) = (case.chunk(&model), case.greedy_ids.len());
        let generated = generator.generate(&model, &chunk, &mut cache(&model), None, tokens).unwrap();
        assert_eq!(generated.token_ids, case.greedy_ids, "{}", case.name);
    }
}

/// Weights that are int8 in the file are rounded once more, to scales of 64 weights. That costs less
/// than int8 itself. The weights of the pair are drawn and have no outliers, so that the rotation, which
/// is for a trained decoder, brings nothing here: it makes them less even.
#[test]
fn int8_is_as_near_as_int8_is() {
    let (exact, q8) = (model(), SmolVlm::load_gguf(pair(), Precisions::Q8).unwrap());
    for case in cases() {
        let off = relative_norm(&case.logits_of(&q8), &case.logits_of(&exact));
        println!("{}: logits off by {:.2}% in int8", case.name, 100.0 * off);
        assert!(off < 0.07, "{}: {off}", case.name);
    }
}

#[test]
fn a_projector_of_early_2025_gives_the_same() {
    let old = SmolVlm::load_gguf(old_pair(), Precisions::EXACT).unwrap();
    let model = model();
    assert_eq!(old.config(), model.config());
    for images in cases().iter().filter_map(|case| case.images.as_ref()) {
        let [old, new] = [&old, &model].map(|model| model.vision_output(images.values()).unwrap());
        assert_eq!(old, new);
    }
}

/// The processor of the checkpoint from which the pair has its vocabulary.
fn source() -> Processor {
    Processor::from_dir(&common::folder("gqa-tied")).unwrap()
}

fn processor() -> Processor {
    Processor::from_files(pair().files()).unwrap()
}

#[test]
fn messages_have_the_ids_of_the_tokenizer_file() {
    let (own, source) = (processor(), source());
    assert_eq!(own.special(), source.special());
    assert_eq!(own.ends(), source.ends());
    assert_eq!(own.image_seq_len(), 4);
    let opening = |processor: &Processor| {
        processor.encode_opening("You help. 12:34", Some("What <image> now?\n  été 2024")).unwrap()
    };
    assert_eq!(opening(&own), opening(&source));
    for role in [Role::System, Role::User, Role::Assistant] {
        let message = |processor: &Processor| processor.encode_message(role, "1, 2 und 34!", false).unwrap();
        assert_eq!(message(&own), message(&source));
    }
    let reply = own.encode_text("Take the blue cone. <end_of_utterance>").unwrap();
    assert_eq!(own.clean_reply(&reply).unwrap(), source.clean_reply(&reply).unwrap());
}

#[test]
fn ids_of_prompts_are_those_that_were_recorded() {
    let (own, grid) = (processor(), cases());
    let text = grid.iter().find(|case| case.name == "text").unwrap();
    let mut ids = own.encode_opening("You help with the task.", Some("What now? 12:34")).unwrap().ids;
    ids.extend(own.encode_generation_prompt().unwrap().ids);
    assert_eq!(ids, text.ids);
}

#[test]
fn a_tokenizer_file_beside_the_pair_wins() {
    let folder = tempfile::tempdir().unwrap();
    let (text, projector) = (folder.path().join("m.gguf"), folder.path().join("mmproj-m.gguf"));
    std::fs::copy(fixtures().join("every-type.gguf"), &text).unwrap();
    std::fs::copy(fixtures().join("mmproj-every-type.gguf"), &projector).unwrap();
    let ids = || {
        let pair = GgufCheckpoint::open(&text, &projector).unwrap();
        Processor::from_files(pair.files()).unwrap().encode_text("the task").unwrap()
    };
    let merged = ids();
    let tokenizer = std::fs::read_to_string(common::folder("gqa-tied").join("tokenizer.json")).unwrap();
    let mut tokenizer: serde_json::Value = serde_json::from_str(&tokenizer).unwrap();
    tokenizer["model"]["merges"] = serde_json::json!([]);
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    assert!(ids().len() > merged.len());
}

/// The error for a pair whose text file and projector have these contents.
fn complaint(text: impl FnOnce(&mut GgufWriter), projector: impl FnOnce(&mut GgufWriter)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, writer: &GgufWriter| {
        let path = folder.path().join(name);
        std::fs::write(&path, writer.bytes()).unwrap();
        path
    };
    let (mut text_file, mut projector_file) = (GgufWriter::default(), GgufWriter::default());
    text(&mut text_file);
    projector(&mut projector_file);
    let (text, projector) = (write("m.gguf", &text_file), write("mmproj-m.gguf", &projector_file));
    let error = GgufCheckpoint::open(&text, &projector).err().unwrap();
    assert!(error.is_bad_checkpoint(), "{error}");
    let message = error.to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

/// A text file with all required keys.
fn whole_text(text: &mut GgufWriter) {
    text_but("", text);
}

/// A text file with all required keys except one.
fn text_but(missing: &str, text: &mut GgufWriter) {
    let put = |key: &str| key != missing;
    for (key, value) in [("general.architecture", "llama"), ("tokenizer.ggml.model", "gpt2")] {
        put(key).then(|| text.text(key, value));
    }
    for key in
        ["embedding_length", "feed_forward_length", "block_count", "attention.head_count", "context_length"]
    {
        let (key, size) = (format!("llama.{key}"), if key == "attention.head_count" { 4 } else { 8 });
        put(&key).then(|| text.number(&key, size));
    }
    let epsilon = "llama.attention.layer_norm_rms_epsilon";
    put(epsilon).then(|| text.real(epsilon, 1e-5));
    let tokens = "tokenizer.ggml.tokens";
    put(tokens).then(|| text.texts(tokens, &["a", "<image>"]));
}

#[test]
fn a_text_file_that_lacks_something_says_what() {
    for key in [
        "general.architecture",
        "llama.embedding_length",
        "llama.feed_forward_length",
        "llama.block_count",
        "llama.attention.head_count",
        "llama.context_length",
        "llama.attention.layer_norm_rms_epsilon",
        "tokenizer.ggml.tokens",
    ] {
        let message = complaint(|text| text_but(key, text), |_| {});
        assert!(message.contains(&format!("m.gguf: {key} is missing: expected")), "{message}");
    }
    let also = |change: fn(&mut GgufWriter)| {
        complaint(
            |text| {
                whole_text(text);
                change(text);
            },
            |_| {},
        )
    };
    assert!(also(|text| text.number("split.count", 2)).contains("it is one of 2 parts of a model"));
    assert!(also(|text| text.number("llama.expert_count", 8)).contains("llama.expert_count is 8"));
    assert!(also(|text| text.number("llama.rope.dimension_count", 7)).contains("is 7: expected 2,"));
    let scaled = also(|text| text.text("llama.rope.scaling.type", "yarn"));
    assert!(scaled.contains(r#"llama.rope.scaling.type is "yarn": expected none"#), "{scaled}");
    let factors = also(|text| text.tensor("rope_freqs.weight", &[1], 0, &[0; 4]));
    assert!(factors.contains("it has the tensor rope_freqs.weight"), "{factors}");
    let other = complaint(|text| text.text("general.architecture", "qwen2"), |_| {});
    assert!(other.contains(r#"general.architecture is "qwen2": expected llama"#), "{other}");
    let wrong = complaint(
        |text| {
            text_but("llama.block_count", text);
            text.text("llama.block_count", "two");
        },
        |_| {},
    );
    assert!(wrong.contains(r#"llama.block_count is "two": expected a whole number"#), "{wrong}");
    let no_image = complaint(
        |text| {
            text_but("tokenizer.ggml.tokens", text);
            text.texts("tokenizer.ggml.tokens", &["a"]);
        },
        |_| {},
    );
    assert!(no_image.contains("lacks the token <image>"), "{no_image}");
}

const SIZES: [&str; 6] = [
    "embedding_length",
    "feed_forward_length",
    "block_count",
    "attention.head_count",
    "image_size",
    "patch_size",
];

/// A projector with all required keys except one.
fn projector_but(missing: &str, projector: &mut GgufWriter) {
    let put = |key: &str| key != missing;
    for (key, value) in [("general.architecture", "clip"), ("clip.projector_type", "idefics3")] {
        put(key).then(|| projector.text(key, value));
    }
    put("clip.use_gelu").then(|| projector.flag("clip.use_gelu", true));
    for size in SIZES.into_iter().chain(["projector.scale_factor"]) {
        let key = format!("clip.vision.{size}");
        put(&key).then(|| projector.number(&key, if size == "image_size" { 64 } else { 8 }));
    }
    let epsilon = "clip.vision.attention.layer_norm_epsilon";
    put(epsilon).then(|| projector.real(epsilon, 1e-6));
    for key in ["clip.vision.image_mean", "clip.vision.image_std"] {
        put(key).then(|| projector.reals(key, &[0.5; 3]));
    }
}

#[test]
fn a_projector_that_lacks_something_says_what() {
    let sizes = SIZES.iter().map(|size| format!("clip.vision.{size}"));
    let others = [
        "general.architecture",
        "clip.projector_type",
        "clip.use_gelu",
        "clip.vision.projector.scale_factor",
        "clip.vision.attention.layer_norm_epsilon",
    ];
    for key in sizes.chain(others.map(str::to_owned)) {
        let message = complaint(whole_text, |projector| projector_but(&key, projector));
        assert!(message.contains(&format!("mmproj-m.gguf: {key} is missing: expected")), "{message}");
    }
    let also = |change: fn(&mut GgufWriter)| {
        complaint(whole_text, |projector| {
            projector_but("", projector);
            change(projector);
        })
    };
    let other = also(|projector| projector.number("clip.vision.projection_dim", 9));
    assert!(other.contains("clip.vision.projection_dim is 9: expected 8, the width of the text"), "{other}");
}

/// The error for a vocabulary in an otherwise complete model.
fn vocabulary_complaint(vocabulary: impl FnOnce(&mut GgufWriter)) -> String {
    let text = |text: &mut GgufWriter| {
        text_but("tokenizer.ggml.model", text);
        vocabulary(text);
    };
    complaint(text, |projector| projector_but("", projector))
}

#[test]
fn a_vocabulary_that_is_none_says_why() {
    let of_model = |model: &str| vocabulary_complaint(|text| text.text("tokenizer.ggml.model", model));
    assert!(of_model("llama").contains(r#"tokenizer.ggml.model is "llama": expected gpt2"#));
    assert!(of_model("gpt2").contains("tokenizer.ggml.pre is missing: expected smollm"));
    let of = |pattern: &str, kinds: &[i32], merges: &[&str]| {
        vocabulary_complaint(|text| {
            text.text("tokenizer.ggml.model", "gpt2");
            text.text("tokenizer.ggml.pre", pattern);
            text.numbers("tokenizer.ggml.token_type", kinds);
            text.texts("tokenizer.ggml.merges", merges);
        })
    };
    assert!(of("llama-bpe", &[1, 3], &[]).contains(r#"tokenizer.ggml.pre is "llama-bpe": expected smollm"#));
    assert!(of("smollm", &[1], &[]).contains("tokenizer.ggml.token_type has 1 entries: expected 2"));
    assert!(of("smollm", &[1, 9], &[]).contains("token_type of token 1 is 9: expected 1 to 6"));
    assert!(of("smollm", &[1, 3], &["ab"]).contains(r#"tokenizer.ggml.merges has "ab" at 0"#));
    let twice = complaint(
        |text| {
            text_but("tokenizer.ggml.tokens", text);
            text.texts("tokenizer.ggml.tokens", &["a", "a", "<image>"]);
            text.text("tokenizer.ggml.pre", "smollm");
            text.numbers("tokenizer.ggml.token_type", &[1, 1, 3]);
        },
        |projector| projector_but("", projector),
    );
    assert!(twice.contains(r#"tokenizer.ggml.tokens has the token "a" twice"#), "{twice}");
}

proptest! {
    #[test]
    fn texts_have_the_ids_of_the_tokenizer_file(text in "(\\PC|[ a-z0-9\n'<>_]){0,40}") {
        static BOTH: LazyLock<[Processor; 2]> = LazyLock::new(|| [processor(), source()]);
        let [own, source] = &*BOTH;
        let ids = own.encode_text(&text).unwrap();
        prop_assert_eq!(&ids, &source.encode_text(&text).unwrap());
        prop_assert_eq!(own.decode(&ids).unwrap(), source.decode(&ids).unwrap());
    }
}
