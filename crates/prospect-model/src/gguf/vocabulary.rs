//! Converts the metadata of a text file to a tokenizer and its settings.

use std::collections::HashSet;

use prospect_processor::{TokenKind, Vocabulary};
use serde_json::{Map, Value as Json, json};

use super::config::TOKENS;
use super::error::GgufError;
use super::metadata::{Metadata, needed};
use super::value::{Number, shorten};

type Found<T> = std::result::Result<T, GgufError>;

const KINDS: &str = "tokenizer.ggml.token_type";
const MERGES: &str = "tokenizer.ggml.merges";
const PATTERN: &str = "tokenizer.ggml.pre";

/// The text of a tokenizer.json with the ids of this vocabulary.
pub(super) fn tokenizer_json(text: &Metadata) -> Found<String> {
    let model = "tokenizer.ggml.model";
    if needed(text.text(model)?, model, "gpt2, byte-level BPE")? != "gpt2" {
        return Err(text.wrong(model, "gpt2, byte-level BPE"));
    }
    let known = "smollm, as every SmolVLM has it, or gpt-2";
    let splits_digits = match needed(text.text(PATTERN)?, PATTERN, known)? {
        "smollm" => true,
        "gpt-2" => false,
        _ => return Err(text.wrong(PATTERN, known)),
    };
    let tokens: Vec<&str> = needed(text.texts(TOKENS)?, TOKENS, "the vocabulary")?.iter().collect();
    let kinds = token_kinds(text, tokens.len())?;
    let mut seen = HashSet::with_capacity(tokens.len());
    let present = tokens.iter().zip(&kinds).filter(|(_, kind)| **kind != TokenKind::Absent);
    for (token, _) in present {
        if !seen.insert(*token) {
            return Err(GgufError::TokenTwice { token: shorten(token) });
        }
    }
    let merges = needed(text.texts(MERGES)?, MERGES, "the pairs of tokens that become one")?;
    let pairs = merges.iter().enumerate().map(|(index, merge)| {
        merge.split_once(' ').ok_or_else(|| GgufError::Merge { index, found: shorten(merge) })
    });
    let merges = pairs.collect::<Found<Vec<_>>>()?;
    let vocabulary = Vocabulary { tokens: &tokens, kinds: &kinds, merges: &merges, splits_digits };
    Ok(vocabulary.tokenizer_json())
}

fn token_kinds(text: &Metadata, tokens: usize) -> Found<Vec<TokenKind>> {
    let kinds = needed(text.numbers(KINDS)?, KINDS, "the kind of each token")?.iter();
    if kinds.len() != tokens {
        return Err(GgufError::TokenKinds { found: kinds.len(), expected: tokens });
    }
    let kind = |(id, number): (usize, Number)| match number {
        // 1 normal, 6 byte; 2 unknown, 3 control; 4 user-defined; 5 unused.
        Number::Whole(1 | 6) => Ok(TokenKind::Part),
        Number::Whole(2 | 3) => Ok(TokenKind::Special),
        Number::Whole(4) => Ok(TokenKind::Whole),
        Number::Whole(5) => Ok(TokenKind::Absent),
        Number::Whole(found) => Err(GgufError::TokenKind { id, found }),
        Number::Real(_) => Err(text.wrong(KINDS, "whole numbers")),
    };
    kinds.enumerate().map(kind).collect()
}

/// The text of a tokenizer_config.json: the BOS, EOS, padding and unknown tokens.
pub(super) fn tokenizer_config_json(text: &Metadata) -> Found<String> {
    let mut names = Map::new();
    for (name, key) in [
        ("bos_token", "tokenizer.ggml.bos_token_id"),
        ("eos_token", "tokenizer.ggml.eos_token_id"),
        ("pad_token", "tokenizer.ggml.padding_token_id"),
        ("unk_token", "tokenizer.ggml.unknown_token_id"),
    ] {
        let Some(id) = text.count(key)? else { continue };
        let token = text.texts(TOKENS)?.and_then(|tokens| tokens.iter().nth(id));
        let token = token.ok_or_else(|| text.wrong(key, "the id of a token"))?;
        names.insert(name.to_owned(), Json::from(token));
    }
    Ok(Json::Object(names).to_string())
}

/// The text of a generation_config.json with the tokens that end a reply; `None` if the file names
/// none.
pub(super) fn generation_config_json(text: &Metadata) -> Found<Option<String>> {
    let mut ends = Vec::new();
    for key in ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"] {
        ends.extend(text.count(key)?.filter(|id| !ends.contains(id)));
    }
    Ok((!ends.is_empty()).then(|| json!({"eos_token_id": ends}).to_string()))
}
