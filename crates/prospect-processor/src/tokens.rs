//! The tokenizer and the special tokens.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde_json::Value;
use tokenizers::Tokenizer;

use prospect_foreign::{caught, short_line};

use crate::checkpoint_files::CheckpointFiles;
use crate::ends::end_tokens;
use crate::error::{ProcessorError, Result};
use crate::token_texts::TokenTexts;

/// Largest factor by which a normalizer or decoder may lengthen a text.
const MOST_GROWTH: u64 = 1024;

/// The longest decomposition of a character in Unicode, in characters.
const LONGEST_DECOMPOSITION: u64 = 18;

/// Ids of the special tokens, all from the checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpecialTokens {
    /// The placeholder whose embedding is replaced by an image embedding.
    pub image: u32,
    /// The end of a message, and the silence token of a stream. If the tokenizer has no
    /// `<end_of_utterance>`, it is the first end token that the checkpoint's files name.
    pub end_of_utterance: u32,
    /// The token that begins a conversation (BOS).
    pub bos: u32,
    /// Padding.
    pub pad: u32,
    /// Stands before and after the image tokens.
    pub fake_token_around_image: u32,
    /// Announces the global view of an image. `None` for the first SmolVLM, which spells it in several
    /// tokens.
    pub global_image: Option<u32>,
}

/// The tokenizer of `tokenizer.json`, with the settings of `tokenizer_config.json`.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    tokenizer: Tokenizer,
    /// The same tokenizer without special tokens, so that their names are plain text. Built when first
    /// needed.
    plain: Arc<OnceLock<Tokenizer>>,
    /// Names and ids of all special tokens, longest name first.
    special: Vec<(String, u32)>,
    /// All tokens that end a reply, `end_of_utterance` first.
    pub(crate) ends: Vec<u32>,
    pub(crate) ids: SpecialTokens,
    pub(crate) texts: TokenTexts,
}

