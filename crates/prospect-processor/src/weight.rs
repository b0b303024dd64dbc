//! What it takes to write a template's value out, paid for before it is written: the engine itself charges behind it, and a list
//! of sixty lists, each of which holds the next one twice, would fill any memory first.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

/// Containers inside of each other; the descriptions of tools have some ten.
const MOST_DEPTH: usize = 100;
/// Bytes that a unit of fuel pays for, as in the engine.
const BYTES_OF_FUEL: u64 = 64;
/// Bytes that every element counts for, the walk to it included: a step of the engine.
const ELEMENT_BYTES: u64 = 64;
/// Bytes after which they are paid for.
const INSTALMENT: u64 = 64 * BYTES_OF_FUEL;

/// How a value is written out.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Style {
    /// Bytes between two elements, beyond a few.
    pub(crate) between: usize,
    /// Bytes by which an element is moved in for every container around it.
    pub(crate) indent: usize,
}

/// Pays for a list or a dictionary with everything in it, as often as it is in it; gives about how many bytes it will have. Numbers
/// and texts are the engine's to charge.
pub(crate) fn pay(state: &State<'_, '_>, value: &Value, style: Style) -> Result<u64, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.len() as u64);
    }
    let mut bill = Bill { state, style, bytes: 0, unpaid: 0 };
    bill.add(value, 0)?;
    state.consume_fuel(bill.unpaid / BYTES_OF_FUEL)?;
    Ok(bill.bytes)
}

struct Bill<'a, 'template, 'env> {
    state: &'a State<'template, 'env>,
    style: Style,
    bytes: u64,
    unpaid: u64,
}

impl Bill<'_, '_, '_> {
    fn add(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MOST_DEPTH {
            return Err(Error::from(ErrorKind::OutOfFuel));
        }
        let text = value.as_str().map_or(0, str::len) as u64;
        let around = self.style.between + self.style.indent * depth;
        let bytes = ELEMENT_BYTES + text + around as u64;
        self.bytes = self.bytes.saturating_add(bytes);
        self.unpaid = self.unpaid.saturating_add(bytes);
        if self.unpaid >= INSTALMENT {
            self.state.consume_fuel(self.unpaid / BYTES_OF_FUEL)?;
            self.unpaid %= BYTES_OF_FUEL;
        }
        let is_map = value.kind() == ValueKind::Map;
        if !is_map && !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
            return Ok(());
        }
        // What cannot be walked is not written out either.
        for item in value.try_iter().into_iter().flatten() {
            self.add(&item, depth + 1)?;
            if let Some(value) = value.get_item(&item).ok().filter(|_| is_map) {
                self.add(&value, depth + 1)?;
            }
        }
        Ok(())
    }
}
