//! The files in configs/ are valid, and what is printed reads back.

use std::path::{Path, PathBuf};

use prospect_config::{
    CacheBudget, CacheCosts, CacheFormat, ContextRules, ExceedContextHandling, Layers, NotTalkThreshold,
    Settings, TalkPolicy,
};
use prospect_context::PositionPolicy;
use prospect_context::catalogue::ParameterValues;
use prospect_context::strategies::{DropMiddle, SummarizeAndDrop};

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs")
}

fn load(name: &str) -> Settings {
    let layers = Layers::new().file(&configs().join(name));
    layers.and_then(Layers::resolve).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_file_in_configs_resolves_and_reads_back() {
    let mut seen = 0;
    for entry in std::fs::read_dir(configs()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let settings = Layers::new().file(&path).and_then(Layers::resolve).unwrap_or_else(|e| panic!("{e}"));
        let printed = settings.to_toml();
        let again = Layers::new().file_text(Path::new("printed"), &printed).unwrap().resolve().unwrap();
        assert_eq!(again, settings, "{printed}");
        seen += 1;
    }
    assert!(seen >= 10, "only {seen} files in configs/");
}

#[test]
fn strategy_files_choose_the_strategy_of_their_name() {
    for name in ExceedContextHandling::built_in() {
        assert_eq!(load(&format!("{name}.toml")).context.strategy.name(), name);
    }
}

#[test]
fn default_file_is_the_default_layer() {
    assert_eq!(load("default.toml"), Layers::new().resolve().unwrap());
}

#[test]
fn q8_chooses_what_nothing_else_does() {
    let formats = |sets: &[&str]| {
        let layers = sets.iter().try_fold(Layers::new(), |layers, set| layers.set(set));
        let model = layers.and_then(Layers::resolve).unwrap().model;
        (
            model.quantizes_vision(),
            model.quantizes_decoder(),
            model.halves_vision_attention(),
            model.cache_format(),
        )
    };
    assert_eq!(formats(&[]), (false, false, false, CacheFormat::F32));
    assert_eq!(formats(&["model.quantize=q8"]), (true, true, true, CacheFormat::Int8));
    assert_eq!(formats(&["model.kv_cache=bf16"]), (false, false, false, CacheFormat::Bf16));
    let some = ["model.quantize=q8", "model.kv_cache=f32", "model.decoder_weights=exact"];
    assert_eq!(formats(&some), (true, false, true, CacheFormat::F32));
}

#[test]
fn proassist_file_has_the_parameters_of_the_public_code() {
    let settings = load("proassist.toml");
    let expected = ExceedContextHandling::BuiltIn {
        strategy: &DropMiddle::DESCRIPTION,
        parameters: ParameterValues::new()
            .with("last_keep_len", 512)
            .with("positions", PositionPolicy::Legacy),
    };
    assert_eq!(settings.context.strategy, expected);
    assert_eq!(settings.context.rules, ContextRules::ProAssist);
    assert_eq!((settings.context.max_seq_len, settings.context.reserved_seq_len), (4096, 128));
    assert_eq!(settings.stream.not_talk_threshold, NotTalkThreshold::Probability(0.5));
    assert_eq!(settings.generation.max_new_tokens, 100);
}

#[test]
fn workbench_file_fits_the_small_model() {
    let settings = load("workbench.toml");
    let expected = ExceedContextHandling::BuiltIn {
        strategy: &SummarizeAndDrop::DESCRIPTION,
        parameters: ParameterValues::new()
            .with("summary_prompt", "Please summarize the progress.")
            .with("max_summary_len", 56)
            .with("early_tokens_per_frame", 4)
            .with("positions", PositionPolicy::Rerotate),
    };
    assert_eq!(settings.context.strategy, expected);
    assert_eq!((settings.context.max_seq_len, settings.context.reserved_seq_len), (384, 96));
    assert_eq!(settings.generation.max_new_tokens, 32);
    assert_eq!(settings.stream.talk, TalkPolicy::Proactive);
    assert_eq!(settings.stream.not_talk_threshold, NotTalkThreshold::Argmax);
}

#[test]
fn every_preset_runs_under_every_strategy_flag() {
    for preset in ["workbench.toml", "default.toml", "drop_middle.toml"] {
        for strategy in ExceedContextHandling::built_in() {
            let layers = Layers::new().file(&configs().join(preset)).unwrap();
            let layers = layers.flag("--strategy", "context.strategy", strategy).unwrap();
            assert_eq!(layers.resolve().unwrap().context.strategy.name(), strategy, "{preset}");
        }
    }
}

#[test]
fn printed_default_settings() {
    insta::assert_snapshot!(Layers::new().resolve().unwrap().to_toml());
}

#[test]
fn settings_serialize_as_what_is_printed() {
    let settings = load("workbench.toml");
    let printed: toml::Table = settings.to_toml().parse().unwrap();
    assert_eq!(toml::Table::try_from(&settings).unwrap(), printed);
}

/// A frame of 67 tokens beside 40 that stay.
fn costs(bytes_per_token: usize) -> CacheCosts {
    CacheCosts { bytes_per_token, frame_tokens: 67, fixed_tokens: 40 }
}

#[test]
fn a_budget_in_seconds_is_what_the_strategy_keeps_and_room_for_more() {
    let fitted = |sets: &[&str]| {
        let layers = sets.iter().try_fold(Layers::new(), |layers, set| layers.set(set)).unwrap();
        layers.resolve().unwrap().fitted_to(&costs(4096)).map_err(|error| error.to_string())
    };
    let minute = fitted(&["context.budget=1m", "context.strategy=drop_oldest_frames"]).unwrap();
    let kept = 120 * 67;
    let ExceedContextHandling::BuiltIn { parameters, .. } = &minute.context.strategy else { panic!() };
    assert_eq!(parameters.count("keep_frame_len"), Ok(kept));
    assert_eq!(minute.context.max_seq_len, kept + (kept + 40usize).div_ceil(3) + 128 + 64 + 40);
    let printed = minute.to_toml();
    assert!(printed.contains("budget = \"60s\""), "{printed}");
    // A strategy that keeps nothing evicts when the time is over.
    let sums_up = fitted(&["context.budget=1m", "context.strategy=summarize_and_drop"]).unwrap();
    assert_eq!(sums_up.context.max_seq_len, kept + (kept + 40usize).div_ceil(3) + 256 + 128 + 64 + 40);
    // Who says what is kept is heard, and told if it does not fit.
    let own = ["context.budget=1m", "context.strategy=drop_middle"];
    let set = fitted(&[&own[..], &["context.drop_middle.last_keep_len=99"]].concat());
    assert!(set.is_ok(), "{set:?}");
}

#[test]
fn a_budget_in_bytes_becomes_tokens_with_the_checkpoint() {
    let resolve = |sets: &[&str]| {
        let layers = sets.iter().try_fold(Layers::new(), |layers, set| layers.set(set)).unwrap();
        layers.resolve().map_err(|error| error.to_string())
    };
    let settings = resolve(&["context.budget=8MiB"]).unwrap();
    assert_eq!(
        (settings.context.budget, settings.context.max_seq_len),
        (Some(CacheBudget::Bytes(8 << 20)), usize::MAX)
    );
    let fitted = settings.fitted_to(&costs(4096)).unwrap();
    assert_eq!(fitted.context.max_seq_len, 2048);
    // What is printed names the bytes, and reads back.
    let printed = fitted.to_toml();
    assert!(printed.contains("budget = \"8388608B\"\n# max_seq_len is not set"), "{printed}");
    let again = Layers::new().file_text(Path::new("printed"), &printed).unwrap().resolve().unwrap();
    assert_eq!(again.fitted_to(&costs(4096)).unwrap(), fitted);

    let small = resolve(&["context.budget=100KiB"]).unwrap().fitted_to(&costs(4096)).unwrap_err();
    let small = small.to_string();
    assert!(small.contains("--set: context.budget in tokens = 25: expected more than"), "{small}");
    let tokens = resolve(&["context.max_seq_len=2000"]).unwrap();
    assert_eq!(tokens.fitted_to(&costs(7)).unwrap().context.max_seq_len, 2000);

    let both = resolve(&["context.budget=8MiB", "context.max_seq_len=2000"]).unwrap_err();
    assert!(both.contains("one of context.budget and context.max_seq_len, not both"), "{both}");
    let file = Layers::new().file_text(Path::new("a.toml"), "[context]\nbudget = 8000000").unwrap();
    let stronger = file.set("context.max_seq_len=2000").unwrap().resolve().unwrap();
    assert_eq!((stronger.context.budget, stronger.context.max_seq_len), (None, 2000));
    let proassist =
        ["context.rules=proassist", "context.strategy=summarize_and_drop", "context.summarize_at=0.5"];
    assert!(resolve(&proassist).unwrap_err().contains("no value under context.rules"));
    assert!(resolve(&["context.budget=lots"]).unwrap_err().contains("like \"256MiB\""));
    assert!(resolve(&["context.budget=true"]).unwrap_err().contains("like \"256MiB\""));
}
