//! Writes settings as TOML, for `--print-config` and the trace.

use std::path::Path;

use prospect_context::catalogue::ParameterValue;
use serde::{Serialize, Serializer};
use toml::Value;

use crate::generation::SamplingSettings;
use crate::settings::Settings;
use crate::strategy::ExceedContextHandling;
use crate::stream::UserRequest;
use crate::talk::TalkPolicy;

impl Settings {
    /// The settings as TOML: every key of every section, and the parameters of the chosen strategy and talk
    /// policy. Optional keys that are not set are comments. Reading the text gives equal settings.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut table = "";
        for (key, value) in self.values() {
            let Some((section, name)) = key.rsplit_once('.') else { continue };
            if section != table {
                let gap = if text.is_empty() { "" } else { "\n" };
                text.push_str(&format!("{gap}[{section}]\n"));
                table = section;
            }
            match value {
                Some(value) => text.push_str(&format!("{name} = {value}\n")),
                None => text.push_str(&format!("# {name} is not set\n")),
            }
        }
        text
    }

    /// The settings as a TOML table: the content of [`Settings::to_toml`] without the keys that are not set.
    pub fn to_table(&self) -> toml::Table {
        let mut root = toml::Table::new();
        for (key, value) in self.values() {
            let mut parts: Vec<&str> = key.split('.').collect();
            let Some(name) = parts.pop() else { continue };
            let mut table = Some(&mut root);
            for part in parts {
                let inner = table.map(|t| t.entry(part).or_insert_with(|| Value::Table(toml::Table::new())));
                table = inner.and_then(Value::as_table_mut);
            }
            if let (Some(table), Some(value)) = (table, value) {
                table.insert(name.to_owned(), value);
            }
        }
        root
    }

    /// Every key that applies, in order.
    fn values(&self) -> Vec<(&'static str, Option<Value>)> {
        self.keys().all().filter_map(|key| Some((key, self.value(key)?))).collect()
    }

    /// `None` if the key belongs to a choice that was not made, `Some(None)` if it is not set.
    fn value(&self, key: &str) -> Option<Option<Value>> {
        match key.split_once('.')? {
            ("model", name) => self.model_value(name),
            ("source", name) => self.source_value(name),
            ("stream", name) => self.stream_value(name).or_else(|| talk_value(&self.stream.talk, name)),
            ("context", name) => {
                self.context_value(name).or_else(|| strategy_value(&self.context.strategy, name))
            }
            ("generation", name) => self.generation_value(name),
            ("evaluation", "annotations") => Some(self.evaluation.annotations.as_deref().map(path)),
            ("evaluation", "similarity") => Some(self.evaluation.similarity.as_deref().map(text)),
            ("evaluation", "reference_before") => Some(Some(self.evaluation.reference_before.into())),
            ("evaluation", "reference_after") => Some(Some(self.evaluation.reference_after.into())),
            ("output", "dir") => Some(self.output.dir.as_deref().map(path)),
            ("output", "json") => Some(Some(self.output.json.into())),
            _ => None,
        }
    }

    fn model_value(&self, name: &str) -> Option<Option<Value>> {
        match name {
            "path" => Some(self.model.path.as_deref().map(text)),
            "device" => Some(Some(self.model.device.to_string().into())),
            "dtype" => Some(Some(text(self.model.dtype.as_str()))),
            "kernels" => Some(Some(text(self.model.kernels.as_str()))),
            "quantize" => Some(Some(text(self.model.quantize.as_str()))),
            "vision_weights" => Some(Some(text(self.model.vision_weights.as_str()))),
            "decoder_weights" => Some(Some(text(self.model.decoder_weights.as_str()))),
            "vision_attention" => Some(Some(text(self.model.vision_attention.as_str()))),
            "kv_cache" => Some(Some(text(self.model.kv_cache.as_str()))),
            "encode_ahead" => Some(Some(text(self.model.encode_ahead.as_str()))),
            _ => None,
        }
    }

    fn source_value(&self, name: &str) -> Option<Option<Value>> {
        let source = &self.source;
        Some(match name {
            "live" => source.live.map(Value::Boolean),
            "realtime" => Some(source.realtime.into()),
            "policy" => Some(text(&source.policy.to_string())),
            "stall_timeout" => Some(source.stall_timeout.into()),
            "reconnect_initial" => Some(source.reconnect_initial.into()),
            "reconnect_max" => Some(source.reconnect_max.into()),
            "reconnect_attempts" => source.reconnect_attempts.map(count),
            "give_up_after" => source.give_up_after.map(Value::Float),
            "ffmpeg" => Some(path(&source.ffmpeg)),
            "ffmpeg_input" => Some(Value::Array(source.ffmpeg_input.iter().map(|part| text(part)).collect())),
            _ => return None,
        })
    }

    fn stream_value(&self, name: &str) -> Option<Option<Value>> {
        let stream = &self.stream;
        Some(match name {
            "fps" => Some(stream.fps.into()),
            "frame_time_text" => Some(stream.frame_time_text.into()),
            "frames_in" => Some(text(stream.frames_in.as_str())),
            "start" => stream.start.map(Value::Float),
            "end" => stream.end.map(Value::Float),
            "max_frames" => stream.max_frames.map(count),
            "on_corrupt_frame" => Some(text(stream.on_corrupt_frame.as_str())),
            "talk" => Some(text(stream.talk.name())),
            "not_talk_threshold" => Some(stream.not_talk_threshold.to_value()),
            "reference_context" => Some(stream.reference_context.into()),
            "system_prompt" => stream.system_prompt.as_deref().map(text),
            "default_system_prompt" => Some(text(&stream.default_system_prompt)),
            "requests" => Some(Value::Array(stream.requests.iter().map(request).collect())),
            _ => return None,
        })
    }

    fn context_value(&self, name: &str) -> Option<Option<Value>> {
        match name {
            "strategy" => Some(Some(text(self.context.strategy.name()))),
            "rules" => Some(Some(text(self.context.rules.as_str()))),
            "budget" => Some(self.context.budget.map(|budget| text(&budget.to_string()))),
            // With a budget in bytes or seconds it follows from the checkpoint.
            "max_seq_len" if self.context.budget.is_some() => Some(None),
            "max_seq_len" => Some(Some(count(self.context.max_seq_len))),
            "reserved_seq_len" => Some(Some(count(self.context.reserved_seq_len))),
            _ => None,
        }
    }

    fn generation_value(&self, name: &str) -> Option<Option<Value>> {
        let value = match (name, self.generation.sampling) {
            ("max_new_tokens", _) => count(self.generation.max_new_tokens),
            ("max_repeats", _) => return Some(self.generation.max_repeats.map(count)),
            ("sampling", sampling) => text(sampling.name()),
            ("temperature", SamplingSettings::Random { temperature, .. }) => temperature.into(),
            ("top_p", SamplingSettings::Random { top_p, .. }) => top_p.into(),
            // Seeds come from TOML integers, so they fit.
            ("seed", SamplingSettings::Random { seed, .. }) => {
                Value::Integer(i64::try_from(seed).unwrap_or(i64::MAX))
            }
            _ => return None,
        };
        Some(Some(value))
    }
}

