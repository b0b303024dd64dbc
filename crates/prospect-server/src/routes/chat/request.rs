//! What a client asks for, as OpenAI's clients write it.

use serde::Deserialize;
use serde_json::Value;

use crate::error::ApiError;

/// What is read of a request; clients send more, which means nothing here.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    pub(super) model: Option<String>,
    pub(super) messages: Vec<AskedMessage>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<usize>,
    /// The newer name of `max_tokens`.
    max_completion_tokens: Option<usize>,
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    seed: Option<i64>,
    stop: Option<Stops>,
    n: Option<usize>,
    /// A session that answers: its id, or a name that the client chooses.
    pub(super) session: Option<String>,
    tools: Option<Vec<Value>>,
    functions: Option<Vec<Value>>,
    logprobs: Option<bool>,
    response_format: Option<Format>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Format {
    r#type: String,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Stops {
    One(String),
    Several(Vec<String>),
}

#[derive(Debug, Deserialize)]
pub(super) struct AskedMessage {
    pub(super) role: String,
    pub(super) content: Option<Contents>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Contents {
    Text(String),
    Parts(Vec<AskedPart>),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum AskedPart {
    Text { text: String },
    ImageUrl { image_url: MediaUrl },
    VideoUrl { video_url: MediaUrl },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum MediaUrl {
    Address(String),
    Object { url: String },
}

impl MediaUrl {
    /// The address.
    pub(super) fn into_address(self) -> String {
        match self {
            Self::Address(url) | Self::Object { url } => url,
        }
    }
}

impl AskedMessage {
    /// Its texts alone.
    pub(super) fn texts(&self) -> Vec<&str> {
        let Some(content) = &self.content else { return Vec::new() };
        let parts = match content {
            Contents::Text(text) => return vec![text],
            Contents::Parts(parts) => parts,
        };
        let mut texts = Vec::new();
        for part in parts {
            if let AskedPart::Text { text } = part {
                texts.push(text.as_str());
            }
        }
        texts
    }

    /// Its texts, pictures and videos, in order.
    pub(super) fn into_parts(self) -> Vec<AskedPart> {
        match self.content {
            None => Vec::new(),
            Some(Contents::Text(text)) => vec![AskedPart::Text { text }],
            Some(Contents::Parts(parts)) => parts,
        }
    }
}

impl Asked {
    /// The texts at which an answer stops.
    pub(super) fn stops(&mut self) -> Vec<String> {
        match self.stop.take() {
            None => Vec::new(),
            Some(Stops::One(stop)) => vec![stop],
            Some(Stops::Several(stops)) => stops,
        }
    }

    /// Whether the answer is sent word by word.
    pub(super) fn is_streamed(&self) -> bool {
        self.stream == Some(true)
    }

    /// Whether the client wants to know at the end of a stream how many tokens there were.
    pub(super) fn wants_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage == Some(true))
    }

    /// Most tokens of the answer.
    pub(super) fn longest(&self) -> Option<usize> {
        self.max_completion_tokens.or(self.max_tokens)
    }

    /// The seed of sampling, without its sign: the settings have none.
    pub(super) fn seed(&self) -> Option<u64> {
        self.seed.map(|seed| seed.cast_unsigned() & i64::MAX.cast_unsigned())
    }

    /// # Errors
    /// The request needs something that this server cannot do, so that its answer would be of no use.
    pub(super) fn check_possible(&self) -> Result<(), ApiError> {
        let has = |all: &Option<Vec<Value>>| all.as_ref().is_some_and(|all| !all.is_empty());
        let is_text = self.response_format.as_ref().is_none_or(|format| format.r#type == "text");
        let wrong = [
            (self.n.is_some_and(|n| n != 1), "n: expected 1"),
            (has(&self.tools), "tools: expected none: the model calls no tools"),
            (has(&self.functions), "functions: expected none: the model calls no functions"),
            (self.logprobs == Some(true), "logprobs: expected false: no probabilities are given"),
            (!is_text, "response_format: expected text: the answer cannot be bound to a form"),
        ];
        match wrong.into_iter().find(|(is_wrong, _)| *is_wrong) {
            Some((_, message)) => Err(ApiError::bad_request(message)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(further: &str) -> Asked {
        let body = format!(r#"{{"messages": []{further}}}"#);
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{body}: {error}"))
    }

    #[test]
    fn what_clients_send_as_nothing_is_nothing() {
        for nothing in [
            r#", "stream": null, "stream_options": null, "max_tokens": null, "max_completion_tokens": null"#,
            r#", "stream_options": {"include_usage": null}, "tools": [], "logprobs": null, "seed": null"#,
            r#", "tools": null, "functions": null, "response_format": {"type": "text"}, "n": 1"#,
        ] {
            let asked = asked(nothing);
            assert!(!asked.is_streamed() && !asked.wants_usage(), "{nothing}");
            assert_eq!((asked.longest(), asked.seed()), (None, None));
            assert!(asked.check_possible().is_ok(), "{nothing}");
        }
    }

    #[test]
    fn the_newer_name_of_the_longest_answer_wins_and_a_seed_may_have_a_sign() {
        let asked = asked(r#", "max_tokens": 5, "max_completion_tokens": 7, "seed": -1, "stream": true"#);
        assert_eq!((asked.longest(), asked.is_streamed()), (Some(7), true));
        assert_eq!(asked.seed(), Some(u64::MAX >> 1));
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        for wrong in [
            r#", "n": 2"#,
            r#", "tools": [{"type": "function"}]"#,
            r#", "functions": [{}]"#,
            r#", "logprobs": true"#,
            r#", "response_format": {"type": "json_object"}"#,
        ] {
            assert_eq!(asked(wrong).check_possible().unwrap_err().status.as_u16(), 400, "{wrong}");
        }
    }
}
