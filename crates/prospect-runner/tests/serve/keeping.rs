//! Sessions survive a restart of the server.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{RunningServer, SESSIONS, frames, order};

const VIDEO: &str = "video_000";

/// What a session says to these frames, with their times.
fn said(server: &RunningServer, session: &str, frames: &[prospect_source::Frame]) -> Vec<(f64, String)> {
    let reply = |frame: &prospect_source::Frame| {
        let (status, answer) = server.push(session, frame);
        assert_eq!(status, 200, "{answer}");
        Some((frame.time, answer["frames"][0]["reply"].as_str()?.to_owned()))
    };
    frames.iter().filter_map(reply).collect()
}

fn whole() -> Vec<(f64, String)> {
    let server = RunningServer::start(&[]);
    let session = server.open(&order(VIDEO));
    said(&server, &session, &frames(VIDEO))
}

#[test]
fn a_session_that_was_suspended_goes_on_as_if_nothing_had_happened() {
    let (server, all) = (RunningServer::start(&[]), frames(VIDEO));
    let session = server.open(&order(VIDEO));
    let mut heard = said(&server, &session, &all[..40]);
    let at = |rest: &str| format!("{SESSIONS}/{session}{rest}");
    let (status, shown) = server.json("POST", &at("/suspend"), "");
    assert_eq!((status, &shown["state"]), (200, &json!("suspended")));
    let (status, refused) = server.push(&session, &all[40]);
    assert_eq!(status, 409, "{refused}");
    let (status, shown) = server.json("POST", &at("/resume"), "");
    assert_eq!((status, &shown["state"]), (200, &json!("watching")), "{shown}");
    heard.extend(said(&server, &session, &all[40..]));
    assert_eq!(heard, whole());
}

#[test]
fn sessions_go_on_with_the_next_server() {
    let (server, all) = (RunningServer::start(&[]), frames(VIDEO));
    let session = server.open(&order(VIDEO));
    let mut heard = said(&server, &session, &all[..40]);
    server.signal("-TERM");
    let (code, state) = server.end();
    assert_eq!(code, Some(0));
    let state = state.unwrap();
    let server = RunningServer::start_in(state.path(), &[]);
    heard.extend(said(&server, &session, &all[40..]));
    assert_eq!(heard, whole());
}

#[test]
fn after_kill_9_sessions_go_on_from_where_they_were_written_down() {
    let (server, all) = (RunningServer::start(&["--checkpoint-every", "10"]), frames(VIDEO));
    let session = server.open(&order(VIDEO));
    said(&server, &session, &all[..35]);
    server.signal("-KILL");
    let (_, state) = server.end();
    let state = state.unwrap();
    let server = RunningServer::start_in(state.path(), &["--checkpoint-every", "10"]);
    let (_, shown) = server.json("GET", &format!("{SESSIONS}/{session}"), "");
    assert_eq!(shown["state"], "watching", "{shown}");
    // The frames after the last checkpoint are sent again.
    let heard = said(&server, &session, &all[30..]);
    let expected: Vec<_> = whole().into_iter().filter(|(time, _)| *time >= all[30].time).collect();
    assert_eq!(heard, expected);
    let (_, trace) = server.request("GET", &format!("{SESSIONS}/{session}/trace"), &[], b"");
    let indices: Vec<Value> = String::from_utf8(trace)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["event"] == "frame")
        .map(|mut event| event["index"].take())
        .collect();
    assert_eq!(indices, (0..all.len()).map(|index| json!(index)).collect::<Vec<_>>(), "each once");
}

#[test]
fn a_resume_for_which_there_is_no_room_leaves_the_session_as_it_was() {
    // Room for two caches of the small model, and not for three.
    let server = RunningServer::start(&["--cache-memory", "4000000"]);
    let all = frames(VIDEO);
    let first = server.open(&order(VIDEO));
    let mut heard = said(&server, &first, &all[..20]);
    let at = |session: &str, rest: &str| format!("{SESSIONS}/{session}{rest}");
    assert_eq!(server.json("POST", &at(&first, "/suspend"), "").0, 200);
    let mut others = Vec::new();
    loop {
        let (status, session) = server.json("POST", SESSIONS, "");
        if status == 503 {
            break;
        }
        assert!(others.len() < 64, "{session}");
        others.push(session["id"].as_str().unwrap().to_owned());
    }
    assert!(!others.is_empty());
    let (status, refused) = server.json("POST", &at(&first, "/resume"), "");
    assert_eq!(status, 503, "{refused}");
    for other in &others {
        assert_eq!(server.request("DELETE", &at(other, ""), &[], b"").0, 204);
    }
    // A closed session frees its cache on its own thread.
    let began = Instant::now();
    while server.json("POST", &at(&first, "/resume"), "").0 != 200 {
        assert!(began.elapsed() < Duration::from_secs(20), "the room is not free again");
        std::thread::sleep(Duration::from_millis(20));
    }
    heard.extend(said(&server, &first, &all[20..]));
    assert_eq!(heard, whole());
}

