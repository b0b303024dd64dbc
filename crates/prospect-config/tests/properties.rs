//! Rules over all settings: no text panics, layers win in their order, printed settings read back.

use std::path::Path;

use proptest::prelude::*;
use prospect_config::{ExceedContextHandling, Layers, Settings};

/// Settings that touch every kind of value.
fn arguments() -> impl Strategy<Value = Vec<String>> {
    let strategies: Vec<&str> = ExceedContextHandling::built_in().chain(["custom"]).collect();
    let strategy = prop::sample::select(strategies);
    let talk = prop_oneof![Just("proactive"), Just("on_transition"), Just("every"), Just("on_request")];
    let threshold = prop_oneof![
        Just("0".to_owned()),
        (1e-6..=1.0f64).prop_map(|t| t.to_string()),
        (1e-6..=1.0f64).prop_map(|t| format!("diff{t}")),
    ];
    let sampling = prop_oneof![
        Just(vec!["generation.sampling=greedy".to_owned()]),
        (1e-3..10.0f64, 1e-3..=1.0f64, 0..=i64::MAX).prop_map(|(t, p, seed)| vec![
            "generation.sampling=random".to_owned(),
            format!("generation.temperature={t}"),
            format!("generation.top_p={p}"),
            format!("generation.seed={seed}"),
        ]),
    ];
    let texts = ("[a-z \"'\\\\\n\t\u{e9}=#]{0,20}", "[a-z\"\n]{1,9}");
    (strategy, talk, threshold, sampling, texts, 1e-3..1e3f64, 1200..9000usize).prop_map(
        |(strategy, talk, threshold, mut list, (prompt, name), number, length)| {
            let text = toml::Value::String(prompt);
            list.push(format!("context.strategy={strategy}"));
            list.push(format!("context.max_seq_len={}", length + 1300));
            list.push(format!("context.custom={{name = 'x', params = {{n = {number}, t = {text}}}}}"));
            list.push(format!("stream.talk={talk}"));
            list.push(format!("stream.every.seconds={number}"));
            list.push(format!("stream.fps={number}"));
            list.push(format!("source.policy=queue:{length}"));
            list.push(format!("source.live={}", length % 2 == 0));
            list.push(format!("source.give_up_after={number}"));
            list.push(format!("source.ffmpeg_input=['-x', {text}]"));
            list.push(format!("stream.not_talk_threshold={threshold}"));
            list.push(format!("stream.system_prompt={text}"));
            list.push(format!(
                "stream.requests=[{{time = {number}, text = {:?}}}]",
                name.escape_debug().to_string()
            ));
            list
        },
    )
}

fn resolve(arguments: &[String]) -> Settings {
    let layers = arguments.iter().try_fold(Layers::new(), |layers, argument| layers.set(argument));
    layers.and_then(Layers::resolve).unwrap_or_else(|error| panic!("{error}"))
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,80}") {
        if let Err(error) = Layers::new().file_text(Path::new("my.toml"), &text).and_then(Layers::resolve) {
            prop_assert_eq!(error.to_string().lines().count(), 1);
        }
        if let Err(error) = Layers::new().set(&text).and_then(Layers::resolve) {
            prop_assert_eq!(error.to_string().lines().count(), 1);
        }
    }

    #[test]
    fn arbitrary_values_never_panic(
        key in prop_oneof![
            Just("stream.fps"), Just("stream.requests"), Just("context"), Just("context.custom.params"),
            Just("stream.not_talk_threshold"), Just("model.device"), Just("generation.seed"), Just("model.path"),
            Just("context.strategy"), Just("context.max_seq_len"), Just("context.last_keep_len"),
        ],
        value in prop_oneof!["[-\\[\\]{}a-z0-9.,='\" \n]{0,30}", any::<i64>().prop_map(|n| n.to_string())],
    ) {
        if let Err(error) = Layers::new().set(&format!("{key}={value}")).and_then(Layers::resolve) {
            prop_assert_eq!(error.to_string().lines().count(), 1, "{}", error);
        }
        let text = format!("{key} = {value}");
        if let Err(error) = Layers::new().file_text(Path::new("my.toml"), &text).and_then(Layers::resolve) {
            prop_assert_eq!(error.to_string().lines().count(), 1, "{}", error);
        }
    }

    #[test]
    fn printed_settings_read_back(arguments in arguments()) {
        let settings = resolve(&arguments);
        let printed = settings.to_toml();
        let again = Layers::new().file_text(Path::new("printed"), &printed).unwrap().resolve().unwrap();
        prop_assert_eq!(again, settings);
    }

    #[test]
    fn stronger_layers_win_whatever_the_order_of_calls(
        file in proptest::option::of(1..100u32),
        set in proptest::collection::vec(1..100u32, 0..3),
        flag in proptest::option::of(1..100u32),
        flag_first in any::<bool>(),
    ) {
        let mut layers = Layers::new();
        let put_flag = |layers: Layers| match flag {
            Some(fps) => layers.flag("--fps", "stream.fps", &fps.to_string()).unwrap(),
            None => layers,
        };
        if flag_first { layers = put_flag(layers); }
        for fps in &set { layers = layers.set(&format!("stream.fps={fps}")).unwrap(); }
        if let Some(fps) = file {
            layers = layers.file_text(Path::new("my.toml"), &format!("stream.fps = {fps}")).unwrap();
        }
        if !flag_first { layers = put_flag(layers); }
        let expected = flag.or(set.last().copied()).or(file).unwrap_or(2);
        prop_assert_eq!(layers.resolve().unwrap().stream.fps, f64::from(expected));
    }
}
