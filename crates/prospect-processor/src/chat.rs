//! The checkpoint's chat template.

use std::path::{Path, PathBuf};

use minijinja::{Environment, Value as Item, context};
use serde_json::Value;

use crate::config::{read_json, read_text};
use crate::error::{ProcessorError, Result};
use crate::media::{Content, Message};
use crate::template::{NAME, compile, render_error};
use crate::tokens::TokenTexts;

/// The compiled template.
#[derive(Debug, Clone)]
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    path: PathBuf,
    /// Whether a message's content goes in as a list of items, or as one string.
    content_is_list: bool,
}

impl ChatTemplate {
    /// `chat_template.jinja`, else `chat_template.json`, else the key in `processor_config.json` or
    /// `tokenizer_config.json`.
    pub(crate) fn from_dir(dir: &Path) -> Result<Self> {
        let jinja = dir.join("chat_template.jinja");
        if let Some(source) = read_text(&jinja)? {
            return Self::new(source, jinja);
        }
        for file in ["chat_template.json", "processor_config.json", "tokenizer_config.json"] {
            let path = dir.join(file);
            let Some(value) = read_json(&path)? else { continue };
            match value.get("chat_template") {
                None | Some(Value::Null) => {}
                Some(Value::String(source)) => return Self::new(source.clone(), path),
                Some(Value::Array(list)) if default_template(list).is_some() => {
                    return Self::new(default_template(list).unwrap_or_default().to_owned(), path);
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

    fn new(source: String, path: PathBuf) -> Result<Self> {
        let environment = compile(source, &path)?;
        let mut template = Self { environment, path, content_is_list: true };
        let probe = |content: Item| vec![item([("role", "user".into()), ("content", content)])];
        let text = item([("type", "text".into()), ("text", "probe".into())]);
        let listed = template.render_items(probe(vec![text].into()), false);
        // A template for string content prints the list as a list, or fails on it.
        if !listed.as_ref().is_ok_and(|text| text.contains("probe") && !text.contains("type")) {
            template.content_is_list = false;
            template.render_items(probe("probe".into()), false).and(Ok(())).or(listed.map(|_| ()))?;
        }
        Ok(template)
    }

    fn render_items(&self, messages: Vec<Item>, add_generation_prompt: bool) -> Result<String> {
        let messages = Item::from(messages);
        let rendered = self
            .environment
            .get_template(NAME)
            .and_then(|template| template.render(context! { messages, add_generation_prompt }));
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
