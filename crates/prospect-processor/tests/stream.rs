//! The sequence of a stream, replies, broken checkpoint folders, and rules that hold for any input.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::fs;
use std::path::Path;

use common::{changed, checkpoint, processor, replace};
use proptest::prelude::*;
use prospect_context::{Role, SegmentKind};
use prospect_processor::{
    Content, Encoded, Message, Pixels, Processor, ProcessorError, RgbImage, VideoClip, number_words,
};

fn kinds(encoded: &Encoded) -> Vec<SegmentKind> {
    encoded.segments.iter().map(|segment| segment.kind).collect()
}

#[test]
fn opening_has_a_system_and_a_user_segment_and_one_bos() {
    let processor = processor();
    let opening = processor.encode_opening("You help.", Some("What now?")).unwrap();
    assert_eq!(kinds(&opening), [SegmentKind::System, SegmentKind::User]);
    assert_eq!(opening.ids.iter().filter(|&&id| id == processor.special().bos).count(), 1);
    let system = processor.encode_message(Role::System, "You help.", true).unwrap();
    let user = processor.encode_message(Role::User, "What now?", false).unwrap();
    assert_eq!(opening.ids, [system.ids, user.ids].concat());
}

#[test]
fn a_frame_is_its_time_and_its_image_tokens() {
    let processor = processor();
    let special = *processor.special();
    let plain = processor.encode_frame(None).unwrap();
    let timed = processor.encode_frame(Some(61.5)).unwrap();
    assert!(timed.ids.ends_with(&plain.ids));
    assert_eq!(plain.ids[..2], [special.fake_token_around_image, special.global_image.unwrap()]);
    assert_eq!(plain.ids.last(), Some(&special.fake_token_around_image));
    assert_eq!(plain.ids.iter().filter(|&&id| id == special.image).count(), processor.image_seq_len());
    let text = processor.decode(&timed.ids).unwrap();
    assert!(text.starts_with("\nFrame from 01:01:<fake_token_around_image><global-img><image>"), "{text}");
    assert_eq!(kinds(&timed), [SegmentKind::Frame]);
    for time in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(processor.encode_frame(Some(time)), Err(ProcessorError::BadTime { .. })));
    }
}

#[test]
fn what_is_known_of_a_reply_is_a_beginning_of_it() {
    let processor = processor();
    for text in [
        "Take the red cube.",
        "Assistant: Assist\u{e9} \u{1f6e0}\u{fe0f}  ja",
        " As\u{fffd} if",
        "Assistant:",
    ] {
        let ids = processor.encode_text(text).unwrap();
        let whole = processor.clean_reply(&ids).unwrap();
        let mut known = String::new();
        for length in 0..=ids.len() {
            let now = processor.clean_reply_so_far(&ids[..length]).unwrap();
            assert!(now.starts_with(&known) && whole.starts_with(&now), "{now:?} of {whole:?}");
            known = now;
        }
        assert_eq!(known, whole);
    }
}

#[test]
fn replies_lose_role_and_special_tokens() {
    let processor = processor();
    let reply = processor.encode_message(Role::Assistant, "Take the red cube.", true).unwrap();
    let ids = [&[processor.special().image][..], &reply.ids].concat();
    assert_eq!(processor.clean_reply(&ids).unwrap(), "Take the red cube.");
    assert_eq!(processor.clean_reply(&[]).unwrap(), "");
    let prompt = processor.encode_generation_prompt().unwrap();
    assert_eq!(processor.decode(&prompt.ids).unwrap(), "Assistant:");
}

#[test]
fn bad_messages_and_media_are_refused() {
    let processor = processor();
    let clip = VideoClip { timestamps: vec![], duration: None };
    let message = Message { role: Role::User, content: vec![Content::Video(clip)] };
    assert!(matches!(processor.encode_prompt(&[message], true), Err(ProcessorError::EmptyVideo)));
    assert!(matches!(processor.video_pixels(&[]), Err(ProcessorError::EmptyVideo)));
    for (width, height) in [(0, 0), (0, 4), (4, 0)] {
        let image = RgbImage::new(width, height);
        let error = processor.frame_pixels(&image).unwrap_err();
        assert_eq!(error.to_string(), format!("image is {width}x{height}, expected at least 1x1"));
        assert!(matches!(processor.image_pixels(&image, true), Err(ProcessorError::EmptyImage { .. })));
    }
}

/// The error for a copy of the checkpoint that `change` has damaged.
fn broken(change: impl Fn(&Path)) -> ProcessorError {
    changed(change).unwrap_err()
}

