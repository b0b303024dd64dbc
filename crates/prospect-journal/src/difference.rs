//! Finds the places at which two JSON values differ, so that a message can name them.

use serde_json::{Map, Value};

/// A place at which two JSON values differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Path of the place: keys joined by dots, as in `a.b`.
    pub key: String,
    /// The value at that place in the first one; null if there is none.
    pub one: Value,
    /// The value at that place in the second one; null if there is none.
    pub other: Value,
}

/// Lists every place at which two JSON values differ, in the key order of the first one. Objects are
/// compared key by key.
pub fn differences(one: &Value, other: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    collect(String::new(), one, other, &mut found);
    found
}

fn collect(key: String, one: &Value, other: &Value, found: &mut Vec<Difference>) {
    if one == other {
        return;
    }
    let (Some(within_one), Some(within_other)) = (one.as_object(), other.as_object()) else {
        found.push(Difference { key, one: one.clone(), other: other.clone() });
        return;
    };
    let added = within_other.keys().filter(|name| !within_one.contains_key(*name));
    for name in within_one.keys().chain(added) {
        let value = |of: &Map<String, Value>| of.get(name).cloned().unwrap_or_default();
        let place = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
        collect(place, &value(within_one), &value(within_other), found);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_difference_names_its_key() {
        let one = json!({"a": 1, "context": {"max_seq_len": 384, "x": null}});
        let other = json!({"a": 1, "b": 2, "context": {"max_seq_len": 512, "x": null}});
        let difference = |key: &str, one: Value, other: Value| Difference { key: key.to_owned(), one, other };
        assert_eq!(
            differences(&one, &other),
            [
                difference("context.max_seq_len", json!(384), json!(512)),
                difference("b", Value::Null, json!(2)),
            ]
        );
        assert_eq!(differences(&one, &one), []);
        assert_eq!(
            differences(&json!({"a": {"b": 1}}), &json!({})),
            [difference("a", json!({"b": 1}), Value::Null)]
        );
    }
}
