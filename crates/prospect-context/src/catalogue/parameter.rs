//! One parameter in the description of a strategy.

use super::values::ParameterValue;
use crate::plan::PositionPolicy;

/// A parameter of a strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// The name of the parameter in settings.
    pub name: &'static str,
    /// The values that the parameter accepts.
    pub kind: ParameterKind,
    /// Whether the parameter may be left out.
    pub is_optional: bool,
    /// What the parameter means to checks that apply to every strategy; `None` if only its own strategy knows
    /// its meaning.
    pub role: Option<ParameterRole>,
}

/// The values that a parameter accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    /// A whole number.
    Count {
        /// The smallest valid number.
        least: usize,
    },
    /// A share of the budget, above 0 and at most 1.
    Share,
    /// A text that is not blank.
    Text,
    /// A text that is not blank. Placeholders in braces are filled in later.
    Prompt {
        /// The placeholders that are allowed, without their braces.
        placeholders: &'static [&'static str],
    },
    /// A position policy: the positions of kept keys after an eviction.
    Positions,
}

/// What a parameter means to a check whether a strategy fits into a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterRole {
    /// The most tokens that stay after an eviction.
    Kept,
    /// Tokens that stay in addition to those of [`Self::Kept`].
    KeptBeside,
    /// The most tokens that are chosen in another way. They are a part of the tokens of [`Self::Kept`], so
    /// the parameter adds nothing to their number.
    PartOfKept,
    /// The most frames that stay after an eviction. The model says how many tokens a frame has, so no check
    /// compares them with a budget.
    KeptFrames,
    /// The least tokens that an eviction takes out.
    Evicted,
    /// The most tokens of a summary.
    SummaryLength,
    /// The prompt that asks the model for a summary.
    SummaryPrompt,
    /// The most tokens by which the prompt of a summary grows when its placeholders are filled in.
    SummaryPromptGrowth,
}

impl Parameter {
    /// A whole number of at least `least`.
    pub const fn count(name: &'static str, least: usize) -> Self {
        Self::new(name, ParameterKind::Count { least })
    }

    /// A share of the budget.
    pub const fn share(name: &'static str) -> Self {
        Self::new(name, ParameterKind::Share)
    }

    /// A text that is not blank.
    pub const fn text(name: &'static str) -> Self {
        Self::new(name, ParameterKind::Text)
    }

    /// A text with these placeholders and no others.
    pub const fn prompt(name: &'static str, placeholders: &'static [&'static str]) -> Self {
        Self::new(name, ParameterKind::Prompt { placeholders })
    }

    /// The parameter `positions`, which has this name in every strategy that offers the choice.
    pub const fn positions() -> Self {
        Self::new("positions", ParameterKind::Positions)
    }

    const fn new(name: &'static str, kind: ParameterKind) -> Self {
        Self { name, kind, is_optional: false, role: None }
    }

    /// The same parameter with a role.
    #[must_use]
    pub const fn as_role(self, role: ParameterRole) -> Self {
        Self { role: Some(role), ..self }
    }

    /// The same parameter, but it may be left out.
    #[must_use]
    pub const fn optional(self) -> Self {
        Self { is_optional: true, ..self }
    }
}

impl ParameterKind {
    /// The valid values, in words.
    pub fn expected(self) -> String {
        match self {
            Self::Count { least } => format!("a whole number of at least {least}"),
            Self::Share => "a share of the budget, above 0 and at most 1".to_owned(),
            Self::Text | Self::Prompt { .. } => "a string that is not empty".to_owned(),
            Self::Positions => {
                let names = PositionPolicy::ALL.map(|policy| format!("{:?}", policy.as_str()));
                format!("one of {}", names.join(", "))
            }
        }
    }

    /// The valid values, in words, if `value` is not valid; otherwise `None`.
    pub fn complaint(self, value: &ParameterValue) -> Option<String> {
        let is_valid = match (self, value) {
            (Self::Count { least }, ParameterValue::Count(count)) => *count >= least,
            (Self::Share, ParameterValue::Share(share)) => *share > 0.0 && *share <= 1.0,
            (Self::Text | Self::Prompt { .. }, ParameterValue::Text(text)) => !text.trim().is_empty(),
            (Self::Positions, ParameterValue::Positions(_)) => true,
            _ => false,
        };
        match (self, value) {
            _ if !is_valid => Some(self.expected()),
            (Self::Prompt { placeholders }, ParameterValue::Text(text)) if !fills(text, placeholders) => {
                let known: Vec<String> = placeholders.iter().map(|name| format!("{{{name}}}")).collect();
                Some(format!("no other placeholders than {}", known.join(", ")))
            }
            _ => None,
        }
    }
}

/// Whether every `{word}` of a text is one of `placeholders`.
fn fills(text: &str, placeholders: &[&str]) -> bool {
    let is_name =
        |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let words = text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name);
    words.filter(is_name).all(|name| placeholders.contains(&name))
}
