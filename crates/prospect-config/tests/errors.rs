//! One test per kind of error, and a snapshot of the messages as a user sees them.

use std::path::Path;

use prospect_config::{Layers, Origin, SettingsError};

fn file(text: &str) -> SettingsError {
    let layers = Layers::new().file_text(Path::new("my.toml"), text);
    layers.and_then(Layers::resolve).expect_err(text)
}

fn set(arguments: &[&str]) -> SettingsError {
    let layers = arguments.iter().try_fold(Layers::new(), |layers, argument| layers.set(argument));
    layers.and_then(Layers::resolve).expect_err("must be refused")
}

fn flag(flag: &str, key: &str, value: &str) -> SettingsError {
    Layers::new().flag(flag, key, value).and_then(Layers::resolve).expect_err("must be refused")
}

#[test]
fn missing_file_is_unreadable() {
    let error = Layers::new().file(Path::new("no/such.toml")).unwrap_err();
    assert!(matches!(error, SettingsError::Unreadable { .. }));
    assert!(error.to_string().starts_with("no/such.toml: cannot read the settings file ("));
}

#[test]
fn broken_toml_names_line_and_column() {
    let error = file("[stream]\nfps = = 2\n");
    assert!(matches!(error, SettingsError::Syntax { line: 2, column: 7, .. }), "{error:?}");
}

#[test]
fn set_without_equals_is_malformed() {
    assert!(matches!(set(&["stream.fps"]), SettingsError::MalformedSet { .. }));
    assert!(matches!(set(&["=2"]), SettingsError::MalformedSet { .. }));
}

#[test]
fn unknown_keys_are_refused_in_every_layer() {
    assert!(matches!(file("[stream]\nfsp = 1"), SettingsError::UnknownKey { origin: Origin::File(_), .. }));
    assert!(matches!(set(&["streem.fps=1"]), SettingsError::UnknownKey { origin: Origin::Set, .. }));
    assert!(matches!(flag("--x", "a.b", "1"), SettingsError::UnknownKey { origin: Origin::Flag(_), .. }));
    // A quoted key is one name, not a path.
    assert!(matches!(file("\"stream.fps\" = 1"), SettingsError::UnknownKey { .. }));
}

#[test]
fn value_in_a_sections_place_is_refused() {
    assert!(matches!(file("stream = 3"), SettingsError::NotASection(..)));
    assert!(matches!(set(&["context.drop_middle=3"]), SettingsError::NotASection(..)));
}

#[test]
fn frames_stand_in_the_users_turn_only_where_something_else_asks() {
    let in_turn = "stream.frames_in=user_turn";
    let asks = "stream.talk=on_change";
    for others in [
        &[][..],
        &[asks, "stream.reference_context=true"],
        &[asks, "context.rules=proassist", "context.drop_middle.positions=legacy"],
    ] {
        let error = set(&[&[in_turn], others].concat());
        assert!(error.to_string().contains("expected \"between_turns\" with "), "{error}");
    }
    let layers = Layers::new().set(in_turn).unwrap().set(asks).unwrap();
    assert!(layers.resolve().is_ok());
}

#[test]
fn wrong_types_are_refused() {
    for text in [
        "stream.fps = \"fast\"",
        "stream.frame_time_text = 1",
        "stream.max_frames = 1.5",
        "model.path = 7",
        "model.dtype = 32",
        "source.realtime = \"yes\"",
        "source.live = 1",
    ] {
        assert!(matches!(file(text), SettingsError::WrongType { .. }), "{text}");
    }
}

#[test]
fn values_out_of_range_are_refused() {
    for argument in [
        "stream.fps=0",
        "stream.fps=-1",
        "stream.fps=inf",
        "stream.start=-1",
        "stream.max_frames=0",
        "stream.talk=sometimes",
        "stream.every.seconds=0",
        "stream.not_talk_threshold=1.5",
        "stream.not_talk_threshold=-0.1",
        "stream.not_talk_threshold=nan",
        "stream.not_talk_threshold=diff",
        "stream.not_talk_threshold=diff2",
        "stream.not_talk_threshold=diff-0.1",
        "stream.not_talk_threshold=diffinf",
        "stream.not_talk_threshold=difff0.3",
        "stream.requests=[{time=1}]",
        "stream.requests=[{time=-1, text='x'}]",
        "stream.requests=[{time=1, text='x', role='y'}]",
        "stream.on_transition.dialogue_prompt=now {current}",
        "source.policy=queue:0",
        "source.policy=queue:-1",
        "source.policy=queue",
        "source.policy=newest",
        "source.stall_timeout=0",
        "source.reconnect_initial=-1",
        "source.reconnect_attempts=0",
        "source.give_up_after=nan",
        "source.ffmpeg=",
        "source.ffmpeg_input=-rtsp_transport",
        "source.ffmpeg_input=[1]",
        "model.device=gpu",
        "model.device=cuda:x",
        "model.path=",
        "context.max_seq_len=-4",
        "context.drop_middle.positions=rotated",
        "context.sink_window.window=0",
        "generation.top_p=0",
        "generation.top_p=1.01",
        "generation.temperature=0",
        "generation.max_new_tokens=0",
        "generation.seed=-1",
    ] {
        assert!(matches!(set(&[argument]), SettingsError::Invalid { .. }), "{argument}");
    }
}

