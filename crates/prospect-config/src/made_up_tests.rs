//! A strategy that nobody has heard of: its description is all that settings need.

use std::path::Path;

use prospect_context::PositionPolicy;
use prospect_context::catalogue::{Parameter, ParameterRole, StrategyDescription};
use prospect_context::strategies::{BUILT_IN, DropMiddle};

use crate::error::SettingsError;
use crate::keys::Keys;
use crate::layers::Layers;
use crate::settings::Settings;
use crate::strategy::ExceedContextHandling;

const MADE_UP: StrategyDescription = StrategyDescription {
    name: "made_up",
    purpose: "is here to be found",
    parameters: &[
        Parameter::count("margin", 2).as_role(ParameterRole::KeptBeside),
        Parameter::count("most", 1).as_role(ParameterRole::Kept),
        Parameter::share("from").optional(),
        Parameter::prompt("question", &["when"]).as_role(ParameterRole::SummaryPrompt),
        Parameter::count("answer_len", 1).as_role(ParameterRole::SummaryLength),
        Parameter::positions(),
    ],
    make: |values| {
        let positions = values.positions("positions")?;
        Ok(Box::new(DropMiddle { last_keep_len: values.count("most")?, positions }))
    },
};

/// What a person would add to configs/default.toml.
const DEFAULTS: &str = "[context.made_up]\nmargin = 4\nmost = 70\nquestion = \"{when}?\"\nanswer_len = 9\npositions = \"preserve\"";

fn resolve(sets: &[&str]) -> Result<Settings, SettingsError> {
    let catalogue = Vec::leak(BUILT_IN.iter().copied().chain([MADE_UP]).collect());
    let layers = Layers::under(Box::leak(Box::new(Keys::of(catalogue))));
    let layers = layers.file_text(Path::new("defaults"), DEFAULTS)?;
    sets.iter().try_fold(layers, |layers, set| layers.set(set))?.resolve()
}

fn refused(sets: &[&str]) -> String {
    let chosen = [&["context.strategy=made_up"], sets].concat();
    resolve(&chosen).expect_err("must be refused").to_string()
}

#[test]
fn it_is_set_printed_and_built() {
    let settings = resolve(&["context.strategy=made_up", "context.most=80", "context.from=1"]).unwrap();
    let printed = settings.to_toml();
    let table = "[context.made_up]\nmargin = 4\nmost = 80\nfrom = 1.0\nquestion = \"{when}?\"\nanswer_len = 9\n\
                 positions = \"preserve\"\n";
    assert!(printed.contains(table), "{printed}");
    assert!(!printed.contains("[context.hybrid]"), "{printed}");
    let strategy = &settings.context.strategy;
    assert_eq!((strategy.name(), strategy.positions()), ("made_up", Some(PositionPolicy::Preserve)));
    let prompt = strategy.summary_prompt().unwrap();
    assert_eq!(
        (prompt.key.as_str(), prompt.prompt, prompt.tokens),
        ("context.made_up.question", "{when}?", 9)
    );
    let ExceedContextHandling::BuiltIn { strategy, parameters } = strategy else { panic!("{strategy:?}") };
    assert_eq!(strategy.build(parameters).unwrap().positions(), PositionPolicy::Preserve);
    let unset = resolve(&["context.strategy=made_up"]).unwrap().to_toml();
    assert!(unset.contains("# from is not set"), "{unset}");
}

#[test]
fn its_mistakes_are_found() {
    for (sets, expected) in [
        (&["context.most=0"][..], "--set: context.most = 0: expected a whole number of at least 1"),
        (
            &["context.from=1.5"],
            "--set: context.from = 1.5: expected a share of the budget, above 0 and at most 1",
        ),
        (
            &["context.question={who}"],
            "--set: context.question = \"{who}\": expected no other placeholders than {when}",
        ),
        (
            &["context.window=3"],
            "--set: context.window = 3: not used with context.strategy = \"made_up\"; \
             valid here: margin, most, from, question, answer_len, positions",
        ),
        (
            &["context.made_up.most=3965"],
            "--set: context.made_up.most = 3965: expected less than 3968, margin included \
             (context.max_seq_len = 4096 minus context.reserved_seq_len = 128)",
        ),
        (
            &["generation.max_new_tokens=4013"],
            "--set: generation.max_new_tokens = 4013: expected less than 4013 \
             (context.max_seq_len = 4096 minus margin + most = 74 minus context.made_up.answer_len = 9)",
        ),
        (
            &["context.rules=proassist"],
            "--set: context.strategy = \"made_up\": expected \"drop_all\", \"drop_middle\" or \"summarize_and_drop\", \
             the only ones of context.rules = \"proassist\"",
        ),
        (
            &["context.made_up.mots=1"],
            "--set: unknown key context.made_up.mots; did you mean context.made_up.most?",
        ),
    ] {
        assert_eq!(refused(sets), expected);
    }
    // A table is checked whether its strategy is chosen or not.
    let error = resolve(&["context.made_up.most=no"]).unwrap_err().to_string();
    assert!(error.contains("context.made_up.most = \"no\": expected a whole number"), "{error}");
    let error = resolve(&["context.strategy=made_upp"]).unwrap_err().to_string();
    assert!(
        error.contains("\"hybrid\", \"made_up\", \"none\"") && error.contains("mean \"made_up\"?"),
        "{error}"
    );
}
