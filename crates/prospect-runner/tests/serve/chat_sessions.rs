//! Conversations that continue in a session.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::client::{RunningServer, SESSIONS, frames, png};

const PATH: &str = "/v1/chat/completions";

fn shown(number: usize, text: &str) -> Value {
    let picture = BASE64_STANDARD.encode(png(&frames("video_000")[number].image));
    json!({ "role": "user", "content": [
        { "type": "image_url", "image_url": { "url": format!("data:image/png;base64,{picture}") } },
        { "type": "text", "text": text },
    ] })
}

/// The session's own messages and its number of frames.
fn of_session(server: &RunningServer, id: &str) -> (u64, Vec<(String, String)>) {
    let (_, shown) = server.json("GET", &format!("{SESSIONS}/{id}"), "");
    let (_, trace) = server.request("GET", &format!("{SESSIONS}/{id}/trace"), &[], b"");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let messages = String::from_utf8(trace)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["event"] == "message")
        .map(|event| (text(&event["role"]), text(&event["text"])))
        .collect();
    (shown["figures"]["frames"].as_u64().unwrap(), messages)
}

#[test]
fn pictures_of_one_name_are_frames_of_one_session_and_what_was_said_before_is_not_said_again() {
    let server = RunningServer::start(&[]);
    let ask = |messages: &[Value]| {
        let body = json!({ "session": "kitchen", "messages": messages, "max_tokens": 8 });
        let (status, answer) = server.json("POST", PATH, &body.to_string());
        assert_eq!(status, 200, "{answer}");
        answer
    };
    let system = json!({ "role": "system", "content": "Help with the work." });
    let (first, second) = (shown(0, "What now?"), shown(1, "And now?"));
    let answer = ask(&[system.clone(), first.clone()]);
    let id = answer["session"].as_str().unwrap().to_owned();
    assert!(answer["choices"][0]["message"]["content"].is_string(), "{answer}");
    assert_eq!(of_session(&server, &id).0, 1);
    let before = json!({ "role": "assistant", "content": answer["choices"][0]["message"]["content"] });
    let again = ask(&[system, first, before, second]);
    assert_eq!(again["session"], id.as_str());
    let (frames, messages) = of_session(&server, &id);
    assert_eq!(frames, 2);
    let said: Vec<&str> =
        messages.iter().filter(|(role, _)| role == "user").map(|(_, text)| text.as_str()).collect();
    assert_eq!(said, ["What now?", "And now?"]);
    let (_, events) = server.json("GET", &format!("{SESSIONS}/{id}"), "");
    assert_eq!(events["name"], "kitchen");
}

#[test]
fn a_header_names_the_session_too_and_words_come_as_they_are_said() {
    let server = RunningServer::start(&[]);
    let body = |stream: bool| json!({ "stream": stream, "messages": [shown(0, "What now?")] }).to_string();
    let headers = [("content-type", "application/json"), ("x-prospect-session", "bench")];
    let (status, text) = server.request("POST", PATH, &headers, body(true).as_bytes());
    let text = String::from_utf8(text).unwrap();
    assert_eq!(status, 200, "{text}");
    let events: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(events.last(), Some(&"[DONE]"));
    let chunks: Vec<Value> =
        events[..events.len() - 1].iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let id = chunks[0]["session"].as_str().unwrap().to_owned();
    assert!(chunks.iter().all(|chunk| chunk["session"] == id.as_str()), "{chunks:?}");
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "stop");
    let words: String =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    let (_, trace) = server.request("GET", &format!("{SESSIONS}/{id}/trace"), &[], b"");
    let reply = String::from_utf8(trace)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|event| event["event"] == "reply");
    assert_eq!(words.trim(), reply.map_or(String::new(), |reply| reply["text"].as_str().unwrap().to_owned()));
    // By its id too, and after it was suspended.
    assert_eq!(server.json("POST", &format!("{SESSIONS}/{id}/suspend"), "").0, 200);
    let by_id = json!({ "session": id, "messages": [shown(2, "And now?")] });
    let (status, answer) = server.json("POST", PATH, &by_id.to_string());
    assert_eq!((status, &answer["session"]), (200, &json!(id)), "{answer}");
    assert_eq!(server.json("POST", &format!("{SESSIONS}/{id}/suspend"), "").0, 200);
    let (status, text) = server.request("POST", PATH, &headers, body(false).as_bytes());
    let answer: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!((status, &answer["session"]), (200, &json!(id)), "{answer}");
}

