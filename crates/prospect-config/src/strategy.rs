//! What happens when the context is full: the strategies and their own parameters.

use crate::choice::choice;
use crate::error::SettingsError;
use crate::raw::{Field, Raw};

/// What happens when the context is full, with each strategy's own parameters.
#[derive(Debug, Clone, PartialEq)]
pub enum ExceedContextHandling {
    /// Nothing is kept; the system prompt is put back.
    DropAll,
    /// The beginning and the most recent segments are kept.
    DropMiddle {
        /// Most tokens kept from the end.
        last_keep_len: usize,
        /// Positions of what is kept.
        positions: PositionPolicy,
    },
    /// The model's own summary of the whole cache is put back.
    SummarizeAndDrop {
        /// Asks for the summary.
        summary_prompt: String,
        /// Most tokens of the summary.
        max_summary_len: usize,
        /// How full the cache is when the summary is begun, above 0 and at most 1; `None`: at the overflow.
        summarize_at: Option<f64>,
        /// Tokens of an early summary that are generated at each silent frame.
        early_tokens_per_frame: usize,
        /// Positions of what is kept behind an early summary.
        positions: PositionPolicy,
    },
    /// The same, the summary prompted from the dialogue state.
    SummarizeWithDst {
        /// Asks for the summary; `{steps_done}`, `{current_step}` and `{next_step}` are filled in.
        summary_prompt: String,
        /// Most tokens of the summary.
        max_summary_len: usize,
        /// Most tokens that the filled-in steps add to the prompt; the oldest ones are left out first.
        max_state_len: usize,
    },
    /// Attention sinks and a recent window (StreamingLLM).
    SinkWindow {
        /// Least tokens kept from the beginning.
        n_sink: usize,
        /// Most tokens kept from the end.
        window: usize,
        /// Positions of what is kept.
        positions: PositionPolicy,
    },
    /// Frames go, the oldest first; what was said stays.
    DropOldestFrames {
        /// Most tokens of frames that stay.
        keep_frame_len: usize,
        /// Positions of what is kept.
        positions: PositionPolicy,
    },
    /// Frames go, those first that are much like the one before them; what was said stays.
    Keyframes {
        /// Most tokens of frames that stay.
        keep_frame_len: usize,
        /// Of these, most tokens of the newest frames, which stay in any case.
        recent_frame_len: usize,
        /// Positions of what is kept.
        positions: PositionPolicy,
    },
    /// The model's own summary is put back, and the most recent segments are kept.
    Hybrid {
        /// Asks for the summary.
        summary_prompt: String,
        /// Most tokens of the summary.
        max_summary_len: usize,
        /// Most tokens kept from the end.
        last_keep_len: usize,
        /// Positions of what is kept.
        positions: PositionPolicy,
    },
    /// The stateless baseline: every frame starts from the system prompt.
    None,
    /// No strategy; an overflow ends the run.
    Unlimited,
    /// A strategy from outside, found by name in the runner's registry.
    Custom {
        /// Its registered name.
        name: String,
        /// Its parameters, as written.
        params: toml::Table,
    },
}

choice! {
    /// Positions of what a strategy keeps.
    pub PositionPolicy {
        /// Kept keys keep their rotation, new tokens take position = cache length.
        Legacy = "legacy",
        /// Kept keys keep their rotation, new tokens go on from the true stream position.
        Preserve = "preserve",
        /// Kept keys are rotated to contiguous positions.
        Rerotate = "rerotate",
        /// What is kept is run through the model again.
        Recompute = "recompute",
    }
}

