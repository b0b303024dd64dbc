//! `[context]`: the size of the cache, and what happens when it is full.

use prospect_context::PositionPolicy;
use prospect_context::strategies::proassist::{Fixed, VARIANTS};

use crate::budget::{CacheBudget, CacheCosts};
use crate::choice::choice;
use crate::error::SettingsError;
use crate::keys::parameter_key;
use crate::origin::Origin;
use crate::raw::Raw;
use crate::strategy::{self, ExceedContextHandling};

const BUDGET: &str = "context.budget";
const MAX_SEQ_LEN: &str = "context.max_seq_len";
/// The name of `context.max_seq_len` in errors, if it was computed from `context.budget`.
const BUDGET_IN_TOKENS: &str = "context.budget in tokens";

/// Checked `[context]` section.
#[derive(Debug, Clone, PartialEq)]
pub struct ContextSettings {
    /// What happens when the context is full.
    pub strategy: ExceedContextHandling,
    /// The rules of the strategies: Prospect's, or ProAssist's token for token.
    pub rules: ContextRules,
    /// The budget, if it was given in bytes or in seconds.
    pub budget: Option<CacheBudget>,
    /// The most tokens that the cache ever holds. With a [`Self::budget`], [`crate::Settings::fitted_to`]
    /// computes it from the bytes or seconds; before that it is [`usize::MAX`].
    pub max_seq_len: usize,
    /// The tokens that stay free: the cache counts as full above `max_seq_len - reserved_seq_len`. It is less
    /// than `max_seq_len`.
    pub reserved_seq_len: usize,
}

choice! {
    /// The rules that the strategies follow.
    pub ContextRules {
        /// Prospect's rules: the budget is checked before a chunk goes in, and segments are kept whole.
        Prospect = "prospect",
        /// ProAssist's behaviour token for token, for comparison only.
        ProAssist = "proassist",
    }
}

/// Moves shorthands (`context.last_keep_len`) to the chosen strategy's table, then reads the section.
pub(crate) fn validate(raw: &mut Raw) -> Result<ContextSettings, SettingsError> {
    let chosen = raw.need("context.strategy")?.one_of_names(&strategy::names(raw.keys()))?;
    move_shorthands(raw, chosen)?;
    let budget = budget(raw)?;
    let settings = ContextSettings {
        strategy: strategy::validate(raw, chosen)?,
        rules: raw.need("context.rules")?.one_of()?,
        budget,
        max_seq_len: match budget {
            Some(_) if !is_in_tokens(raw) => usize::MAX,
            _ => raw.need("context.max_seq_len")?.count(2)?,
        },
        reserved_seq_len: raw.need("context.reserved_seq_len")?.count(0)?,
    };
    check_sizes(raw, &settings)?;
    check_proassist(raw, &settings)?;
    Ok(settings)
}

/// The budget in bytes or seconds, unless a stronger layer gave it in tokens.
fn budget(raw: &Raw) -> Result<Option<CacheBudget>, SettingsError> {
    let (budget, tokens) = (BUDGET, MAX_SEQ_LEN);
    let Some(field) = raw.find(budget) else { return Ok(None) };
    let expected = "an amount of memory, like \"256MiB\", or a time, like \"5m\"";
    let amount =
        CacheBudget::parse(&field.text_or_count(expected)?).ok_or_else(|| field.invalid(expected))?;
    if is_in_tokens(raw) || raw.is_stronger(budget, tokens) {
        return Ok(Some(amount));
    }
    if raw.is_stronger(tokens, budget) {
        return Ok(None);
    }
    Err(raw.conflict(budget, format!("one of {budget} and {tokens}, not both")))
}

/// Whether the budget has been turned into tokens already.
fn is_in_tokens(raw: &Raw) -> bool {
    raw.entry(MAX_SEQ_LEN).is_some_and(|entry| entry.written == BUDGET_IN_TOKENS)
}

/// Sets a key to `tokens`, with the budget as its origin.
fn put_tokens(raw: &mut Raw, key: &str, tokens: u64) {
    let Some(mut entry) = raw.entry(BUDGET).cloned() else { return };
    entry.value = toml::Value::Integer(i64::try_from(tokens).unwrap_or(i64::MAX));
    entry.written = BUDGET_IN_TOKENS.to_owned();
    raw.insert(key, entry);
}

/// Sets `context.max_seq_len` to the number of tokens that fit into a budget in bytes.
pub(crate) fn put_bytes(raw: &mut Raw, bytes: u64, costs: &CacheCosts) {
    put_tokens(raw, MAX_SEQ_LEN, bytes / (costs.bytes_per_token.max(1) as u64));
}

/// Sets the sizes that a budget in seconds needs. The strategy keeps this many seconds of frames at every
/// eviction, and a third more fits before the next one. A strategy that keeps no frames evicts this many
/// seconds after its last eviction. Messages and replies take room from the frames.
pub(crate) fn put_seconds(raw: &mut Raw, seconds: f64, needs: &Needs<'_>) {
    let Needs { costs, fps, strategy, reserved_seq_len, max_new_tokens } = *needs;
    // A budget is at most a year, so that this is a number of frames.
    let frames = (seconds * fps).ceil() as usize;
    let remembered = frames.saturating_mul(costs.frame_tokens);
    // Strategies that count what they keep leave a quarter of the room free.
    let slack = remembered.saturating_add(costs.fixed_tokens).div_ceil(3);
    let slack = slack.max(FEWEST_FRAMES_BETWEEN_EVICTIONS * costs.frame_tokens);
    let summary = strategy.summary().map_or(0, |(_, tokens)| tokens);
    let mut wanted = [remembered, slack, summary, reserved_seq_len, max_new_tokens, costs.fixed_tokens];
    if let Some(kept) = strategy.kept()
        && raw.is_stronger(BUDGET, &kept.key)
    {
        put_tokens(raw, &kept.key, remembered as u64);
        let beside = strategy.kept_beside();
        wanted[0] = remembered.saturating_add(beside);
    }
    let tokens = wanted.into_iter().fold(0, usize::saturating_add);
    put_tokens(raw, MAX_SEQ_LEN, tokens as u64);
}

