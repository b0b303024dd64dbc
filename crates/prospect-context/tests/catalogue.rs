//! What the catalogue says of a strategy is what the strategy does.

use std::collections::BTreeSet;

use prospect_context::catalogue::{ParameterRole, ParameterValues, find};
use prospect_context::simulator::WordCounter;
use prospect_context::strategies::{BUILT_IN, Hybrid, proassist};
use prospect_context::{PositionPolicy, TokenCounter};

#[test]
fn every_name_is_there_once_and_every_purpose_is_a_line() {
    let names: BTreeSet<&str> = BUILT_IN.iter().map(|strategy| strategy.name).collect();
    assert_eq!(names.len(), BUILT_IN.len());
    for strategy in BUILT_IN {
        assert!(!strategy.purpose.is_empty() && strategy.purpose.lines().count() == 1, "{}", strategy.name);
        let parameters: BTreeSet<&str> = strategy.parameters.iter().map(|parameter| parameter.name).collect();
        assert_eq!(parameters.len(), strategy.parameters.len(), "{}", strategy.name);
    }
}

#[test]
fn every_strategy_is_built_with_the_values_that_it_is_given() {
    for description in BUILT_IN {
        let (name, values) = (description.name, description.example(60, 20));
        let strategy = description.build(&values).unwrap();
        assert_eq!(strategy.name(), name);
        let has_positions = description.parameter("positions").is_some();
        for policy in PositionPolicy::ALL {
            let Ok(strategy) = description.build(&values.clone().with("positions", policy)) else {
                assert!(!has_positions, "{name}");
                continue;
            };
            assert_eq!(strategy.positions(), policy, "{name}");
        }
        // The prompt, what it grows by, and the answer.
        let asks = description.parameters_as(ParameterRole::SummaryPrompt).next();
        let prompt = asks.map_or(0, |asks| WordCounter.prompt_tokens(&values.text(asks.name).unwrap()));
        let sizes = [ParameterRole::SummaryLength, ParameterRole::SummaryPromptGrowth];
        let sizes = sizes.into_iter().flat_map(|role| description.parameters_as(role));
        let sizes: usize = sizes.map(|parameter| values.count(parameter.name).unwrap()).sum();
        assert_eq!(strategy.max_summary_tokens(&WordCounter), prompt + sizes, "{name}");
    }
}

#[test]
fn proassists_variants_are_built_from_the_values_of_ours() {
    for variant in proassist::VARIANTS {
        let name = variant.strategy.name;
        let ours = find(BUILT_IN, name).unwrap();
        for parameter in variant.strategy.parameters {
            assert_eq!(ours.parameter(parameter.name), Some(parameter), "{name}");
        }
        for fixed in variant.fixed {
            let (proassist::Fixed::Positions { parameter, .. } | proassist::Fixed::Unset { parameter, .. }) =
                fixed;
            assert!(ours.parameter(parameter).is_some(), "{name}");
        }
        assert_eq!(variant.build(&ours.example(60, 20)).unwrap().name(), name);
    }
}

#[test]
fn values_that_are_not_valid_are_refused_in_words() {
    let refused = |strategy: &str, values: &ParameterValues| {
        let strategy = find(BUILT_IN, strategy).unwrap();
        strategy.build(values).err().unwrap().to_string()
    };
    let hybrid = Hybrid::DESCRIPTION.example(60, 20);
    let with_dst = find(BUILT_IN, "summarize_with_dst").unwrap().example(60, 20);
    let summarize = find(BUILT_IN, "summarize_and_drop").unwrap().example(60, 20);
    for (said, expected) in [
        (
            refused("hybrid", &hybrid.clone().only(|name| name != "last_keep_len")),
            "last_keep_len is missing: expected a whole number of at least 1",
        ),
        (
            refused("hybrid", &hybrid.clone().with("last_keep_len", 0)),
            "last_keep_len = 0: expected a whole number of at least 1",
        ),
        (
            refused("hybrid", &hybrid.clone().with("summary_prompt", " ")),
            "summary_prompt = \" \": expected a string that is not empty",
        ),
        (
            refused("hybrid", &hybrid.with("window", 3)),
            "window: no such parameter: expected summary_prompt, max_summary_len, last_keep_len, positions",
        ),
        (
            refused("drop_all", &ParameterValues::new().with("n", 3)),
            "n: no such parameter: expected no parameters",
        ),
        (
            refused("summarize_with_dst", &with_dst.with("summary_prompt", "{step}?")),
            "summary_prompt = \"{step}?\": expected no other placeholders than {steps_done}, {current_step}, {next_step}",
        ),
        (
            refused("summarize_and_drop", &summarize.clone().with("summarize_at", 0.0)),
            "summarize_at = 0: expected a share of the budget, above 0 and at most 1",
        ),
        (
            refused("summarize_and_drop", &summarize.with("summarize_at", f64::NAN)),
            "summarize_at = NaN: expected a share of the budget, above 0 and at most 1",
        ),
    ] {
        assert_eq!(said, expected);
    }
}
