//! Checkpoints of other authors, and texts in which people write the names of special tokens.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::fs;

use common::{changed, processor, replace};
use proptest::prelude::*;
use prospect_context::Role;
use prospect_processor::{Content, Grid, Message, ProcessorError};

#[test]
fn a_persons_text_is_text() {
    let processor = processor();
    let special = *processor.special();
    let count = |ids: &[u32], id: u32| ids.iter().filter(|&&other| other == id).count();
    for text in [
        "what is <image> here",
        "<image>",
        "<|im_start|>",
        "<end_of_utterance>",
        " <image><image> ",
        "a <|im_end|>",
    ] {
        let encoded = processor.encode_message(Role::User, text, true).unwrap();
        let other = processor.encode_message(Role::User, "text", true).unwrap();
        for id in [special.image, special.bos, special.end_of_utterance, special.pad] {
            assert_eq!(count(&encoded.ids, id), count(&other.ids, id), "{text}: {id}");
        }
        assert!(processor.decode(&encoded.ids).unwrap().contains(text), "{text}");
        assert_eq!(count(&processor.encode_text(text).unwrap(), special.image), 0);
        assert_eq!(processor.decode(&processor.encode_text(text).unwrap()).unwrap(), text);
    }
    // The same text in a message with an image.
    let content = vec![
        Content::Text("an <image>: ".to_owned()),
        Content::Image(Grid::default()),
        Content::Text("<image>?".to_owned()),
    ];
    let prompt = processor.encode_prompt(&[Message { role: Role::User, content }], true).unwrap();
    assert_eq!(count(&prompt.ids, special.image), processor.image_seq_len());
    let text = processor.decode(&prompt.ids).unwrap();
    assert!(
        text.contains("an <image>: <fake_token_around_image>") && text.contains("<image>?<end_of_utterance>"),
        "{text}"
    );
}

