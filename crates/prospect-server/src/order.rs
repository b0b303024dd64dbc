//! The JSON of a request for a session, and its conversion to settings.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::guard::Limits;
use crate::json_object::object;
use crate::name::{ID, MOST_LETTERS, is_name};

/// Sections of the settings that a client may set. They contain no file, device or program names.
const OPEN_SECTIONS: [&str; 3] = ["context", "generation", "stream"];
/// Keys that also have a short name in a request.
const STRATEGY: &str = "context.strategy";
const THRESHOLD: &str = "stream.not_talk_threshold";
/// Other keys that a client may set: what happens to frames if the model is too slow.
const OPEN_KEYS: [&str; 1] = ["source.policy"];

/// The body of `POST /v1/streaming/sessions`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionOrder {
    /// Name of the model, which must be the served one.
    pub(crate) model: Option<String>,
    /// Also accepted as `instructions`, the name in OpenAI's Realtime API.
    #[serde(alias = "instructions")]
    pub(crate) system_prompt: Option<String>,
    pub(crate) task_knowledge: Option<String>,
    /// Short for `context.strategy`.
    strategy: Option<String>,
    /// Number of tokens, or bytes as text ("256MiB").
    budget: Option<Value>,
    /// Short for `stream.talk`.
    talk: Option<String>,
    not_talk_threshold: Option<Value>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    seed: Option<u64>,
    max_new_tokens: Option<u64>,
    /// Frames per second that the client will send.
    fps: Option<f64>,
    /// Any other setting, by key.
    #[serde(default)]
    settings: Map<String, Value>,
    /// Name by which conversations refer to the session.
    pub(crate) name: Option<String>,
    /// Name of a camera of the server.
    pub(crate) camera: Option<String>,
    /// An address that the operator has allowed. It may contain a password.
    pub(crate) source: Option<String>,
}

