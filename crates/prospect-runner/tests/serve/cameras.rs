//! Cameras of the operator, added cameras, and addresses in requests.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use prospect_config::WORKBENCH_CONFIG;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{RunningServer, SESSIONS, events_until, frames, order};
use crate::common::workbench;
use crate::sessions::of_a_run;

const CAMERAS: &str = "/v1/streaming/cameras";
const VIDEO: &str = "video_000";

fn video() -> String {
    workbench().join(format!("videos/{VIDEO}.mp4")).canonicalize().unwrap().display().to_string()
}

/// The folder of the videos.
fn videos() -> String {
    format!("{}/", Path::new(&video()).parent().unwrap().display())
}

/// A server that lets requests name the videos and a network, and has a camera of its own.
fn allowed(videos: &str) -> [&str; 6] {
    ["--allow-source", videos, "--allow-source", "rtsp://10.0.0.0/8", "--camera", "door=/dev/video0"]
}

/// The replies of a session that watches this source.
fn said(server: &RunningServer, session: &str) -> Vec<(f64, String)> {
    let all = events_until(server, session, |event| event["event"] == "run_finished");
    let reply = |event: &Value| {
        let is_reply = event["event"] == "reply";
        is_reply.then(|| (event["time"].as_f64().unwrap(), event["text"].as_str().unwrap().to_owned()))
    };
    all.iter().filter_map(reply).collect()
}

fn watching(key: &str, what: &str) -> String {
    let mut asked: Value = serde_json::from_str(&order(VIDEO)).unwrap();
    asked[key] = what.into();
    asked.to_string()
}

fn add(server: &RunningServer, name: &str, source: &str) -> (u16, Value) {
    server.json("POST", CAMERAS, &json!({ "name": name, "source": source }).to_string())
}

