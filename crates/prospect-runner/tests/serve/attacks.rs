//! Requests that must be refused.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{RunningServer, SESSIONS, frames, png};

const ONE: &str = "one-one-one-one-one-one";
const OTHER: &str = "other-other-other-other";

fn with_keys() -> (RunningServer, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    std::fs::write(&keys, format!("{ONE}\n{OTHER}\n")).unwrap();
    (RunningServer::start(&["--api-key-file", keys.to_str().unwrap()]).with_key(ONE), folder)
}

#[test]
fn nobody_comes_in_without_a_key_and_nobody_sees_the_sessions_of_another() {
    let (server, _folder) = with_keys();
    let session = server.open("");
    let ask =
        |method: &str, path: &str, key: &str| server.request(method, path, &[("authorization", key)], b"").0;
    let at = format!("{SESSIONS}/{session}");
    for wrong in
        ["", "Bearer", "Bearer wrong-wrong-wrong-wrong", &format!("Basic {ONE}"), &format!("Bearer {ONE}x")]
    {
        for path in [SESSIONS, &at, "/metrics", "/v1/models"] {
            assert_eq!(ask("GET", path, wrong), 401, "{wrong:?} {path}");
        }
    }
    let other = format!("Bearer {OTHER}");
    for (method, rest) in [
        ("GET", ""),
        ("GET", "/events"),
        ("GET", "/trace"),
        ("POST", "/frames"),
        ("GET", "/frame"),
        ("POST", "/suspend"),
        ("POST", "/resume"),
        ("DELETE", ""),
    ] {
        assert_eq!(ask(method, &format!("{at}{rest}"), &other), 404, "{method} {rest}");
    }
    let (_, list) = server.request("GET", SESSIONS, &[("authorization", &other)], b"");
    assert_eq!(serde_json::from_slice::<Value>(&list).unwrap()["data"], json!([]));
    let (_, list) = server.json("GET", SESSIONS, "");
    assert_eq!(list["data"][0]["id"], session.as_str());
}

#[test]
fn pages_of_strangers_do_not_drive_the_server() {
    let server = RunningServer::start(&["--allow-origin", "https://studio.example"]);
    let open = |headers: &[(&str, &str)]| server.request("POST", SESSIONS, headers, b"").0;
    assert_eq!(open(&[("origin", "http://evil.example")]), 403);
    assert_eq!(open(&[("origin", "null")]), 403);
    assert_eq!(open(&[("host", "evil.example")]), 421, "a name that a stranger points here");
    assert_eq!(open(&[("origin", &format!("http://{}", server.address))]), 201);
    assert_eq!(open(&[("origin", "https://studio.example")]), 201);
    let preflight = [("origin", "http://evil.example"), ("access-control-request-method", "POST")];
    assert_eq!(server.request("OPTIONS", SESSIONS, &preflight, b"").0, 403);
}

#[test]
fn a_server_for_others_wants_keys() {
    let refused = std::process::Command::new(env!("CARGO_BIN_EXE_prospect-runner"))
        .args(["serve", "--listen", "0.0.0.0:0"])
        .output()
        .unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(said.lines().count() == 1 && said.contains("--api-key-file"), "{said}");
}

#[test]
fn nothing_of_this_machine_is_read_by_a_request() {
    let server = RunningServer::start(&[]);
    for order in [
        json!({ "source": "file:///etc/passwd" }),
        json!({ "source": "/etc/passwd" }),
        json!({ "source": "http://169.254.169.254/latest" }),
        json!({ "settings": { "model.path": "/etc" } }),
        json!({ "settings": { "source.ffmpeg": "/bin/sh" } }),
        json!({ "settings": { "output.dir": "/tmp" } }),
        json!({ "settings": { "evaluation.annotations": "/etc/passwd" } }),
    ] {
        let (status, refused) = server.json("POST", SESSIONS, &order.to_string());
        assert_eq!(status, 400, "{order}: {refused}");
    }
    for id in ["../../etc", "sess_..%2f..%2fetc", "%2e%2e", "sess_00000000000000000000000000000000"] {
        let (status, _) = server.request("GET", &format!("{SESSIONS}/{id}/trace"), &[], b"");
        assert_eq!(status, 404, "{id}");
    }
}

/// A PNG whose header claims a huge size, with almost no data.
fn huge() -> Vec<u8> {
    let mut png = png(&image::RgbImage::new(1, 1));
    png[16..24].copy_from_slice(&[60_000_u32.to_be_bytes(), 60_000_u32.to_be_bytes()].concat());
    let sum = crc32fast::hash(&png[12..29]);
    png[29..33].copy_from_slice(&sum.to_be_bytes());
    png
}

