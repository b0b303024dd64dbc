//! Bytes with a few changes: what parsers are fuzzed with.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "test helpers; each test file uses some of them")]

use proptest::prelude::*;

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
