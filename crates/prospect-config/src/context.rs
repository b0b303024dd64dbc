//! `[context]`: how large the cache gets and what happens when it is full.

use crate::choice::choice;
use crate::error::SettingsError;
use crate::keys;
use crate::origin::Origin;
use crate::raw::Raw;
use crate::strategy::{self, ExceedContextHandling, PositionPolicy, StrategyName};

/// How errors name `context.max_seq_len` where it was made of `context.budget`.
const BUDGET_IN_TOKENS: &str = "context.budget in tokens";

/// Checked `[context]` section.
#[derive(Debug, Clone, PartialEq)]
pub struct ContextSettings {
    /// What happens when the context is full.
    pub strategy: ExceedContextHandling,
    /// Whose rules: Prospect's, or ProAssist's token for token.
    pub rules: ContextRules,
    /// Most bytes of keys and values that the cache ever holds, where the budget was given in bytes.
    pub budget: Option<u64>,
    /// Most tokens that the cache ever holds. With a [`Self::budget`], [`crate::Settings::fitted_to`] makes it
    /// of the bytes; before that it is [`usize::MAX`].
    pub max_seq_len: usize,
    /// Tokens below `max_seq_len` at which the cache counts as full; less than `max_seq_len`.
    pub reserved_seq_len: usize,
}

choice! {
    /// Whose rules the strategies follow.
    pub ContextRules {
        /// Whole segments, checked before a chunk goes in.
        Prospect = "prospect",
        /// ProAssist's behaviour token for token, for comparison only.
        ProAssist = "proassist",
    }
}

/// Moves shorthands (`context.last_keep_len`) to the chosen strategy's table, then reads the section.
pub(crate) fn validate(raw: &mut Raw) -> Result<ContextSettings, SettingsError> {
    let chosen: StrategyName = raw.need("context.strategy")?.one_of()?;
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

/// The budget in bytes, unless a stronger layer gave one in tokens.
fn budget(raw: &Raw) -> Result<Option<u64>, SettingsError> {
    let (budget, tokens) = ("context.budget", "context.max_seq_len");
    let Some(field) = raw.find(budget) else { return Ok(None) };
    let expected = "an amount of memory, like \"256MiB\"";
    let bytes =
        crate::bytes::parse(&field.text_or_count(expected)?).ok_or_else(|| field.invalid(expected))?;
    if is_in_tokens(raw) || raw.is_stronger(budget, tokens) {
        return Ok(Some(bytes));
    }
    if raw.is_stronger(tokens, budget) {
        return Ok(None);
    }
    Err(raw.conflict(budget, format!("one of {budget} and {tokens}, not both")))
}

/// Whether the budget in bytes has been turned into tokens already.
fn is_in_tokens(raw: &Raw) -> bool {
    raw.entry("context.max_seq_len").is_some_and(|entry| entry.written == BUDGET_IN_TOKENS)
}

/// Puts the tokens in that `context.budget` buys.
pub(crate) fn put_tokens(raw: &mut Raw, tokens: u64) {
    let Some(mut entry) = raw.entry("context.budget").cloned() else { return };
    entry.value = toml::Value::Integer(i64::try_from(tokens).unwrap_or(i64::MAX));
    entry.written = BUDGET_IN_TOKENS.to_owned();
    raw.insert("context.max_seq_len", entry);
}

fn move_shorthands(raw: &mut Raw, chosen: StrategyName) -> Result<(), SettingsError> {
    for name in keys::SHORTHANDS {
        let Some(entry) = raw.entry(&format!("context.{name}")).cloned() else { continue };
        let target = format!("context.{chosen}.{name}");
        if keys::KEYS.contains(&target.as_str()) {
            raw.insert(&target, entry);
        } else if is_binding(&entry.origin, raw) {
            let table = format!("context.{chosen}");
            let own = keys::children(&table);
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

/// Whether a parameter was written for the present choice: not if a file wrote it and the command line chose.
fn is_binding(parameter: &Origin, raw: &Raw) -> bool {
    let chosen_in = raw.entry("context.strategy").map_or(0, |entry| entry.origin.rank());
    match parameter {
        Origin::Default => false,
        Origin::File(_) => chosen_in <= parameter.rank(),
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
    if let Some((key, kept)) = settings.strategy.kept()
        && kept >= max - reserved
    {
        let sinks = if key.ends_with("window") { ", n_sink included" } else { "" };
        let room = max - reserved;
        let expected = format!(
            "less than {room}{sinks} (context.max_seq_len = {max} minus context.reserved_seq_len = {reserved})"
        );
        return Err(raw.conflict(key, expected));
    }
    Ok(())
}

fn check_proassist(raw: &Raw, settings: &ContextSettings) -> Result<(), SettingsError> {
    if settings.rules != ContextRules::ProAssist {
        return Ok(());
    }
    match &settings.strategy {
        ExceedContextHandling::DropMiddle { positions: PositionPolicy::Legacy, .. }
        | ExceedContextHandling::DropAll
        | ExceedContextHandling::SummarizeAndDrop { summarize_at: None, .. } => Ok(()),
        ExceedContextHandling::SummarizeAndDrop { .. } => Err(raw.conflict(
            "context.summarize_and_drop.summarize_at",
            "no value under context.rules = \"proassist\", which sums up at the overflow",
        )),
        ExceedContextHandling::DropMiddle { positions, .. } => {
            let (rules, key) = ("context.rules", "context.drop_middle.positions");
            if raw.is_stronger(rules, key) {
                let expected = format!("\"prospect\", or {key} = \"legacy\" with it, found \"{positions}\"");
                return Err(raw.conflict(rules, expected));
            }
            Err(raw.conflict(key, "\"legacy\", the only one that context.rules = \"proassist\" has"))
        }
        _ => Err(raw.conflict(
            "context.strategy",
            "\"drop_all\", \"drop_middle\" or \"summarize_and_drop\", the only ones of context.rules = \"proassist\"",
        )),
    }
}
