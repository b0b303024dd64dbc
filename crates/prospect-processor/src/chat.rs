//! The checkpoint's chat template.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use minijinja::{Environment, Value as Item, context};
use serde_json::Value;

use crate::checkpoint_files::CheckpointFiles;
use crate::error::{ProcessorError, Result};
use crate::media::{Content, Message};
use crate::template::{compile, render};
use crate::token_texts::TokenTexts;

/// Text that a template is tried with. It has several words, because some templates split texts.
const PROBE: &str = "\"probe\" of words";
/// The part of the probe that is recognized in lower case, since a template may change the case.
const PROBED: &str = "probe";
/// The beginning of the probe as JSON, or of its first character alone.
const PROBED_JSON: &str = "\"\\\"";
/// Limit of a rendered text, in bytes: this much, plus [`MOST_RENDERED_OF_A_BYTE`] for each byte of the
/// messages. The tokenizer needs a second for a few million bytes, and no model has room for them.
const MOST_RENDERED: usize = 1 << 20;
const MOST_RENDERED_OF_A_BYTE: usize = 8;
/// How a content list begins that a template prints verbatim instead of reading it, as JSON or as
/// Python.
const ITEM_AS_TEXT: [&str; 2] = ["\"type\": \"text\"", "'type': 'text'"];

/// Files that may hold the template, either as a whole or under the key `chat_template`. A folder can
/// have additional templates, for tools for example. As in `transformers`, the default one of these
/// counts only if none of the earlier files exists.
const FILES: [&str; 5] = [
    "chat_template.jinja",
    "chat_template.json",
    "additional_chat_templates/default.jinja",
    "processor_config.json",
    "tokenizer_config.json",
];

/// A compiled chat template.
#[derive(Debug, Clone)]
pub(crate) struct ChatTemplate {
    environment: Arc<Environment<'static>>,
    path: PathBuf,
    /// Variables of the template: `bos_token`, `eos_token` and all other keys of the tokenizer's files
    /// that end in `_token`.
    tokens: BTreeMap<String, String>,
    /// Whether the template expects a message's content as a list of items instead of one string.
    content_is_list: bool,
}

impl ChatTemplate {
    /// Reads the template from the first of [`FILES`] that has one.
    pub(crate) fn read(files: &CheckpointFiles) -> Result<Self> {
        let tokens = token_variables(files)?;
        for file in FILES {
            let source =
                if file.ends_with(".jinja") { files.text(file)? } else { template_of_key(files, file)? };
            if let Some(source) = source {
                return Self::new(source, files.path(file), tokens);
            }
        }
        Err(ProcessorError::MissingFile {
            path: files.path(FILES[0]),
            expected: "a chat template here, in chat_template.json or in tokenizer_config.json",
        })
    }

    fn new(source: String, path: PathBuf, tokens: BTreeMap<String, String>) -> Result<Self> {
        let environment = compile(source, &path)?;
        let mut template = Self { environment, path, tokens, content_is_list: true };
        let probe = |content: Item| vec![item([("role", "user".into()), ("content", content)])];
        let text = item([("type", "text".into()), ("text", PROBE.into())]);
        let listed = template.render_items(probe(vec![text].into()), false);
        let plain = template.render_items(probe(PROBE.into()), false);
        template.content_is_list = match (&listed, &plain) {
            (Ok(listed), Ok(plain)) => is_for_lists(&listed.to_lowercase(), &plain.to_lowercase()),
            (Ok(_), Err(_)) => true,
            (Err(_), _) => false,
        };
        // If the template fails on both forms, the error for the list is reported.
        if plain.is_err() {
            listed?;
        }
        Ok(template)
    }

    fn render_items(&self, messages: Vec<Item>, add_generation_prompt: bool) -> Result<String> {
        let messages = Item::from(messages);
        let tokens = Item::from_pairs(self.tokens.clone());
        // As in `transformers`: `tools` and `documents` are defined, with the value none.
        let context = context! { messages, add_generation_prompt, tools => (), documents => (), ..tokens };
        render(&self.environment, context, &self.path)
    }

    /// Renders messages to text, with one placeholder for each image and video.
    pub(crate) fn render(&self, messages: &[Message], generate: bool, texts: &TokenTexts) -> Result<String> {
        let said = messages.iter().flat_map(|message| &message.content).map(|part| match part {
            Content::Text(text) => text.len(),
            Content::Image(_) | Content::Video(_) => 0,
        });
        let most = MOST_RENDERED + MOST_RENDERED_OF_A_BYTE * said.sum::<usize>();
        let messages = messages.iter().map(|message| self.message(message, texts)).collect();
        let rendered = self.render_items(messages, generate)?;
        if rendered.len() > most {
            let (path, bytes) = (self.path.clone(), rendered.len());
            return Err(ProcessorError::RenderedTooLong { path, bytes, most });
        }
        Ok(rendered)
    }