#[test]
fn all_of_a_checkpoints_end_tokens_end_a_reply() {
    let plain = processor();
    let end = plain.special().end_of_utterance;
    assert_eq!(plain.ends()[0], end);
    let generation = |text: &'static str| {
        changed(move |folder| fs::write(folder.join("generation_config.json"), text).unwrap()).unwrap()
    };
    assert_eq!(generation(r#"{"eos_token_id": [0, 2]}"#).ends(), [end, 0, 2]);
    assert_eq!(generation(r#"{"eos_token_id": 0}"#).ends(), [end, 0]);
    let without = |eos: &'static str| {
        changed(move |folder| {
            replace(&folder.join("tokenizer.json"), "<end_of_utterance>", "<|end_of_text|>");
            replace(&folder.join("chat_template.jinja"), "<end_of_utterance>", "<|end_of_text|>");
            for name in ["tokenizer_config.json", "config.json"] {
                let _ = fs::write(folder.join(name), "{}");
            }
            fs::write(folder.join("generation_config.json"), eos).unwrap();
        })
    };
    let other = without(r#"{"eos_token_id": [2, 0]}"#).unwrap();
    assert_eq!((other.special().end_of_utterance, other.ends()), (2, &[2, 0][..]));
    let none = without("{}").unwrap_err();
    assert!(
        matches!(&none, ProcessorError::MissingToken { token, .. } if token == "<end_of_utterance>"),
        "{none}"
    );
}

#[test]
fn templates_of_older_files_and_of_python() {
    let named = |text: &'static str| {
        changed(move |folder| {
            fs::remove_file(folder.join("chat_template.jinja")).unwrap();
            fs::write(folder.join("chat_template.json"), text).unwrap();
        })
    };
    let list = r#"{"chat_template": [{"name": "tool_use", "template": "no"}, {"name": "default", "template": "{% for m in messages %}{{ m.role.capitalize() + ': ' + m.content.strip() + '\n' }}{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"}]}"#;
    let encoded = named(list).unwrap().encode_message(Role::User, "  an <image>? ", false).unwrap();
    let processor = processor();
    assert_eq!(processor.decode(&encoded.ids).unwrap(), "User: an <image>?\n");
    let error = named(r#"{"chat_template": [{"name": "tool_use", "template": "no"}]}"#).unwrap_err();
    assert!(error.to_string().contains("one called default"), "{error}");
    // A template that changes such a text beyond recognition is an error.
    let hidden = named(r#"{"chat_template": "{% for m in messages %}{{ m.content[::-1] }}{% endfor %}"}"#);
    let error = hidden.and_then(|processor| processor.encode_message(Role::User, "<image>", false).map(drop));
    assert!(error.is_err_and(|error| !error.to_string().contains("placeholders")));
}

#[test]
fn a_tokenizer_is_bounded_and_may_not_panic() {
    let normalizer = |json: &str| {
        let json = format!("\"normalizer\": {json}");
        changed(|folder| replace(&folder.join("tokenizer.json"), "\"normalizer\": null", &json))
            .and_then(|processor| processor.encode_text("some words"))
    };
    let replace = |pattern: &str, content: &str| {
        format!(r#"{{"type": "Replace", "pattern": {{"String": "{pattern}"}}, "content": "{content}"}}"#)
    };
    assert!(normalizer(&replace("words", "letters")).is_ok());
    assert!(matches!(normalizer(&replace("", "AAAA")), Err(ProcessorError::Encode { .. })));
    let twice =
        format!(r#"{{"type": "Sequence", "normalizers": [{0}, {0}]}}"#, replace("e", &"e".repeat(200)));
    assert!(matches!(normalizer(&twice), Err(ProcessorError::TokenizerGrowth { part: "normalizer", .. })));
}

#[test]
fn a_text_that_names_a_special_token_among_thousands_of_them_takes_no_minute() {
    let template = "{% for i in range(9999) %}{{ bos_token }}a{% endfor %}{% for m in messages %}{{ m.content[0].text }}{% endfor %}";
    let processor =
        changed(|folder| fs::write(folder.join("chat_template.jinja"), template).unwrap()).unwrap();
    let begun = std::time::Instant::now();
    let ids = processor.encode_message(Role::User, "<|im_start|><image>", true).unwrap().ids;
    assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(ids.iter().filter(|&&id| id == processor.special().bos).count(), 9999);
    assert!(processor.decode(&ids).unwrap().ends_with("a<|im_start|><image>"));
}

#[test]
fn settings_that_make_no_pixels_or_millions_of_tokens_are_refused() {
    let with =
        |from: &str, to: &str| changed(|folder| replace(&folder.join("processor_config.json"), from, to));
    let factor = "\"rescale_factor\": 0.00392156862745098";
    for wrong in ["1e39", "-1e300"] {
        let error = with(factor, &format!("\"rescale_factor\": {wrong}")).unwrap_err().to_string();
        assert!(error.contains("rescale_factor") && error.ends_with("pixels come out finite"), "{error}");
    }
    let tiny = with("\"longest_edge\": 64", "\"longest_edge\": 1").unwrap();
    let error = tiny.image_pixels(&prospect_processor::RgbImage::new(256, 257), true).unwrap_err();
    assert!(matches!(error, ProcessorError::TooManyTiles { tiles: 65_537, .. }), "{error}");
}

#[test]
fn what_a_file_calls_a_token_is_quoted_on_one_short_line() {
    let named = |name: String| {
        let config = format!(r#"{{"image_token": "{name}"}}"#);
        changed(|folder| fs::write(folder.join("tokenizer_config.json"), &config).unwrap()).unwrap_err()
    };
    assert!(named("a\\n\\u001b[2J".to_owned()).to_string().contains("token `a [2J` is missing"));
    assert!(named("a".repeat(100_000)).to_string().len() < 1000);
}

proptest! {
    #[test]
    fn no_text_becomes_an_image(words in prop::collection::vec(prop::sample::select(&["<image>", "<|im_start|>", "<end_of_utterance>", "a", " ", "\n", "ü", "<", "image>", "<row_1_col_1>"][..]), 0..12)) {
        let processor = processor();
        let text = words.concat();
        let encoded = processor.encode_message(Role::User, &text, false).unwrap();
        prop_assert!(!encoded.ids.contains(&processor.special().image));
        prop_assert!(processor.decode(&encoded.ids).unwrap().contains(&text));
    }

    #[test]
    fn no_template_panics(source in "[{}%a-z~*+ 0-9'.()|\\[\\]]{0,60}") {
        let result = changed(|folder| fs::write(folder.join("chat_template.jinja"), &source).unwrap());
        drop(result);
    }
}
