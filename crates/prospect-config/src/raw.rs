//! Settings as written: a map from dotted keys to TOML values and their origins, not yet checked.

use std::collections::BTreeMap;

use prospect_context::catalogue::{ParameterKind, ParameterValue};
use toml::Value;

use crate::choice::Choice;
use crate::error::{Place, SettingsError};
use crate::keys::{self, Keys};
use crate::origin::Origin;

/// A value as written.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The value.
    pub(crate) value: Value,
    /// The layer that wrote it.
    pub(crate) origin: Origin,
    /// The key under which the value was written. For a shorthand it differs from the key that is set.
    pub(crate) written: String,
    /// The text before it was read as TOML, for `--set` and flags: with `--set model.path=7` the path is the
    /// name "7".
    pub(crate) text: Option<String>,
}

/// All layers merged.
#[derive(Debug, Clone)]
pub(crate) struct Raw {
    keys: &'static Keys,
    entries: BTreeMap<String, Entry>,
}

impl Default for Raw {
    fn default() -> Self {
        Self::under(Keys::built_in())
    }
}

impl Raw {
    /// An empty set of settings with these keys.
    pub(crate) fn under(keys: &'static Keys) -> Self {
        Self { keys, entries: BTreeMap::new() }
    }

    /// Every key that exists.
    pub(crate) fn keys(&self) -> &'static Keys {
        self.keys
    }

    /// Sets a key, unless a stronger layer has set it already.
    pub(crate) fn insert(&mut self, key: &str, entry: Entry) {
        let stronger = self.entries.get(key).is_some_and(|old| old.origin.rank() > entry.origin.rank());
        if !stronger {
            self.entries.insert(key.to_owned(), entry);
        }
    }

    /// Sets every key of a parsed TOML table. Refuses unknown keys, and values where a section is expected.
    pub(crate) fn insert_table(&mut self, table: toml::Table, origin: &Origin) -> Result<(), SettingsError> {
        self.walk("", table, origin)
    }

    fn walk(&mut self, section: &str, table: toml::Table, origin: &Origin) -> Result<(), SettingsError> {
        for (name, value) in table {
            let key = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
            // A quoted key with a dot inside is one name, not a path; only the free table takes any name.
            let dotted = name.contains('.') && section != keys::FREE_TABLE;
            match value {
                Value::Table(inner) if self.keys.is_section(&key) && !dotted => {
                    self.walk(&key, inner, origin)?
                }
                value if dotted || (!self.keys.is_key(&key) && !self.keys.is_section(&key)) => {
                    drop(value);
                    return Err(self.unknown(&key, origin));
                }
                value if self.keys.is_section(&key) => {
                    return Err(self.not_a_section(&key, &value, origin));
                }
                value => {
                    let entry = Entry { value, origin: origin.clone(), written: key.clone(), text: None };
                    self.insert(&key, entry);
                }
            }
        }
        Ok(())
    }

    /// Sets `key = text`, from `--set` or a flag. The text is a TOML value, or else a bare string.
    pub(crate) fn insert_text(
        &mut self,
        key: &str,
        text: &str,
        origin: &Origin,
    ) -> Result<(), SettingsError> {
        let value = parse_value(text);
        if self.keys.is_section(key) {
            return match value {
                Value::Table(inner) => self.walk(key, inner, origin),
                value => Err(self.not_a_section(key, &value, origin)),
            };
        }
        if !self.keys.is_key(key) {
            return Err(self.unknown(key, origin));
        }
        let text = Some(text.to_owned());
        self.insert(key, Entry { value, origin: origin.clone(), written: key.to_owned(), text });
        Ok(())
    }

    /// The field, if the key was set.
    pub(crate) fn find(&self, key: &str) -> Option<Field<'_>> {
        self.entries.get(key).map(|entry| Field { entry })
    }

    /// The field, or an error that says why the key is required.
    pub(crate) fn get(&self, key: &str, expected: &str) -> Result<Field<'_>, SettingsError> {
        self.find(key)
            .ok_or_else(|| SettingsError::Missing { key: key.to_owned(), expected: expected.to_owned() })
    }

    /// The field of a key that has a default.
    pub(crate) fn need(&self, key: &str) -> Result<Field<'_>, SettingsError> {
        self.get(key, "expected in configs/default.toml")
    }

    /// The entry of any key.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// The free table of custom parameters.
    pub(crate) fn free_table(&self) -> toml::Table {
        let named = self.entries.iter().filter_map(|(key, entry)| Some((keys::free_name(key)?, entry)));
        named.map(|(name, entry)| (name.to_owned(), entry.value.clone())).collect()
    }

    /// The place of a key. A key that was not set has its place in the defaults.
    pub(crate) fn place(&self, key: &str) -> Place {
        match self.entries.get(key) {
            Some(entry) => Field { entry }.place(),
            None => Place { origin: Origin::Default, key: key.to_owned(), value: "(not set)".to_owned() },
        }
    }

    /// Whether `key` was set by a stronger layer than `other`.
    pub(crate) fn is_stronger(&self, key: &str, other: &str) -> bool {
        let rank = |key: &str| self.entries.get(key).map_or(0, |entry| entry.origin.rank());
        rank(key) > rank(other)
    }

    /// The error for a value that is not valid together with another one.
    pub(crate) fn conflict(&self, key: &str, expected: impl Into<String>) -> SettingsError {
        SettingsError::Conflict { at: Box::new(self.place(key)), expected: expected.into() }
    }

    fn unknown(&self, key: &str, origin: &Origin) -> SettingsError {
        let hint = self.keys.hint(key);
        SettingsError::UnknownKey { origin: origin.clone(), key: key.escape_debug().to_string(), hint }
    }

    fn not_a_section(&self, key: &str, value: &Value, origin: &Origin) -> SettingsError {
        let at = Place { origin: origin.clone(), key: key.to_owned(), value: one_line(value) };
        let names = self.keys.children(key);
        let names = if names.is_empty() { "any name".to_owned() } else { names.join(", ") };
        SettingsError::NotASection(Box::new(at), names)
    }
}