    fn message(&self, message: &Message, texts: &TokenTexts) -> Item {
        let role = Item::from(message.role.as_str());
        if !self.content_is_list {
            let parts = message.content.iter().map(|part| match part {
                Content::Text(text) => text.as_str(),
                Content::Image(_) => &texts.image,
                Content::Video(_) => &texts.video,
            });
            return item([("role", role), ("content", parts.collect::<String>().into())]);
        }
        let text = |text: &str| item([("type", "text".into()), ("text", text.into())]);
        let parts = message.content.iter().map(|part| match part {
            Content::Text(words) => text(words),
            Content::Image(_) => item([("type", "image".into())]),
            // Published templates of the first generation do not know videos. All templates render the
            // placeholder the same way as text.
            Content::Video(_) => text(&texts.video),
        });
        item([("role", role), ("content", parts.collect::<Vec<_>>().into())])
    }
}

/// Decides whether a template expects lists, from its output for the probe as a list and as a string. A
/// template for strings drops the words of a list or prints the list verbatim. A template that writes
/// all content as JSON prints it rightly.
fn is_for_lists(listed: &str, plain: &str) -> bool {
    let prints_list = ITEM_AS_TEXT.iter().any(|item| listed.contains(item));
    let says_less = plain.contains(PROBED) && !listed.contains(PROBED);
    !says_less && (!prints_list || plain.contains(PROBED_JSON))
}

/// The special tokens under their names in the tokenizer's files. tokenizer_config.json, the newer
/// format, wins.
fn token_variables(files: &CheckpointFiles) -> Result<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    for file in ["special_tokens_map.json", "tokenizer_config.json"] {
        let Some(Value::Object(entries)) = files.json(file)? else { continue };
        for (name, value) in entries.into_iter().filter(|(name, _)| name.ends_with("_token")) {
            let text = value.as_str().or_else(|| value.get("content")?.as_str()).map(str::to_owned);
            variables.extend(text.map(|text| (name, text)));
        }
    }
    Ok(variables)
}

/// A dictionary for the template, with its entries in this order.
fn item<const N: usize>(entries: [(&str, Item); N]) -> Item {
    Item::from_pairs(entries)
}

/// The template under the key `chat_template` of a JSON file.
fn template_of_key(files: &CheckpointFiles, file: &str) -> Result<Option<String>> {
    let Some(value) = files.json(file)? else { return Ok(None) };
    let template = match value.get("chat_template") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(source)) => Ok(source.as_str()),
        Some(Value::Array(list)) => default_template(list).ok_or_else(|| value["chat_template"].to_string()),
        Some(other) => Err(other.to_string()),
    };
    template.map(|source| Some(source.to_owned())).map_err(|found| ProcessorError::BadValue {
        path: files.path(file),
        key: "chat_template".to_owned(),
        found: found.chars().take(60).collect(),
        expected: "a template as a string, or a list of named ones with one called default",
    })
}

/// The template named `default` in a list of named templates, the form of older files.
fn default_template(list: &[Value]) -> Option<&str> {
    let named =
        |name: &str| list.iter().find(|entry| entry.get("name").and_then(Value::as_str) == Some(name));
    named("default")?.get("template")?.as_str()
}

#[cfg(test)]
mod tests {
    use prospect_context::Role;

    use super::*;

    fn rendered(source: &str) -> String {
        let template = ChatTemplate::new(source.to_owned(), "template".into(), BTreeMap::new()).unwrap();
        let text = |name: &str| name.to_owned();
        let texts = TokenTexts {
            image: text("<image>"),
            bos: text("<|im_start|>"),
            fake: text("<fake_token_around_image>"),
            global: text("<global-img>"),
            video: text("<video>"),
        };
        let message = Message { role: Role::User, content: vec![Content::Text(text("words"))] };
        template.render(&[message], false, &texts).unwrap()
    }

    /// As SmolLM3 and Qwen3 have it: what is no string is nothing.
    #[test]
    fn a_template_that_takes_strings_alone_loses_no_text() {
        for source in [
            "{% for m in messages %}{% set content = m.content if m.content is string else '' %}{{ content }}{% endfor %}",
            "{% for m in messages %}{%- if m.content is string %}{{ m.content }}{%- else %}{%- set c = '' %}{%- endif %}{% endfor %}",
            "{% for tool in tools or [] %}{{ tool | tojson }}{% endfor %}{% for m in messages %}{{ m.content }}{% endfor %}",
        ] {
            assert_eq!(rendered(source), "words", "{source}");
        }
        let json = "{% for m in messages %}{{ m.content | tojson }}{% endfor %}";
        assert_eq!(rendered(json), r#"[{"type": "text", "text": "words"}]"#);
    }
}