/// Settings are serialized as the table of [`Settings::to_table`].
impl Serialize for Settings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_table().serialize(serializer)
    }
}

fn talk_value(talk: &TalkPolicy, name: &str) -> Option<Option<Value>> {
    match (talk, name) {
        (TalkPolicy::Every { seconds, .. }, "every.seconds") => Some(Some((*seconds).into())),
        (TalkPolicy::Every { prompt, .. }, "every.prompt") => Some(prompt.as_deref().map(text)),
        (TalkPolicy::OnChange { prompt, difference, pause }, name) => {
            match name.strip_prefix("on_change.")? {
                "prompt" => Some(prompt.as_deref().map(text)),
                "difference" => Some(Some((*difference).into())),
                "pause" => Some(Some((*pause).into())),
                _ => None,
            }
        }
        (
            TalkPolicy::OnTransition {
                substep_source,
                detection_prompt,
                dialogue_prompt,
                generation_prompt,
                detect_every,
            },
            name,
        ) => match name.strip_prefix("on_transition.")? {
            "substep_source" => Some(Some(text(substep_source.as_str()))),
            "detection_prompt" => Some(Some(text(detection_prompt))),
            "dialogue_prompt" => Some(Some(text(dialogue_prompt))),
            "generation_prompt" => Some(generation_prompt.as_deref().map(text)),
            "detect_every" => Some(Some((*detect_every).into())),
            _ => None,
        },
        _ => None,
    }
}

fn strategy_value(strategy: &ExceedContextHandling, name: &str) -> Option<Option<Value>> {
    let name = name.strip_prefix(strategy.name())?.strip_prefix('.')?;
    match (strategy, name) {
        (ExceedContextHandling::BuiltIn { strategy, parameters }, name) => {
            strategy.parameter(name)?;
            Some(parameters.get(name).map(parameter))
        }
        (ExceedContextHandling::Custom { name, .. }, "name") => Some(Some(text(name))),
        (ExceedContextHandling::Custom { params, .. }, "params") => Some(Some(Value::Table(params.clone()))),
        _ => None,
    }
}

fn parameter(value: &ParameterValue) -> Value {
    match value {
        ParameterValue::Count(number) => count(*number),
        ParameterValue::Share(share) => Value::Float(*share),
        ParameterValue::Text(prompt) => text(prompt),
        ParameterValue::Positions(positions) => text(positions.as_str()),
    }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn path(path: &Path) -> Value {
    Value::String(path.display().to_string())
}

/// A count as TOML. Counts come from TOML integers, so they fit.
fn count(count: usize) -> Value {
    Value::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}

fn request(request: &UserRequest) -> Value {
    let mut table = toml::Table::new();
    table.insert("time".to_owned(), request.time.into());
    table.insert("text".to_owned(), text(&request.text));
    Value::Table(table)
}
