//! A byte-level BPE vocabulary, from formats without a tokenizer.json, converted to the text of a
//! tokenizer.json.

use serde_json::{Map, Value, json};

/// The kind of a token in a vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// An ordinary token, made by merges.
    Part,
    /// An added token that is matched as a whole and is plain text.
    Whole,
    /// A special token, matched as a whole.
    Special,
    /// The id has no token.
    Absent,
}

/// The vocabulary of a byte-level BPE tokenizer with GPT-2's split pattern. No tokens are added before
/// or after a text.
#[derive(Debug, Clone, Copy)]
pub struct Vocabulary<'a> {
    /// Tokens by id, in GPT-2's letters for bytes. Tokens that are matched as a whole are plain text
    /// instead.
    pub tokens: &'a [&'a str],
    /// Kinds by id; missing ones are [`TokenKind::Part`].
    pub kinds: &'a [TokenKind],
    /// Pairs of tokens that merge into one, in order of priority.
    pub merges: &'a [(&'a str, &'a str)],
    /// Whether every digit is a token of its own, as in SmolLM's tokenizers.
    pub splits_digits: bool,
}

impl Vocabulary<'_> {
    /// The text of a tokenizer.json that produces the same ids.
    pub fn tokenizer_json(&self) -> String {
        let kind = |id: usize| self.kinds.get(id).copied().unwrap_or(TokenKind::Part);
        let tokens = || self.tokens.iter().enumerate().filter(|(id, _)| kind(*id) != TokenKind::Absent);
        // The library assigns ids to added tokens itself, unless the vocabulary already has them.
        let vocabulary: Map<String, Value> =
            tokens().map(|(id, token)| ((*token).to_owned(), Value::from(id))).collect();
        let whole = tokens().filter(|(id, _)| kind(*id) != TokenKind::Part);
        let added: Vec<Value> = whole.map(|(id, token)| added(id, token, kind(id))).collect();
        let bytes =
            json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
        let pre_tokenizer = match self.splits_digits {
            true => {
                let digits = json!({"type": "Digits", "individual_digits": true});
                json!({"type": "Sequence", "pretokenizers": [digits, bytes]})
            }
            false => bytes.clone(),
        };
        json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": added,
            "normalizer": null,
            "pre_tokenizer": pre_tokenizer,
            "post_processor": null,
            "decoder": bytes,
            "model": {
                "type": "BPE",
                "dropout": null,
                "unk_token": null,
                "continuing_subword_prefix": null,
                "end_of_word_suffix": null,
                "fuse_unk": false,
                "byte_fallback": false,
                "ignore_merges": false,
                "vocab": vocabulary,
                "merges": self.merges,
            },
        })
        .to_string()
    }
}

fn added(id: usize, token: &str, kind: TokenKind) -> Value {
    json!({
        "id": id,
        "content": token,
        "single_word": false,
        "lstrip": false,
        "rstrip": false,
        "normalized": false,
        "special": kind == TokenKind::Special,
    })
}

#[cfg(test)]
mod tests {
    use tokenizers::Tokenizer;

    use super::*;

    #[test]
    fn ids_are_those_of_the_vocabulary() {
        let tokens = ["<a>", "x", "1", "2", "unused", "xx", "12", "<b>", "\u{120}"];
        let mut kinds = vec![TokenKind::Part; 9];
        kinds[0] = TokenKind::Special;
        kinds[4] = TokenKind::Absent;
        kinds[7] = TokenKind::Whole;
        let ids = |splits_digits, text: &str, merges: &[(&str, &str)]| {
            let vocabulary = Vocabulary { tokens: &tokens, kinds: &kinds, merges, splits_digits };
            let tokenizer: Tokenizer = vocabulary.tokenizer_json().parse().unwrap();
            let ids = tokenizer.encode(text, false).unwrap().get_ids().to_vec();
            (tokenizer.decode(&ids, true).unwrap(), ids)
        };
        let merges = [("x", "x"), ("1", "2")];
        assert_eq!(ids(true, "xxx<a>12<b>", &merges), ("xxx12<b>".to_owned(), vec![5, 1, 0, 2, 3, 7]));
        assert_eq!(ids(false, "12 x", &merges), ("12 x".to_owned(), vec![6, 8, 1]));
    }
}