choice! {
    /// Names of the strategies.
    pub(crate) StrategyName {
        /// See [`ExceedContextHandling::DropAll`].
        DropAll = "drop_all",
        /// See [`ExceedContextHandling::DropMiddle`].
        DropMiddle = "drop_middle",
        /// See [`ExceedContextHandling::SummarizeAndDrop`].
        SummarizeAndDrop = "summarize_and_drop",
        /// See [`ExceedContextHandling::SummarizeWithDst`].
        SummarizeWithDst = "summarize_with_dst",
        /// See [`ExceedContextHandling::SinkWindow`].
        SinkWindow = "sink_window",
        /// See [`ExceedContextHandling::DropOldestFrames`].
        DropOldestFrames = "drop_oldest_frames",
        /// See [`ExceedContextHandling::Keyframes`].
        Keyframes = "keyframes",
        /// See [`ExceedContextHandling::Hybrid`].
        Hybrid = "hybrid",
        /// See [`ExceedContextHandling::None`].
        None = "none",
        /// See [`ExceedContextHandling::Unlimited`].
        Unlimited = "unlimited",
        /// See [`ExceedContextHandling::Custom`].
        Custom = "custom",
    }
}

impl ExceedContextHandling {
    fn kind(&self) -> StrategyName {
        match self {
            Self::DropAll => StrategyName::DropAll,
            Self::DropMiddle { .. } => StrategyName::DropMiddle,
            Self::SummarizeAndDrop { .. } => StrategyName::SummarizeAndDrop,
            Self::SummarizeWithDst { .. } => StrategyName::SummarizeWithDst,
            Self::SinkWindow { .. } => StrategyName::SinkWindow,
            Self::DropOldestFrames { .. } => StrategyName::DropOldestFrames,
            Self::Keyframes { .. } => StrategyName::Keyframes,
            Self::Hybrid { .. } => StrategyName::Hybrid,
            Self::None => StrategyName::None,
            Self::Unlimited => StrategyName::Unlimited,
            Self::Custom { .. } => StrategyName::Custom,
        }
    }

    /// The name as written in settings (`custom` for every custom strategy).
    pub fn name(&self) -> &'static str {
        self.kind().as_str()
    }

    /// Whether `name` is one that settings know.
    pub fn is_built_in(name: &str) -> bool {
        use crate::choice::Choice;
        StrategyName::CHOICES.iter().any(|(known, _)| *known == name)
    }

    /// The names of the built-in ones; someone else's have names of their own.
    pub fn built_in() -> impl Iterator<Item = &'static str> {
        use crate::choice::Choice;
        let custom = StrategyName::Custom.as_str();
        StrategyName::CHOICES.iter().map(|(name, _)| *name).filter(move |name| *name != custom)
    }

    /// Positions of what is kept, where it is a setting.
    pub fn positions(&self) -> Option<PositionPolicy> {
        match self {
            Self::DropMiddle { positions, .. }
            | Self::SinkWindow { positions, .. }
            | Self::DropOldestFrames { positions, .. }
            | Self::Keyframes { positions, .. }
            | Self::SummarizeAndDrop { positions, .. }
            | Self::Hybrid { positions, .. } => Some(*positions),
            _ => None,
        }
    }

    /// Tokens kept after an eviction by count, and the key that says so.
    pub(crate) fn kept(&self) -> Option<(&'static str, usize)> {
        match self {
            Self::DropMiddle { last_keep_len, .. } => {
                Some(("context.drop_middle.last_keep_len", *last_keep_len))
            }
            Self::SinkWindow { n_sink, window, .. } => {
                Some(("context.sink_window.window", n_sink.saturating_add(*window)))
            }
            Self::DropOldestFrames { keep_frame_len, .. } => {
                Some(("context.drop_oldest_frames.keep_frame_len", *keep_frame_len))
            }
            Self::Keyframes { keep_frame_len, .. } => {
                Some(("context.keyframes.keep_frame_len", *keep_frame_len))
            }
            Self::Hybrid { last_keep_len, .. } => Some(("context.hybrid.last_keep_len", *last_keep_len)),
            _ => None,
        }
    }

    /// Most tokens of a summary, and the key that says so.
    pub(crate) fn summary(&self) -> Option<(&'static str, usize)> {
        match self {
            Self::SummarizeAndDrop { max_summary_len, .. } => {
                Some(("context.summarize_and_drop.max_summary_len", *max_summary_len))
            }
            Self::SummarizeWithDst { max_summary_len, .. } => {
                Some(("context.summarize_with_dst.max_summary_len", *max_summary_len))
            }
            Self::Hybrid { max_summary_len, .. } => {
                Some(("context.hybrid.max_summary_len", *max_summary_len))
            }
            _ => None,
        }
    }
}

