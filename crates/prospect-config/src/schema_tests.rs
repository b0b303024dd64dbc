//! docs/schemas/settings.schema.json has every key that there is, and no other.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::camera;
use crate::keys::Keys;

/// The keys under a schema of an object.
fn keys_under(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let key = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match schema.get("properties") {
            Some(_) => keys_under(schema, &key, found),
            None => {
                found.insert(key);
            }
        }
    }
}

#[test]
fn the_schema_has_the_keys_that_there_are() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../docs/schemas/settings.schema.json")).unwrap();
    let mut found = BTreeSet::new();
    keys_under(&schema, "", &mut found);
    let keys = Keys::built_in();
    let mut expected: BTreeSet<String> = keys.all().map(str::to_owned).collect();
    expected.extend(keys.shorthands().iter().map(|name| format!("context.{name}")));
    expected.insert(camera::TABLE.to_owned());
    assert_eq!(found, expected);
}