#[test]
fn a_client_that_knows_only_a_base_address_keeps_one_session() {
    let server = RunningServer::start(&[]);
    let base = format!("{SESSIONS}/webcam");
    let (status, models) = server.json("GET", &format!("{base}/models"), "");
    assert_eq!(status, 200);
    let model = &models["data"][0]["id"];
    // Each request is one picture with the same question, and nothing that was said before: so live-vlm-webui asks,
    // for more tokens than the context has.
    let answers: Vec<Value> = (0..3)
        .map(|number| {
            let body = json!({ "model": model, "messages": [shown(number, "What now?")], "max_tokens": 512 });
            let (status, answer) =
                server.json("POST", &format!("{base}/chat/completions"), &body.to_string());
            assert_eq!(status, 200, "{answer}");
            answer
        })
        .collect();
    let id = answers[0]["session"].as_str().unwrap();
    assert!(answers.iter().all(|answer| answer["session"] == id), "{answers:?}");
    assert_eq!(of_session(&server, id).0, 3);
    // The second picture found in the cache what the first one left there.
    let usage = |number: usize, key: &str| answers[number]["usage"][key].as_u64().unwrap();
    let cached =
        |number: usize| answers[number]["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap();
    // The last token of a reply goes in with the next picture.
    let left =
        |number: usize| usage(number, "total_tokens") - u64::from(usage(number, "completion_tokens") > 0);
    assert_eq!([cached(1), cached(2)], [left(0), left(1)]);
    assert!(usage(2, "prompt_tokens") > cached(2));
}

#[test]
fn requests_with_a_new_name_open_one_session() {
    let server = RunningServer::start(&[]);
    let body = json!({ "session": "bench", "messages": [shown(0, "What now?")] }).to_string();
    let mut ids: Vec<String> = std::thread::scope(|scope| {
        let ask =
            || scope.spawn(|| server.json("POST", PATH, &body).1["session"].as_str().unwrap().to_owned());
        let asked: Vec<_> = (0..4).map(|_| ask()).collect();
        asked.into_iter().map(|answer| answer.join().unwrap()).collect()
    });
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(of_session(&server, &ids[0]).0, 4);
}

#[test]
fn what_no_session_can_answer_is_one_line() {
    let server = RunningServer::start(&[]);
    let assistant = json!({ "role": "assistant", "content": "Done." });
    for (session, messages, expected) in [
        ("a/b", json!([shown(0, "x")]), 400),
        ("", json!([shown(0, "x")]), 400),
        ("sess_00000000000000000000000000000000", json!([shown(0, "x")]), 404),
        ("bench", json!([shown(0, "x"), assistant]), 400),
        ("bench", json!([]), 400),
        (
            "bench",
            json!([{ "role": "user", "content": [{ "type": "image_url", "image_url": "http://127.0.0.1/" }] }]),
            400,
        ),
    ] {
        let (status, refused) =
            server.json("POST", PATH, &json!({ "session": session, "messages": messages }).to_string());
        let said = refused["error"]["message"].as_str().unwrap_or_default();
        assert!(status == expected && said.lines().count() == 1, "{session:?}: {status} {refused}");
    }
    assert_eq!(server.json("GET", SESSIONS, "").1["data"], json!([]));
}

#[test]
fn a_question_without_a_picture_waits_for_the_picture_of_another() {
    let server = RunningServer::start(&[]);
    let ask = |message: Value| {
        let body = json!({ "session": "bench", "messages": [message], "max_tokens": 4 });
        let (status, answer) = server.json("POST", PATH, &body.to_string());
        assert_eq!(status, 200, "{answer}");
        answer
    };
    let id = ask(shown(0, "What now?"))["session"].as_str().unwrap().to_owned();
    let began = std::time::Instant::now();
    std::thread::scope(|scope| {
        let question = scope.spawn(|| ask(json!({ "role": "user", "content": "And the cup?" })));
        // Until the question is in, every picture may come before it.
        let mut number = 1;
        while !question.is_finished() {
            ask(shown(number, "Look."));
            number += 1;
        }
        assert_eq!(question.join().unwrap()["session"], id.as_str());
    });
    assert!(began.elapsed() < std::time::Duration::from_secs(30), "{:?}", began.elapsed());
    let (_, messages) = of_session(&server, &id);
    assert!(messages.contains(&("user".to_owned(), "And the cup?".to_owned())), "{messages:?}");
}

#[test]
fn an_answer_that_was_cut_says_so() {
    let server = RunningServer::start(&[]);
    let answer = |session: &str, most: usize| {
        let order = json!({ "name": session, "talk": "on_request", "max_new_tokens": most });
        server.open(&order.to_string());
        let body = json!({ "session": session, "messages": [shown(2, "What now?")] });
        let (status, answer) = server.json("POST", PATH, &body.to_string());
        assert_eq!(status, 200, "{answer}");
        (answer["usage"]["completion_tokens"].clone(), answer["choices"][0]["finish_reason"].clone())
    };
    assert_eq!(answer("short", 2), (json!(2), json!("length")));
    let (tokens, reason) = answer("long", 40);
    assert!(tokens.as_u64().unwrap() < 40, "{tokens}");
    assert_eq!(reason, "stop");
}