#[test]
fn of_many_who_resume_a_session_one_does() {
    let (server, all) = (RunningServer::start(&[]), frames(VIDEO));
    let session = server.open(&order(VIDEO));
    said(&server, &session, &all[..5]);
    let at = |rest: &str| format!("{SESSIONS}/{session}{rest}");
    for round in 0..3 {
        assert_eq!(server.json("POST", &at("/suspend"), "").0, 200, "round {round}");
        let mut answers: Vec<u16> = std::thread::scope(|scope| {
            let ask = || scope.spawn(|| server.json("POST", &at("/resume"), "").0);
            let asked: Vec<_> = (0..6).map(|_| ask()).collect();
            asked.into_iter().map(|answer| answer.join().unwrap()).collect()
        });
        answers.sort_unstable();
        assert_eq!(answers, [200, 409, 409, 409, 409, 409]);
    }
    said(&server, &session, &all[5..8]);
}

#[test]
fn readers_learn_that_a_session_is_suspended_goes_on_and_is_gone() {
    let (server, all) = (RunningServer::start(&[]), frames(VIDEO));
    let session = server.open(&order(VIDEO));
    said(&server, &session, &all[..2]);
    let at = |rest: &str| format!("{SESSIONS}/{session}{rest}");
    std::thread::scope(|scope| {
        // Until the server ends the stream of events.
        let reading = scope.spawn(|| server.request("GET", &at("/events"), &[], b""));
        assert_eq!(server.json("POST", &at("/suspend"), "").0, 200);
        assert_eq!(server.json("POST", &at("/resume"), "").0, 200);
        said(&server, &session, &all[2..4]);
        assert_eq!(server.json("POST", &at("/suspend"), "").0, 200);
        assert_eq!(server.request("DELETE", &at(""), &[], b"").0, 204);
        let (_, text) = reading.join().unwrap();
        let text = String::from_utf8(text).unwrap();
        let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
        assert_eq!(names.iter().filter(|name| **name == "suspended").count(), 2, "{names:?}");
        assert_eq!(names.iter().filter(|name| **name == "frame").count(), 4, "{names:?}");
        assert!(!names.contains(&"error") && !names.contains(&"run_finished"), "{names:?}");
    });
}

#[test]
fn who_comes_back_to_the_next_server_learns_that_something_was_missed() {
    let (server, all) = (RunningServer::start(&[]), frames(VIDEO));
    let session = server.open(&order(VIDEO));
    said(&server, &session, &all[..3]);
    let (_, shown) = server.json("GET", &format!("{SESSIONS}/{session}"), "");
    let known = shown["last_event"].as_u64().unwrap();
    server.signal("-TERM");
    let (_, state) = server.end();
    let state = state.unwrap();
    let server = RunningServer::start_in(state.path(), &[]);
    said(&server, &session, &all[3..4]);
    let path = format!("{SESSIONS}/{session}/events?after={known}");
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| server.request("GET", &path, &[], b""));
        std::thread::sleep(Duration::from_millis(300));
        server.request("DELETE", &format!("{SESSIONS}/{session}"), &[], b"");
        let text = String::from_utf8(reading.join().unwrap().1).unwrap();
        let first = text.lines().find_map(|line| line.strip_prefix("event: "));
        assert_eq!(first, Some("missed"), "{text}");
        assert!(text.contains("event: frame"), "{text}");
    });
}

#[test]
fn many_sessions_go_on_with_the_next_server() {
    let state = tempfile::tempdir().unwrap();
    let log = state.path().join("log");
    let to = Stdio::from(std::fs::File::create(&log).unwrap());
    let server = RunningServer::start_logged(state.path(), &[], ("info", to));
    let all = frames(VIDEO);
    let sessions: Vec<String> = (0..24).map(|_| server.open(&order(VIDEO))).collect();
    for session in &sessions {
        said(&server, session, &all[..2]);
    }
    server.signal("-TERM");
    assert_eq!(server.end().0, Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    assert!(!log.contains("panicked") && !log.contains("ERROR"), "{log}");
    assert_eq!(log.matches("suspended").count(), sessions.len(), "{log}");
    let server = RunningServer::start_in(state.path(), &[]);
    for session in &sessions {
        let (_, shown) = server.json("GET", &format!("{SESSIONS}/{session}"), "");
        assert_eq!(
            (&shown["state"], &shown["figures"]["frames"]),
            (&json!("watching"), &json!(2)),
            "{shown}"
        );
        said(&server, session, &all[2..3]);
    }
}

#[test]
fn who_resumes_a_session_while_it_is_suspended_gets_it_whole() {
    let (server, all) = (RunningServer::start(&[]), frames(VIDEO));
    let session = server.open(&order(VIDEO));
    let mut heard = said(&server, &session, &all[..20]);
    let bytes = server.figure("prospect_cache_bytes");
    let at = |rest: &str| format!("{SESSIONS}/{session}{rest}");
    for frame in &all[20..40] {
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!(server.json("POST", &at("/suspend"), "").0, 200));
            // Until it comes behind the beginning of the suspension.
            while server.json("POST", &at("/resume"), "").0 != 200 {}
        });
        heard.extend(said(&server, &session, std::slice::from_ref(frame)));
        assert_eq!(server.figure("prospect_cache_bytes"), bytes, "of one session");
    }
    heard.extend(said(&server, &session, &all[40..]));
    assert_eq!(heard, whole());
}
