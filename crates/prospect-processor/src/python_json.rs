//! JSON as Python writes it, for templates.

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use crate::weight::{Style, pay};

/// Widest indentation, in spaces.
const WIDEST_INDENT: usize = 64;

/// `tojson` as `transformers` defines it: Python's `json.dumps` with `ensure_ascii=False`.
pub(crate) fn to_json(
    state: &mut State,
    value: &Value,
    kwargs: Kwargs,
) -> std::result::Result<String, Error> {
    let indent: Option<usize> = kwargs.get("indent")?;
    let sort_keys: Option<bool> = kwargs.get("sort_keys")?;
    // Python's default; nothing published asks for the other.
    let _: Option<bool> = kwargs.get("ensure_ascii")?;
    let separators: Option<Vec<String>> = kwargs.get("separators")?;
    kwargs.assert_all_used()?;
    if indent.is_some_and(|indent| indent > WIDEST_INDENT) {
        return Err(Error::new(ErrorKind::InvalidOperation, "tojson indents by more than 64"));
    }
    let (item, key) = match separators.as_deref() {
        Some([item, key]) => (item.clone(), key.clone()),
        _ if indent.is_some() => (",".to_owned(), ": ".to_owned()),
        _ => (", ".to_owned(), ": ".to_owned()),
    };
    pay(state, value, Style { between: item.len() + key.len(), indent: indent.unwrap_or(0) })?;
    // Maps of serde_json are sorted by their keys, those of the template engine are in the order of their making.
    let sorted = match sort_keys {
        Some(true) => Some(serde_json::to_value(value).map_err(|error| not_json(value, &error))?),
        _ => None,
    };
    let mut json = Vec::new();
    let indentation = vec![b' '; indent.unwrap_or(0)];
    let pretty = indent.map(|_| PrettyFormatter::with_indent(&indentation));
    let mut to = Serializer::with_formatter(&mut json, PythonFormatter { item, key, pretty });
    match &sorted {
        Some(sorted) => sorted.serialize(&mut to),
        None => value.serialize(&mut to),
    }
    .map_err(|error| not_json(value, &error))?;
    String::from_utf8(json).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
}

fn not_json(value: &Value, error: &serde_json::Error) -> Error {
    let kind: ValueKind = value.kind();
    Error::new(ErrorKind::BadSerialization, format!("{kind} is no JSON: {error}"))
}

/// Python's white space: a blank behind comma and colon, and line breaks where it indents.
struct PythonFormatter<'a> {
    item: String,
    key: String,
    pretty: Option<PrettyFormatter<'a>>,
}

impl PythonFormatter<'_> {
    fn between<W: ?Sized + std::io::Write>(
        &mut self,
        to: &mut W,
        first: bool,
        array: bool,
    ) -> std::io::Result<()> {
        match &mut self.pretty {
            None if first => Ok(()),
            None => to.write_all(self.item.as_bytes()),
            // The comma is ours, line break and indentation are the formatter's for a first item.
            Some(pretty) => {
                if !first {
                    to.write_all(self.item.trim_end().as_bytes())?;
                }
                match array {
                    true => pretty.begin_array_value(to, true),
                    false => pretty.begin_object_key(to, true),
                }
            }
        }
    }
}

impl Formatter for PythonFormatter<'_> {
    fn begin_array<W: ?Sized + std::io::Write>(&mut self, to: &mut W) -> std::io::Result<()> {
        match &mut self.pretty {
            None => to.write_all(b"["),
            Some(pretty) => pretty.begin_array(to),
        }
    }

    fn end_array<W: ?Sized + std::io::Write>(&mut self, to: &mut W) -> std::io::Result<()> {
        match &mut self.pretty {
            None => to.write_all(b"]"),
            Some(pretty) => pretty.end_array(to),
        }
    }

    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        to: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        self.between(to, first, true)
    }

    fn end_array_value<W: ?Sized + std::io::Write>(&mut self, to: &mut W) -> std::io::Result<()> {
        self.pretty.as_mut().map_or(Ok(()), |pretty| pretty.end_array_value(to))
    }

    fn begin_object<W: ?Sized + std::io::Write>(&mut self, to: &mut W) -> std::io::Result<()> {
        match &mut self.pretty {
            None => to.write_all(b"{"),
            Some(pretty) => pretty.begin_object(to),
        }
    }

    fn end_object<W: ?Sized + std::io::Write>(&mut self, to: &mut W) -> std::io::Result<()> {
        match &mut self.pretty {
            None => to.write_all(b"}"),
            Some(pretty) => pretty.end_object(to),
        }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        to: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        self.between(to, first, false)
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, to: &mut W) -> std::io::Result<()> {
        to.write_all(self.key.as_bytes())
    }

    fn end_object_value<W: ?Sized + std::io::Write>(&mut self, to: &mut W) -> std::io::Result<()> {
        self.pretty.as_mut().map_or(Ok(()), |pretty| pretty.end_object_value(to))
    }
}