#[test]
fn what_is_too_large_or_no_picture_is_one_line() {
    let server = RunningServer::start(&[]);
    let session = server.open("");
    let at = format!("{SESSIONS}/{session}/frames");
    let push = |body: &[u8]| {
        let (status, text) = server.request("POST", &at, &[], body);
        let answer: Value = serde_json::from_slice(&text).unwrap_or_default();
        (status, answer["error"]["message"].as_str().unwrap_or_default().to_owned())
    };
    let (status, said) = push(&huge());
    assert!(status == 413 && said.contains("60000x60000"), "{status} {said}");
    let (status, said) = push(b"no picture");
    assert!(status == 400 && said.contains("not a readable picture"), "{status} {said}");
    assert_eq!(push(b"").0, 400);
    let (status, said) = push(&vec![0; 17 << 20]);
    assert!(status == 413 && said.lines().count() == 1, "{status} {said}");
    let (status, text) = server.request("POST", &format!("{at}?wait=perhaps"), &[], b"");
    let refused: Value = serde_json::from_slice(&text).expect("refusals are JSON");
    assert!(status == 400 && refused["error"]["message"].is_string(), "{refused}");
    let (status, refused) = server.json("POST", SESSIONS, &"x".repeat(17 << 20));
    assert!(status == 413 && refused["error"]["message"].is_string(), "{status} {refused}");
    let frame = &frames("video_000")[0];
    let (status, _) = server.push(&session, frame);
    let (again, answer) = server.push(&session, frame);
    assert_eq!((status, again), (200, 400), "time goes on: {answer}");
    for wrong in [
        "[]",
        "[\"workbench\"]",
        "{\"name\": \"sess_x\"}",
        "{",
        "{\"budget\": 3}",
        "{\"strategy\": \"x\"}",
        "{\"talk\": 3}",
        "\u{1b}[2J",
    ] {
        let (status, refused) = server.json("POST", SESSIONS, wrong);
        let said = refused["error"]["message"].as_str().unwrap_or_default();
        assert!(
            status == 400 && !said.is_empty() && said.lines().count() == 1,
            "{wrong}: {status} {refused}"
        );
    }
}

#[test]
fn every_refusal_has_the_form_of_openais_errors() {
    let (server, _folder) = with_keys();
    let session = server.open("");
    for (method, path, key, status, kind, code) in [
        ("GET", "/v1/nothing", ONE, 404, "invalid_request_error", "unknown_path"),
        ("PUT", "/v1/models", ONE, 405, "invalid_request_error", "wrong_method"),
        ("GET", "/v1/models", "x", 401, "authentication_error", "invalid_api_key"),
        ("GET", "/v1/models/x", ONE, 404, "invalid_request_error", "model_not_found"),
        (
            "POST",
            &format!("{SESSIONS}/{session}/messages"),
            ONE,
            400,
            "invalid_request_error",
            "invalid_request",
        ),
    ] {
        // The name of the scheme may be written in any case.
        let header = format!("bearer {key}");
        let (found, text) = server.request(method, path, &[("authorization", &header)], b"[\"x\"]");
        let said: Value = serde_json::from_slice(&text).unwrap_or_default();
        assert_eq!(
            (found, &said["error"]["type"], &said["error"]["code"]),
            (status, &json!(kind), &json!(code))
        );
        assert!(said["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{said}");
    }
}

#[test]
fn there_are_no_more_sessions_than_may_be() {
    let server = RunningServer::start(&["--max-sessions", "3"]);
    let opened: Vec<String> = (0..3).map(|_| server.open("")).collect();
    let (status, refused) = server.json("POST", SESSIONS, "");
    assert_eq!(status, 429, "{refused}");
    server.request("DELETE", &format!("{SESSIONS}/{}", opened[0]), &[], b"");
    server.open("");
}

#[test]
fn a_cache_that_does_not_fit_is_refused_with_the_number() {
    let server = RunningServer::start(&["--cache-memory", "4000000"]);
    let (mut status, mut answer) = (201, Value::Null);
    for _ in 0..64 {
        (status, answer) = server.json("POST", SESSIONS, "");
        if status != 201 {
            break;
        }
    }
    assert_eq!(status, 503, "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("4000000"), "{answer}");
}

/// Writes into a connection, and reads until the server closes it.
fn raw(server: &RunningServer, bytes: &[u8]) -> (String, Duration) {
    let began = Instant::now();
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // The server may have closed it before everything is written.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    (String::from_utf8_lossy(&answer).into_owned(), began.elapsed())
}

#[test]
fn heads_without_end_and_half_open_connections_are_closed() {
    let server = RunningServer::start(&[]);
    let mut head = format!("GET / HTTP/1.1\r\nhost: {}\r\n", server.address).into_bytes();
    for number in 0..20_000 {
        head.extend(format!("x-{number}: {}\r\n", "y".repeat(50)).bytes());
    }
    let (answer, _) = raw(&server, &head);
    assert!(answer.starts_with("HTTP/1.1 431") || answer.is_empty(), "{answer}");
    let (answer, time) = raw(&server, b"GET / HTTP/1.1\r\nhost:");
    assert!(time < Duration::from_secs(30), "half a head waits {time:?}: {answer}");
    for silent in [&b""[..], b"PRI"] {
        let (answer, time) = raw(&server, silent);
        assert!(time < Duration::from_secs(30), "{silent:?} waits {time:?}: {answer}");
    }
    let idle: Vec<TcpStream> = (0..400).map(|_| TcpStream::connect(&server.address).unwrap()).collect();
    let (status, _) = server.request("GET", "/health", &[], b"");
    assert_eq!(status, 200, "beside {} idle connections", idle.len());
}
