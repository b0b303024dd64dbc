//! Charges fuel for the size of a template's value before the value is written. The engine itself
//! charges afterwards, and a list of sixty levels, each of which holds the next one twice, would
//! exhaust any memory first.

use minijinja::value::{Value, ValueIter, ValueKind};
use minijinja::{Error, State};

/// Bytes per unit of fuel, as in the engine.
const BYTES_OF_FUEL: u64 = 64;
/// Bytes that every element counts for, including the step to reach it.
const ELEMENT_BYTES: u64 = 64;

/// Charges for a list or a dictionary with all nested elements, counted as often as they occur. Returns
/// its approximate size in bytes. The engine itself charges for numbers and texts.
pub(crate) fn pay(state: &State<'_, '_>, value: &Value) -> Result<u64, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.len() as u64);
    }
    let (mut bytes, mut unpaid) = (0_u64, 0_u64);
    // An explicit stack instead of recursion: lists may be nested a hundred thousand levels deep.
    let mut open = Vec::from_iter(elements(value));
    while let Some((items, map)) = open.last_mut() {
        let Some(item) = items.next() else {
            open.pop();
            continue;
        };
        let of_key = map.as_ref().and_then(|map| map.get_item(&item).ok());
        for value in [Some(item), of_key].into_iter().flatten() {
            let text = value.as_str().map_or(0, str::len) as u64;
            bytes = bytes.saturating_add(ELEMENT_BYTES + text);
            unpaid = unpaid.saturating_add(ELEMENT_BYTES + text);
            open.extend(elements(&value));
        }
        state.consume_fuel(unpaid / BYTES_OF_FUEL)?;
        unpaid %= BYTES_OF_FUEL;
    }
    Ok(bytes)
}

/// The elements of a container; for a dictionary the keys, together with the dictionary. `None` for
/// values that cannot be iterated, which are not written as containers either.
fn elements(value: &Value) -> Option<(ValueIter, Option<Value>)> {
    match value.kind() {
        ValueKind::Map => Some((value.try_iter().ok()?, Some(value.clone()))),
        ValueKind::Seq | ValueKind::Iterable => Some((value.try_iter().ok()?, None)),
        _ => None,
    }
}