impl SessionOrder {
    /// # Errors
    /// The text is not a valid request; the message is one line.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        match body.is_empty() {
            true => Ok(Self::default()),
            false => object(body),
        }
    }

    /// This request with the changes that are possible while a session runs: the threshold, the
    /// strategy, settings of both by key, and the prompts.
    ///
    /// # Errors
    /// `change` asks for any other change.
    pub(crate) fn changed_by(&self, change: &Self) -> Result<Self, ApiError> {
        let lawful = Self {
            system_prompt: change.system_prompt.clone(),
            task_knowledge: change.task_knowledge.clone(),
            strategy: change.strategy.clone(),
            not_talk_threshold: change.not_talk_threshold.clone(),
            settings: change.settings.clone(),
            ..Self::default()
        };
        if lawful != *change {
            return Err(ApiError::bad_request(
                "only system_prompt, task_knowledge, not_talk_threshold, strategy and settings change while a session goes on",
            ));
        }
        let mut changed = self.clone();
        // A short name overrides its long key. A newer long key therefore removes the short name.
        if lawful.settings.contains_key(STRATEGY) {
            changed.strategy = None;
        }
        if lawful.settings.contains_key(THRESHOLD) {
            changed.not_talk_threshold = None;
        }
        changed.system_prompt = lawful.system_prompt.or(changed.system_prompt);
        changed.task_knowledge = lawful.task_knowledge.or(changed.task_knowledge);
        changed.settings.extend(lawful.settings);
        changed.strategy = lawful.strategy.or(changed.strategy);
        changed.not_talk_threshold = lawful.not_talk_threshold.or(changed.not_talk_threshold);
        Ok(changed)
    }

    /// Whether the request asks for nothing.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Most tokens of a reply, if the request says so.
    pub(crate) fn longest_reply(&self) -> Option<u64> {
        self.max_new_tokens.or_else(|| self.settings.get("generation.max_new_tokens")?.as_u64())
    }

    /// The same request, with this model if it names none.
    pub(crate) fn or_model(mut self, model: Option<String>) -> Self {
        self.model = self.model.or(model);
        self
    }

    /// Whether a client pushes the frames; otherwise the server reads them from a source.
    pub(crate) fn is_pushed(&self) -> bool {
        self.camera.is_none() && self.source.is_none()
    }

    /// The settings of the request; later ones override earlier ones.
    ///
    /// # Errors
    /// A key that clients may not set, an invalid value, or a text that is too long.
    pub(crate) fn settings(&self, limits: &Limits) -> Result<Vec<(String, String)>, ApiError> {
        for text in [&self.system_prompt, &self.task_knowledge].into_iter().flatten() {
            check_text(text, limits)?;
        }
        if self.name.as_deref().is_some_and(|name| !is_name(name) || name.starts_with(ID)) {
            return Err(ApiError::bad_request(format!(
                "name: expected 1 to {MOST_LETTERS} letters, digits, and - _ . that do not begin with {ID}"
            )));
        }
        let mut settings = Vec::new();
        for (key, value) in &self.settings {
            let is_open = key.split_once('.').is_some_and(|(section, _)| OPEN_SECTIONS.contains(&section));
            if !is_open && !OPEN_KEYS.contains(&key.as_str()) {
                return Err(ApiError::bad_request(format!(
                    "settings: {key}: expected a key of {} or source.policy",
                    OPEN_SECTIONS.join(", ")
                )));
            }
            if key == "source.policy" {
                check_policy(value, limits)?;
            }
            settings.push((key.clone(), as_setting(value)));
        }
        let mut set = |key: &str, value: Option<Value>| {
            settings.extend(value.map(|value| (key.to_owned(), as_setting(&value))));
        };
        set(STRATEGY, self.strategy.clone().map(Value::from));
        match &self.budget {
            Some(Value::Number(tokens)) => set("context.max_seq_len", Some(tokens.clone().into())),
            bytes => set("context.budget", bytes.clone()),
        }
        set("stream.talk", self.talk.clone().map(Value::from));
        set(THRESHOLD, self.not_talk_threshold.clone());
        set("stream.fps", self.fps.map(Value::from));
        set("generation.max_new_tokens", self.max_new_tokens.map(Value::from));
        let samples = match self.temperature {
            Some(temperature) => temperature != 0.0,
            None => self.top_p.is_some() || self.seed.is_some(),
        };
        if samples {
            set("generation.sampling", Some("random".into()));
            set("generation.temperature", self.temperature.map(Value::from));
            set("generation.top_p", self.top_p.map(Value::from));
            set("generation.seed", self.seed.map(Value::from));
        } else if self.temperature.is_some() {
            set("generation.sampling", Some("greedy".into()));
        }
        let lengths = settings.iter().map(|(_, value)| value.chars().count());
        match lengths.max().is_some_and(|longest| longest > limits.text) {
            true => Err(ApiError::too_large(format!("a setting of more than {} letters", limits.text))),
            false => Ok(settings),
        }
    }
}

/// # Errors
/// The policy lets more frames wait than allowed.
fn check_policy(policy: &Value, limits: &Limits) -> Result<(), ApiError> {
    let most = limits.waiting_frames;
    let queued = policy.as_str().and_then(|text| text.strip_prefix("queue:")?.trim().parse::<usize>().ok());
    match (policy.as_str(), queued) {
        (Some("auto" | "block" | "latest"), _) => Ok(()),
        (_, Some(frames)) if (1..=most).contains(&frames) => Ok(()),
        _ => Err(ApiError::bad_request(format!(
            "settings: source.policy: expected auto, block, latest, or queue:N with N from 1 to {most}"
        ))),
    }
}

/// # Errors
/// The text has too many characters.
pub(crate) fn check_text(text: &str, limits: &Limits) -> Result<(), ApiError> {
    match text.chars().count() > limits.text {
        true => Err(ApiError::too_large(format!("a text of more than {} letters", limits.text))),
        false => Ok(()),
    }
}

/// A person's message must have a text that is not too long.
pub(crate) fn check_message(text: &str, limits: &Limits) -> Result<(), ApiError> {
    match text.trim().is_empty() {
        true => Err(ApiError::bad_request("text: empty: expected a question or an instruction")),
        false => check_text(text, limits),
    }
}

