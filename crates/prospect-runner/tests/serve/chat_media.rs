//! Videos in conversations, and fetching of their addresses.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::codecs::gif::GifEncoder;
use image::{Delay, DynamicImage, Frame};
use serde_json::{Value, json};

use crate::client::{RunningServer, frames, png};
use crate::common::workbench;

const PATH: &str = "/v1/chat/completions";

/// The first frames of a video of the workbench, two a second.
fn gif() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    for frame in &frames("video_000")[..3] {
        let image = DynamicImage::ImageRgb8(image::RgbImage::clone(&frame.image)).into_rgba8();
        let delay = Delay::from_saturating_duration(Duration::from_millis(500));
        encoder.encode_frame(Frame::from_parts(image, 0, 0, delay)).unwrap();
    }
    drop(encoder);
    bytes
}

/// The answer of `generate` to a video and a text.
fn generated(video: &Path) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_prospect-runner"))
        .args(["generate", "--model", workbench().to_str().unwrap(), "--prompt", "What now?", "--json"])
        .args(["--max-new-tokens", "12", "--video", video.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn asked(kind: &str, url: &str) -> String {
    let part = json!({ "type": kind, kind: { "url": url } });
    let content = json!([part, { "type": "text", "text": "What now?" }]);
    json!({ "messages": [{ "role": "user", "content": content }], "max_tokens": 12, "temperature": 0 })
        .to_string()
}

#[test]
fn a_video_in_a_message_is_seen_as_generate_sees_it() {
    let server = RunningServer::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clip.gif");
    std::fs::write(&file, gif()).unwrap();
    let expected = generated(&file);
    let url = format!("data:image/gif;base64,{}", BASE64_STANDARD.encode(gif()));
    let (status, answer) = server.json("POST", PATH, &asked("video_url", &url));
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["choices"][0]["message"]["content"], expected["text"]);
    assert_eq!(answer["usage"]["prompt_tokens"], expected["prompt_token_ids"].as_array().unwrap().len());
    let long = std::fs::read(workbench().join("videos/video_000.mp4")).unwrap();
    for (bytes, expected) in [(long, 413), (b"no video".to_vec(), 400), (b"....ftypisom".to_vec(), 400)] {
        let url = format!("data:video/mp4;base64,{}", BASE64_STANDARD.encode(bytes));
        let (status, refused) = server.json("POST", PATH, &asked("video_url", &url));
        let said = refused["error"]["message"].as_str().unwrap_or_default();
        assert!(status == expected && said.lines().count() == 1, "{status} {refused}");
    }
}

#[test]
fn an_address_is_fetched_where_the_operator_says_so_and_else_nobody_hears_of_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("http://{}", listener.local_addr().unwrap());
    let (body, picture) = (asked("image_url", &format!("{host}/x.png")), png(&frames("video_000")[0].image));
    listener.set_nonblocking(true).unwrap();
    for further in [&[][..], &["--fetch"], &["--allow-source", &host]] {
        let server = RunningServer::start(further);
        for kind in ["image_url", "video_url"] {
            let (status, refused) = server.json("POST", PATH, &asked(kind, &format!("{host}/x.png")));
            assert_eq!(status, 400, "{further:?} {refused}");
        }
        assert!(listener.accept().is_err(), "nobody came: {further:?}");
    }
    listener.set_nonblocking(false).unwrap();
    let serving = std::thread::spawn({
        let picture = picture.clone();
        move || {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", picture.len());
            stream.write_all(&[head.as_bytes(), &picture].concat()).unwrap();
        }
    });
    let server = RunningServer::start(&["--fetch", "--allow-source", &host]);
    let (status, fetched) = server.json("POST", PATH, &body);
    assert_eq!(status, 200, "{fetched}");
    serving.join().unwrap();
    let given = format!("data:image/png;base64,{}", BASE64_STANDARD.encode(&picture));
    let (_, answer) = server.json("POST", PATH, &asked("image_url", &given));
    assert_eq!(fetched["choices"], answer["choices"]);
}

#[test]
fn a_small_video_of_large_frames_takes_little_memory() {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut bytes, 30);
    for _ in 0..6 {
        let image = image::RgbaImage::new(4096, 3072);
        let delay = Delay::from_saturating_duration(Duration::from_millis(500));
        encoder.encode_frame(Frame::from_parts(image, 0, 0, delay)).unwrap();
    }
    drop(encoder);
    assert!(bytes.len() < 1 << 20, "{} bytes", bytes.len());
    let server = RunningServer::start(&[]);
    let before = server.peak_memory();
    let url = format!("data:image/gif;base64,{}", BASE64_STANDARD.encode(&bytes));
    let (status, answer) = server.json("POST", PATH, &asked("video_url", &url));
    assert_eq!(status, 200, "{answer}");
    let grown = (server.peak_memory() - before) >> 20;
    assert!(grown < 300, "{grown} MiB for {} KiB", bytes.len() >> 10);
}

#[test]
fn the_pictures_of_a_request_have_a_bound_together() {
    let server = RunningServer::start(&[]);
    let large =
        format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png(&image::RgbImage::new(4096, 3000))));
    let part = json!({ "type": "image_url", "image_url": { "url": large } });
    let content: Vec<Value> = (0..5).map(|_| part.clone()).collect();
    let body = json!({ "messages": [{ "role": "user", "content": content }] });
    let (status, refused) = server.json("POST", PATH, &body.to_string());
    let said = refused["error"]["message"].as_str().unwrap_or_default();
    assert!(status == 413 && said.contains("pixels"), "{status} {refused}");
}
