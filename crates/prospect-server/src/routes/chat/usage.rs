//! How many tokens an answer took.

use serde_json::{Value, json};

/// Tokens of one answer, with the names of OpenAI's API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Tokens that the model saw before the answer, pictures included.
    pub(super) prompt: usize,
    /// How many of them were in the session's cache already, and so were not computed for this answer. `None` without a session.
    pub(super) cached: Option<usize>,
    /// Tokens of the answer.
    pub(super) completion: usize,
}

impl Usage {
    /// Reads the tokens of an answer off the events of a session: a `reply`, if the assistant speaks, and the `frame` after it.
    pub(super) fn read(&mut self, event: &str, data: &Value) {
        match event {
            "reply" => self.completion = data["token_ids"].as_array().map_or(0, Vec::len),
            "frame" => {
                let segments = data["segments"].as_array().map(Vec::as_slice).unwrap_or_default();
                let appended: usize = segments.iter().map(|segment| count(&segment["tokens"])).sum();
                // The last token of a reply goes into the cache with the next frame.
                let pending = usize::from(self.completion > 0);
                self.prompt = (count(&data["cache_tokens"]) + pending).saturating_sub(self.completion);
                self.cached = Some(count(&data["cache_tokens"]).saturating_sub(appended));
            }
            _ => {}
        }
    }

    /// The `usage` of an answer.
    pub(super) fn json(self) -> Value {
        let mut usage = json!({
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
        });
        if let Some(cached) = self.cached {
            usage["prompt_tokens_details"] = json!({ "cached_tokens": cached });
        }
        usage
    }
}

fn count(value: &Value) -> usize {
    value.as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_cache_held_before_the_frame_was_not_computed_again() {
        let mut usage = Usage::default();
        usage.read("words", &json!({ "text": "Take" }));
        usage.read("reply", &json!({ "token_ids": [5, 6, 7] }));
        let segments = json!([{ "tokens": 20 }, { "tokens": 2 }]);
        usage.read("frame", &json!({ "cache_tokens": 122, "segments": segments }));
        assert_eq!(usage, Usage { prompt: 120, cached: Some(100), completion: 3 });
        assert_eq!(
            usage.json(),
            json!({
                "prompt_tokens": 120, "completion_tokens": 3, "total_tokens": 123,
                "prompt_tokens_details": { "cached_tokens": 100 },
            })
        );
    }

    #[test]
    fn a_frame_without_a_reply_has_no_completion() {
        let mut usage = Usage::default();
        usage.read("frame", &json!({ "cache_tokens": 40, "segments": [{ "tokens": 17 }] }));
        assert_eq!(usage, Usage { prompt: 40, cached: Some(23), completion: 0 });
    }
}
