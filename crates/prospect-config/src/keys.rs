//! All keys of the settings, and the search for the key that is most like an unknown one.

use std::sync::LazyLock;

use prospect_context::catalogue::StrategyDescription;
use prospect_context::strategies::BUILT_IN;

/// The keys before those of the strategies' tables.
const BEFORE_STRATEGIES: &[&str] = &[
    "model.path",
    "model.device",
    "model.dtype",
    "model.kernels",
    "model.quantize",
    "model.vision_weights",
    "model.decoder_weights",
    "model.vision_attention",
    "model.kv_cache",
    "model.encode_ahead",
    "source.live",
    "source.realtime",
    "source.policy",
    "source.stall_timeout",
    "source.reconnect_initial",
    "source.reconnect_max",
    "source.reconnect_attempts",
    "source.give_up_after",
    "source.ffmpeg",
    "source.ffmpeg_input",
    "stream.fps",
    "stream.frame_time_text",
    "stream.frames_in",
    "stream.start",
    "stream.end",
    "stream.max_frames",
    "stream.on_corrupt_frame",
    "stream.talk",
    "stream.not_talk_threshold",
    "stream.reference_context",
    "stream.system_prompt",
    "stream.default_system_prompt",
    "stream.requests",
    "stream.on_transition.substep_source",
    "stream.on_transition.detection_prompt",
    "stream.on_transition.dialogue_prompt",
    "stream.on_transition.generation_prompt",
    "stream.on_transition.detect_every",
    "stream.every.seconds",
    "stream.every.prompt",
    "stream.on_change.prompt",
    "stream.on_change.difference",
    "stream.on_change.pause",
    "context.strategy",
    "context.rules",
    "context.budget",
    "context.max_seq_len",
    "context.reserved_seq_len",
];

/// The keys behind those of the strategies' tables.
const BEHIND_STRATEGIES: &[&str] = &[
    "context.custom.name",
    "context.custom.params",
    "generation.max_new_tokens",
    "generation.max_repeats",
    "generation.sampling",
    "generation.temperature",
    "generation.top_p",
    "generation.seed",
    "evaluation.annotations",
    "evaluation.similarity",
    "evaluation.reference_before",
    "evaluation.reference_after",
    "output.dir",
    "output.json",
];

/// The table whose keys are free: parameters of a custom strategy.
pub(crate) const FREE_TABLE: &str = "context.custom.params";

/// Every key that exists under a catalogue of strategies.
#[derive(Debug)]
pub(crate) struct Keys {
    catalogue: &'static [StrategyDescription],
    /// The keys in the order of `--print-config`: a table's own keys come before its sub-tables.
    keys: Vec<String>,
    /// Keys of the context section that are shorthands for the same key in the table of the chosen strategy.
    shorthands: Vec<&'static str>,
}

/// The key of a strategy's parameter.
pub(crate) fn parameter_key(strategy: &StrategyDescription, parameter: &str) -> String {
    format!("context.{}.{parameter}", strategy.name)
}

