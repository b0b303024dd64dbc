//! Clients that leave, wait or are silent, at a server whose model says words without end.
#![allow(clippy::unwrap_used, reason = "tests")]

mod fake;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prospect_server::Limits;
use tungstenite::{Message, WebSocket};

use fake::{Running, eventually, limits};

fn connect(server: &Running) -> TcpStream {
    let stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

fn ask(server: &Running, request: &str, body: &str) -> TcpStream {
    let mut stream = connect(server);
    let length = body.len();
    let head = format!("{request} HTTP/1.1\r\nhost: {}\r\ncontent-length: {length}\r\n\r\n", server.address);
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    stream
}

fn line(server: &Running) -> WebSocket<TcpStream> {
    tungstenite::client(format!("ws://{}/v1/realtime", server.address), connect(server)).unwrap().0
}

const CHAT: &str = "POST /v1/chat/completions";

fn asked(further: &str) -> String {
    format!(r#"{{ "messages": [{{ "role": "user", "content": "{}" }}]{further} }}"#, "x".repeat(1000))
}

#[test]
fn who_leaves_a_conversation_ends_its_work_and_gives_back_its_memory() {
    // Room for one of these conversations.
    let server = Running::start(Limits { bodies_bytes: 1500, ..limits() });
    for (number, further) in ["", r#", "stream": true"#].into_iter().enumerate() {
        let mut client = ask(&server, CHAT, &asked(further));
        eventually("the answer begins", || server.work.begun.load(Ordering::SeqCst) == 2 * number + 1);
        if !further.is_empty() {
            let said = BufReader::new(client.try_clone().unwrap()).lines().map(Result::unwrap);
            assert!(said.take(20).any(|line| line.contains("word")), "words come");
        }
        client.flush().unwrap();
        drop(client);
        eventually("the work ends", || server.work.ended.load(Ordering::SeqCst) == 2 * number + 1);
        let (status, answer) = server.post("/v1/chat/completions", &asked(r#", "max_tokens": 3"#));
        assert!(status == 200 && answer.contains("word word word"), "{status}: {answer}");
    }
}

#[test]
fn a_reader_of_a_silent_session_is_told_that_it_is_still_connected() {
    let server = Running::start(limits());
    let (_, session) = server.post("/v1/streaming/sessions", "{}");
    let session: serde_json::Value = serde_json::from_str(&session).unwrap();
    let path = format!("GET /v1/streaming/sessions/{}/events", session["id"].as_str().unwrap());
    let lines = BufReader::new(ask(&server, &path, "")).lines().map(Result::unwrap);
    let comments = lines.filter(|line| line.starts_with(':'));
    assert_eq!(comments.take(3).count(), 3);
}

#[test]
fn a_socket_on_which_nothing_comes_is_closed_and_its_session_with_it() {
    let server = Running::start(limits());
    let mut silent = line(&server);
    silent.send(Message::text(r#"{ "type": "session.update", "session": {} }"#)).unwrap();
    eventually("the session is open", || server.sessions() == 1);
    // Whatever the server sends, this client answers nothing: not even the ping.
    let mut sent = Vec::new();
    silent.get_mut().read_to_end(&mut sent).unwrap();
    assert!(sent.windows(2).any(|bytes| bytes == [0x89, 0]), "a ping comes first: {sent:?}");
    eventually("the session ends", || server.sessions() == 0);
}

#[test]
fn a_socket_that_answers_pings_stays_open() {
    let server = Running::start(limits());
    let mut line = line(&server);
    line.send(Message::text(r#"{ "type": "session.update", "session": {} }"#)).unwrap();
    let mut pings = 0;
    while pings < 5 {
        // The client answers a ping with its next read.
        pings += usize::from(line.read().unwrap().is_ping());
    }
    assert_eq!(server.sessions(), 1);
}

#[test]
fn messages_of_sockets_and_bodies_of_requests_have_one_memory() {
    // Room for one conversation and a small message.
    let server = Running::start(Limits { bodies_bytes: 1500, silence: Duration::from_secs(60), ..limits() });
    let mut line = line(&server);
    let mut code_of = |bytes: usize| {
        line.send(Message::binary(vec![0; bytes])).unwrap();
        loop {
            let text = line.read().unwrap().into_text().unwrap();
            let event: serde_json::Value = serde_json::from_str(&text).unwrap();
            if event["type"] == "error" {
                return event["error"]["code"].as_str().unwrap().to_owned();
            }
        }
    };
    assert_ne!(code_of(1000), "no_room");
    // The body of a conversation is held until the answer is there.
    let client = ask(&server, CHAT, &asked(""));
    eventually("the answer begins", || server.work.begun.load(Ordering::SeqCst) == 1);
    assert_eq!(code_of(1000), "no_room");
    assert_ne!(code_of(100), "no_room", "there is room for a small one");
    drop(client);
    eventually("the memory of the conversation is given back", || code_of(1000) != "no_room");
}
