//! Clients that behave badly on their connections: nothing of it may hold up anybody else.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::client::{RunningServer, SESSIONS, frames, png};

/// The bound of a request's body, and what the two ends of a connection may hold beside it.
const BODY_AND_BUFFERS: usize = (16 << 20) + (12 << 20);

fn connect(server: &RunningServer) -> TcpStream {
    let stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

fn head(server: &RunningServer, request: &str, headers: &str) -> String {
    format!("{request} HTTP/1.1\r\nhost: {}\r\n{headers}\r\n", server.address)
}

#[test]
fn a_body_without_end_is_refused_at_the_bound() {
    let server = RunningServer::start(&[]);
    let session = server.open("");
    for path in
        [format!("{SESSIONS}/{session}/frames"), SESSIONS.to_owned(), "/v1/chat/completions".to_owned()]
    {
        let mut stream = connect(&server);
        stream
            .write_all(head(&server, &format!("POST {path}"), "transfer-encoding: chunked\r\n").as_bytes())
            .unwrap();
        let mut chunk = format!("{:x}\r\n", 1 << 20).into_bytes();
        chunk.resize(chunk.len() + (1 << 20), b' ');
        chunk.extend(b"\r\n");
        let mut sent = 0;
        // The server answers and closes: at the latest then nothing more can be written.
        while sent <= BODY_AND_BUFFERS && stream.write_all(&chunk).is_ok() {
            sent += 1 << 20;
        }
        assert!(sent <= BODY_AND_BUFFERS, "{path} took {sent} bytes");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        // A connection that was reset while it was written to may lose the answer on its way.
        assert!(answer.starts_with("HTTP/1.1 413") || answer.is_empty(), "{path}: {answer}");
    }
    assert_eq!(server.push(&session, &frames("video_000")[0]).0, 200);
}

#[test]
fn who_vanishes_in_the_middle_of_a_body_leaves_nothing_behind() {
    let server = RunningServer::start(&[]);
    let session = server.open("");
    let picture = png(&frames("video_000")[0].image);
    for number in 0..200 {
        let mut stream = connect(&server);
        let length = format!("content-length: {}\r\n", picture.len());
        let request = head(&server, &format!("POST {SESSIONS}/{session}/frames"), &length);
        stream.write_all(request.as_bytes()).unwrap();
        stream.write_all(&picture[..number * picture.len() / 200]).unwrap();
        match number % 2 {
            0 => drop(stream),
            _ => stream.shutdown(Shutdown::Write).unwrap(),
        }
    }
    let (status, answer) = server.push(&session, &frames("video_000")[1]);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["frames"][0]["index"], 0, "no half picture became a frame: {answer}");
}

#[test]
fn a_thousand_connections_leave_room_for_one_who_asks() {
    let server = RunningServer::start(&[]);
    let session = server.open("");
    let silent: Vec<TcpStream> = (0..1000).map(|_| connect(&server)).collect();
    assert_eq!(server.push(&session, &frames("video_000")[0]).0, 200, "beside {} connections", silent.len());
    // Beyond the bound the server closes a connection at once.
    let beyond: Vec<TcpStream> = (0..100).map(|_| connect(&server)).collect();
    drop((silent, beyond));
    // The server hears of the closed connections one by one.
    let answered = (0..100).any(|_| {
        let mut stream = connect(&server);
        let mut answer = String::new();
        let _ = stream.write_all(head(&server, "GET /health", "connection: close\r\n").as_bytes());
        let _ = stream.read_to_string(&mut answer);
        let is_answered = answer.starts_with("HTTP/1.1 200");
        if !is_answered {
            std::thread::sleep(Duration::from_millis(100));
        }
        is_answered
    });
    assert!(answered, "nobody is answered after a thousand connections were closed");
}

#[test]
fn readers_who_do_not_read_hold_up_nobody() {
    let server = RunningServer::start(&[]);
    let session = server.open(r#"{ "settings": { "source.policy": "block" } }"#);
    let ask = head(&server, &format!("GET {SESSIONS}/{session}/events"), "");
    let mut readers: Vec<TcpStream> = (0..50).map(|_| connect(&server)).collect();
    for reader in &mut readers {
        reader.write_all(ask.as_bytes()).unwrap();
    }
    let frames = frames("video_000");
    for frame in &frames {
        assert_eq!(server.push(&session, frame).0, 200);
    }
    // One that reads after all finds every frame.
    let mut lines = BufReader::new(readers.swap_remove(7)).lines();
    let mut next_frame = || {
        let event = lines.find(|line| line.as_ref().unwrap() == "event: frame").unwrap();
        event.and_then(|_| lines.find(|line| line.as_ref().unwrap().starts_with("data: ")).unwrap()).unwrap()
    };
    for index in 0..frames.len() {
        let data = next_frame();
        assert!(data.contains(&format!("\"index\":{index},")), "{index}: {data}");
    }
}

#[test]
fn ten_thousand_sessions_are_refused_one_by_one() {
    let server = RunningServer::start(&["--max-sessions", "4"]);
    let mut opened = 0;
    for _ in 0..10_000 {
        match server.json("POST", SESSIONS, "").0 {
            201 => opened += 1,
            429 => {}
            other => panic!("{other}"),
        }
    }
    assert_eq!(opened, 4);
    assert_eq!(server.json("GET", SESSIONS, "").1["data"].as_array().unwrap().len(), 4);
}
