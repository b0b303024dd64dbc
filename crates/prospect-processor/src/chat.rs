//! The checkpoint's chat template.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use minijinja::{Environment, Value as Item, context};
use serde_json::Value;

use crate::config::{read_json, read_text};
use crate::error::{ProcessorError, Result};
use crate::media::{Content, Message};
use crate::template::{NAME, compile, render_error};
use crate::tokens::TokenTexts;

/// What a template is tried with: several words, as templates split texts.
const PROBE: &str = "a probe of words";
/// How a list of items begins that is printed as it is, in JSON's quotes or in Python's.
const ITEM_AS_TEXT: [&str; 2] = ["\"type\": \"text\"", "'type': 'text'"];

/// The compiled template.
#[derive(Debug, Clone)]
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    path: PathBuf,
    /// Variables of the template: `bos_token`, `eos_token` and whatever else is called so in the tokenizer's files.
    tokens: BTreeMap<String, String>,
    /// Whether a message's content goes in as a list of items, or as one string.
    content_is_list: bool,
}

impl ChatTemplate {
    /// `chat_template.jinja`, else `chat_template.json`, else the key in `processor_config.json` or
    /// `tokenizer_config.json`.
    pub(crate) fn from_dir(dir: &Path) -> Result<Self> {
        let jinja = dir.join("chat_template.jinja");
        let tokens = token_variables(dir)?;
        if let Some(source) = read_text(&jinja)? {
            return Self::new(source, jinja, tokens);
        }
        for file in ["chat_template.json", "processor_config.json", "tokenizer_config.json"] {
            let path = dir.join(file);
            let Some(value) = read_json(&path)? else { continue };
            match value.get("chat_template") {
                None | Some(Value::Null) => {}
                Some(Value::String(source)) => return Self::new(source.clone(), path, tokens),
                Some(Value::Array(list)) if default_template(list).is_some() => {
                    return Self::new(default_template(list).unwrap_or_default().to_owned(), path, tokens);
                }
                Some(other) => {
                    let found = other.to_string().chars().take(60).collect();
                    let key = "chat_template".into();
                    return Err(ProcessorError::BadValue {
                        path,
                        key,
                        found,
                        expected: "a template as a string, or a list of named ones with one called default",
                    });
                }
            }
        }
        Err(ProcessorError::MissingFile {
            path: jinja,
            expected: "a chat template here, in chat_template.json or in tokenizer_config.json",
        })
    }

    fn new(source: String, path: PathBuf, tokens: BTreeMap<String, String>) -> Result<Self> {
        let shows_json = source.contains("tojson");
        let environment = compile(source, &path)?;
        let mut template = Self { environment, path, tokens, content_is_list: true };
        let probe = |content: Item| vec![item([("role", "user".into()), ("content", content)])];
        let text = item([("type", "text".into()), ("text", PROBE.into())]);
        let listed = template.render_items(probe(vec![text].into()), false);
        // A template for string content fails on a list, or prints it as it is.
        let prints_list = |text: &String| ITEM_AS_TEXT.iter().any(|item| text.to_lowercase().contains(item));
        if !listed.as_ref().is_ok_and(|text| shows_json || !prints_list(text)) {
            template.content_is_list = false;
            template.render_items(probe(PROBE.into()), false).and(Ok(())).or(listed.map(|_| ()))?;
        }
        Ok(template)
    }

    fn render_items(&self, messages: Vec<Item>, add_generation_prompt: bool) -> Result<String> {
        let messages = Item::from(messages);
        let tokens = Item::from_pairs(self.tokens.clone());
        // As transformers passes them: what is none is not undefined.
        let context = context! { messages, add_generation_prompt, tools => (), documents => (), ..tokens };
        let rendered = self.environment.get_template(NAME).and_then(|template| template.render(context));
        rendered.map_err(|error| render_error(&self.path, &error))
    }

    /// The text, with a placeholder for each image and video.
    pub(crate) fn render(&self, messages: &[Message], generate: bool, texts: &TokenTexts) -> Result<String> {
        let messages = messages.iter().map(|message| self.message(message, texts)).collect();
        self.render_items(messages, generate)
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
            // Published templates of the first generation know no videos; the placeholder as text reads the same in all.
            Content::Video(_) => text(&texts.video),
        });
        item([("role", role), ("content", parts.collect::<Vec<_>>().into())])
    }
}

/// The special tokens by the names that the tokenizer's files give them; of two files the newer one counts.
fn token_variables(dir: &Path) -> Result<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    for file in ["special_tokens_map.json", "tokenizer_config.json"] {
        let Some(Value::Object(entries)) = read_json(&dir.join(file))? else { continue };
        for (name, value) in entries.into_iter().filter(|(name, _)| name.ends_with("_token")) {
            let text = value.as_str().or_else(|| value.get("content")?.as_str()).map(str::to_owned);
            variables.extend(text.map(|text| (name, text)));
        }
    }
    Ok(variables)
}

/// A dictionary of the template's, in this order.
fn item<const N: usize>(entries: [(&str, Item); N]) -> Item {
    Item::from_pairs(entries)
}

/// The template that is named `default`, in the form of older files: a list of named ones.
fn default_template(list: &[Value]) -> Option<&str> {
    let named =
        |name: &str| list.iter().find(|entry| entry.get("name").and_then(Value::as_str) == Some(name));
    named("default")?.get("template")?.as_str()
}
