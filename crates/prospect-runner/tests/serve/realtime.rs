//! A session over one WebSocket.

use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, connect};

use crate::client::{RunningServer, SESSIONS, frames, order, png};
use crate::sessions::of_a_run;

const VIDEO: &str = "video_000";

struct Line(tungstenite::WebSocket<tungstenite::stream::MaybeTlsStream<std::net::TcpStream>>);

impl Line {
    fn to(server: &RunningServer, query: &str) -> Self {
        let request = format!("ws://{}/v1/realtime{query}", server.address).into_client_request().unwrap();
        Self(connect(request).unwrap().0)
    }

    fn tell(&mut self, event: &Value) {
        self.0.send(Message::text(event.to_string())).unwrap();
    }

    /// The events up to one of this type.
    fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            if let Message::Text(text) = self.0.read().unwrap() {
                let event: Value = serde_json::from_str(&text).unwrap();
                let is_last = event["type"] == kind;
                events.push(event);
                if is_last {
                    return events;
                }
            }
        }
    }
}

#[test]
fn a_session_over_a_socket_says_what_a_run_says_word_by_word() {
    let server = RunningServer::start(&[]);
    let mut line = Line::to(&server, "");
    let asked: Value = serde_json::from_str(&order(VIDEO)).unwrap();
    line.tell(&json!({ "type": "session.update", "session": asked }));
    let created = line.until("session.created");
    assert_eq!(created.len(), 1, "{created:?}");
    let (mut said, mut words) = (Vec::new(), String::new());
    for frame in frames(VIDEO) {
        let image = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, png(&frame.image));
        line.tell(&json!({ "type": "input_frame.append", "image": image, "time": frame.time }));
        for event in line.until("prospect.frame") {
            match event["type"].as_str().unwrap() {
                "response.created" => words.clear(),
                "response.output_text.delta" => {
                    assert!(event["item_id"].is_string() && event["output_index"] == 0, "{event}");
                    assert!(event["content_index"] == 0 && event["event_id"].is_string(), "{event}");
                    words += event["delta"].as_str().unwrap();
                }
                "response.done" => {
                    let text =
                        event["response"]["output"][0]["content"][0]["text"].as_str().unwrap().to_owned();
                    assert_eq!(words.trim(), text, "the words together are the reply");
                    said.push((event["time"].as_f64().unwrap(), text));
                }
                "error" => panic!("{event}"),
                _ => {}
            }
        }
    }
    assert_eq!(said, of_a_run());
    // The session ends with its connection.
    let (_, list) = server.json("GET", SESSIONS, "");
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    line.0.close(None).unwrap();
    let began = std::time::Instant::now();
    while server.json("GET", SESSIONS, "").1["data"] != json!([]) {
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "the session stays");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_session_that_stays_is_joined_and_what_is_no_event_is_an_error() {
    let server = RunningServer::start(&[]);
    let session = server.open(&order(VIDEO));
    let mut line = Line::to(&server, &format!("?session={session}"));
    line.until("session.created");
    for wrong in
        [json!({ "type": "dance" }), json!([]), json!({ "type": "input_frame.append", "image": "###" })]
    {
        line.tell(&wrong);
        let error = line.until("error").pop().unwrap();
        assert!(!error["error"]["message"].as_str().unwrap().is_empty(), "{error}");
    }
    line.tell(&json!({ "type": "conversation.item.create", "item": { "content": [{ "type": "input_text", "text": "What now?" }] } }));
    line.0.send(Message::binary(png(&frames(VIDEO)[0].image))).unwrap();
    let events = line.until("prospect.frame");
    assert!(events.iter().any(|event| event["type"] == "conversation.item.added"), "{events:?}");
    drop(line);
    assert_eq!(server.json("GET", &format!("{SESSIONS}/{session}"), "").1["state"], "watching");
    let other = format!("ws://{}/v1/realtime", server.address).into_client_request().map(|mut request| {
        request.headers_mut().insert("origin", "http://evil.example".parse().unwrap());
        request
    });
    assert!(connect(other.unwrap()).is_err(), "pages of strangers");
}

#[test]
fn openais_clients_are_told_of_the_session_at_once_and_of_its_end() {
    let server = RunningServer::start(&[]);
    let mut line = Line::to(&server, "");
    assert_eq!(line.until("session.created").len(), 1);
    for wrong in [json!({ "type": "transcription" }), json!({ "output_modalities": ["audio"] }), json!([])] {
        line.tell(&json!({ "type": "session.update", "session": wrong }));
        assert_eq!(line.until("error").pop().unwrap()["error"]["type"], "invalid_request_error");
    }
    let session = json!({ "type": "realtime", "output_modalities": ["text"], "instructions": "Help." });
    line.tell(&json!({ "type": "session.update", "session": session }));
    let events = line.until("session.updated");
    let updated = events.last().unwrap();
    assert!(events.iter().all(|event| event["type"] != "error"), "{events:?}");
    let id = updated["session"]["id"].as_str().unwrap().to_owned();
    assert_eq!(server.request("DELETE", &format!("{SESSIONS}/{id}"), &[], b"").0, 204);
    let closed = loop {
        match line.0.read().unwrap() {
            Message::Close(frame) => break frame.unwrap(),
            _ => continue,
        }
    };
    assert_eq!(u16::from(closed.code), 1000);
    assert!(closed.reason.contains("end"), "{closed:?}");
}