/// The fewest frames between two evictions under a budget in seconds.
const FEWEST_FRAMES_BETWEEN_EVICTIONS: usize = 8;

/// The numbers from which a budget in seconds is computed.
pub(crate) struct Needs<'a> {
    pub(crate) costs: &'a CacheCosts,
    pub(crate) fps: f64,
    pub(crate) strategy: &'a ExceedContextHandling,
    pub(crate) reserved_seq_len: usize,
    pub(crate) max_new_tokens: usize,
}

fn move_shorthands(raw: &mut Raw, chosen: &str) -> Result<(), SettingsError> {
    let keys = raw.keys();
    for name in keys.shorthands() {
        let Some(entry) = raw.entry(&format!("context.{name}")).cloned() else { continue };
        let target = format!("context.{chosen}.{name}");
        if keys.has(&target) {
            raw.insert(&target, entry);
        } else if is_binding(&entry.origin, raw) {
            let table = format!("context.{chosen}");
            let own = keys.children(&table);
            let valid = if own.is_empty() { "no parameters".to_owned() } else { own.join(", ") };
            return Err(SettingsError::Unused {
                at: Box::new(raw.place(&format!("context.{name}"))),
                chosen: format!("context.strategy = \"{chosen}\""),
                valid,
            });
        }
    }
    Ok(())
}

/// Whether a parameter was meant for the chosen strategy. It was not if a file wrote the parameter and the
/// command line chose the strategy.
fn is_binding(parameter: &Origin, raw: &Raw) -> bool {
    let chosen_in = raw.entry("context.strategy").map_or(0, |entry| entry.origin.rank());
    match parameter {
        Origin::Default => false,
        Origin::Preset(_) | Origin::File(_) => chosen_in <= parameter.rank(),
        Origin::Set | Origin::Flag(_) => true,
    }
}

fn check_sizes(raw: &Raw, settings: &ContextSettings) -> Result<(), SettingsError> {
    let (max, reserved) = (settings.max_seq_len, settings.reserved_seq_len);
    if reserved >= max {
        // The layer that changed one of the two is the one to name, not the default that it collides with.
        if raw.is_stronger("context.max_seq_len", "context.reserved_seq_len") {
            let expected = format!("more than context.reserved_seq_len = {reserved}");
            return Err(raw.conflict("context.max_seq_len", expected));
        }
        let expected = format!("less than context.max_seq_len = {max}");
        return Err(raw.conflict("context.reserved_seq_len", expected));
    }
    if let Some(kept) = settings.strategy.kept()
        && kept.tokens >= max - reserved
    {
        let beside: String = kept.beside.iter().map(|name| format!(", {name} included")).collect();
        let room = max - reserved;
        let expected = format!(
            "less than {room}{beside} (context.max_seq_len = {max} minus context.reserved_seq_len = {reserved})"
        );
        return Err(raw.conflict(&kept.key, expected));
    }
    Ok(())
}

fn check_proassist(raw: &Raw, settings: &ContextSettings) -> Result<(), SettingsError> {
    if settings.rules != ContextRules::ProAssist {
        return Ok(());
    }
    let name = settings.strategy.name();
    let ExceedContextHandling::BuiltIn { strategy, parameters } = &settings.strategy else {
        return Err(no_variant(raw));
    };
    let variant = VARIANTS.iter().find(|variant| variant.strategy.name == name);
    for fixed in variant.ok_or_else(|| no_variant(raw))?.fixed {
        match *fixed {
            Fixed::Unset { parameter, because } if parameters.get(parameter).is_some() => {
                let expected = format!("no value under context.rules = \"proassist\", {because}");
                return Err(raw.conflict(&parameter_key(strategy, parameter), expected));
            }
            Fixed::Positions { parameter, only } => {
                let found = settings.strategy.positions().unwrap_or(only);
                if found != only {
                    return Err(other_positions(raw, &parameter_key(strategy, parameter), only, found));
                }
            }
            Fixed::Unset { .. } => {}
        }
    }
    Ok(())
}

/// The error for a strategy that ProAssist does not have.
fn no_variant(raw: &Raw) -> SettingsError {
    let names: Vec<String> = VARIANTS.iter().map(|variant| format!("{:?}", variant.strategy.name)).collect();
    let names = match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.concat(),
    };
    raw.conflict("context.strategy", format!("{names}, the only ones of context.rules = \"proassist\""))
}

/// The error for a `key` that names another position policy than the only one of ProAssist's strategy.
fn other_positions(raw: &Raw, key: &str, only: PositionPolicy, found: PositionPolicy) -> SettingsError {
    let (rules, only, found) = ("context.rules", only.as_str(), found.as_str());
    if raw.is_stronger(rules, key) {
        return raw.conflict(rules, format!("\"prospect\", or {key} = {only:?} with it, found {found:?}"));
    }
    raw.conflict(key, format!("{only:?}, the only one that context.rules = \"proassist\" has"))
}
