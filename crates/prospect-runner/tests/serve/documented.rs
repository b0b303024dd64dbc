//! The clients of docs/serve.md, word for word.

use std::path::Path;
use std::process::Command;

use image::ImageFormat;
use serde_json::json;

use crate::client::{RunningServer, SESSIONS, frames};

/// The first indented block behind a heading, with the address of this server.
fn block(heading: &str, server: &RunningServer) -> String {
    let text = include_str!("../../../../docs/serve.md");
    let (_, behind) = text.split_once(&format!("\n## {heading}\n")).expect("the heading");
    let lines = behind.lines().skip_while(|line| !line.starts_with("    "));
    let block: Vec<&str> = lines.map_while(|line| line.strip_prefix("    ")).collect();
    let block = block.join("\n");
    assert!(block.contains(":8642"), "{block}");
    block.replace("127.0.0.1:8642", &server.address).replace("localhost:8642", &server.address)
}

/// Whether a command works here. A test that needs it is skipped elsewhere.
#[allow(clippy::print_stdout, reason = "a test that is skipped says so")]
fn is_there(program: &str, arguments: &[&str]) -> bool {
    let is_there = Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success());
    if !is_there {
        println!("skipped: {program} {} does not work here", arguments.join(" "));
    }
    is_there
}

fn jpeg(number: usize, path: &Path) {
    frames("video_000")[number].image.save_with_format(path, ImageFormat::Jpeg).unwrap();
}

#[test]
fn the_lines_of_curl_open_a_session_push_a_frame_and_follow_it() {
    if !is_there("curl", &["--version"]) || !is_there("jq", &["--version"]) {
        return;
    }
    let (server, folder) = (RunningServer::start(&[]), tempfile::tempdir().unwrap());
    jpeg(0, &folder.path().join("frame.jpg"));
    // The events have no end, so the last line is given one.
    let lines = block("With curl", &server).replace("curl -sN ", "curl -sN --max-time 3 ");
    let output = Command::new("sh").args(["-c", &lines]).current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains(r#""object":"streaming.frames""#), "{lines}\n{said}");
    for event in ["run_started", "message", "frame"] {
        assert!(said.contains(&format!("event: {event}\n")), "{event}: {lines}\n{said}");
    }
}

#[test]
fn the_client_in_python_pushes_its_frames() {
    if !is_there("python3", &["-c", "import requests"]) {
        return;
    }
    let (server, folder) = (RunningServer::start(&[]), tempfile::tempdir().unwrap());
    std::fs::create_dir(folder.path().join("frames")).unwrap();
    for number in 0..12 {
        jpeg(number, &folder.path().join(format!("frames/{number:03}.jpg")));
    }
    let program = block("With Python", &server);
    let output = Command::new("python3").args(["-c", &program]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{program}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(server.figure("prospect_frames_total"), 12);
    assert_eq!(server.json("GET", SESSIONS, "").1["data"], json!([]), "the client ends its session");
}
