//! Webhooks: what a receiver gets, and that no receiver delays a session.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use image::RgbImage;
use prospect_source::Frame;
use serde_json::Value;
use sha2::Sha256;
use tempfile::NamedTempFile;

use crate::client::{RunningServer, frames, order};
use crate::common::workbench;
use crate::sessions::of_a_run;

const VIDEO: &str = "video_000";
const SECRET: &str = "a-secret-of-some-length";
/// Longer than any delivery takes, so that a failing test ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request as it came.
struct Delivery {
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Delivery {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        &found.unwrap_or_else(|| panic!("{name} in {:?}", self.headers)).1
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A receiver that answers its first requests with these statuses, and 204 from then on.
fn receiver(statuses: &'static [u16]) -> (String, Receiver<Delivery>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (tell, deliveries) = channel();
    std::thread::spawn(move || {
        let mut statuses = statuses.iter().copied().chain(std::iter::repeat(204));
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap() == 0 || line.trim().is_empty() {
                    break;
                }
                lines.push(line.trim().to_owned());
            }
            let header = |line: &String| {
                line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            };
            let headers: Vec<(String, String)> = lines.iter().skip(1).filter_map(header).collect();
            let path = lines[0].split(' ').nth(1).unwrap().to_owned();
            let mut delivery = Delivery { path, headers, body: Vec::new() };
            delivery.body = vec![0; delivery.header("content-length").parse().unwrap()];
            reader.read_exact(&mut delivery.body).unwrap();
            let status = statuses.next().unwrap();
            let answer = format!(
                "HTTP/1.1 {status} X\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
            if tell.send(delivery).is_err() {
                return;
            }
        }
    });
    (address, deliveries)
}

fn secret_file() -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{SECRET}\n")).unwrap();
    file
}

fn serving(addresses: &[String], further: &[&str]) -> RunningServer {
    let secret = secret_file();
    let mut arguments = vec!["--webhook-secret-file", secret.path().to_str().unwrap()];
    for address in addresses {
        arguments.extend(["--webhook", address]);
    }
    arguments.extend(further);
    RunningServer::start(&arguments)
}

/// Checks the signature as docs/serve.md describes it for receivers.
fn assert_signed(delivery: &Delivery) {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(&delivery.body);
    let expected: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(delivery.header("x-prospect-signature"), format!("sha256={expected}"));
}

/// Whether a delivery shows that frame and none that is unlike it.
fn assert_shows(delivery: &Value, frame: &Frame) {
    let image = &delivery["image"];
    let bytes = BASE64_STANDARD.decode(image["data"].as_str().unwrap()).unwrap();
    let shown: RgbImage = image::load_from_memory(&bytes).unwrap().to_rgb8();
    assert_eq!(image["type"], "image/jpeg");
    assert_eq!((shown.width(), shown.height()), frame.image.dimensions());
    assert_eq!(image["width"].as_u64(), Some(u64::from(shown.width())));
    let pairs = shown.iter().zip(frame.image.iter());
    let difference: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    let mean = difference as f64 / shown.len() as f64;
    assert!(mean < 6.0, "{mean}: another frame than {}", frame.index);
}

fn push_all(server: &RunningServer, session: &str) -> Vec<(f64, String)> {
    let mut said = Vec::new();
    for frame in frames(VIDEO) {
        let (status, answer) = server.push(session, &frame);
        assert_eq!(status, 200, "{answer}");
        if let Some(reply) = answer["frames"][0]["reply"].as_str() {
            said.push((frame.time, reply.to_owned()));
        }
    }
    said
}

fn metrics(server: &RunningServer) -> String {
    String::from_utf8(server.request("GET", "/metrics", &[], b"").1).unwrap()
}

#[test]
fn a_reply_is_told_again_until_it_is_taken_and_every_one_is_told() {
    let (address, deliveries) = receiver(&[503, 500]);
    let server = serving(&[format!("http://{address}/replies?to=me")], &[]);
    let session = server.open(&order(VIDEO));
    let said = push_all(&server, &session);
    let all: Vec<Delivery> =
        (0..said.len() + 2).map(|_| deliveries.recv_timeout(PATIENCE).unwrap()).collect();
    for (delivery, attempt) in all.iter().zip([1, 2, 3, 1, 1]) {
        let body = delivery.json();
        assert_eq!(delivery.header("x-prospect-attempt"), attempt.to_string());
        assert_eq!((body["attempt"].as_u64(), &*delivery.path), (Some(attempt), "/replies?to=me"));
        assert_eq!(body["id"], delivery.header("x-prospect-id"));
        assert!(body["sent_at"].as_u64() >= body["created"].as_u64(), "{body}");
    }
    let id = |delivery: &Delivery| delivery.json()["id"].clone();
    assert!(id(&all[0]) == id(&all[1]) && id(&all[1]) == id(&all[2]) && id(&all[2]) != id(&all[3]));
    let frames = frames(VIDEO);
    let mut told = Vec::new();
    for delivery in &all[2..] {
        assert_signed(delivery);
        let body = delivery.json();
        assert_eq!((&body["object"], &body["session"]), (&"streaming.reply".into(), &session.clone().into()));
        assert!(body["camera"].is_null() && body["not_talk_probability"].is_f64(), "{body}");
        assert_shows(&body, &frames[body["frame"].as_u64().unwrap() as usize]);
        told.push((body["time"].as_f64().unwrap(), body["reply"].as_str().unwrap().to_owned()));
    }
    assert_eq!(told, said);
    assert_eq!(said, of_a_run());
}

