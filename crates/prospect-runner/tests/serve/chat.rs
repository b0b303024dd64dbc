//! Conversations in the format of OpenAI's clients.

use std::process::Command;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::client::{RunningServer, frames, png};
use crate::common::workbench;

const PATH: &str = "/v1/chat/completions";

fn picture() -> String {
    format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png(&frames("video_000")[0].image)))
}

fn asked(further: &Value) -> Value {
    let content = json!([
        { "type": "image_url", "image_url": { "url": picture() } },
        { "type": "text", "text": "What now?" }
    ]);
    let mut body = json!({ "model": "workbench", "messages": [{ "role": "user", "content": content }], "max_tokens": 12, "temperature": 0 });
    body.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    body
}

/// The answer of `generate` to the same picture and text.
fn generated() -> Value {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("frame.png");
    std::fs::write(&image, png(&frames("video_000")[0].image)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_prospect-runner"))
        .args([
            "generate",
            "--model",
            workbench().to_str().unwrap(),
            "--image",
            image.to_str().unwrap(),
            "--prompt",
            "What now?",
            "--max-new-tokens",
            "12",
            "--json",
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn an_answer_is_what_generate_says_whole_and_word_by_word() {
    let server = RunningServer::start(&[]);
    let expected = generated();
    let (status, answer) = server.json("POST", PATH, &asked(&json!({})).to_string());
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["choices"][0]["message"]["content"], expected["text"]);
    let (prompt, said) = (
        expected["prompt_token_ids"].as_array().unwrap().len(),
        expected["token_ids"].as_array().unwrap().len(),
    );
    assert_eq!(
        answer["usage"],
        json!({ "prompt_tokens": prompt, "completion_tokens": said, "total_tokens": prompt + said })
    );
    let streamed = asked(&json!({ "stream": true, "stream_options": { "include_usage": true } }));
    let (status, text) = server.request(
        "POST",
        PATH,
        &[("content-type", "application/json")],
        streamed.to_string().as_bytes(),
    );
    let text = String::from_utf8(text).unwrap();
    let events: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!((status, *events.last().unwrap()), (200, "[DONE]"));
    let chunks: Vec<Value> =
        events[..events.len() - 1].iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let words: String =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(words.trim(), expected["text"]);
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(chunks.last().unwrap()["usage"], answer["usage"]);
}

#[test]
fn an_answer_stops_where_it_is_to_and_samples_the_same_with_a_seed() {
    let server = RunningServer::start(&[]);
    let content = |body: &Value| {
        let (status, answer) = server.json("POST", PATH, &body.to_string());
        assert_eq!(status, 200, "{answer}");
        let choice = &answer["choices"][0];
        (choice["message"]["content"].as_str().unwrap().to_owned(), choice["finish_reason"].clone())
    };
    let (whole, _) = content(&asked(&json!({})));
    let word = whole.split(' ').nth(1).unwrap_or(&whole).to_owned();
    let (cut, reason) = content(&asked(&json!({ "stop": [word] })));
    assert_eq!((cut.as_str(), reason), (whole.split(&word).next().unwrap().trim(), json!("stop")));
    let (_, reason) = content(&asked(&json!({ "max_tokens": 1 })));
    assert_eq!(reason, "length");
    let sampled = asked(&json!({ "temperature": 1.5, "top_p": 0.9, "seed": 7 }));
    assert_eq!(content(&sampled), content(&sampled));
}

#[test]
fn what_cannot_be_answered_is_one_line() {
    let server = RunningServer::start(&[]);
    let image = |url: &str| json!({ "messages": [{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": url } }] }] });
    for (wrong, status) in [
        (json!({ "messages": [] }), 400),
        (json!({}), 400),
        (json!({ "messages": [{ "role": "tool", "content": "x" }] }), 400),
        (asked(&json!({ "n": 2 })), 400),
        (asked(&json!({ "max_tokens": 0 })), 400),
        (asked(&json!({ "max_tokens": 1_000_000 })), 400),
        (asked(&json!({ "temperature": -1 })), 400),
        (asked(&json!({ "model": "gpt-4o" })), 404),
        (image("http://169.254.169.254/latest"), 400),
        (image("http://localhost/x.png"), 400),
        (image("file:///etc/passwd"), 400),
        (image("data:image/png;base64,AAAA"), 400),
    ] {
        let (found, refused) = server.json("POST", PATH, &wrong.to_string());
        let said = refused["error"]["message"].as_str().unwrap_or_default();
        assert!(found == status && !said.is_empty() && said.lines().count() == 1, "{found}: {refused}");
    }
}

#[test]
fn what_clients_send_as_nothing_is_nothing_and_every_answer_has_an_id_of_its_own() {
    let server = RunningServer::start(&[]);
    let further = json!({
        "stream": null, "stream_options": null, "max_tokens": 12, "max_completion_tokens": 3, "seed": -1,
        "tools": [], "logprobs": null, "response_format": { "type": "text" }, "stop": null, "n": 1,
    });
    let answers: Vec<Value> = (0..2)
        .map(|_| {
            let (status, answer) = server.json("POST", PATH, &asked(&further).to_string());
            assert_eq!(status, 200, "{answer}");
            answer
        })
        .collect();
    assert!(answers[0]["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert_ne!(answers[0]["id"], answers[1]["id"]);
    assert!(answers[0]["usage"]["completion_tokens"].as_u64().unwrap() <= 3, "{}", answers[0]);
    for impossible in [
        json!({ "tools": [{ "type": "function", "function": { "name": "x" } }] }),
        json!({ "logprobs": true }),
        json!({ "response_format": { "type": "json_object" } }),
    ] {
        let (status, refused) = server.json("POST", PATH, &asked(&impossible).to_string());
        assert_eq!((status, &refused["error"]["type"]), (400, &json!("invalid_request_error")), "{refused}");
    }
}

#[test]
fn a_conversation_has_room_where_the_caches_of_the_sessions_leave_some() {
    let server = RunningServer::start(&["--cache-memory", "4000000"]);
    assert_eq!(server.json("POST", PATH, &asked(&json!({})).to_string()).0, 200);
    assert_eq!(server.figure("prospect_cache_bytes"), 0, "it is given back");
    while server.json("POST", "/v1/streaming/sessions", "").0 == 201 {}
    let taken = server.figure("prospect_cache_bytes");
    // Longer than what is left.
    let content = json!("word ".repeat(500));
    for stream in [false, true] {
        let body = json!({ "messages": [{ "role": "user", "content": content }], "max_tokens": 9, "stream": stream });
        let (status, refused) = server.json("POST", PATH, &body.to_string());
        assert_eq!((status, &refused["error"]["type"]), (503, &json!("server_error")), "{refused}");
        assert!(refused["error"]["message"].as_str().unwrap().contains("4000000"), "{refused}");
    }
    assert_eq!(server.figure("prospect_cache_bytes"), taken);
}