/// Reads the tables of all strategies, so that a mistake in one that is not chosen does not hide until it is.
pub(crate) fn validate(raw: &Raw, chosen: StrategyName) -> Result<ExceedContextHandling, SettingsError> {
    let mut builtin =
        vec![ExceedContextHandling::DropAll, ExceedContextHandling::None, ExceedContextHandling::Unlimited];
    builtin.extend(keeping(raw)?);
    builtin.extend(summarizing(raw)?);
    let name = raw.find("context.custom.name").map(Field::filled_text).transpose()?;
    if let Some(strategy) = builtin.into_iter().find(|strategy| strategy.kind() == chosen) {
        return Ok(strategy);
    }
    let name = name.ok_or_else(|| SettingsError::Missing {
        key: "context.custom.name".to_owned(),
        expected: "context.strategy = \"custom\" needs it, expected the name of a registered strategy"
            .to_owned(),
    })?;
    Ok(ExceedContextHandling::Custom { name, params: raw.free_table() })
}

/// The strategies that only keep.
fn keeping(raw: &Raw) -> Result<[ExceedContextHandling; 4], SettingsError> {
    let positions = |key| raw.need(key)?.one_of();
    Ok([
        ExceedContextHandling::DropMiddle {
            last_keep_len: raw.need("context.drop_middle.last_keep_len")?.count(1)?,
            positions: positions("context.drop_middle.positions")?,
        },
        ExceedContextHandling::SinkWindow {
            n_sink: raw.need("context.sink_window.n_sink")?.count(0)?,
            window: raw.need("context.sink_window.window")?.count(1)?,
            positions: positions("context.sink_window.positions")?,
        },
        ExceedContextHandling::DropOldestFrames {
            keep_frame_len: raw.need("context.drop_oldest_frames.keep_frame_len")?.count(1)?,
            positions: positions("context.drop_oldest_frames.positions")?,
        },
        ExceedContextHandling::Keyframes {
            keep_frame_len: raw.need("context.keyframes.keep_frame_len")?.count(1)?,
            recent_frame_len: raw.need("context.keyframes.recent_frame_len")?.count(0)?,
            positions: positions("context.keyframes.positions")?,
        },
    ])
}

/// The strategies that ask the model for a summary.
fn summarizing(raw: &Raw) -> Result<[ExceedContextHandling; 3], SettingsError> {
    let share = |field: Field<'_>| {
        field.number("a share of the budget, above 0 and at most 1", |share| share > 0.0 && share <= 1.0)
    };
    let steps = ["steps_done", "current_step", "next_step"];
    Ok([
        ExceedContextHandling::SummarizeAndDrop {
            summary_prompt: raw.need("context.summarize_and_drop.summary_prompt")?.filled_text()?,
            max_summary_len: raw.need("context.summarize_and_drop.max_summary_len")?.count(1)?,
            summarize_at: raw.find("context.summarize_and_drop.summarize_at").map(share).transpose()?,
            early_tokens_per_frame: raw
                .need("context.summarize_and_drop.early_tokens_per_frame")?
                .count(1)?,
            positions: raw.need("context.summarize_and_drop.positions")?.one_of()?,
        },
        ExceedContextHandling::SummarizeWithDst {
            summary_prompt: raw.need("context.summarize_with_dst.summary_prompt")?.prompt(&steps)?,
            max_summary_len: raw.need("context.summarize_with_dst.max_summary_len")?.count(1)?,
            max_state_len: raw.need("context.summarize_with_dst.max_state_len")?.count(1)?,
        },
        ExceedContextHandling::Hybrid {
            summary_prompt: raw.need("context.hybrid.summary_prompt")?.filled_text()?,
            max_summary_len: raw.need("context.hybrid.max_summary_len")?.count(1)?,
            last_keep_len: raw.need("context.hybrid.last_keep_len")?.count(1)?,
            positions: raw.need("context.hybrid.positions")?.one_of()?,
        },
    ])
}
