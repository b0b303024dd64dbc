//! The metadata of a file.

use std::collections::BTreeMap;
use std::io::Read;

use super::error::GgufError;
use super::header_bytes::HeaderBytes;
use super::value::{Number, Numbers, Texts, Value};

type Result<T> = std::result::Result<T, GgufError>;

/// Keys and values of a file.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    values: BTreeMap<String, Value>,
}

impl Metadata {
    /// Reads `count` keys with their values.
    pub(super) fn read<R: Read>(from: &mut HeaderBytes<R>, count: u64) -> Result<Self> {
        let mut values = BTreeMap::new();
        for _ in 0..count {
            let key = from.name("a key of the metadata")?;
            let value = Value::read(from, &key)?;
            if values.contains_key(&key) {
                return Err(GgufError::KeyTwice { key });
            }
            values.insert(key, value);
        }
        Ok(Self { values })
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&str>> {
        self.read_as(key, "a text", |value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// A non-negative integer.
    pub(super) fn count(&self, key: &str) -> Result<Option<usize>> {
        self.read_as(key, "a whole number", |value| match value {
            Value::Number(Number::Whole(number)) => usize::try_from(*number).ok(),
            _ => None,
        })
    }

    pub(super) fn real(&self, key: &str) -> Result<Option<f64>> {
        self.read_as(key, "a number", |value| match value {
            Value::Number(Number::Real(number)) if number.is_finite() => Some(*number),
            _ => None,
        })
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.read_as(key, "true or false", |value| match value {
            Value::Flag(flag) => Some(*flag),
            _ => None,
        })
    }

    pub(super) fn texts(&self, key: &str) -> Result<Option<&Texts>> {
        self.read_as(key, "an array of texts", |value| match value {
            Value::Texts(texts) => Some(texts),
            _ => None,
        })
    }

    pub(super) fn numbers(&self, key: &str) -> Result<Option<&Numbers>> {
        self.read_as(key, "an array of numbers", |value| match value {
            Value::Numbers(numbers) => Some(numbers),
            _ => None,
        })
    }

    /// An error about the value of `key`.
    pub(super) fn wrong(&self, key: &str, expected: impl Into<String>) -> GgufError {
        let found = self.get(key).map_or_else(|| "missing".to_owned(), Value::shown);
        GgufError::Key { key: key.to_owned(), found, expected: expected.into() }
    }

    fn read_as<'a, T>(
        &'a self,
        key: &str,
        expected: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| self.wrong(key, expected))
    }
}

/// The value of a required key.
pub(super) fn needed<T>(value: Option<T>, key: &str, expected: &'static str) -> Result<T> {
    value.ok_or_else(|| GgufError::KeyMissing { key: key.to_owned(), expected })
}
