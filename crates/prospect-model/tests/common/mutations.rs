//! Bytes and JSON with a few changes: what parsers are fuzzed with.
#![allow(
    clippy::unwrap_used,
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "test helpers; each test file uses some of them"
)]

use proptest::prelude::*;
use serde_json::Value;

/// As many cases as a test takes in seconds, or `PROSPECT_FUZZ` times as many.
pub fn cases(short: u32) -> u32 {
    let factor = std::env::var("PROSPECT_FUZZ").ok().and_then(|factor| factor.parse().ok());
    short.saturating_mul(factor.unwrap_or(1))
}

/// A change of bytes; places are shares of the length.
#[derive(Debug, Clone, Copy)]
pub enum Mutation {
    Replace(f64, u8),
    Insert(f64, u8),
    Delete(f64),
    Truncate(f64),
}

fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![any::<u8>(), b'0'..=b'9', prop::sample::select(&b"{}[],:\"-e. ntf"[..])]
}

/// One to three changes.
pub fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let place = || 0.0f64..1.0;
    let mutation = prop_oneof![
        6 => (place(), byte()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        4 => (place(), byte()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        2 => place().prop_map(Mutation::Delete),
        1 => place().prop_map(Mutation::Truncate),
    ];
    prop::collection::vec(mutation, 1..4)
}

/// Makes the changes, in order.
pub fn mutate(bytes: &mut Vec<u8>, mutations: &[Mutation]) {
    for mutation in mutations {
        let place = |at: f64| (at * bytes.len() as f64) as usize;
        match *mutation {
            _ if bytes.is_empty() => return,
            Mutation::Replace(at, byte) => {
                let place = place(at);
                bytes[place] = byte;
            }
            Mutation::Insert(at, byte) => bytes.insert(place(at), byte),
            Mutation::Delete(at) => drop(bytes.remove(place(at))),
            Mutation::Truncate(at) => bytes.truncate(place(at)),
        }
    }
}

/// A change of a JSON document: the way down to a place as shares of what is there, and what happens to it.
#[derive(Debug, Clone)]
pub struct JsonChange {
    way: Vec<f64>,
    what: What,
}

/// What happens to a place; to what lies in it, if it is a list or an object.
#[derive(Debug, Clone)]
pub enum What {
    Become(Value),
    Lose(f64),
    /// One member takes another's place as well, or stands twice in a list.
    Repeat(f64, f64),
}

/// Values that readers of settings have not thought of.
const ODD_VALUES: &str = r#"[null, true, false, 0, 1, 2, -1, 7, 64, 418, 4096, 4097, 65535, 4294967295, 4294967296, 9007199254740993,
    18446744073709551615, 0.5, -0.0, 1e-45, 1e-320, 1e38, 1e300, -1e300, "", "a", "<image>", "\n\u001b[2J", "é\u202e", "0", "1e400", [], {}, [[]],
    [0, 0, 0], [1e-40, 1, 1], [1e39, 0, 0], {"longest_edge": 1}, {"longest_edge": 4096}, {"longest_edge": 0}]"#;

/// Any of the odd values, or a number.
pub fn odd_values() -> impl Strategy<Value = Value> {
    let list: Vec<Value> = serde_json::from_str(ODD_VALUES).unwrap();
    prop_oneof![4 => prop::sample::select(list), 1 => any::<u64>().prop_map(Value::from), 1 => any::<f64>().prop_map(Value::from)]
}

/// One to three changes; what a place becomes is one of `values`.
pub fn json_changes(
    values: impl Strategy<Value = Value> + 'static,
) -> impl Strategy<Value = Vec<JsonChange>> {
    let share = || 0.0f64..1.0;
    let what = prop_oneof![
        4 => values.prop_map(What::Become),
        1 => share().prop_map(What::Lose),
        1 => (share(), share()).prop_map(|(one, other)| What::Repeat(one, other)),
    ];
    let change = (prop::collection::vec(share(), 0..6), what);
    prop::collection::vec(change.prop_map(|(way, what)| JsonChange { way, what }), 1..4)
}

/// Makes the changes, in order.
pub fn change_json(document: &mut Value, changes: &[JsonChange]) {
    for JsonChange { way, what } in changes {
        let place = place(document, way);
        match (what, place) {
            (What::Become(value), place) => *place = value.clone(),
            (What::Lose(at), Value::Array(list)) if !list.is_empty() => {
                drop(list.remove(of(*at, list.len())))
            }
            (What::Lose(at), Value::Object(map)) if !map.is_empty() => {
                let key = map.keys().nth(of(*at, map.len())).cloned();
                map.remove(&key.unwrap());
            }
            (What::Repeat(one, _), Value::Array(list)) if !list.is_empty() => {
                list.push(list[of(*one, list.len())].clone());
            }
            (What::Repeat(one, other), Value::Object(map)) if !map.is_empty() => {
                let value = map.values().nth(of(*one, map.len())).cloned().unwrap();
                let (other, size) = (*other, map.len());
                *map.values_mut().nth(of(other, size)).unwrap() = value;
            }
            (_, place) => *place = Value::Null,
        }
    }
}

fn of(share: f64, length: usize) -> usize {
    (share * length as f64) as usize
}

fn place<'a>(value: &'a mut Value, way: &[f64]) -> &'a mut Value {
    let size = match value {
        Value::Array(list) => list.len(),
        Value::Object(map) => map.len(),
        _ => 0,
    };
    let Some((at, rest)) = way.split_first().filter(|_| size > 0) else { return value };
    let at = of(*at, size);
    match value {
        Value::Array(list) => place(&mut list[at], rest),
        Value::Object(map) => place(map.values_mut().nth(at).unwrap(), rest),
        other => other,
    }
}
