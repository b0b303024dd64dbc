//! The checkpoint's chat template.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use minijinja::{Value as Item, context};
use serde_json::Value;

use crate::config::{read_json, read_text};
use crate::error::{ProcessorError, Result};
use crate::media::{Content, Message};
use crate::template::Template;
use crate::tokens::TokenTexts;

/// What a template is tried with: several words, as templates split texts.
const PROBE: &str = "\"probe\" of words";
/// By what it is known again, whatever became of its case.
const PROBED: &str = "probe";
/// How it begins as JSON, or its first letter alone.
const PROBED_JSON: &str = "\"\\\"";
/// How a list of items begins that is printed as it is, in JSON's quotes or in Python's.
const ITEM_AS_TEXT: [&str; 2] = ["\"type\": \"text\"", "'type': 'text'"];

/// The compiled template.
#[derive(Debug, Clone)]
pub(crate) struct ChatTemplate {
    template: Template,
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
        let template = Template::compile(source, path)?;
        let mut template = Self { template, tokens, content_is_list: true };
        let probe = |content: Item| vec![item([("role", "user".into()), ("content", content)])];
        let text = item([("type", "text".into()), ("text", PROBE.into())]);
        let listed = template.render_items(probe(vec![text].into()), false);
        let plain = template.render_items(probe(PROBE.into()), false);
        template.content_is_list = match (&listed, &plain) {
            (Ok(listed), Ok(plain)) => is_for_lists(&listed.to_lowercase(), &plain.to_lowercase()),
            (Ok(_), Err(_)) => true,
            (Err(_), _) => false,
        };
        // Of a template that fails on both, what it says of the list.
        if plain.is_err() {
            listed?;
        }
        Ok(template)
    }

    fn render_items(&self, messages: Vec<Item>, add_generation_prompt: bool) -> Result<String> {
        let messages = Item::from(messages);
        let tokens = Item::from_pairs(self.tokens.clone());
        // As transformers passes them: what is none is not undefined.
        self.template
            .render(context! { messages, add_generation_prompt, tools => (), documents => (), ..tokens })
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

/// Whether a template that renders the probe as a list and as a string is one for lists: one for strings leaves the words of a list
/// out, or prints the list as it is. One that writes all content as JSON prints it rightly.
fn is_for_lists(listed: &str, plain: &str) -> bool {
    let prints_list = ITEM_AS_TEXT.iter().any(|item| listed.contains(item));
    let says_less = plain.contains(PROBED) && !listed.contains(PROBED);
    !says_less && (!prints_list || plain.contains(PROBED_JSON))
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
