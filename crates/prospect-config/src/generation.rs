//! `[generation]`: the length of replies and the choice of their tokens.

use crate::choice::choice;
use crate::context::ContextSettings;
use crate::error::SettingsError;
use crate::origin::Origin;
use crate::raw::Raw;

/// Checked `[generation]` section.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationSettings {
    /// The most tokens of a reply, at least 1.
    pub max_new_tokens: usize,
    /// How often in a row a reply may repeat the same phrase before it is cut, at least 2; `None` never cuts
    /// a reply. Repetitions of fewer than 12 tokens together are no reason to cut: "no, no, no" is a reply.
    pub max_repeats: Option<usize>,
    /// How tokens are chosen.
    pub sampling: SamplingSettings,
}

/// How tokens are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SamplingSettings {
    /// Always the most likely token.
    Greedy,
    /// At random, by probability.
    Random {
        /// The number by which the logits are divided, above 0.
        temperature: f64,
        /// Only the most likely tokens are chosen from, up to this total probability, in (0, 1].
        top_p: f64,
        /// The seed of the random numbers.
        seed: u64,
    },
}

choice! {
    /// The names of the ways to choose tokens.
    pub(crate) SamplingName {
        /// The most likely token.
        Greedy = "greedy",
        /// At random.
        Random = "random",
    }
}

impl SamplingSettings {
    /// The name as written in settings.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Greedy => SamplingName::Greedy.as_str(),
            Self::Random { .. } => SamplingName::Random.as_str(),
        }
    }
}

pub(crate) fn validate(raw: &Raw, context: &ContextSettings) -> Result<GenerationSettings, SettingsError> {
    let max_new_tokens = raw.need("generation.max_new_tokens")?.count(1)?;
    check_room(raw, context, max_new_tokens)?;
    let max_repeats = raw.find("generation.max_repeats").map(|field| field.count(2)).transpose()?;
    let temperature = raw.need("generation.temperature")?.number("a number above 0", |t| t > 0.0)?;
    let top_p = raw.need("generation.top_p")?.number("a number in (0, 1]", |p| p > 0.0 && p <= 1.0)?;
    let seed = raw.need("generation.seed")?.count(0)? as u64;
    let sampling = match raw.need("generation.sampling")?.one_of()? {
        SamplingName::Random => SamplingSettings::Random { temperature, top_p, seed },
        SamplingName::Greedy => {
            refuse_unused(raw)?;
            SamplingSettings::Greedy
        }
    };
    Ok(GenerationSettings { max_new_tokens, max_repeats, sampling })
}

/// Checks that the largest reply and the largest summary fit beside the tokens that an eviction leaves.
fn check_room(raw: &Raw, context: &ContextSettings, max_new_tokens: usize) -> Result<(), SettingsError> {
    let max = context.max_seq_len;
    let mut taken = format!("context.max_seq_len = {max}");
    let mut room = max;
    let (kept, summary) = (context.strategy.kept(), context.strategy.summary());
    let kept = kept.map(|kept| (kept.name(), kept.key, kept.tokens));
    let summary = summary.map(|(key, tokens)| (key.clone(), key, tokens));
    for (name, key, tokens) in [kept, summary].into_iter().flatten() {
        room = room.saturating_sub(tokens);
        taken.push_str(&format!(" minus {name} = {tokens}"));
        if room <= 1 {
            return Err(
                raw.conflict(&key, format!("less than {} ({taken} leaves no room for a reply)", max - 1))
            );
        }
    }
    if max_new_tokens >= room {
        return Err(raw.conflict("generation.max_new_tokens", format!("less than {room} ({taken})")));
    }
    Ok(())
}

fn refuse_unused(raw: &Raw) -> Result<(), SettingsError> {
    for key in ["generation.temperature", "generation.top_p", "generation.seed"] {
        // A file may keep them at hand; on the command line they are a request that would go unheard.
        let binding = raw.entry(key).is_some_and(|entry| entry.origin.rank() >= Origin::Set.rank());
        if binding {
            return Err(SettingsError::Unused {
                at: Box::new(raw.place(key)),
                chosen: "generation.sampling = \"greedy\"".to_owned(),
                valid: "no parameters (set generation.sampling = \"random\" to use it)".to_owned(),
            });
        }
    }
    Ok(())
}
