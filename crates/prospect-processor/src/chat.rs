//! The checkpoint's chat template.

use std::path::{Path, PathBuf};

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, context};
use serde_json::{Value, json};

use crate::config::{read_json, read_text};
use crate::error::{ProcessorError, Result, one_line};
use crate::media::{Content, Message};
use crate::tokens::TokenTexts;

const NAME: &str = "chat_template";

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
                Some(other) => {
                    let found = other.to_string().chars().take(60).collect();
                    let key = "chat_template".into();
                    return Err(ProcessorError::BadValue {
                        path,
                        key,
                        found,
                        expected: "a template as a string",
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
        let mut environment = Environment::new();
        // As transformers sets up its engine.
        match SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
            Ok(syntax) => environment.set_syntax(syntax),
            Err(error) => return Err(ProcessorError::Template { path, message: one_line(error) }),
        }
        environment.add_function(
            "raise_exception",
            |message: String| -> std::result::Result<String, Error> {
                Err(Error::new(ErrorKind::InvalidOperation, message))
            },
        );
        if let Err(error) = environment.add_template_owned(NAME, source) {
            return Err(ProcessorError::Template { path, message: one_line(error) });
        }
        let mut template = Self { environment, path, content_is_list: true };
        let probe = |content: Value| json!([{ "role": "user", "content": content }]);
        let listed = template.render_json(&probe(json!([{ "type": "text", "text": "probe" }])), false);
        // A template for string content prints the list as a list, or fails on it.
        if !listed.as_ref().is_ok_and(|text| text.contains("probe") && !text.contains("type")) {
            template.content_is_list = false;
            template.render_json(&probe(json!("probe")), false).and(Ok(())).or(listed.map(|_| ()))?;
        }
        Ok(template)
    }

    fn render_json(&self, messages: &Value, add_generation_prompt: bool) -> Result<String> {
        let messages = minijinja::Value::from(minijinja::value::Serde(messages));
        let rendered = self
            .environment
            .get_template(NAME)
            .and_then(|template| template.render(context! { messages, add_generation_prompt }));
        rendered
            .map_err(|error| ProcessorError::Template { path: self.path.clone(), message: one_line(error) })
    }

    /// The text, with a placeholder for each image and video.
    pub(crate) fn render(&self, messages: &[Message], generate: bool, texts: &TokenTexts) -> Result<String> {
        let messages: Vec<Value> = messages.iter().map(|message| self.message(message, texts)).collect();
        self.render_json(&Value::Array(messages), generate)
    }

    fn message(&self, message: &Message, texts: &TokenTexts) -> Value {
        let role = message.role.as_str();
        if !self.content_is_list {
            let parts = message.content.iter().map(|part| match part {
                Content::Text(text) => text.as_str(),
                Content::Image(_) => &texts.image,
                Content::Video(_) => &texts.video,
            });
            return json!({ "role": role, "content": parts.collect::<String>() });
        }
        let parts = message.content.iter().map(|part| match part {
            Content::Text(text) => json!({ "type": "text", "text": text }),
            Content::Image(_) => json!({ "type": "image" }),
            // Published templates of the first generation know no videos; the placeholder as text reads the same in all.
            Content::Video(_) => json!({ "type": "text", "text": texts.video }),
        });
        json!({ "role": role, "content": parts.collect::<Vec<_>>() })
    }
}