impl Tokens {
    pub(crate) fn read(files: &CheckpointFiles) -> Result<Self> {
        let path = files.path("tokenizer.json");
        let Some(text) = files.text("tokenizer.json")? else {
            return Err(ProcessorError::MissingFile { path, expected: "the tokenizer" });
        };
        let wrong = |message: String| ProcessorError::Tokenizer { path: path.clone(), message };
        check_growth(&path, &text)?;
        let parsed = caught(|| text.parse::<Tokenizer>());
        let mut tokenizer = parsed
            .ok_or_else(|| wrong("the library gave up".to_owned()))?
            .map_err(|error| wrong(short_line(error)))?;
        // Texts must never be truncated or padded by the tokenizer library.
        tokenizer.with_truncation(None).map_err(|error| wrong(short_line(error)))?;
        tokenizer.with_padding(None);
        let config = files.json("tokenizer_config.json")?.unwrap_or_default();
        let name = |key: &str, default: &str| {
            let value = config.get(key).or_else(|| config.get("extra_special_tokens")?.get(key));
            let text = value.and_then(|value| value.as_str().or_else(|| value.get("content")?.as_str()));
            text.unwrap_or(default).to_owned()
        };
        let texts = TokenTexts {
            image: name("image_token", "<image>"),
            bos: name("bos_token", "<|im_start|>"),
            fake: name("fake_image_token", "<fake_token_around_image>"),
            global: name("global_image_token", "<global-img>"),
            video: name("video_token", "<video>"),
        };
        let mut ends = end_tokens(files)?;
        let end = name("end_of_utterance_token", "<end_of_utterance>");
        let end_of_utterance = match (tokenizer.token_to_id(&end), ends.first()) {
            (Some(id), _) => id,
            (None, Some(&id)) => id,
            (None, None) => id(&tokenizer, &path, &name("eos_token", &end))?,
        };
        ends.retain(|&id| id != end_of_utterance);
        ends.insert(0, end_of_utterance);
        let mut special: Vec<(String, u32)> = tokenizer
            .get_added_tokens_decoder()
            .into_iter()
            .filter(|(_, token)| token.special && !token.content.is_empty())
            .map(|(id, token)| (token.content, id))
            .collect();
        special.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.cmp(b)));
        let ids = SpecialTokens {
            image: id(&tokenizer, &path, &texts.image)?,
            end_of_utterance,
            bos: id(&tokenizer, &path, &texts.bos)?,
            pad: id(&tokenizer, &path, &name("pad_token", "<|im_end|>"))?,
            fake_token_around_image: id(&tokenizer, &path, &texts.fake)?,
            global_image: tokenizer.token_to_id(&texts.global),
        };
        Ok(Self { tokenizer, plain: Arc::default(), special, ends, ids, texts })
    }

    /// Encodes `text` to token ids, with the byte at which each token begins.
    pub(crate) fn encode(&self, text: &str) -> Result<(Vec<u32>, Vec<usize>)> {
        encode_with(&self.tokenizer, text)
    }

    /// As [`Self::encode`], but the names of special tokens within the ranges `literal` are plain text.
    pub(crate) fn encode_literally(
        &self,
        text: &str,
        literal: &[Range<usize>],
    ) -> Result<(Vec<u32>, Vec<usize>)> {
        if literal.is_empty() {
            return self.encode(text);
        }
        let plain = self.plain.get_or_init(|| {
            let mut plain = self.tokenizer.clone();
            plain.set_encode_special_tokens(true);
            plain
        });
        let (mut ids, mut starts) = (Vec::new(), Vec::new());
        let between = |from: usize, to: usize, ids: &mut Vec<u32>, starts: &mut Vec<usize>| {
            if from < to {
                let (more, at) = encode_with(plain, &text[from..to])?;
                ids.extend(more);
                starts.extend(at.into_iter().map(|start| from + start));
            }
            Ok::<_, ProcessorError>(())
        };
        let mut from = 0;
        for (place, length, id) in self.meant(text, literal) {
            if place < from {
                continue;
            }
            between(from, place, &mut ids, &mut starts)?;
            ids.push(id);
            starts.push(place);
            from = place + length;
        }
        between(from, text.len(), &mut ids, &mut starts)?;
        Ok((ids, starts))
    }

    /// Token ids of a text in which the names of special tokens are plain text.
    pub(crate) fn encode_text(&self, text: &str) -> Result<Vec<u32>> {
        let everything = 0..text.len();
        let literal = if self.names_special(text) { std::slice::from_ref(&everything) } else { &[] };
        Ok(self.encode_literally(text, literal)?.0)
    }

    /// Whether a text contains the name of a special token.
    pub(crate) fn names_special(&self, text: &str) -> bool {
        self.special.iter().any(|(name, _)| text.contains(name.as_str()))
    }

    /// All special tokens of a text outside its literal ranges: position, length and id, in order. At
    /// the same position the longest comes first, as the tokenizer takes it. The text is scanned once
    /// for each name, not once for each token.
    fn meant(&self, text: &str, literal: &[Range<usize>]) -> Vec<(usize, usize, u32)> {
        let mut meant = Vec::new();
        for (name, id) in &self.special {
            let mut from = 0;
            while let Some(at) = text[from..].find(name.as_str()) {
                let place = from + at;
                if has_meaning(literal, place, name.len()) {
                    meant.push((place, name.len(), *id));
                }
                // The next match may overlap this one.
                from = place + text[place..].chars().next().map_or(1, char::len_utf8);
            }
        }
        meant.sort_by_key(|(place, length, _)| (*place, usize::MAX - length));
        meant
    }

    pub(crate) fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        given_up(caught(|| self.tokenizer.decode(ids, skip_special)))
    }

    /// Whether the id is a special token.
    pub(crate) fn is_special(&self, token: u32) -> bool {
        let ids = &self.ids;
        [ids.image, ids.end_of_utterance, ids.bos, ids.pad, ids.fake_token_around_image].contains(&token)
            || ids.global_image == Some(token)
            || self.ends.contains(&token)
    }
}

/// Whether a name of `length` bytes at `place` lies outside every literal range. Only there it is a
/// special token.
pub(crate) fn has_meaning(literal: &[Range<usize>], place: usize, length: usize) -> bool {
    literal.iter().all(|range| place + length <= range.start || place >= range.end)
}

fn id(tokenizer: &Tokenizer, path: &Path, token: &str) -> Result<u32> {
    tokenizer
        .token_to_id(token)
        .ok_or_else(|| ProcessorError::MissingToken { path: PathBuf::from(path), token: token.into() })
}

fn encode_with(tokenizer: &Tokenizer, text: &str) -> Result<(Vec<u32>, Vec<usize>)> {
    let encoding = given_up(caught(|| tokenizer.encode(text, false)))?;
    let starts = encoding.get_offsets().iter().map(|offsets| offsets.0).collect();
    Ok((encoding.get_ids().to_vec(), starts))
}

/// Turns a failure or a panic of the tokenizer library into an error.
fn given_up<T>(made: Option<tokenizers::Result<T>>) -> Result<T> {
    let made =
        made.ok_or_else(|| ProcessorError::Encode { message: "the tokenizer library gave up".to_owned() })?;
    made.map_err(|error| ProcessorError::Encode { message: short_line(error) })
}

