//! As much of JSON Schema as docs/schemas uses. A keyword that is not known here fails: nothing is passed over silently.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

/// The files of a folder, by their names.
pub(crate) struct Schemas(BTreeMap<String, Value>);

/// The names in an object.
pub(crate) fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

impl Schemas {
    pub(crate) fn in_folder(folder: &Path) -> Self {
        let file = |entry: std::io::Result<std::fs::DirEntry>| {
            let entry = entry.unwrap();
            let text = std::fs::read_to_string(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), serde_json::from_str(&text).unwrap())
        };
        Self(std::fs::read_dir(folder).unwrap().map(file).collect())
    }

    pub(crate) fn file(&self, name: &str) -> &Value {
        &self.0[name]
    }

    /// The schemas of the events, by the events' names.
    pub(crate) fn events(&self) -> impl Iterator<Item = (&str, &Value)> {
        let events = self.file("trace.schema.json")["oneOf"].as_array().unwrap();
        events.iter().map(|schema| (schema["properties"]["event"]["const"].as_str().unwrap(), schema))
    }

    /// Where and why a value is not as a file says.
    pub(crate) fn check(&self, file: &str, value: &Value) -> Result<(), String> {
        self.holds(file, self.file(file), value, "")
    }

    fn holds(&self, file: &str, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        for (keyword, wanted) in schema.as_object().unwrap() {
            match keyword.as_str() {
                "$schema" | "$id" | "$defs" | "title" | "description" => {}
                "$ref" => {
                    let (file, schema) = self.referred(file, wanted.as_str().unwrap());
                    self.holds(file, schema, value, at)?;
                }
                "oneOf" => self.one_event(file, wanted, value)?,
                "anyOf" => {
                    let is_held = |schema| self.holds(file, schema, value, at).is_ok();
                    if !wanted.as_array().unwrap().iter().any(is_held) {
                        return Err(format!("{at}: {value} is none of {wanted}"));
                    }
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.holds(file, wanted, item, &format!("{at}/{index}"))?;
                    }
                }
                "properties" => {
                    for (key, item) in value.as_object().into_iter().flatten() {
                        if let Some(schema) = wanted.get(key) {
                            self.holds(file, schema, item, &format!("{at}/{key}"))?;
                        }
                    }
                }
                "required" => {
                    let mut required = wanted.as_array().unwrap().iter().map(|key| key.as_str().unwrap());
                    if let Some(key) = required.find(|key| value.get(key).is_none()) {
                        return Err(format!("{at}: {key} is missing"));
                    }
                }
                "additionalProperties" => {
                    assert_eq!(wanted, &Value::Bool(false));
                    let known = keys(&schema["properties"]);
                    let mut found = value.as_object().into_iter().flat_map(|value| value.keys());
                    if let Some(key) = found.find(|key| !known.contains(key.as_str())) {
                        return Err(format!("{at}: {key} is unknown"));
                    }
                }
                keyword => {
                    if !is_plainly(keyword, wanted, value) {
                        return Err(format!("{at}: {value} is not of {keyword} {wanted}"));
                    }
                }
            }
        }
        Ok(())
    }

    /// By its name: one that fits no event would otherwise be told of thirteen times.
    fn one_event(&self, file: &str, events: &Value, value: &Value) -> Result<(), String> {
        let named = |schema: &&Value| schema["properties"]["event"]["const"] == value["event"];
        let mut schemas = events.as_array().unwrap().iter().filter(named);
        match (schemas.next(), schemas.next()) {
            (Some(schema), None) => self.holds(file, schema, value, ""),
            _ => Err(format!("{} is no event, or more than one", value["event"])),
        }
    }

    fn referred<'a>(&'a self, file: &'a str, to: &'a str) -> (&'a str, &'a Value) {
        match to.strip_prefix('#') {
            Some(pointer) => (file, self.file(file).pointer(pointer).unwrap()),
            None => (to, self.file(to)),
        }
    }
}

/// A keyword about a value alone.
fn is_plainly(keyword: &str, wanted: &Value, value: &Value) -> bool {
    let number = |is_held: fn(f64, f64) -> bool| {
        value.as_f64().is_none_or(|number| is_held(number, wanted.as_f64().unwrap()))
    };
    let length = |value: Option<usize>, is_held: fn(u64, u64) -> bool| {
        value.is_none_or(|length| is_held(length as u64, wanted.as_u64().unwrap()))
    };
    match keyword {
        // The program itself checks the form of such a text.
        "pattern" => value.is_string(),
        "const" => value == wanted,
        "enum" => wanted.as_array().unwrap().contains(value),
        "type" => has_type(value, wanted),
        "minimum" => number(|number, bound| number >= bound),
        "exclusiveMinimum" => number(|number, bound| number > bound),
        "maximum" => number(|number, bound| number <= bound),
        "minLength" => length(value.as_str().map(str::len), |length, bound| length >= bound),
        "minItems" => length(value.as_array().map(Vec::len), |length, bound| length >= bound),
        "maxItems" => length(value.as_array().map(Vec::len), |length, bound| length <= bound),
        other => panic!("{other}: a keyword that this test does not know"),
    }
}

fn has_type(value: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Array(types) => types.iter().any(|wanted| has_type(value, wanted)),
        wanted => match wanted.as_str().unwrap() {
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_u64() || value.is_i64(),
            "number" => value.is_number(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            other => panic!("{other}: a type that this test does not know"),
        },
    }
}
