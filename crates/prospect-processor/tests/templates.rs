//! Chat templates of every kind against the output of `transformers` (fixtures/templates).
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

use prospect_context::Role;
use prospect_processor::{Content, Message, Processor};
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// The small checkpoint with another template.
fn with_template(template: &str) -> Result<Processor, String> {
    let folder = tempfile::tempdir().unwrap();
    for name in ["tokenizer.json", "tokenizer_config.json", "processor_config.json"] {
        fs::copy(fixtures().join("goldens/checkpoints/gqa-tied").join(name), folder.path().join(name))
            .unwrap();
    }
    fs::write(folder.path().join("chat_template.jinja"), template).unwrap();
    Processor::from_dir(folder.path()).map_err(|error| error.to_string())
}

fn messages(list: &Value) -> Vec<Message> {
    let message = |message: &Value| Message {
        role: match message["role"].as_str().unwrap() {
            "system" => Role::System,
            "user" => Role::User,
            _ => Role::Assistant,
        },
        content: vec![Content::Text(message["content"][0]["text"].as_str().unwrap().to_owned())],
    };
    list.as_array().unwrap().iter().map(message).collect()
}

#[test]
fn templates_render_as_transformers_renders_them() {
    let golden: Value =
        serde_json::from_slice(&fs::read(fixtures().join("templates/rendered.json")).unwrap()).unwrap();
    let messages = messages(&golden["messages"]);
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() > 50);
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let encoded = with_template(case["template"].as_str().unwrap()).and_then(|processor| {
                let encoded = processor.encode_prompt(&messages, case["generate"].as_bool().unwrap());
                let ids = encoded.map_err(|error| error.to_string())?.ids;
                processor.decode(&ids).map_err(|error| error.to_string())
            });
            let expected = case["rendered"].as_str().unwrap();
            (encoded.as_deref() != Ok(expected))
                .then(|| format!("{}:\n{encoded:?}\n{expected:?}", case["name"]))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn what_begins_every_message_is_kept_within_a_stream() {
    let role = "<|im_start|>{{ m.role }}: {{ m.content[0].text }}<end_of_utterance>\n";
    let every = with_template(&format!("{{% for m in messages %}}{role}{{% endfor %}}")).unwrap();
    let message = every.encode_message(Role::User, "text", false).unwrap();
    assert_eq!(message.ids.first(), Some(&every.special().bos));
    let once = role.replace("<|im_start|>", "");
    let once = with_template(&format!("<|im_start|>{{% for m in messages %}}{once}{{% endfor %}}")).unwrap();
    let message = once.encode_message(Role::User, "text", false).unwrap();
    assert!(!message.ids.contains(&once.special().bos));
}

#[test]
fn no_template_is_told_what_day_it_is() {
    // With the present date, runs on two days would differ. Templates have a default date for engines
    // without `strftime_now`.
    let template = "{% for m in messages %}{{ strftime_now('%Y') if strftime_now is defined else '2024' }}{{ m.content[0].text }}{% endfor %}";
    let processor = with_template(template).unwrap();
    let ids = processor.encode_message(Role::User, "text", true).unwrap().ids;
    assert_eq!(processor.decode(&ids).unwrap(), "2024text");
}

/// As processing_utils.py of `transformers` 5.23 does: of a folder of additional templates only the
/// default one is read, and only if there is no chat_template.jinja.
#[test]
fn of_a_folder_of_templates_the_default_counts_where_no_file_has_it() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["tokenizer.json", "tokenizer_config.json", "processor_config.json"] {
        fs::copy(fixtures().join("goldens/checkpoints/gqa-tied").join(name), folder.path().join(name))
            .unwrap();
    }
    let write = |name: &str, said: &str| {
        let template = format!("{{% for m in messages %}}{said}{{{{ m.content[0].text }}}}{{% endfor %}}");
        fs::write(folder.path().join(name), template).unwrap();
    };
    let said = || {
        let processor = Processor::from_dir(folder.path()).map_err(|error| error.to_string())?;
        let ids = processor.encode_message(Role::User, "text", true).unwrap().ids;
        Ok::<_, String>(processor.decode(&ids).unwrap())
    };
    fs::create_dir(folder.path().join("additional_chat_templates")).unwrap();
    write("additional_chat_templates/tool_use.jinja", "tools ");
    assert!(said().unwrap_err().contains("chat_template.jinja: file is missing"));
    write("additional_chat_templates/default.jinja", "folder ");
    assert_eq!(said().unwrap(), "folder text");
    write("chat_template.jinja", "file ");
    assert_eq!(said().unwrap(), "file text");
}