/// Refuses a tokenizer whose replacements, applied one after the other, could make a short text very
/// long.
fn check_growth(path: &Path, text: &str) -> Result<()> {
    // The tokenizer library reports what is not valid JSON.
    let Ok(file) = serde_json::from_str::<Value>(text) else { return Ok(()) };
    for part in ["normalizer", "decoder"] {
        let factor = file.get(part).map_or(1, growth);
        if factor > MOST_GROWTH {
            return Err(ProcessorError::TokenizerGrowth {
                path: path.to_owned(),
                part,
                factor,
                most: MOST_GROWTH,
            });
        }
    }
    Ok(())
}

/// The longest replacement text, in characters, of a sentencepiece character map. The map holds the
/// length of its index (4 bytes), the index, and then all texts, each followed by a zero byte.
fn longest_replacement(map: &[u8]) -> u64 {
    let Some((length, rest)) = map.split_first_chunk::<4>() else { return 0 };
    let texts = rest.get(u32::from_le_bytes(*length) as usize..).unwrap_or_default();
    // Bytes of a UTF-8 character after its first one begin with the bits 10.
    let characters = |text: &[u8]| text.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u64;
    texts.split(|byte| *byte == 0).map(characters).max().unwrap_or(0)
}

/// Decodes base64. Other characters are skipped; the tokenizer library refuses them.
fn from_base64(text: &str) -> Vec<u8> {
    let (mut bytes, mut bits, mut held) = (Vec::with_capacity(text.len() / 4 * 3), 0, 0_u32);
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        held = held << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            // The eight complete bits. The bits above them were written before.
            bytes.push((held >> bits) as u8);
        }
    }
    bytes
}

/// Upper limit of the factor by which a normalizer or decoder lengthens a text.
fn growth(part: &Value) -> u64 {
    let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
    let length = |key: &str| part.get(key).and_then(Value::as_str).map_or(1, |text| text.len().max(1) as u64);
    let own = match kind {
        // A pattern may match at every character and at the end.
        "Replace" => {
            let pattern =
                part.get("pattern").and_then(|pattern| pattern.get("String")).and_then(Value::as_str);
            let replaced = pattern.map_or(1, |pattern| pattern.len().max(1) as u64);
            length("content").div_ceil(replaced) + u64::from(replaced == 1)
        }
        "Prepend" => length("prepend"),
        "NFD" | "NFKD" | "NFC" | "NFKC" | "BertNormalizer" | "Nmt" => LONGEST_DECOMPOSITION,
        "Precompiled" => {
            let map = part.get("precompiled_charsmap").and_then(Value::as_str).unwrap_or_default();
            longest_replacement(&from_base64(map)).max(LONGEST_DECOMPOSITION)
        }
        _ => 1,
    };
    let parts = ["normalizers", "decoders"].into_iter().filter_map(|key| part.get(key)?.as_array()).flatten();
    parts.map(growth).fold(own, u64::saturating_mul)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Bytes whose groups of three have no rest.
    fn base64(bytes: &[u8]) -> String {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let letters = |three: &[u8]| {
            let held = three.iter().fold(0_u32, |held, byte| held << 8 | u32::from(*byte));
            [18, 12, 6, 0].map(|bits| char::from(LETTERS[(held >> bits) as usize & 63]))
        };
        bytes.chunks_exact(3).flat_map(letters).collect()
    }

    #[test]
    fn a_map_of_characters_counts_with_its_longest_text() {
        let normalizer = |text: &str| {
            let map = [&8_u32.to_le_bytes()[..], b"an index", b"\0ab\0", text.as_bytes(), b"\0"].concat();
            let map = [&map[..], &vec![0; 3 - map.len() % 3]].concat();
            let precompiled = json!({"type": "Precompiled", "precompiled_charsmap": base64(&map)});
            json!({"normalizer": {"type": "Sequence", "normalizers": [precompiled]}}).to_string()
        };
        let path = Path::new("tokenizer.json");
        // The longest that sentencepiece's own maps have: 18 characters of two bytes for U+FDFA.
        check_growth(path, &normalizer(&"\u{635}".repeat(18))).unwrap();
        let refused = check_growth(path, &normalizer(&"long ".repeat(2000))).unwrap_err();
        assert!(matches!(refused, ProcessorError::TokenizerGrowth { factor: 10_000, .. }), "{refused}");
    }
}
