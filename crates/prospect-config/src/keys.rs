//! Every key that exists, and the nearest one to a key that does not.

/// Every key, in the order in which `--print-config` shows it: a table's own keys before its sub-tables.
pub(crate) const KEYS: &[&str] = &[
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
    "stream.every.seconds",
    "context.strategy",
    "context.rules",
    "context.budget",
    "context.max_seq_len",
    "context.reserved_seq_len",
    "context.drop_middle.last_keep_len",
    "context.drop_middle.positions",
    "context.summarize_and_drop.summary_prompt",
    "context.summarize_and_drop.max_summary_len",
    "context.summarize_and_drop.summarize_at",
    "context.summarize_and_drop.early_tokens_per_frame",
    "context.summarize_and_drop.positions",
    "context.summarize_with_dst.summary_prompt",
    "context.summarize_with_dst.max_summary_len",
    "context.summarize_with_dst.max_state_len",
    "context.sink_window.n_sink",
    "context.sink_window.window",
    "context.sink_window.positions",
    "context.drop_oldest_frames.keep_frame_len",
    "context.drop_oldest_frames.positions",
    "context.keyframes.keep_frame_len",
    "context.keyframes.recent_frame_len",
    "context.keyframes.positions",
    "context.hybrid.summary_prompt",
    "context.hybrid.max_summary_len",
    "context.hybrid.last_keep_len",
    "context.hybrid.positions",
    "context.custom.name",
    "context.custom.params",
    "generation.max_new_tokens",
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

/// Keys of the context section that stand for the same key of the chosen strategy's table.
pub(crate) const SHORTHANDS: &[&str] = &[
    "last_keep_len",
    "keep_frame_len",
    "recent_frame_len",
    "positions",
    "summary_prompt",
    "max_summary_len",
    "summarize_at",
    "early_tokens_per_frame",
    "max_state_len",
    "n_sink",
    "window",
];

/// The table whose keys are free: parameters of a custom strategy.
pub(crate) const FREE_TABLE: &str = "context.custom.params";

/// Whether `key` may hold a value.
pub(crate) fn is_key(key: &str) -> bool {
    KEYS.contains(&key)
        || free_name(key).is_some()
        || key.strip_prefix("context.").is_some_and(|name| SHORTHANDS.contains(&name))
}

/// The parameter's own name if `key` lies in the free table.
pub(crate) fn free_name(key: &str) -> Option<&str> {
    key.strip_prefix(FREE_TABLE)?.strip_prefix('.').filter(|name| !name.is_empty())
}

/// Whether `key` is a table that holds keys.
pub(crate) fn is_section(key: &str) -> bool {
    KEYS.iter().any(|known| known.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
        || key == FREE_TABLE
}

/// The names directly under a section (the sections themselves for an empty one), in order.
pub(crate) fn children(section: &str) -> Vec<&'static str> {
    let mut names = Vec::new();
    for key in KEYS {
        let rest = if section.is_empty() {
            Some(*key)
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

/// `; did you mean X?`, or the valid names where nothing is near.
pub(crate) fn hint(unknown: &str) -> String {
    let last = unknown.rsplit('.').next().unwrap_or(unknown);
    // A right name in a wrong section, or without one, is a more likely slip than a near name.
    let same_name = KEYS.iter().copied().find(|key| key.rsplit('.').next() == Some(last));
    if let Some(key) = same_name.or_else(|| nearest(unknown, KEYS.iter())) {
        return format!("; did you mean {key}?");
    }
    let mut section = unknown;
    while let Some((parent, _)) = section.rsplit_once('.') {
        section = parent;
        if is_section(section) {
            return format!("; valid in {section}: {}", children(section).join(", "));
        }
    }
    let sections = children("");
    match nearest(unknown.split('.').next().unwrap_or(unknown), sections.iter()) {
        Some(near) => format!("; did you mean section {near}?"),
        None => format!("; valid sections: {}", sections.join(", ")),
    }
}

/// The candidate nearest to `word` if it is near enough to be a slip of the hand.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a &'static str>,
) -> Option<&'static str> {
    let limit = (word.chars().count() / 4).clamp(1, 3);
    candidates
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= 3 * limit)
        .map(|candidate| (distance(word, candidate), *candidate))
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
    fn hints_name_the_nearest_key() {
        assert_eq!(hint("stream.fsp"), "; did you mean stream.fps?");
        assert_eq!(hint("stream.max_seq_len"), "; did you mean context.max_seq_len?");
        assert_eq!(hint("max_seq_len"), "; did you mean context.max_seq_len?");
        assert!(hint("output.xylophone").starts_with("; valid in output: dir, json"));
        assert!(hint("zzz").starts_with("; valid sections: model, source, stream, context"));
    }
}
