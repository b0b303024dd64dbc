//! Changes of a running session.

use serde_json::{Value, json};

use crate::client::{RunningServer, SESSIONS, frames, order};

const VIDEO: &str = "video_000";

fn patch(server: &RunningServer, session: &str, change: &Value) -> (u16, Value) {
    server.json("PATCH", &format!("{SESSIONS}/{session}"), &change.to_string())
}

fn trace(server: &RunningServer, session: &str) -> Vec<Value> {
    let (_, trace) = server.request("GET", &format!("{SESSIONS}/{session}/trace"), &[], b"");
    let trace = String::from_utf8(trace).unwrap();
    trace.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The strategies that planned the evictions of a trace, in order.
fn deciders(trace: &[Value]) -> Vec<&str> {
    let overflows = trace.iter().filter(|event| event["event"] == "overflow");
    let mut names: Vec<&str> = overflows.map(|event| event["strategy"].as_str().unwrap()).collect();
    names.dedup();
    names
}

#[test]
fn a_threshold_silences_and_a_strategy_takes_over() {
    let (server, all) = (RunningServer::start(&[]), frames(VIDEO));
    let session = server.open(&order(VIDEO));
    // With this threshold almost any probability of silence means silence.
    let (status, shown) = patch(&server, &session, &json!({ "not_talk_threshold": 1e-9 }));
    assert_eq!(status, 200, "{shown}");
    let spoke = |frame| server.push(&session, frame).1["frames"][0]["reply"].is_string();
    assert!(!all[..40].iter().any(spoke), "the threshold holds from the first frame on");
    let change = json!({ "strategy": "drop_oldest_frames", "not_talk_threshold": 0 });
    let (status, shown) = patch(&server, &session, &change);
    assert_eq!((status, &shown["figures"]["strategy"]), (200, &json!("drop_oldest_frames")), "{shown}");
    assert!(all[40..].iter().filter(|frame| spoke(frame)).count() > 3);
    let (_, shown) = server.json("GET", &format!("{SESSIONS}/{session}"), "");
    assert_eq!(shown["figures"]["strategy"], "drop_oldest_frames");
    let trace = trace(&server, &session);
    assert_eq!(deciders(&trace), ["summarize_and_drop", "drop_oldest_frames"]);
    let changes: Vec<&Value> = trace.iter().filter(|event| event["event"] == "settings_changed").collect();
    assert_eq!(changes.len(), 2);
    assert_eq!(changes[0]["settings"], json!({ "stream.not_talk_threshold": 1e-9 }));
    assert_eq!(changes[1]["settings"]["context.strategy"], "drop_oldest_frames");
}

#[test]
fn what_cannot_change_is_refused_and_nothing_changes() {
    let (server, all) = (RunningServer::start(&[]), frames(VIDEO));
    let session = server.open(&order(VIDEO));
    server.push(&session, &all[0]);
    for (change, complaint) in [
        (json!({}), "nothing to change"),
        (json!({ "budget": 1024 }), "only system_prompt"),
        (json!({ "settings": { "context.max_seq_len": 1024 } }), "context.max_seq_len"),
        (json!({ "settings": { "model.path": "/etc/passwd" } }), "model.path"),
        (json!({ "strategy": "no such strategy" }), "context.strategy"),
        (json!({ "strategy": "none" }), "baseline"),
        (json!({ "settings": { "context.summarize_and_drop.positions": "preserve" } }), "positions"),
        (json!({ "not_talk_threshold": 2 }), "not_talk_threshold"),
    ] {
        let (status, refused) = patch(&server, &session, &change);
        let message = refused["error"]["message"].as_str().unwrap_or_default();
        assert!(status == 400 && message.contains(complaint), "{change}: {status} {message}");
    }
    server.push(&session, &all[1]);
    assert!(trace(&server, &session).iter().all(|event| event["event"] != "settings_changed"));
}

#[test]
fn a_change_outlives_the_server_also_one_that_was_killed_before_its_next_checkpoint() {
    let server = RunningServer::start(&["--checkpoint-every", "10"]);
    let all = frames(VIDEO);
    let session = server.open(&order(VIDEO));
    all[..35].iter().for_each(|frame| assert_eq!(server.push(&session, frame).0, 200));
    let (status, shown) = patch(&server, &session, &json!({ "strategy": "drop_oldest_frames" }));
    assert_eq!(status, 200, "{shown}");
    server.signal("-KILL");
    let (_, state) = server.end();
    let state = state.unwrap();
    let server = RunningServer::start_in(state.path(), &["--checkpoint-every", "10"]);
    let (_, shown) = server.json("GET", &format!("{SESSIONS}/{session}"), "");
    let figures = &shown["figures"];
    assert_eq!((&shown["state"], &figures["strategy"]), (&json!("watching"), &json!("drop_oldest_frames")));
    assert_eq!((&figures["frames"], &figures["max_seq_len"]), (&json!(30), &json!(384)), "{shown}");
    all[30..].iter().for_each(|frame| assert_eq!(server.push(&session, frame).0, 200));
    let trace = trace(&server, &session);
    let last = trace.iter().rfind(|event| event["event"] == "overflow").unwrap();
    assert_eq!(last["strategy"], "drop_oldest_frames");
    assert_eq!(trace.iter().filter(|event| event["event"] == "settings_changed").count(), 1);
}

/// The system messages of a trace, in order.
fn prompts(trace: &[Value]) -> Vec<&str> {
    let messages = trace.iter().filter(|event| event["event"] == "message" && event["role"] == "system");
    messages.map(|event| event["text"].as_str().unwrap()).collect()
}

#[test]
fn a_change_is_made_as_a_whole_or_not_at_all() {
    let (server, all) = (RunningServer::start(&[]), frames(VIDEO));
    let session = server.open(&order(VIDEO));
    server.push(&session, &all[0]);
    let long = "word ".repeat(3000);
    for change in [
        json!({ "not_talk_threshold": 0.9, "system_prompt": long }),
        json!({ "strategy": "none", "system_prompt": "Be brief." }),
        json!({ "task_knowledge": "x".repeat(20_000), "strategy": "drop_oldest_frames" }),
    ] {
        let (status, refused) = patch(&server, &session, &change);
        assert!(status == 400 || status == 413, "{status} {refused}");
    }
    server.push(&session, &all[1]);
    let untouched = trace(&server, &session);
    assert!(untouched.iter().all(|event| event["event"] != "settings_changed"), "{untouched:?}");
    assert_eq!(prompts(&untouched).len(), 1);
    let both = json!({ "not_talk_threshold": 0.9, "system_prompt": "Be brief." });
    assert_eq!(patch(&server, &session, &both).0, 200);
    server.push(&session, &all[2]);
    let changed = trace(&server, &session);
    assert_eq!(changed.iter().filter(|event| event["event"] == "settings_changed").count(), 1);
    assert_eq!(prompts(&changed)[1..], ["Be brief."]);
}

#[test]
fn each_of_the_two_prompts_changes_and_the_other_one_stays() {
    let (server, all) = (RunningServer::start(&[]), frames(VIDEO));
    let session = server.open(r#"{ "system_prompt": "Help.", "task_knowledge": "Tea is made." }"#);
    server.push(&session, &all[0]);
    for (change, frame) in [
        (json!({ "system_prompt": "Be brief." }), &all[1]),
        (json!({ "task_knowledge": "Coffee is made." }), &all[2]),
    ] {
        let (status, refused) = patch(&server, &session, &change);
        assert_eq!(status, 200, "{refused}");
        server.push(&session, frame);
    }
    let trace = trace(&server, &session);
    let prompts = prompts(&trace);
    let has = |number: usize, texts: [&str; 2]| texts.iter().all(|text| prompts[number].contains(text));
    assert_eq!(prompts.len(), 3, "{prompts:?}");
    assert!(has(0, ["Help.", "Tea is made."]), "{prompts:?}");
    assert!(has(1, ["Be brief.", "Tea is made."]), "{prompts:?}");
    assert!(has(2, ["Be brief.", "Coffee is made."]), "{prompts:?}");
}

#[test]
fn a_prompt_outlives_the_server_also_one_that_was_killed_before_its_next_checkpoint() {
    let (server, all) = (RunningServer::start(&["--checkpoint-every", "10"]), frames(VIDEO));
    let session = server.open(&order(VIDEO));
    all[..15].iter().for_each(|frame| assert_eq!(server.push(&session, frame).0, 200));
    assert_eq!(patch(&server, &session, &json!({ "system_prompt": "Be brief." })).0, 200);
    server.signal("-KILL");
    let (_, state) = server.end();
    let state = state.unwrap();
    let server = RunningServer::start_in(state.path(), &["--checkpoint-every", "10"]);
    all[10..25].iter().for_each(|frame| assert_eq!(server.push(&session, frame).0, 200));
    assert_eq!(prompts(&trace(&server, &session))[1..], ["Be brief."]);
    // The stream has it now, and does not hear it again.
    server.signal("-TERM");
    server.end();
    let server = RunningServer::start_in(state.path(), &["--checkpoint-every", "10"]);
    all[25..30].iter().for_each(|frame| assert_eq!(server.push(&session, frame).0, 200));
    let trace = trace(&server, &session);
    assert_eq!(prompts(&trace)[1..], ["Be brief."]);
    assert!(trace.iter().all(|event| event["event"] != "settings_changed"));
}
