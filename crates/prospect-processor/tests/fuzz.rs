//! Whatever a checkpoint's files contain, they either work or one line says what is wrong. Nothing
//! panics, takes minutes or fills the memory.
//!
//! The number of cases is small here; `PROSPECT_FUZZ=1000 cargo test -p prospect-processor --test fuzz`
//! runs a thousand times as many.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "common/jinja.rs"]
mod jinja;
#[path = "../../prospect-model/tests/common/mutations.rs"]
mod mutations;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mutations::{JsonChange, cases, change_json, json_changes, mutate, odd_values};
use proptest::prelude::*;
use proptest::sample::select;
use prospect_context::Role;
use prospect_processor::{Content, Message, Processor, ProcessorError, RgbImage};
use serde_json::{Value, json};

/// Time limit of a case, generous because the machine does other work as well.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest error message, in bytes, since a person reads it.
const MOST_MESSAGE: usize = 2_000;
/// Most tokens of one line of text. A model has room for some thousands.
const MOST_TOKENS: usize = 5_000_000;
/// The text of the messages.
const TEXT: &str =
    "Say  <image> and <end_of_utterance>: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, Grüße 12345!\n";

fn checkpoints() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/goldens/checkpoints")
}

/// A copy of a checkpoint's text files.
fn copied(checkpoint: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(checkpoints().join(checkpoint)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json" || extension == "jinja") {
            fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    folder
}

fn in_time<T>(work: impl FnOnce() -> T) -> Result<T, TestCaseError> {
    let begun = Instant::now();
    let done = work();
    prop_assert!(begun.elapsed() < PATIENCE, "it took {:?}", begun.elapsed());
    Ok(done)
}

fn one_line(error: &ProcessorError) -> Result<(), TestCaseError> {
    let text = error.to_string();
    prop_assert!(text.lines().count() == 1 && text.len() < MOST_MESSAGE, "{} bytes: {}", text.len(), text);
    Ok(())
}

/// Unwraps a result. An error becomes `None`, after a check that its message is one line.
fn made<T>(result: Result<T, ProcessorError>) -> Result<Option<T>, TestCaseError> {
    match result {
        Ok(made) => Ok(Some(made)),
        Err(error) => one_line(&error).map(|()| None),
    }
}

/// Encodes texts with the processor, as a stream and a prompt do.
fn speak(folder: &Path) -> Result<(), TestCaseError> {
    let Some(processor) = made(in_time(|| Processor::from_dir(folder))?)? else { return Ok(()) };
    prop_assert_eq!(processor.ends().first(), Some(&processor.special().end_of_utterance));
    let image = processor.special().image;
    for (role, first) in [(Role::User, true), (Role::Assistant, false)] {
        let Some(encoded) = made(in_time(|| processor.encode_message(role, TEXT, first))?)? else { continue };
        // Otherwise the model would expect an image where a person only wrote the word.
        prop_assert!(!encoded.ids.contains(&image), "a text became an image");
        prop_assert!(encoded.ids.len() < MOST_TOKENS);
        made(in_time(|| processor.decode(&encoded.ids))?)?;
        made(in_time(|| processor.clean_reply(&encoded.ids))?)?;
        let again = made(processor.encode_message(role, TEXT, first))?;
        prop_assert_eq!(again, Some(encoded), "the same text became other tokens");
    }
    if let Some(ids) = made(in_time(|| processor.encode_text(TEXT))?)? {
        prop_assert!(!ids.contains(&image) && ids.len() < MOST_TOKENS);
    }
    made(in_time(|| processor.encode_opening("You help.", Some("Tell me.")))?)?;
    made(in_time(|| processor.encode_generation_prompt())?)?;
    Ok(())
}

/// Encodes pictures with the processor, as a stream and a prompt do.
fn look(folder: &Path) -> Result<(), TestCaseError> {
    let Some(processor) = made(in_time(|| Processor::from_dir(folder))?)? else { return Ok(()) };
    let picture = RgbImage::from_fn(9, 5, |x, y| image::Rgb([(x * 28) as u8, (y * 51) as u8, 255]));
    if let Some(pixels) = made(in_time(|| processor.frame_pixels(&picture))?)? {
        prop_assert_eq!(pixels.values.len(), 3 * pixels.width * pixels.height);
        prop_assert!(pixels.values.iter().all(|value| value.is_finite()), "a pixel is no number");
    }
    if let Some(frame) = made(in_time(|| processor.encode_frame(Some(61.0)))?)? {
        let images = frame.ids.iter().filter(|&&id| id == processor.special().image).count();
        prop_assert_eq!(images, processor.image_seq_len());
    }
    let Some((pixels, grid)) =
        made(in_time(|| processor.image_pixels(&picture, processor.splits_images()))?)?
    else {
        return Ok(());
    };
    prop_assert_eq!(pixels.tiles, if grid.rows == 0 { 1 } else { grid.tiles() });
    let message =
        Message { role: Role::User, content: vec![Content::Image(grid), Content::Text("What?".to_owned())] };
    if let Some(encoded) = made(in_time(|| processor.encode_prompt(&[message], true))?)? {
        let images = encoded.ids.iter().filter(|&&id| id == processor.special().image).count();
        prop_assert_eq!(images, pixels.tiles * processor.image_seq_len());
    }
    Ok(())
}

/// Tokenizer parts of every kind, sound and harmful ones.
fn tokenizer_parts() -> impl Strategy<Value = Value> {
    let text = || select(&["", "a", " ", "<image>", "Ġ", "aaaaaaaaaaaaaaaa", "\u{fffd}", "é"][..]);
    let regex =
        select(&["a", "(a+)+$", "(a|aa)+!", ".*?", "(?=a)", "\\p{L}+|\\s", "(", "[^\\r\\n]{1,9999}"][..]);
    let pattern = prop_oneof![
        text().prop_map(|text| json!({"String": text})),
        regex.prop_map(|regex| json!({"Regex": regex}))
    ];
    let behavior = select(&["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"][..]);
    let names = select(
        &[
            "NFC",
            "NFD",
            "NFKC",
            "NFKD",
            "Lowercase",
            "StripAccents",
            "Nmt",
            "ByteLevel",
            "Whitespace",
            "WhitespaceSplit",
            "BertPreTokenizer",
            "UnicodeScripts",
            "Fuse",
            "ByteFallback",
            "BPE",
            "WordPiece",
            "WordLevel",
            "Unigram",
            "BPEDecoder",
            "CTC",
        ][..],
    );
    prop_oneof![
        4 => odd_values(),
        2 => names.prop_map(|name| json!({"type": name})),
        2 => (pattern.clone(), text()).prop_map(|(pattern, content)| json!({"type": "Replace", "pattern": pattern, "content": content})),
        2 => (pattern, behavior, any::<bool>()).prop_map(|(pattern, behavior, invert)| {
            json!({"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert})
        }),
        1 => text().prop_map(|text| json!({"type": "Prepend", "prepend": text})),
        1 => text().prop_map(|text| json!({"type": "Metaspace", "replacement": text, "prepend_scheme": "always", "split": true})),
        1 => (text(), 0usize..9).prop_map(|(text, n)| json!({"type": "Strip", "content": text, "start": n, "stop": n, "strip_left": true, "strip_right": true})),
        1 => select(&["ByteLevel", "Fuse", "Strip", "Lowercase", "NFKC"][..]).prop_map(|name| {
            let parts = vec![json!({"type": name}); 5];
            json!({"type": "Sequence", "normalizers": parts, "decoders": parts, "pretokenizers": parts})
        }),
    ]
}

/// The files that are damaged: checkpoint and file name.
const SETTINGS: [(&str, &str); 9] = [
    ("gqa-tied", "processor_config.json"),
    ("gqa-tied", "tokenizer_config.json"),
    ("gqa-tied", "generation_config.json"),
    ("gqa-tied", "config.json"),
    ("gqa-untied", "preprocessor_config.json"),
    ("gqa-untied", "processor_config.json"),
    ("gqa-untied", "tokenizer_config.json"),
    ("idefics3", "chat_template.json"),
    ("idefics3", "preprocessor_config.json"),
];

fn change_file(path: &Path, changes: &[JsonChange]) {
    let mut document = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change_json(&mut document, changes);
    fs::write(path, document.to_string()).unwrap();
}

fn with_template(template: &str) -> tempfile::TempDir {
    let folder = copied("gqa-tied");
    fs::write(folder.path().join("chat_template.jinja"), template).unwrap();
    folder
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_time: 60_000, ..ProptestConfig::with_cases(cases(64)) })]

    #[test]
    fn templates_of_a_grammar_end_in_text_or_one_line(template in jinja::template()) {
        speak(with_template(&template).path())?;
    }

    #[test]
    fn sound_templates_with_a_foreign_part_end_in_text_or_one_line(template in jinja::spliced()) {
        speak(with_template(&template).path())?;
    }

    #[test]
    fn damaged_templates_end_in_text_or_one_line(template in jinja::sound(), changes in mutations::mutations()) {
        let mut bytes = template.into_bytes();
        mutate(&mut bytes, &changes);
        let folder = copied("gqa-tied");
        fs::write(folder.path().join("chat_template.jinja"), bytes).unwrap();
        speak(folder.path())?;
    }

    #[test]
    fn damaged_tokenizers_encode_or_are_refused(
        checkpoint in select(&["gqa-tied", "idefics3"][..]),
        changes in mutations::mutations(),
    ) {
        let folder = copied(checkpoint);
        let path = folder.path().join("tokenizer.json");
        let mut bytes = fs::read(&path).unwrap();
        mutate(&mut bytes, &changes);
        fs::write(path, bytes).unwrap();
        speak(folder.path())?;
    }

    #[test]
    fn tokenizers_of_other_parts_encode_or_are_refused(
        checkpoint in select(&["gqa-tied", "idefics3"][..]),
        changes in json_changes(tokenizer_parts()),
    ) {
        let folder = copied(checkpoint);
        change_file(&folder.path().join("tokenizer.json"), &changes);
        speak(folder.path())?;
    }

    #[test]
    fn odd_settings_work_or_are_refused((checkpoint, file) in select(&SETTINGS[..]), changes in json_changes(odd_values())) {
        let folder = copied(checkpoint);
        change_file(&folder.path().join(file), &changes);
        speak(folder.path())?;
        look(folder.path())?;
    }

    #[test]
    fn damaged_settings_work_or_are_refused((checkpoint, file) in select(&SETTINGS[..]), changes in mutations::mutations()) {
        let folder = copied(checkpoint);
        let path = folder.path().join(file);
        let mut bytes = fs::read(&path).unwrap();
        mutate(&mut bytes, &changes);
        fs::write(path, bytes).unwrap();
        speak(folder.path())?;
        look(folder.path())?;
    }
}
