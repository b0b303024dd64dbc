//! A tokenizer of the published size without the published vocabulary. The special tokens have their
//! published ids; the other tokens are made-up merges of letters.

use serde_json::{Map, Value, json};

/// Number of merged and single-byte tokens, including the three special tokens before them.
const WORDS: usize = 49_152;
const FIRST: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
/// Rows and columns of tiles for which there are tokens.
const GRID: usize = 6;
/// Number of reserved tokens after the ordinary ones.
const RESERVED: usize = 88;

/// The contents of `tokenizer.json`: byte-level BPE that splits digits.
pub(super) fn tokenizer() -> Value {
    let mut vocabulary = Map::new();
    let mut add = |token: &str| {
        let id = vocabulary.len();
        vocabulary.insert(token.to_owned(), json!(id));
    };
    FIRST.into_iter().for_each(&mut add);
    let bytes = bytes();
    bytes.iter().for_each(|byte| add(&byte.to_string()));
    let merges = merges(WORDS - FIRST.len() - bytes.len());
    merges.iter().for_each(|(left, right)| add(&format!("{left}{right}")));
    let special = |(id, token): (usize, String)| {
        json!({ "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true })
    };
    let first = FIRST.into_iter().map(str::to_owned).enumerate();
    let last = last().into_iter().enumerate().map(|(index, token)| (WORDS + index, token));
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": first.chain(last).map(special).collect::<Vec<_>>(),
        "normalizer": null,
        "pre_tokenizer": { "type": "Sequence", "pretokenizers": [
            { "type": "Digits", "individual_digits": true },
            { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true },
        ] },
        "post_processor": null,
        "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
        "model": { "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                   "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                   "vocab": vocabulary, "merges": merges },
    })
}

/// The contents of `tokenizer_config.json`.
pub(super) fn tokenizer_config(positions: usize) -> Value {
    json!({ "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": FIRST[1], "pad_token": FIRST[2],
            "eos_token": "<end_of_utterance>", "unk_token": FIRST[0], "clean_up_tokenization_spaces": false,
            "model_max_length": positions })
}

/// The tokens after the ordinary ones.
fn last() -> Vec<String> {
    let tiles = (1..=GRID).flat_map(|row| (1..=GRID).map(move |column| format!("<row_{row}_col_{column}>")));
    let named = |name: &str| std::iter::once(name.to_owned());
    let reserved = (0..RESERVED).map(|index| format!("<|reserved_special_token_{index}|>"));
    let images = named("<global-img>").chain(tiles).chain(named("<fake_token_around_image>"));
    images.chain(named("<image>")).chain(reserved).chain(named("<end_of_utterance>")).collect()
}

/// The characters that stand for the 256 bytes: printable bytes for themselves, others from U+0100 on,
/// in the order of the published vocabularies.
fn bytes() -> Vec<char> {
    let printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let others = (0..=u8::MAX).filter(|byte| !printable(byte)).count() as u32;
    let own = (0..=u8::MAX).filter(printable).map(char::from);
    own.chain((0..others).filter_map(|index| char::from_u32(0x100 + index))).collect()
}

/// `count` merges: first all pairs of letters, then every pair followed by a letter, and so on.
fn merges(count: usize) -> Vec<(String, String)> {
    let letters = || ('a'..='z').map(String::from);
    let mut merges: Vec<(String, String)> = Vec::with_capacity(count);
    let mut words: Vec<String> = letters().collect();
    while merges.len() < count {
        let longer = words.iter().flat_map(|word| letters().map(move |letter| (word.clone(), letter)));
        let longer: Vec<_> = longer.take(count - merges.len()).collect();
        words = longer.iter().map(|(left, right)| format!("{left}{right}")).collect();
        merges.extend(longer);
    }
    merges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_special_tokens_have_the_published_ids() {
        let tokenizer = tokenizer();
        assert_eq!(tokenizer["model"]["vocab"].as_object().unwrap().len(), WORDS);
        let added = tokenizer["added_tokens"].as_array().unwrap();
        let id = |name: &str| added.iter().find(|token| token["content"] == name).unwrap()["id"].as_u64();
        let published = [
            ("<|endoftext|>", 0),
            ("<|im_start|>", 1),
            ("<|im_end|>", 2),
            ("<global-img>", 49_152),
            ("<row_1_col_1>", 49_153),
            ("<row_6_col_6>", 49_188),
            ("<fake_token_around_image>", 49_189),
            ("<image>", 49_190),
            ("<end_of_utterance>", 49_279),
        ];
        for (name, expected) in published {
            assert_eq!(id(name), Some(expected), "{name}");
        }
    }
}
