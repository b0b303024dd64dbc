//! The schemas of docs/schemas say what the types say: every variant and every key, of real traces and of real settings.

use std::collections::BTreeSet;
use std::path::Path;

use prospect_config::{DEFAULT_CONFIG, Layers};
use prospect_context::account::UserTurn;
use prospect_context::{OverflowTrigger, PositionPolicy, Role, SegmentKind};
use prospect_session::{
    Event, PaceEntry, PaceSummary, PutBack, SCHEMA_VERSION, SegmentEntry, StageTimes, Versions,
};
use serde_json::{Value, json};

use crate::json_schema::{Schemas, keys};
use crate::support::{program, repository, text, trace};

fn schemas() -> Schemas {
    Schemas::in_folder(&repository().join("docs/schemas"))
}

/// Every event with everything that it may have, or with nothing that it may lack. A field that is new does not compile here.
fn samples(is_full: bool) -> Vec<Event> {
    [of_the_run(is_full), of_the_stream(is_full), of_the_cache(is_full)].concat()
}

fn some<T>(is_full: bool, value: T) -> Option<T> {
    is_full.then_some(value)
}

const TIME: f64 = 1.5;

fn words() -> String {
    "words".to_owned()
}

fn of_the_run(is_full: bool) -> Vec<Event> {
    let pace = PaceSummary {
        missed: 0,
        most_queued: 1,
        interruptions: 0,
        p50_lag_ms: 1.5,
        p95_lag_ms: 1.5,
        p99_lag_ms: 1.5,
    };
    vec![
        Event::RunStarted {
            schema_version: SCHEMA_VERSION,
            config: serde_json::to_value(Layers::new().resolve().unwrap()).unwrap(),
            model: words(),
            commit: some(is_full, words()),
            source: words(),
            device: words(),
            threads: 1,
            dtype: words(),
            strategy: words(),
            kv_bytes_per_token: 8,
            versions: Versions { prospect: words() },
        },
        Event::SettingsChanged { settings: serde_json::Map::new(), strategy: words() },
        Event::Error { message: words() },
        Event::RunFinished {
            frames: 1,
            frames_dropped: 0,
            encodings_reused: 0,
            replies: 0,
            overflows: 0,
            peak_cache_tokens: 4,
            peak_memory_bytes: some(is_full, 1),
            p50_ms: 1.0,
            p95_ms: 1.0,
            p99_ms: 1.0,
            pace: some(is_full, pace),
        },
    ]
}

fn of_the_stream(is_full: bool) -> Vec<Event> {
    let pace = PaceEntry { wait_ms: 0.5, lag_ms: 1.5, queued: 1, missed: false };
    vec![
        Event::Message { role: Role::System, text: words(), time: TIME },
        Event::Frame {
            index: 0,
            time: TIME,
            segments: vec![SegmentEntry {
                kind: SegmentKind::Frame,
                tokens: 4,
                pinned: false,
                continues: is_full,
                with_frame: is_full,
            }],
            cache_tokens: 4,
            spoke: true,
            encoding_reused: is_full,
            similarity: some(is_full, 0.5),
            not_talk_probability: some(is_full, 0.5),
            pace: some(is_full, pace),
            times: StageTimes { vision_ms: 1.0, decode_ms: 1.0, total_ms: 2.0 },
        },
        Event::Reply { frame: 0, time: TIME, text: words(), token_ids: vec![1], repeats: is_full },
        Event::FrameDropped { reason: words(), index: some(is_full, 0), time: some(is_full, TIME) },
        Event::SourceNote { message: words() },
        Event::SourceInterrupted { message: words() },
    ]
}

fn of_the_cache(is_full: bool) -> Vec<Event> {
    vec![
        Event::Budget {
            max_seq_len: 9,
            reserved_seq_len: 1,
            max_reply_tokens: 1,
            max_summary_tokens: 0,
            user_turn: some(is_full, UserTurn { opening: 3, closing: 2, no_reply: 4 }),
        },
        Event::Overflow {
            time: TIME,
            strategy: words(),
            trigger: OverflowTrigger::NoRoom,
            incoming: 1,
            pending: 0,
            initial_tokens: some(is_full, 1),
            tokens_before: 9,
            tokens_after: 1,
            kept: vec![[0, 1]],
            put_back: vec![PutBack { kind: SegmentKind::Summary, tokens: 1 }],
            positions: PositionPolicy::Rerotate,
            positions_reset: false,
            memory_bytes: some(is_full, 1),
            ms: 1.0,
        },
        Event::Summary {
            time: TIME,
            prompt: words(),
            text: words(),
            token_ids: vec![1],
            covers: some(is_full, 1),
            ms: 1.0,
        },
    ]
}

