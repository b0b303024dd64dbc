//! A cache in a file: it is read back unchanged, and all damage is detected.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::mutations::{cases, mutate, mutations};
use proptest::prelude::*;
use prospect_context::PositionPolicy;
use prospect_model::{KvCache, StoredError, StoredTensors, SuspendedSlots, TextConfig, write_tensors};

const CAPACITY: usize = 12;
const TOKENS: usize = 5;

fn config(layers: usize) -> TextConfig {
    let shapes = format!(
        r#"{{"hidden_size": 8, "num_hidden_layers": {layers}, "num_attention_heads": 2, "num_key_value_heads": 2,
            "head_dim": 4, "intermediate_size": 16, "vocab_size": 32, "max_position_embeddings": 64}}"#
    );
    serde_json::from_str(&shapes).unwrap()
}

fn cache(tokens: usize, capacity: usize, policy: PositionPolicy) -> KvCache {
    let config = config(2);
    let mut cache = KvCache::for_shapes(&config, capacity, policy).unwrap();
    let token = KvCache::zero_token(&config);
    (0..tokens).for_each(|_| cache.append_zeros(&token).unwrap());
    cache
}

fn file(cache: &KvCache) -> (SuspendedSlots, Vec<u8>) {
    let (mut tensors, mut bytes) = (Vec::new(), Vec::new());
    let slots = cache.suspend("cache", &mut tensors).unwrap();
    write_tensors(&mut bytes, "the \"text\"", &tensors).unwrap();
    (slots, bytes)
}

#[test]
fn a_file_holds_the_filled_part_alone_and_any_reader_reads_it() {
    let (slots, bytes) = file(&cache(TOKENS, CAPACITY, PositionPolicy::Recompute));
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.tensor("cache.layers.1.values").unwrap().shape(), [1, 2, TOKENS, 4]);
    assert_eq!(tensors.tensor("cache.embeddings").unwrap().shape(), [TOKENS, 8]);
    assert_eq!(file(&cache(TOKENS, 64, PositionPolicy::Recompute)).1, bytes, "however large the cache is");
    let stored = StoredTensors::parse(bytes).unwrap();
    assert_eq!(stored.text(), "the \"text\"");
    let mut again = cache(0, CAPACITY, PositionPolicy::Recompute);
    again.resume("cache", slots, &stored).unwrap();
    assert_eq!(
        (again.len(), again.next_position(), again.positions()),
        (TOKENS, TOKENS, &[0, 1, 2, 3, 4][..])
    );
    assert_eq!(again.keys(1).unwrap(), vec![0.0; TOKENS * 8]);
    assert_eq!(file(&again), file(&cache(TOKENS, CAPACITY, PositionPolicy::Recompute)));
}

#[test]
fn an_empty_cache_and_an_empty_tail_are_files_as_well() {
    let mut empty = cache(0, CAPACITY, PositionPolicy::Rerotate);
    let (slots, bytes) = file(&empty);
    let stored = StoredTensors::parse(bytes).unwrap();
    empty.resume("cache", slots, &stored).unwrap();
    assert!(empty.is_empty());
    assert!(empty.resume_tail("cache", slots, &stored).unwrap().is_empty());
}

#[test]
fn what_does_not_fit_is_named() {
    let (slots, bytes) = file(&cache(TOKENS, CAPACITY, PositionPolicy::Rerotate));
    let stored = StoredTensors::parse(bytes.clone()).unwrap();
    let complaint = |mut into: KvCache| into.resume("cache", slots, &stored).unwrap_err();
    assert!(matches!(
        complaint(cache(0, 4, PositionPolicy::Rerotate)),
        StoredError::Tokens { tokens: TOKENS, capacity: 4 }
    ));
    let embeddings = complaint(cache(0, CAPACITY, PositionPolicy::Recompute));
    assert!(matches!(embeddings, StoredError::Missing { name } if name == "cache.embeddings"));
    let deeper = KvCache::for_shapes(&config(3), CAPACITY, PositionPolicy::Rerotate).unwrap();
    assert!(matches!(complaint(deeper), StoredError::Missing { name } if name == "cache.layers.2.keys"));
    let mut wider = config(2);
    wider.hidden_size = 8;
    wider.num_key_value_heads = Some(1);
    let shape = complaint(KvCache::for_shapes(&wider, CAPACITY, PositionPolicy::Rerotate).unwrap());
    let expected = "the tensor cache.layers.0.keys is F32 [1, 2, 5, 4]: expected F32 [1, 1, 5, 4]";
    assert_eq!(shape.to_string(), expected);

    let parse = |bytes: &[u8]| StoredTensors::parse(bytes.to_vec()).unwrap_err();
    assert!(matches!(parse(b""), StoredError::Length));
    assert!(matches!(parse(&bytes[..bytes.len() - 1]), StoredError::Length));
    assert!(matches!(parse(b"no such file at all, and long enough to tell"), StoredError::Foreign));
    let mut header = bytes.clone();
    header[60] = b'\n';
    assert!(matches!(parse(&header), StoredError::Header { .. } | StoredError::Checksum { .. }));
    let mut data = bytes.clone();
    data[bytes.len() - 9] ^= 1;
    assert!(matches!(parse(&data), StoredError::Checksum { .. }));
}

/// Corrects the checksum for damaged bytes.
fn mend(bytes: &mut [u8]) {
    if let Some(end) = bytes.len().checked_sub(4) {
        let sum = crc32fast::hash(&bytes[..end]).to_le_bytes();
        bytes[end..].copy_from_slice(&sum);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(2000)))]

    #[test]
    fn any_damage_is_noticed(mutations in mutations()) {
        let (_, whole) = file(&cache(TOKENS, CAPACITY, PositionPolicy::Recompute));
        let mut bytes = whole.clone();
        mutate(&mut bytes, &mutations);
        if bytes != whole {
            let error = StoredTensors::parse(bytes).unwrap_err();
            prop_assert_eq!(error.to_string().lines().count(), 1);
        }
    }

    #[test]
    fn damage_that_nobody_could_notice_never_panics(mutations in mutations(), next in any::<u32>()) {
        let (_, mut bytes) = file(&cache(TOKENS, CAPACITY, PositionPolicy::Recompute));
        mutate(&mut bytes, &mutations);
        mend(&mut bytes);
        let slots: SuspendedSlots = serde_json::from_str(&format!(r#"{{"next_position": {next}}}"#)).unwrap();
        if let Ok(stored) = StoredTensors::parse(bytes) {
            let mut cache = cache(0, CAPACITY, PositionPolicy::Recompute);
            if cache.resume("cache", slots, &stored).is_ok() {
                prop_assert!(cache.len() <= CAPACITY);
                drop(file(&cache));
            }
        }
    }
}