fn names(server: &RunningServer) -> Vec<String> {
    let (_, list) = server.json("GET", CAMERAS, "");
    list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|camera| camera["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_request_adds_and_removes_cameras_within_what_the_operator_allows() {
    let (video, folder) = (video(), videos());
    let server = RunningServer::start(&allowed(&folder));
    let (status, added) = add(&server, "clip", &video);
    assert_eq!((status, &added["name"], &added["owner"]), (201, &json!("clip"), &json!("you")));
    let (status, added) = add(&server, "yard", "rtsp://user:pa55word@10.0.0.9/live?token=t0ken");
    assert_eq!((status, &added["source"]), (201, &json!("rtsp://***@10.0.0.9/live?token=***")));
    for (name, source, expected) in [
        ("clip", video.as_str(), 409),
        ("door", &video, 409),
        ("a/b", &video, 400),
        ("etc", "/etc/passwd", 400),
        ("dots", &format!("{folder}../../../Cargo.toml"), 400),
        ("inner", "http://127.0.0.1/", 400),
        ("inner", "rtsp://192.168.0.1/", 400),
        ("inner", "rtsp://user:pa55word@[::ffff:127.0.0.1]/", 400),
        ("protocol", "concat:/etc/passwd", 400),
    ] {
        let (status, refused) = add(&server, name, source);
        let said = refused["error"]["message"].as_str().unwrap();
        let is_one_line = said.lines().count() == 1 && !said.contains("pa55word");
        assert!(status == expected && is_one_line, "{source}: {status} {said}");
    }
    assert_eq!(names(&server), ["clip", "door", "yard"]);
    assert_eq!(said(&server, &server.open(&watching("camera", "clip"))), of_a_run());
    assert_eq!(said(&server, &server.open(&watching("source", &video))), of_a_run());
    let both = json!({ "camera": "clip", "source": video }).to_string();
    assert_eq!(server.json("POST", SESSIONS, &both).0, 400);
    let remove = |name: &str| server.request("DELETE", &format!("{CAMERAS}/{name}"), &[], b"").0;
    assert_eq!((remove("door"), remove("nobodys"), remove("clip")), (403, 404, 204));
    let (status, refused) = server.json("POST", SESSIONS, &watching("camera", "clip"));
    assert!(
        status == 400 && refused["error"]["message"].as_str().unwrap().contains("door, yard"),
        "{refused}"
    );
}

#[test]
fn added_cameras_outlive_the_server_and_are_opened_only_while_they_are_allowed() {
    let folder = videos();
    let server = RunningServer::start(&allowed(&folder));
    assert_eq!(add(&server, "yard", "rtsp://user:pa55word@10.0.0.9/live").0, 201);
    server.signal("-TERM");
    let (_, state) = server.end();
    let state = state.unwrap();
    let file = std::fs::metadata(state.path().join("cameras.json")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    let server = RunningServer::start_in(state.path(), &[]);
    assert_eq!(names(&server), ["yard"]);
    let (status, refused) = server.json("POST", SESSIONS, &watching("camera", "yard"));
    let said = refused["error"]["message"].as_str().unwrap();
    assert!(status == 400 && said.contains("--allow-source"), "{refused}");
}

#[test]
fn added_cameras_are_those_of_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let (one, other) = ("one-one-one-one-one-one", "other-other-other-other");
    std::fs::write(&keys, format!("{one}\n{other}\n")).unwrap();
    let server = RunningServer::start(&[
        "--api-key-file",
        keys.to_str().unwrap(),
        "--allow-source",
        "rtsp://10.0.0.0/8",
    ]);
    let ask = |method: &str, path: &str, key: &str, body: &str| {
        let (status, text) =
            server.request(method, path, &[("authorization", &format!("Bearer {key}"))], body.as_bytes());
        (status, serde_json::from_slice::<Value>(&text).unwrap_or_default())
    };
    assert_eq!(server.request("GET", CAMERAS, &[], b"").0, 401);
    let body = r#"{"name": "yard", "source": "rtsp://10.0.0.9/"}"#;
    assert_eq!(ask("POST", CAMERAS, one, body).0, 201);
    assert_eq!(ask("GET", CAMERAS, other, "").1["data"], json!([]));
    assert_eq!(ask("DELETE", &format!("{CAMERAS}/yard"), other, "").0, 404);
    assert_eq!(ask("POST", SESSIONS, other, r#"{"camera": "yard"}"#).0, 400);
    assert_eq!(ask("POST", CAMERAS, other, body).0, 201, "a name is a key's own");
    assert_eq!(ask("DELETE", &format!("{CAMERAS}/yard"), one, "").0, 204);
}

/// A camera that is off at first, gives two frames, goes away and comes back; and the settings that
/// name it.
struct Fake {
    folder: TempDir,
}

const SECRETS: [&str; 2] = ["pa55word", "t0ken"];

impl Fake {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (picture, count, program) =
            (folder.path().join("frame.ppm"), folder.path().join("count"), folder.path().join("ffmpeg"));
        let image = &frames(VIDEO)[0].image;
        let head = format!("P6\n{} {}\n255\n", image.width(), image.height());
        std::fs::write(&picture, [head.as_bytes(), image.as_raw()].concat()).unwrap();
        std::fs::write(&count, "0\n").unwrap();
        let script = format!(
            "#!/bin/sh\nread n < {count}\necho $((n + 1)) > {count}\n\
             case $n in 0|2) echo 'rtsp://user:pa55word@camera/live?token=t0ken: no route to host' >&2; exit 1;;\n\
             1) cat {picture} {picture};;\n*) cat {picture}; exec sleep 600;; esac\n",
            count = count.display(),
            picture = picture.display()
        );
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let settings = format!(
            "{WORKBENCH_CONFIG}\n[source]\nffmpeg = \"{}\"\nreconnect_initial = 0.01\nreconnect_max = 0.02\n\
             [[camera]]\nname = \"gate\"\nsource = \"rtsp://user:pa55word@camera/live?token=t0ken\"\nwatch = true\n\
             system_prompt = \"Watch the gate.\"\nsettings = {{ \"stream.every.seconds\" = 5 }}\n",
            program.display()
        );
        std::fs::write(folder.path().join("serve.toml"), settings).unwrap();
        Self { folder }
    }

    fn settings(&self) -> PathBuf {
        self.folder.path().join("serve.toml")
    }
}

#[test]
fn a_camera_of_the_settings_is_watched_from_the_beginning_on_and_by_the_next_server_too() {
    let (fake, state) = (Fake::new(), tempfile::tempdir().unwrap());
    let settings = fake.settings();
    let arguments = ["--config", settings.to_str().unwrap()];
    let log = fake.folder.path().join("log");
    let logged = || Stdio::from(std::fs::File::options().create(true).append(true).open(&log).unwrap());
    let server = RunningServer::start_logged(state.path(), &arguments, ("debug", logged()));
    let sessions = |server: &RunningServer| server.json("GET", SESSIONS, "").1["data"].clone();
    let all = sessions(&server);
    let [session] = all.as_array().unwrap().as_slice() else { panic!("{all}") };
    assert_eq!((&session["camera"], &session["owner"]), (&json!("gate"), &json!("server")));
    let id = session["id"].as_str().unwrap().to_owned();
    let mut outages = 0;
    let mut told = events_until(&server, &id, |event| {
        outages += usize::from(event["event"] == "source_interrupted");
        outages == 2 && event["event"] == "frame"
    });
    told.retain(|event| ["frame", "source_interrupted"].contains(&event["event"].as_str().unwrap()));
    let names: Vec<&str> = told.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!((names[0], names[1]), ("source_interrupted", "frame"), "it was off at first: {told:?}");
    assert_eq!(names[names.len() - 2..], ["source_interrupted", "frame"], "it went away: {told:?}");
    // Every caller may speak to it, and none may end or change it.
    let at = |rest: &str| format!("{SESSIONS}/{id}{rest}");
    assert_eq!(server.json("POST", &at("/messages"), r#"{"text": "Who is there?"}"#).0, 202);
    for (method, rest, body) in [
        ("DELETE", "", ""),
        ("POST", "/suspend", ""),
        ("POST", "/resume", ""),
        ("PATCH", "", r#"{"system_prompt": "x"}"#),
    ] {
        assert_eq!(server.json(method, &at(rest), body).0, 403, "{method} {rest}");
    }
    assert_eq!(server.request("DELETE", &format!("{CAMERAS}/gate"), &[], b"").0, 403);
    let mut shown = Vec::new();
    for path in [SESSIONS, CAMERAS, &at(""), &at("/trace"), "/metrics", "/about.json"] {
        shown.extend(server.request("GET", path, &[], b"").1);
    }
    shown.extend(serde_json::to_vec(&told).unwrap());
    server.signal("-TERM");
    assert_eq!(server.end().0, Some(0));
    let server = RunningServer::start_logged(state.path(), &arguments, ("debug", logged()));
    let again = sessions(&server);
    assert_eq!(
        (again.as_array().unwrap().len(), &again[0]["id"], &again[0]["state"]),
        (1, &json!(id), &json!("watching"))
    );
    let frame = events_until(&server, &id, |event| event["event"] == "frame").pop().unwrap();
    let seen = names.iter().filter(|name| **name == "frame").count() as u64;
    assert!(frame["index"].as_u64().unwrap() >= seen, "it goes on: {frame}");
    shown.extend(std::fs::read(&log).unwrap());
    let shown = String::from_utf8_lossy(&shown);
    for secret in SECRETS {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn settings_with_cameras_are_those_of_a_run_too_and_show_no_secret() {
    let fake = Fake::new();
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_prospect-runner"))
            .args(arguments)
            .args(["--config", fake.settings().to_str().unwrap()])
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    for command in [&["serve"][..], &["run", "x.mp4"]] {
        let (is_good, printed) = run(&[command, &["--print-config"]].concat());
        assert!(
            is_good
                && printed
                    .contains("[[camera]]\nname = \"gate\"\nsource = \"rtsp://***@camera/live?token=***\""),
            "{printed}"
        );
        assert!(SECRETS.iter().all(|secret| !printed.contains(secret)), "{printed}");
    }
    let out = fake.folder.path().join("out");
    let (is_good, said) =
        run(&["run", &video(), "--out", out.to_str().unwrap(), "--set", "stream.max_frames=2"]);
    assert!(is_good, "{said}");
    let trace = std::fs::read_to_string(out.join("trace.jsonl")).unwrap();
    assert!(!trace.contains("gate"), "{trace}");
}

#[test]
fn what_cannot_be_watched_is_refused_before_the_server_begins() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("serve.toml");
    let camera = "[[camera]]\nname = \"door\"\nsource = \"rtsp://u:pa55word@door/1\"\n";
    for (text, further, expected) in [
        (format!("{camera}{camera}"), &[][..], "two of this name"),
        (camera.to_owned(), &["--camera", "door=/dev/video0"], "two of this name"),
        (format!("{camera}tlak = \"every\"\n"), &[], "tlak"),
        (camera.replace("door\"", "a/b\""), &[], "expected a name"),
        (String::new(), &["--allow-source", "video.mp4"], "--allow-source video.mp4"),
    ] {
        std::fs::write(&settings, &text).unwrap();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_prospect-runner"))
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--state",
                folder.path().join("state").to_str().unwrap(),
            ])
            .args(["--config", settings.to_str().unwrap()])
            .args(further)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected) && said.lines().count() == 1 && !said.contains("pa55word"), "{said}");
    }
}
