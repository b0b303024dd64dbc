//! Invalid headers, and the values of blocks.

use safetensors::SafeTensors;

use super::block_type::{ALIGNMENT, BlockType};
use super::error::GgufError;
use super::header::Header;

#[path = "../../tests/common/gguf.rs"]
mod writer;

use writer::{F32, GgufWriter, Tensor};

fn read(bytes: &[u8]) -> Result<Header, GgufError> {
    Header::read(bytes, bytes.len() as u64)
}

fn complaint(bytes: &[u8]) -> String {
    let message = read(bytes).unwrap_err().to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

/// A valid file with two tensors and some keys.
fn sound() -> GgufWriter {
    let mut writer = GgufWriter::default();
    writer.text("general.architecture", "llama");
    writer.number("llama.block_count", 2);
    writer.texts("tokenizer.ggml.tokens", &["a", "", "bc"]);
    writer.tensor("a", &[2, 3], F32, &[0; 24]);
    writer.tensor("b", &[4], F32, &[0; 16]);
    writer
}

fn with(change: impl FnOnce(&mut GgufWriter)) -> Vec<u8> {
    let mut writer = sound();
    change(&mut writer);
    writer.bytes()
}

#[test]
fn a_sound_header_is_read() {
    for version in [2, 3] {
        let header = read(&with(|writer| writer.version = version)).unwrap();
        assert_eq!(header.metadata.count("llama.block_count").unwrap(), Some(2));
        let texts = header.metadata.texts("tokenizer.ggml.tokens").unwrap().unwrap();
        assert_eq!(texts.iter().collect::<Vec<_>>(), ["a", "", "bc"]);
        let a = &header.tensors["a"];
        assert_eq!((a.shape.as_slice(), a.bytes, a.block_type.name), (&[2, 3][..], 24, "F32"));
        assert_eq!(header.tensors["b"].start, a.start + 32);
    }
}

#[test]
fn another_alignment_holds() {
    let mut writer = GgufWriter { alignment: 64, ..GgufWriter::default() };
    writer.number("general.alignment", 64);
    writer.tensor("a", &[1], F32, &[0; 4]);
    assert!(read(&writer.bytes()).unwrap().tensors["a"].start.is_multiple_of(64));
    for wrong in [0, 7, 12, 1 << 17] {
        let bytes = with(|writer| writer.number("general.alignment", wrong));
        assert!(complaint(&bytes).contains(&format!("general.alignment is {wrong}: expected")));
    }
    let bytes = with(|writer| writer.text("general.alignment", "32"));
    assert!(complaint(&bytes).contains("general.alignment is \"32\": expected"));
}

#[test]
fn what_is_no_gguf_file_is_said() {
    assert!(complaint(b"").contains("expected it to begin with GGUF"));
    assert!(complaint(b"GGML\x03\0\0\0").contains("expected it to begin with GGUF"));
    assert!(complaint(&with(|writer| writer.version = 1)).contains("version 1 of the format"));
    assert!(complaint(&with(|writer| writer.version = 3_u32.swap_bytes())).contains("big-endian"));
}

#[test]
fn a_header_that_is_cut_off_anywhere_is_refused() {
    let header = sound().header();
    for length in 4..header.len() {
        let error = read(&header[..length]).unwrap_err();
        assert!(matches!(error, GgufError::Truncated { .. }), "{length}: {error}");
    }
    let whole = sound().bytes();
    for length in header.len()..whole.len() {
        let error = read(&whole[..length]).unwrap_err();
        assert!(matches!(error, GgufError::OutsideFile { .. }), "{length}: {error}");
    }
}

#[test]
fn claims_beyond_the_file_reserve_nothing() {
    for claim in [1 << 40, u64::MAX] {
        let mut bytes = sound().header();
        bytes[8..16].copy_from_slice(&claim.to_le_bytes());
        assert!(matches!(read(&bytes), Err(GgufError::Truncated { .. })));
        bytes[16..24].copy_from_slice(&claim.to_le_bytes());
        assert!(read(&bytes).is_err());
        for kind in [8, 4, 12] {
            let bytes = with(|writer| writer.array("array", kind, claim, &[]));
            assert!(read(&bytes).is_err(), "{claim} of {kind}");
        }
        let bytes = with(|writer| writer.key("text", 8, &claim.to_le_bytes()));
        assert!(matches!(read(&bytes), Err(GgufError::Truncated { .. })));
        let bytes = with(|writer| writer.tensors[0].dimensions = vec![claim, claim]);
        assert!(matches!(read(&bytes), Err(GgufError::TensorSize { .. })));
        let bytes = with(|writer| writer.tensors[0].dimensions = vec![claim / 8]);
        assert!(matches!(read(&bytes), Err(GgufError::OutsideFile { .. })));
        let bytes = with(|writer| writer.tensors[0].offset = claim & !31);
        assert!(matches!(read(&bytes), Err(GgufError::OutsideFile { .. })));
    }
    // A text that the file could contain, but that is longer than any header.
    let length: u64 = 1 << 40;
    let bytes = with(|writer| writer.key("text", 8, &(1_u64 << 30).to_le_bytes()));
    assert!(matches!(Header::read(&bytes[..], length), Err(GgufError::HeaderTooLong { .. })));
}

#[test]
fn a_value_that_is_none_is_refused() {
    let key = |kind, value: &[u8]| complaint(&with(|writer| writer.key("k\u{1b}[2J", kind, value)));
    assert!(key(13, &[]).contains(r#""k\u{1b}[2J" has a value of type 13"#));
    assert!(key(7, &[2]).contains("is the truth value 2: expected 0 or 1"));
    assert!(key(9, &[9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]).contains("array of arrays"));
    assert!(key(9, &[77, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]).contains("has a value of type 77"));
    assert!(key(8, &[1, 0, 0, 0, 0, 0, 0, 0, 0xFF]).contains("no UTF-8"));
    let twice = complaint(&with(|writer| ["a"; 2].into_iter().for_each(|key| writer.number(key, 1))));
    assert!(twice.contains(r#""a" is there twice"#));
    let long = complaint(&with(|writer| writer.number(&"k".repeat(300), 1)));
    assert!(long.contains("a name of 300 bytes: expected at most 256"));
}

#[test]
fn a_tensor_that_is_none_is_refused() {
    let tensor = |change: fn(&mut Tensor)| complaint(&with(|writer| change(&mut writer.tensors[1])));
    assert!(tensor(|b| b.dimensions.clear()).contains("has 0 dimensions: expected 1 to 4"));
    assert!(tensor(|b| b.dimensions = vec![1; 5]).contains("has 5 dimensions"));
    assert!(tensor(|b| b.dimensions = vec![0]).contains("has the dimensions [0]"));
    assert!(tensor(|b| b.kind = 9).contains("has the GGML type 9: expected one of F32, F16, Q4_0"));
    assert!(tensor(|b| b.kind = 2).contains("rows of 4 values: expected a multiple of 32, as Q4_0"));
    assert!(tensor(|b| b.offset = 33).contains("begins at 33: expected a multiple of 32"));
    assert!(tensor(|b| b.offset = 0).contains(r#"tensors "b" and "a" overlap"#));
    assert!(tensor(|b| b.name = "a".to_owned()).contains(r#"tensor "a" is there twice"#));
    assert!(tensor(|b| b.name = "n".repeat(257)).contains("a name of 257 bytes"));
    assert!(tensor(|b| b.dimensions = vec![5]).contains("ends at byte"));
}

/// Values that the `gguf` Python package decodes from blocks of every type, including the smallest
/// scales.
#[test]
fn blocks_have_the_values_of_the_reference() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/gguf/blocks.safetensors");
    let file = std::fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let mut seen = Vec::new();
    for number in 0..40 {
        let Some(block_type) = BlockType::of(number) else { continue };
        let bytes = tensors.tensor(&format!("{}.blocks", block_type.name)).unwrap().data().to_vec();
        let expected = tensors.tensor(&format!("{}.values", block_type.name)).unwrap();
        let (floats, _) = expected.data().as_chunks::<4>();
        let mut buffer = vec![0; bytes.len() + ALIGNMENT];
        let start = buffer.as_ptr().align_offset(ALIGNMENT);
        buffer[start..][..bytes.len()].copy_from_slice(&bytes);
        let values = block_type.decode(&buffer[start..][..bytes.len()]).unwrap();
        assert_eq!(values.len(), floats.len(), "{}", block_type.name);
        let differ = |(value, float): &(&f32, &[u8; 4])| value.to_bits() != u32::from_le_bytes(**float);
        let differing = values.iter().zip(floats).filter(differ).count();
        assert_eq!(differing, 0, "{}: of {} values", block_type.name, values.len());
        seen.push(block_type.name);
    }
    assert_eq!(tensors.len(), 2 * seen.len(), "{seen:?}");
}