/// A value in the form of `--set`: numbers, texts and lists in JSON are valid TOML.
fn as_setting(value: &Value) -> String {
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(body: &str) -> Result<Vec<String>, String> {
        let order = SessionOrder::parse(body.as_bytes()).map_err(|error| error.message)?;
        let settings = order.settings(&Limits::default()).map_err(|error| error.message)?;
        Ok(settings.into_iter().map(|(key, value)| format!("{key}={value}")).collect())
    }

    #[test]
    fn short_names_are_settings_and_win_over_the_long_ones() {
        let body = r#"{"strategy": "drop_all", "budget": 512, "talk": "every", "settings": {"stream.every.seconds": 3, "context.strategy": "none"}, "temperature": 0}"#;
        assert_eq!(
            settings(body).unwrap(),
            [
                "context.strategy=\"none\"",
                "stream.every.seconds=3",
                "context.strategy=\"drop_all\"",
                "context.max_seq_len=512",
                "stream.talk=\"every\"",
                "generation.sampling=\"greedy\""
            ]
        );
        assert_eq!(settings(r#"{"budget": "64MiB"}"#).unwrap(), ["context.budget=\"64MiB\""]);
        assert_eq!(settings("").unwrap(), Vec::<String>::new());
        let sampled = settings(r#"{"temperature": 0.7, "top_p": 0.9, "seed": 3}"#).unwrap();
        assert_eq!(sampled.len(), 4);
    }

    #[test]
    fn the_newer_of_a_short_and_a_long_name_wins() {
        let parse = |body: &str| SessionOrder::parse(body.as_bytes()).unwrap();
        let order =
            parse(r#"{"strategy": "drop_all", "budget": 512, "settings": {"stream.every.seconds": 3}}"#);
        let long = order.changed_by(&parse(r#"{"settings": {"context.strategy": "drop_middle"}}"#)).unwrap();
        let short = long.changed_by(&parse(r#"{"strategy": "hybrid", "not_talk_threshold": 0.5}"#)).unwrap();
        let strategy = |order: &SessionOrder| {
            let settings = order.settings(&Limits::default()).unwrap();
            settings.into_iter().rev().find(|(key, _)| key == STRATEGY).unwrap().1
        };
        assert_eq!([&order, &long, &short].map(strategy), ["\"drop_all\"", "\"drop_middle\"", "\"hybrid\""]);
        assert_eq!(short.budget, order.budget);
        let refused = order.changed_by(&parse(r#"{"budget": 1024}"#)).unwrap_err();
        assert!(refused.message.contains("not_talk_threshold, strategy"), "{}", refused.message);
    }

    #[test]
    fn nothing_that_names_a_file_a_device_or_a_program_is_the_clients_to_set() {
        for key in [
            "model.path",
            "source.ffmpeg",
            "source.ffmpeg_input",
            "output.dir",
            "evaluation.annotations",
            "context",
            "x",
        ] {
            let refused = settings(&format!(r#"{{"settings": {{"{key}": "x"}}}}"#)).unwrap_err();
            assert!(refused.contains(key) && refused.contains("expected"), "{refused}");
        }
        assert!(settings(r#"{"unknown": 1}"#).unwrap_err().contains("unknown"));
        // The values of the keys in their order.
        assert!(settings(r#"["workbench", "Help."]"#).unwrap_err().contains("sequence"));
        for policy in ["queue:10000", "queue:0", "queue:x", "all"] {
            let refused =
                settings(&format!(r#"{{"settings": {{"source.policy": "{policy}"}}}}"#)).unwrap_err();
            assert!(refused.contains("queue:N"), "{refused}");
        }
        assert!(settings(r#"{"settings": {"source.policy": "queue:2"}}"#).is_ok());
        assert!(settings("{").unwrap_err().contains("EOF"));
        let long = format!(r#"{{"system_prompt": "{}"}}"#, "x".repeat(20_000));
        assert!(settings(&long).unwrap_err().contains("16384 letters"));
    }
}