/// The events' names, as the type itself tells them to whoever asks for one that is none.
fn variants() -> BTreeSet<String> {
    let refused = serde_json::from_value::<Event>(json!({ "event": "?" })).unwrap_err().to_string();
    let (_, names) = refused.split_once("expected one of ").unwrap();
    names.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_schema_of_a_trace_has_every_event_and_every_field() {
    let schemas = schemas();
    let of_schema: Vec<(&str, &Value)> = schemas.events().collect();
    let names: BTreeSet<String> = of_schema.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names, variants());
    for (full, least) in samples(true).iter().zip(&samples(false)) {
        let [full, least] = [full, least].map(|event| serde_json::to_value(event).unwrap());
        let name = full["event"].as_str().unwrap();
        assert_eq!(schemas.check("trace.schema.json", &full), Ok(()));
        assert_eq!(schemas.check("trace.schema.json", &least), Ok(()));
        let (_, schema) = of_schema.iter().find(|(of, _)| *of == name).unwrap();
        assert_eq!(keys(&full), keys(&schema["properties"]), "{name}");
        let required = schema["required"].as_array().unwrap().iter();
        let required: BTreeSet<&str> = required.map(|key| key.as_str().unwrap()).collect();
        assert_eq!(keys(&least), required, "{name}");
    }
    assert_eq!(samples(true).len(), of_schema.len());
}

#[test]
fn what_is_wrong_is_found() {
    let schemas = schemas();
    let wrong = |value: Value| schemas.check("trace.schema.json", &value).unwrap_err();
    assert!(wrong(json!({ "event": "error" })).contains("message"));
    assert!(wrong(json!({ "event": "error", "message": 1 })).contains("message"));
    assert!(wrong(json!({ "event": "error", "message": "a", "more": 1 })).contains("more"));
    assert!(wrong(json!({ "event": "unheard_of" })).contains("unheard_of"));
    let settings = |value: Value| schemas.check("settings.schema.json", &value).unwrap_err();
    assert!(settings(json!({ "stream": { "fps": "fast" } })).contains("fps"));
    assert!(settings(json!({ "model": { "quantize": "q3" } })).contains("quantize"));
}

#[test]
fn every_line_of_a_real_trace_is_as_the_schema_says() {
    let schemas = schemas();
    let mut seen = BTreeSet::new();
    for more in [&["--set", "stream.max_frames=70"][..], &["--realtime", "--set", "stream.end=2"]] {
        let out = tempfile::tempdir().unwrap();
        let run = [&["run", "--out", out.path().to_str().unwrap()], more].concat();
        let output = program(&run).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        for line in trace(out.path()) {
            assert_eq!(schemas.check("trace.schema.json", &line), Ok(()), "{line}");
            seen.insert(line["event"].as_str().unwrap().to_owned());
        }
    }
    for event in ["run_started", "budget", "message", "frame", "reply", "overflow", "summary", "run_finished"]
    {
        assert!(seen.contains(event), "{event}: {seen:?}");
    }
}

/// A settings file as JSON.
fn as_json(toml: &str) -> Value {
    serde_json::to_value(toml.parse::<toml::Table>().unwrap()).unwrap()
}

#[test]
fn settings_files_and_what_print_config_shows_are_as_the_schema_says() {
    let schemas = schemas();
    let check = |name: &str, text: &str| {
        assert_eq!(schemas.check("settings.schema.json", &as_json(text)), Ok(()), "{name}");
    };
    let configs = repository().join("configs");
    let mut files = 0;
    for folder in [configs.clone(), configs.join("presets")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "toml") {
                files += 1;
                check(&path.display().to_string(), &std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    assert!(files > 10);
    let random = ["--set", "generation.sampling=random", "--set", "stream.talk=on_transition"];
    let every = ["--ask", "What?", "--every", "5s", "--remember", "30s"];
    let presets = ["watch", "caption", "guide", "proassist", "workbench"].map(|name| ["--preset", name]);
    let shown = presets.iter().map(|preset| &preset[..]).chain([&random[..], &every[..]]);
    for arguments in shown {
        let output = program(&[&["run", "--print-config"], arguments].concat()).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        check(&arguments.join(" "), &text(&output.stdout));
    }
}

/// Keys of the commented lines too: what is not set by default.
#[test]
fn the_schema_of_settings_describes_every_key_of_the_default_file() {
    let schemas = schemas();
    let mut section = String::new();
    let mut found = 0;
    for line in DEFAULT_CONFIG.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.to_owned();
        } else if let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| !key.contains(' ')) {
            let path = format!("/properties/{}/properties/{key}", section.replace('.', "/properties/"));
            let schema = schemas.file("settings.schema.json").pointer(&path);
            assert!(schema.is_some(), "{section}.{key}");
            found += 1;
        }
    }
    assert!(found > 60, "{found}");
}

#[test]
fn the_tables_of_the_documentation_are_there() {
    let results = std::fs::read_to_string(repository().join("docs/results.md")).unwrap();
    for file in ["trace.schema.json", "settings.schema.json"] {
        assert!(results.contains(&format!("schemas/{file}")), "{file}");
        assert!(Path::new(&repository().join("docs/schemas").join(file)).is_file());
    }
}