/// A written value that is being converted to its type.
#[derive(Clone, Copy)]
pub(crate) struct Field<'a> {
    entry: &'a Entry,
}

impl Field<'_> {
    /// Where it was written.
    pub(crate) fn place(self) -> Place {
        let key = self.entry.written.escape_debug().to_string();
        Place { origin: self.entry.origin.clone(), key, value: one_line(&self.entry.value) }
    }

    /// The error for a value of the right type that is not valid.
    pub(crate) fn invalid(self, expected: impl Into<String>) -> SettingsError {
        SettingsError::Invalid { at: Box::new(self.place()), expected: expected.into() }
    }

    fn wrong_type(self, expected: impl Into<String>) -> SettingsError {
        SettingsError::WrongType { at: Box::new(self.place()), expected: expected.into() }
    }

    /// The value itself.
    pub(crate) fn value(&self) -> &Value {
        &self.entry.value
    }

    /// A finite number for which `valid` is true; `expected` describes it in errors.
    pub(crate) fn number(self, expected: &str, valid: impl Fn(f64) -> bool) -> Result<f64, SettingsError> {
        let number = match &self.entry.value {
            Value::Float(number) => *number,
            Value::Integer(number) => *number as f64,
            _ => return Err(self.wrong_type(expected)),
        };
        if number.is_finite() && valid(number) { Ok(number) } else { Err(self.invalid(expected)) }
    }

    /// A whole number of at least `least`.
    pub(crate) fn count(self, least: usize) -> Result<usize, SettingsError> {
        let expected = || format!("a whole number of at least {least}");
        let Value::Integer(number) = self.entry.value else { return Err(self.wrong_type(expected())) };
        match usize::try_from(number) {
            Ok(count) if count >= least => Ok(count),
            _ => Err(self.invalid(expected())),
        }
    }

    /// Text. From `--set` and flags any text is accepted, even if it could be read as a number.
    pub(crate) fn text(self) -> Result<String, SettingsError> {
        match (&self.entry.value, &self.entry.text) {
            (Value::String(text), _) => Ok(text.clone()),
            (_, Some(text)) => Ok(text.clone()),
            _ => Err(self.wrong_type("a string")),
        }
    }

    /// Text, or a whole number as text.
    pub(crate) fn text_or_count(self, expected: &str) -> Result<String, SettingsError> {
        match &self.entry.value {
            Value::Integer(number) => Ok(number.to_string()),
            _ => self.text().map_err(|_| self.wrong_type(expected)),
        }
    }

    /// Text that is not blank.
    pub(crate) fn filled_text(self) -> Result<String, SettingsError> {
        let text = self.text()?;
        if text.trim().is_empty() { Err(self.invalid("a string that is not empty")) } else { Ok(text) }
    }

    /// Text that is not blank, and in which every `{word}` is one of `placeholders`. The placeholders are
    /// filled in later.
    pub(crate) fn prompt(self, placeholders: &'static [&'static str]) -> Result<String, SettingsError> {
        let text = self.text()?;
        let kind = ParameterKind::Prompt { placeholders };
        match kind.complaint(&ParameterValue::Text(text.clone())) {
            None => Ok(text),
            Some(expected) => Err(self.invalid(expected)),
        }
    }

    /// The value of a strategy's parameter.
    pub(crate) fn parameter(self, kind: ParameterKind) -> Result<ParameterValue, SettingsError> {
        let value = match kind {
            ParameterKind::Count { least } => ParameterValue::Count(self.count(least)?),
            ParameterKind::Share => ParameterValue::Share(self.number(&kind.expected(), |_| true)?),
            ParameterKind::Text => ParameterValue::Text(self.filled_text()?),
            ParameterKind::Prompt { placeholders } => ParameterValue::Text(self.prompt(placeholders)?),
            ParameterKind::Positions => ParameterValue::Positions(self.one_of()?),
        };
        match kind.complaint(&value) {
            None => Ok(value),
            Some(expected) => Err(self.invalid(expected)),
        }
    }

    /// `true` or `false`.
    pub(crate) fn switch(self) -> Result<bool, SettingsError> {
        self.entry.value.as_bool().ok_or_else(|| self.wrong_type("true or false"))
    }

    /// One of a few names.
    pub(crate) fn one_of<T: Choice>(self) -> Result<T, SettingsError> {
        let names: Vec<&'static str> = T::CHOICES.iter().map(|(name, _)| *name).collect();
        let name = self.one_of_names(&names)?;
        let chosen = T::CHOICES.iter().find(|(known, _)| *known == name);
        chosen.map(|(_, choice)| *choice).ok_or_else(|| self.invalid(one_of(&names)))
    }

    /// The value, which has to be one of these names.
    pub(crate) fn one_of_names(self, names: &[&'static str]) -> Result<&'static str, SettingsError> {
        let Ok(text) = self.text() else { return Err(self.wrong_type(one_of(names))) };
        if let Some(name) = names.iter().find(|name| **name == text) {
            return Ok(name);
        }
        let near = keys::nearest(&text, names.iter().copied());
        let near = near.map(|near| format!(" (did you mean {near:?}?)")).unwrap_or_default();
        Err(self.invalid(format!("{}{near}", one_of(names))))
    }
}

/// A list of names for an error message.
fn one_of(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    format!("one of {}", names.join(", "))
}

/// The TOML value of a text, or the text itself if it is not TOML.
fn parse_value(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<toml::Table>().ok();
    // A line break in the text could bring further keys along: then it is no single value.
    let single = parsed.filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    single.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The value on one line, at most 60 characters of it.
pub(crate) fn one_line(value: &Value) -> String {
    let text = match value {
        Value::String(text) => format!("{text:?}"),
        other => other.to_string().escape_debug().to_string().replace("\\\"", "\""),
    };
    if text.chars().count() <= 60 { text } else { text.chars().take(57).chain("...".chars()).collect() }
}
