//! What it takes to write a template's value out, paid for before it is written: the engine itself charges behind it, and a list
//! of sixty lists, each of which holds the next one twice, would fill any memory first.

use minijinja::value::{Value, ValueIter, ValueKind};
use minijinja::{Error, State};

/// Bytes that a unit of fuel pays for, as in the engine.
const BYTES_OF_FUEL: u64 = 64;
/// Bytes that every element counts for, the walk to it included: a step of the engine.
const ELEMENT_BYTES: u64 = 64;

/// Pays for a list or a dictionary with everything in it, as often as it is in it; gives about how many bytes it will have. Numbers
/// and texts are the engine's to charge.
pub(crate) fn pay(state: &State<'_, '_>, value: &Value) -> Result<u64, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.len() as u64);
    }
    let (mut bytes, mut unpaid) = (0_u64, 0_u64);
    // Not by calls of itself: there may be a hundred thousand lists within each other.
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

/// What a container holds, and the container where these are the keys of a dictionary. What cannot be walked is not written out
/// either.
fn elements(value: &Value) -> Option<(ValueIter, Option<Value>)> {
    match value.kind() {
        ValueKind::Map => Some((value.try_iter().ok()?, Some(value.clone()))),
        ValueKind::Seq | ValueKind::Iterable => Some((value.try_iter().ok()?, None)),
        _ => None,
    }
}
