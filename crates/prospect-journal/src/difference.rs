//! Where two things differ that are written down: a message names the place.

use serde_json::{Map, Value};

/// The first place at which two JSON values differ, `a.b`, with what stands there.
pub fn first_difference(one: &Value, other: &Value) -> Option<(String, String, String)> {
    if one == other {
        return None;
    }
    if let (Some(one), Some(other)) = (one.as_object(), other.as_object()) {
        let keys = one.keys().chain(other.keys().filter(|key| !one.contains_key(*key)));
        let within = |key: &String| {
            let value = |of: &Map<String, Value>| of.get(key).cloned().unwrap_or_default();
            first_difference(&value(one), &value(other)).map(|(place, one, other)| match place.as_str() {
                "" => (key.clone(), one, other),
                _ => (format!("{key}.{place}"), one, other),
            })
        };
        return keys.filter_map(within).next();
    }
    Some((String::new(), one.to_string(), other.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_difference_names_its_key() {
        let one = json!({"a": 1, "context": {"max_seq_len": 384, "x": null}});
        let other = json!({"a": 1, "context": {"max_seq_len": 512, "x": null}});
        assert_eq!(
            first_difference(&one, &other),
            Some(("context.max_seq_len".into(), "384".into(), "512".into()))
        );
        let more = json!({"a": 1, "b": 2, "context": {"max_seq_len": 384, "x": null}});
        assert_eq!(first_difference(&one, &more), Some(("b".into(), "null".into(), "2".into())));
        assert_eq!(first_difference(&one, &one), None);
    }
}
