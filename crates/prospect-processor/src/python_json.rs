//! JSON in Python's notation, for templates.

use std::io::{self, Write};

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

/// Widest indentation, in spaces.
const WIDEST_INDENT: usize = 64;
/// Bytes per unit of fuel, as the template engine charges for its own texts of lists.
const BYTES_OF_A_UNIT: u64 = 4;

/// The filter `tojson` as `transformers` defines it: Python's `json.dumps` with `ensure_ascii=False`.
pub(crate) fn to_json(state: &State<'_, '_>, value: &Value, kwargs: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = kwargs.get("indent")?;
    let sort_keys: Option<bool> = kwargs.get("sort_keys")?;
    // Only Python's default is supported; no published template uses another value.
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
    let indentation = vec![b' '; indent.unwrap_or(0)];
    let pretty = indent.map(|_| PrettyFormatter::with_indent(&indentation));
    let mut json = Paid::new(state);
    let mut to = Serializer::with_formatter(&mut json, PythonFormatter { item, key, pretty });
    let written = match sort_keys {
        Some(true) => sorted(state, value)?.serialize(&mut to),
        _ => value.serialize(&mut to),
    };
    json.text(written.map_err(|error| not_json(value, &error)))
}

/// Converts to a `serde_json` map, which is sorted by key; the engine's maps keep insertion order. The
/// value is written once first to charge for its size: a list that holds another one twice, and so on,
/// is small in the engine but grows exponentially here.
fn sorted(state: &State<'_, '_>, value: &Value) -> Result<serde_json::Value, Error> {
    let mut size = Paid::new(state);
    let written = serde_json::to_writer(&mut size, value).map_err(|error| not_json(value, &error));
    size.text(written)?;
    serde_json::to_value(value).map_err(|error| not_json(value, &error))
}

/// A writer that takes as many bytes as the remaining fuel pays for.
struct Paid<'a> {
    state: &'a State<'a, 'a>,
    bytes: Vec<u8>,
    most: usize,
    is_over: bool,
}

impl<'a> Paid<'a> {
    fn new(state: &'a State<'_, '_>) -> Self {
        let left = state.fuel_levels().map_or(u64::MAX, |(_, left)| left);
        let most = usize::try_from(left.saturating_mul(BYTES_OF_A_UNIT)).unwrap_or(usize::MAX);
        Self { state, bytes: Vec::new(), most, is_over: false }
    }

    /// Charges for the written bytes and returns them as text.
    fn text(self, written: Result<(), Error>) -> Result<String, Error> {
        if self.is_over {
            return Err(Error::from(ErrorKind::OutOfFuel));
        }
        written?;
        self.state.consume_fuel(self.bytes.len() as u64 / BYTES_OF_A_UNIT)?;
        String::from_utf8(self.bytes)
            .map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
    }
}

impl Write for Paid<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.most {
            self.is_over = true;
            return Err(io::Error::other("it has no end"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn not_json(value: &Value, error: &serde_json::Error) -> Error {
    let kind: ValueKind = value.kind();
    Error::new(ErrorKind::BadSerialization, format!("{kind} is no JSON: {error}"))
}

/// Python's white space: a space after comma and colon, and line breaks where the output is indented.
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
            // The comma is written here. The formatter writes line break and indentation, as for a
            // first item.
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