impl Keys {
    /// The keys under the built-in strategies.
    pub(crate) fn built_in() -> &'static Self {
        static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::of(BUILT_IN));
        &KEYS
    }

    /// The keys under these strategies.
    pub(crate) fn of(catalogue: &'static [StrategyDescription]) -> Self {
        let owned = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        let mut keys = owned(BEFORE_STRATEGIES);
        let mut shorthands = Vec::new();
        for strategy in catalogue {
            for parameter in strategy.parameters {
                keys.push(parameter_key(strategy, parameter.name));
                if !shorthands.contains(&parameter.name) {
                    shorthands.push(parameter.name);
                }
            }
        }
        keys.extend(owned(BEHIND_STRATEGIES));
        Self { catalogue, keys, shorthands }
    }

    /// The strategies.
    pub(crate) fn catalogue(&self) -> &'static [StrategyDescription] {
        self.catalogue
    }

    /// Every key, in order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(String::as_str)
    }

    /// Whether the key exists, not counting shorthands.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.all().any(|known| known == key)
    }

    /// The names of the shorthands.
    pub(crate) fn shorthands(&self) -> &[&'static str] {
        &self.shorthands
    }

    /// Whether `key` may hold a value.
    pub(crate) fn is_key(&self, key: &str) -> bool {
        self.has(key)
            || free_name(key).is_some()
            || key.strip_prefix("context.").is_some_and(|name| self.shorthands.contains(&name))
    }

    /// Whether `key` is a table that holds keys.
    pub(crate) fn is_section(&self, key: &str) -> bool {
        self.keys.iter().any(|known| known.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
            || key == FREE_TABLE
    }

    /// The names directly under a section, in order. For an empty section, the names of the sections.
    pub(crate) fn children(&self, section: &str) -> Vec<&str> {
        let mut names = Vec::new();
        for key in self.all() {
            let rest = if section.is_empty() {
                Some(key)
            } else {
                key.strip_prefix(section).and_then(|rest| rest.strip_prefix('.'))
            };
            let name = rest.and_then(|rest| rest.split('.').next());
            if let Some(name) = name.filter(|name| !names.contains(name)) {
                names.push(name);
            }
        }
        names
    }

    /// The end of an error message: `; did you mean X?`, or the valid names if none is similar.
    pub(crate) fn hint(&self, unknown: &str) -> String {
        let last = unknown.rsplit('.').next().unwrap_or(unknown);
        // A right name in a wrong section, or without one, is a more likely slip than a near name.
        let same_name = self.all().find(|key| key.rsplit('.').next() == Some(last));
        if let Some(key) = same_name.or_else(|| nearest(unknown, self.all())) {
            return format!("; did you mean {key}?");
        }
        let mut section = unknown;
        while let Some((parent, _)) = section.rsplit_once('.') {
            section = parent;
            if self.is_section(section) {
                return format!("; valid in {section}: {}", self.children(section).join(", "));
            }
        }
        let sections = self.children("");
        match nearest(unknown.split('.').next().unwrap_or(unknown), sections.iter().copied()) {
            Some(near) => format!("; did you mean section {near}?"),
            None => format!("; valid sections: {}", sections.join(", ")),
        }
    }
}

/// The parameter's own name if `key` lies in the free table.
pub(crate) fn free_name(key: &str) -> Option<&str> {
    key.strip_prefix(FREE_TABLE)?.strip_prefix('.').filter(|name| !name.is_empty())
}

/// The candidate that is most like `word`, if it is similar enough to be a typing error.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 4).clamp(1, 3);
    candidates
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= 3 * limit)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replace = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("fps", "fps"), 0);
    }

    #[test]
    fn no_strategy_and_no_parameter_has_a_name_that_is_taken() {
        let (none, keys) = (Keys::of(&[]), Keys::built_in());
        let tables = BUILT_IN.iter().filter(|strategy| !strategy.parameters.is_empty()).count();
        let expected = none.children("context").len() + tables;
        assert_eq!(
            keys.children("context").len(),
            expected,
            "a strategy is called like a key or like another"
        );
        for name in keys.shorthands() {
            assert!(!keys.children("context").contains(name), "{name} is a key of the context section");
        }
        for name in ["none", "unlimited", "custom"] {
            assert!(BUILT_IN.iter().all(|strategy| strategy.name != name), "{name} is no strategy");
        }
    }

    #[test]
    fn hints_name_the_nearest_key() {
        let hint = |unknown: &str| Keys::built_in().hint(unknown);
        assert_eq!(hint("stream.fsp"), "; did you mean stream.fps?");
        assert_eq!(hint("stream.max_seq_len"), "; did you mean context.max_seq_len?");
        assert_eq!(hint("max_seq_len"), "; did you mean context.max_seq_len?");
        assert!(hint("output.xylophone").starts_with("; valid in output: dir, json"));
        assert!(hint("zzz").starts_with("; valid sections: model, source, stream, context"));
    }
}