#[test]
fn impossible_combinations_are_refused() {
    for arguments in [
        &["context.reserved_seq_len=4096"][..],
        &["context.max_seq_len=128"],
        &["context.last_keep_len=3968"],
        &["context.strategy=sink_window", "context.window=4000"],
        &["context.strategy=summarize_and_drop", "context.max_summary_len=4096"],
        &["context.strategy=summarize_and_drop", "generation.max_new_tokens=3840"],
        &["context.strategy=none", "generation.max_new_tokens=4096"],
        &["stream.start=5", "stream.end=5"],
        &["source.reconnect_max=0.1"],
        &["context.rules=proassist"],
        &["context.rules=proassist", "context.strategy=sink_window"],
        &["context.rules=proassist", "context.strategy=summarize_with_dst"],
        &["context.rules=proassist", "context.strategy=none"],
    ] {
        assert!(matches!(set(arguments), SettingsError::Conflict { .. }), "{arguments:?}");
    }
}

#[test]
fn parameters_that_the_choice_does_not_use_are_refused() {
    assert!(matches!(set(&["context.window=9"]), SettingsError::Unused { .. }));
    assert!(matches!(set(&["generation.temperature=0.7"]), SettingsError::Unused { .. }));
    let text = "[context]\nstrategy = \"drop_all\"\nlast_keep_len = 9";
    assert!(matches!(file(text), SettingsError::Unused { .. }));
}

#[test]
fn file_parameters_do_not_stand_in_the_way_of_a_flag() {
    let text = "context.strategy = \"drop_middle\"\ncontext.last_keep_len = 9\n\
                generation.sampling = \"random\"\ngeneration.top_p = 0.5";
    let layers = Layers::new().file_text(Path::new("my.toml"), text).unwrap();
    let layers = layers.flag("--strategy", "context.strategy", "drop_all").unwrap();
    let settings = layers.set("generation.sampling=greedy").unwrap().resolve().unwrap();
    assert_eq!(settings.context.strategy.name(), "drop_all");
    assert_eq!(settings.generation.sampling.name(), "greedy");
}

#[test]
fn parameters_without_a_default_are_asked_for() {
    assert!(matches!(set(&["stream.talk=every"]), SettingsError::Missing { .. }));
    assert!(matches!(set(&["context.strategy=custom"]), SettingsError::Missing { .. }));
}

#[test]
fn late_errors_name_the_layer() {
    let layers = Layers::new().file_text(Path::new("my.toml"), "context.max_seq_len = 9000").unwrap();
    let settings = layers.flag("--device", "model.device", "cpu").unwrap().resolve().unwrap();
    assert_eq!(settings.origin("model.device"), &Origin::Flag("--device".to_owned()));
    assert_eq!(settings.origin("stream.fps"), &Origin::Default);
    let error = settings.checkpoint_error("context.max_seq_len", "at most 8192, max_position_embeddings");
    let expected = "my.toml: context.max_seq_len = 9000: expected at most 8192, max_position_embeddings (from the checkpoint)";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn messages() {
    let errors = [
        file("[stream]\nfps = = 2\n"),
        file("[stream]\nfsp = 1"),
        file("[stream]\nmax_seq_len = 1"),
        file("[output]\nxylophone = 1"),
        file("[contxt]\nx = 1"),
        file("stream = 3"),
        file("stream.fps = \"fast\""),
        file("stream.default_system_prompt = [\"\"\"two\nlines\"\"\"]"),
        set(&["stream.fps"]),
        set(&["stream.fps=0"]),
        set(&["source.policy=queue:0"]),
        set(&["source.reconnect_max=0.1"]),
        set(&["source.ffmpeg_input=-rtsp_transport"]),
        set(&["stream.not_talk_threshold=diff7"]),
        set(&["context.window=9"]),
        set(&["context.max_seq_len=128"]),
        set(&["context.strategy=sink_window", "context.window=4000"]),
        set(&["context.strategy=summarize_and_drop", "generation.max_new_tokens=3840"]),
        set(&["context.rules=proassist"]),
        set(&["stream.talk=every"]),
        set(&["generation.temperature=0.7"]),
        flag("--strategy", "context.strategy", "drop_midle"),
        flag("--device", "model.device", "gpu"),
    ];
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert!(lines.iter().all(|line| line.lines().count() == 1), "{lines:#?}");
    insta::assert_snapshot!(lines.join("\n"));
}