#[test]
fn broken_folders_name_file_and_key() {
    let error = broken(|dir| fs::remove_file(dir.join("tokenizer.json")).unwrap());
    assert!(
        matches!(error, ProcessorError::MissingFile { .. }) && error.to_string().contains("tokenizer.json")
    );
    let error = broken(|dir| fs::write(dir.join("tokenizer.json"), "{}").unwrap());
    assert!(matches!(error, ProcessorError::Tokenizer { .. }), "{error}");
    let error = broken(|dir| replace(&dir.join("tokenizer.json"), "\"<image>\"", "\"<picture>\""));
    assert!(matches!(&error, ProcessorError::MissingToken { token, .. } if token == "<image>"), "{error}");
    let error = broken(|dir| fs::remove_file(dir.join("chat_template.jinja")).unwrap());
    assert!(matches!(error, ProcessorError::MissingFile { .. }), "{error}");
    let error = broken(|dir| fs::write(dir.join("chat_template.jinja"), "{% for %}").unwrap());
    assert!(matches!(error, ProcessorError::Template { .. }), "{error}");
    let error = broken(|dir| {
        let template =
            "{{ messages[0].content }}{% if add_generation_prompt %}{{ undefined.key }}{% endif %}";
        fs::write(dir.join("chat_template.jinja"), template).unwrap();
    });
    assert!(matches!(error, ProcessorError::Template { .. }), "{error}");
    let error = broken(|dir| {
        let template = "{{ add_generation_prompt }}{% for m in messages %}{{ m.content }}{% endfor %}";
        fs::write(dir.join("chat_template.jinja"), template).unwrap();
    });
    assert!(matches!(error, ProcessorError::TemplateNotIncremental { .. }), "{error}");
    let error = broken(|dir| fs::write(dir.join("processor_config.json"), "{").unwrap());
    assert!(matches!(error, ProcessorError::Json { .. }), "{error}");
    let error = broken(|dir| replace(&dir.join("processor_config.json"), "image_seq_len", "other"));
    assert!(matches!(&error, ProcessorError::MissingKey { key, .. } if key == "image_seq_len"), "{error}");
    let error = broken(|dir| replace(&dir.join("processor_config.json"), "\"longest_edge\"", "\"edge\""));
    assert!(error.to_string().contains("image_processor.max_image_size.longest_edge"), "{error}");
    let error =
        broken(|dir| replace(&dir.join("processor_config.json"), "\"do_resize\": true", "\"do_resize\": 3"));
    assert!(matches!(&error, ProcessorError::BadValue { found, .. } if found == "3"), "{error}");
    let error = broken(|dir| {
        fs::remove_file(dir.join("tokenizer_config.json")).unwrap();
        fs::create_dir(dir.join("tokenizer_config.json")).unwrap();
    });
    assert!(matches!(error, ProcessorError::Read { .. }), "{error}");
}

#[test]
fn templates_with_string_content_and_in_tokenizer_config_work() {
    let dir = tempfile::tempdir().unwrap();
    for file in ["tokenizer.json", "processor_config.json"] {
        fs::copy(checkpoint().join(file), dir.path().join(file)).unwrap();
    }
    let template = "<|im_start|>{% for m in messages %}{{ m.role | capitalize + ': ' + m.content }}<end_of_utterance>\n\
                    {% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}";
    let config = serde_json::json!({ "chat_template": template });
    fs::write(dir.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    let strings = Processor::from_dir(dir.path()).unwrap().encode_opening("You help.", Some("Hi")).unwrap();
    assert_eq!(strings, processor().encode_opening("You help.", Some("Hi")).unwrap());
}

#[test]
fn numbers_in_words_are_the_reference_s() {
    let expected = [
        (0, "zero"),
        (13, "thirteen"),
        (20, "twenty"),
        (64, "sixty-four"),
        (100, "one hundred"),
        (105, "one hundred and five"),
        (999, "nine hundred and ninety-nine"),
        (1001, "one thousand and one"),
        (7200, "seven thousand, two hundred"),
    ];
    for (number, words) in expected {
        assert_eq!(number_words(number), words);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn segments_cover_the_ids(system in "[^<]{0,40}", user in proptest::option::of("[^<]{0,40}")) {
        let encoded = processor().encode_opening(&system, user.as_deref()).unwrap();
        let mut next = 0;
        for segment in &encoded.segments {
            prop_assert_eq!(segment.tokens.start, next);
            prop_assert!(!segment.tokens.is_empty());
            next = segment.tokens.end;
        }
        prop_assert_eq!(next, encoded.ids.len());
    }

    #[test]
    fn any_image_gives_whole_tiles(width in 1u32..300, height in 1u32..300, split: bool) {
        let processor = processor();
        let image = RgbImage::from_pixel(width, height, image::Rgb([200, 3, 90]));
        let (pixels, grid) = processor.image_pixels(&image, split).unwrap();
        prop_assert_eq!(pixels.tiles, grid.tiles());
        prop_assert_eq!(pixels.values.len(), pixels.tiles * 3 * pixels.height * pixels.width);
        prop_assert_eq!(pixels.height, pixels.width);
        let mut reused = Pixels { values: vec![9.0; 7], ..Pixels::default() };
        processor.frame_pixels_into(&image, &mut reused).unwrap();
        prop_assert_eq!(reused, processor.frame_pixels(&image).unwrap());
    }
}