#[test]
fn a_camera_is_named_and_its_frames_are_shown() {
    let (address, deliveries) = receiver(&[]);
    let video = workbench().join(format!("videos/{VIDEO}.mp4"));
    let camera = format!("bench={}", video.display());
    let server = serving(&[format!("http://{address}/")], &["--camera", &camera]);
    let mut wanted: Value = serde_json::from_str(&order(VIDEO)).unwrap();
    wanted["camera"] = "bench".into();
    server.open(&wanted.to_string());
    let frames = frames(VIDEO);
    for (time, reply) in of_a_run() {
        let body = deliveries.recv_timeout(PATIENCE).unwrap().json();
        assert_eq!((body["time"].as_f64(), body["reply"].as_str()), (Some(time), Some(&*reply)));
        assert_eq!(body["camera"], "bench");
        assert_shows(&body, &frames[body["frame"].as_u64().unwrap() as usize]);
    }
}

#[test]
fn what_a_receiver_refuses_is_not_told_again() {
    let (address, deliveries) = receiver(&[404, 307]);
    let server = serving(&[format!("http://{address}/")], &[]);
    let session = server.open(&order(VIDEO));
    let said = push_all(&server, &session);
    for _ in &said {
        let delivery = deliveries.recv_timeout(PATIENCE).unwrap();
        assert_eq!(delivery.header("x-prospect-attempt"), "1");
    }
    // The last answer is counted only after it was read.
    let sent = format!("prospect_notices_sent_total{{receiver=\"webhook_1\"}} {}\n", said.len() - 2);
    let is_counted = || metrics(&server).contains(&sent);
    assert!((0..600).any(|_| is_counted() || {
        std::thread::sleep(Duration::from_millis(50));
        false
    }));
    assert!(metrics(&server).contains("prospect_notices_failed_total{receiver=\"webhook_1\"} 2\n"));
    assert!(deliveries.try_recv().is_err());
}

#[test]
fn dead_receivers_hold_up_neither_a_session_nor_the_servers_end() {
    // The operating system accepts connections here, but nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = (silent.local_addr().unwrap(), silent);
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let addresses = [format!("http://user:SECRET@{}/SECRET?key=SECRET", silent.0), format!("http://{gone}/")];
    let server = serving(&addresses, &[]);
    let session = server.open(&order(VIDEO));
    assert_eq!(push_all(&server, &session), of_a_run());
    let figures = metrics(&server);
    assert!(figures.contains("prospect_notices_sent_total{receiver=\"webhook_2\"} 0\n"), "{figures}");
    assert!(!figures.contains("SECRET") && !figures.contains("127.0.0.1"), "{figures}");
    server.signal("-TERM");
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn receivers_that_cannot_be_told_are_refused_before_anything_starts() {
    let short = NamedTempFile::new().unwrap();
    let (secret, missing) = (secret_file(), PathBuf::from("/nowhere/secret"));
    let (secret, short) = (secret.path().to_str().unwrap(), short.path().to_str().unwrap());
    for (arguments, complaint) in [
        (vec!["--webhook", "ftp://u:SECRET@h/", "--webhook-secret-file", secret], "--webhook, number 1: not"),
        (vec!["--webhook", "http://h/", "--webhook-secret-file", short], "at least 16 letters"),
        (vec!["--webhook-secret-file", missing.to_str().unwrap()], "cannot be read"),
        (vec!["--webhook", "http://h/"], "--webhook-secret-file"),
        (vec!["--mqtt", "mqtt://u:SECRET@h"], "--mqtt-user-file"),
        (vec!["--mqtt", "mqtt://h", "--mqtt-prefix", "a/#"], "--mqtt-prefix"),
        (vec!["--mqtt", "mqtts://h", "--mqtt-ca", short], "no certificate"),
    ] {
        let (code, said) = crate::client::refused(&arguments);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(complaint) && !said.contains("SECRET"), "{said}");
    }
}
