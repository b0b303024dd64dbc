//! A session from its opening to its end.

use std::io::{BufRead, BufReader};

use prospect_config::{Layers, WORKBENCH_CONFIG};
use prospect_session::Event;
use serde_json::{Value, json};

use crate::client::{RunningServer, SESSIONS, frames, order, png};
use crate::common::{stream, workbench};

const VIDEO: &str = "video_000";

/// The replies of a run over the video, with their times.
pub(crate) fn of_a_run() -> Vec<(f64, String)> {
    let layers = Layers::new().file_text("workbench.toml".as_ref(), WORKBENCH_CONFIG).unwrap();
    let events = stream(&layers.resolve().unwrap(), &workbench().join(format!("videos/{VIDEO}.mp4")));
    let reply = |event| match event {
        Event::Reply { time, text, .. } => Some((time, text)),
        _ => None,
    };
    events.into_iter().filter_map(reply).collect()
}

#[test]
fn what_is_pushed_is_answered_as_a_run_would() {
    let server = RunningServer::start(&[]);
    let session = server.open(&order(VIDEO));
    let (mut said, mut evictions) = (Vec::new(), 0);
    for frame in frames(VIDEO) {
        let (status, answer) = server.push(&session, &frame);
        assert_eq!(status, 200, "{answer}");
        let result = &answer["frames"][0];
        assert_eq!(
            (result["index"].as_u64(), result["time"].as_f64()),
            (Some(frame.index as u64), Some(frame.time))
        );
        evictions += result["evictions"].as_array().unwrap().len();
        if let Some(text) = result["reply"].as_str() {
            said.push((frame.time, text.to_owned()));
        }
    }
    assert_eq!(said, of_a_run());
    assert!(evictions > 0);
    let (_, shown) = server.json("GET", &format!("{SESSIONS}/{session}"), "");
    assert_eq!(shown["state"], "watching");
    assert_eq!(shown["figures"]["replies"].as_u64(), Some(said.len() as u64));
    assert_eq!(shown["figures"]["overflows"].as_u64(), Some(evictions as u64));
    let (status, trace) = server.request("GET", &format!("{SESSIONS}/{session}/trace"), &[], b"");
    let lines: Vec<Value> =
        String::from_utf8(trace).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((status, &lines[0]["event"]), (200, &json!("run_started")));
    let (_, metrics) = server.request("GET", "/metrics", &[], b"");
    let metrics = String::from_utf8(metrics).unwrap();
    assert!(metrics.contains(&format!("prospect_replies_total {}\n", said.len())), "{metrics}");
    let of = |event: &str, key: &str| -> Vec<Value> {
        lines.iter().filter(|line| line["event"] == event).map(|line| line[key].clone()).collect()
    };
    let generated: usize = of("reply", "token_ids").iter().map(|ids| ids.as_array().unwrap().len()).sum();
    let segments = of("frame", "segments").into_iter().flat_map(|all| all.as_array().unwrap().clone());
    let prompt: u64 = segments.map(|segment| segment["tokens"].as_u64().unwrap()).sum();
    assert_eq!(server.figure("prospect_generated_tokens_total"), generated as u64);
    assert_eq!(server.figure("prospect_prompt_tokens_total"), prompt);
    let (status, _) = server.request("DELETE", &format!("{SESSIONS}/{session}"), &[], b"");
    let (gone, _) = server.json("GET", &format!("{SESSIONS}/{session}"), "");
    assert_eq!((status, gone), (204, 404));
}

/// The events of a session behind `after`, up to one of this name.
fn events(server: &RunningServer, session: &str, after: u64, last: &str) -> Vec<(u64, Value)> {
    let mut request = ureq::get(format!("http://{}{SESSIONS}/{session}/events", server.address));
    request = request.header("last-event-id", after.to_string());
    let mut answer = request.call().unwrap();
    let (mut found, mut number) = (Vec::new(), 0);
    for line in BufReader::new(answer.body_mut().as_reader()).lines() {
        let line = line.unwrap();
        if let Some(id) = line.strip_prefix("id: ") {
            number = id.parse().unwrap();
        }
        if let Some(data) = line.strip_prefix("data: ") {
            let event: Value = serde_json::from_str(data).unwrap();
            let is_last = event["event"] == last;
            found.push((number, event));
            if is_last {
                break;
            }
        }
    }
    found
}

#[test]
fn readers_see_every_event_and_go_on_where_they_were() {
    let server = RunningServer::start(&[]);
    let session = server.open(&order(VIDEO));
    for frame in &frames(VIDEO)[..3] {
        server.push(&session, frame);
    }
    let names = |events: &[(u64, Value)]| -> Vec<String> {
        events.iter().map(|(_, event)| event["event"].as_str().unwrap().to_owned()).collect()
    };
    let first = events(&server, &session, 0, "frame");
    assert_eq!(names(&first)[..2], ["run_started", "budget"]);
    assert!(first.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1), "{first:?}");
    let known = first.last().unwrap().0;
    let second = events(&server, &session, known, "frame");
    assert_eq!((second[0].0, &second.last().unwrap().1["index"]), (known + 1, &json!(1)));
}

#[test]
fn people_speak_and_prompts_change() {
    let server = RunningServer::start(&[]);
    let session = server.open(&order(VIDEO));
    let all = frames(VIDEO);
    server.push(&session, &all[0]);
    let path = format!("{SESSIONS}/{session}/messages");
    let (status, queued) = server.json("POST", &path, r#"{"text": "What now?"}"#);
    assert_eq!((status, &queued["state"]), (202, &json!("queued")));
    server.push(&session, &all[1]);
    let (status, _) =
        server.json("PATCH", &format!("{SESSIONS}/{session}"), r#"{"system_prompt": "Be brief."}"#);
    assert_eq!(status, 200);
    server.push(&session, &all[2]);
    let (_, trace) = server.request("GET", &format!("{SESSIONS}/{session}/trace"), &[], b"");
    let messages: Vec<(Value, Value)> = String::from_utf8(trace)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["event"] == "message")
        .map(|mut event| (event["role"].take(), event["text"].take()))
        .collect();
    assert!(messages.contains(&(json!("user"), json!("What now?"))), "{messages:?}");
    assert!(messages.contains(&(json!("system"), json!("Be brief."))), "{messages:?}");
    let (status, refused) = server.json("POST", &path, &json!({ "text": "word ".repeat(3000) }).to_string());
    assert_eq!(status, 400, "longer than the cache: {refused}");
    let (status, refused) = server.json("POST", &path, r#"{"text": " \n"}"#);
    assert_eq!(status, 400, "no text: {refused}");
}

#[test]
fn whoever_asks_sees_the_next_frame_as_a_small_picture() {
    let server = RunningServer::start(&[]);
    let session = server.open(&order(VIDEO));
    let at = format!("{SESSIONS}/{session}/frame");
    let frames = frames(VIDEO);
    assert_eq!(server.push(&session, &frames[0]).0, 200);
    let (status, jpeg) = std::thread::scope(|scope| {
        let asked = scope.spawn(|| server.request("GET", &at, &[], b""));
        // Frames go on until one came after the question.
        let mut next = frames[1..].iter();
        while !asked.is_finished() {
            assert_eq!(server.push(&session, next.next().expect("the question is answered")).0, 200);
        }
        asked.join().unwrap()
    });
    assert_eq!(status, 200);
    assert_eq!(image::guess_format(&jpeg).unwrap(), image::ImageFormat::Jpeg);
    let shown = image::load_from_memory(&jpeg).unwrap();
    assert_eq!((shown.width(), shown.height()), frames[0].image.dimensions());
    assert_eq!(server.json("POST", &format!("{SESSIONS}/{session}/suspend"), "").0, 200);
    assert_eq!(server.json("GET", &at, "").0, 409);
}

#[test]
fn several_frames_come_in_one_form() {
    let server = RunningServer::start(&[]);
    let session = server.open("");
    let mut body = Vec::new();
    for frame in &frames(VIDEO)[..3] {
        body.extend(b"--edge\r\ncontent-disposition: form-data; name=\"frame\"; filename=\"f.png\"\r\n");
        body.extend(format!("x-frame-time: {}\r\n\r\n", frame.time).bytes());
        body.extend(png(&frame.image));
        body.extend(b"\r\n");
    }
    body.extend(b"--edge--\r\n");
    let headers = [("content-type", "multipart/form-data; boundary=edge")];
    let (status, answer) = server.request("POST", &format!("{SESSIONS}/{session}/frames"), &headers, &body);
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(status, 200, "{answer}");
    let times: Vec<f64> =
        answer["frames"].as_array().unwrap().iter().map(|frame| frame["time"].as_f64().unwrap()).collect();
    assert_eq!(times, [0.0, 0.5, 1.0]);
    // Their times do not rise behind the first one: what became of it is not lost.
    let form = |times: [f64; 2], wait: bool| {
        let mut body = Vec::new();
        for time in times {
            body.extend(b"--edge\r\ncontent-disposition: form-data; name=\"frame\"; filename=\"f.png\"\r\n");
            body.extend(format!("x-frame-time: {time}\r\n\r\n").bytes());
            body.extend(png(&frames(VIDEO)[0].image));
            body.extend(b"\r\n");
        }
        body.extend(b"--edge--\r\n");
        let path = format!("{SESSIONS}/{session}/frames?wait={wait}");
        let (status, answer) = server.request("POST", &path, &headers, &body);
        (status, serde_json::from_slice::<Value>(&answer).unwrap())
    };
    for (times, wait, expected) in [([2.0, 1.0], true, 200), ([3.0, 1.0], false, 202)] {
        let (status, answer) = form(times, wait);
        assert_eq!((status, answer["frames"].as_array().unwrap().len()), (expected, 1), "{answer}");
        assert_eq!(answer["frames"][0]["time"], times[0]);
        assert_eq!(answer["refused"]["error"]["type"], "invalid_request_error", "{answer}");
    }
    assert_eq!(form([1e308, 1e308], true).0, 400, "no time");
}

#[test]
fn the_page_and_what_it_asks_for_are_there() {
    let server = RunningServer::start(&[]);
    for (path, what) in [
        ("/", "<title>Prospect</title>"),
        ("/page.js", "use strict"),
        ("/pictures.js", "use strict"),
        ("/page.css", "--ground"),
        ("/health", "ok"),
        ("/ready", "ready"),
    ] {
        let (status, text) = server.request("GET", path, &[], b"");
        assert!(status == 200 && String::from_utf8(text).unwrap().contains(what), "{path}");
    }
    let (_, about) = server.json("GET", "/about.json", "");
    assert!(about["demo"]["system_prompt"].as_str().unwrap().contains("Recipe"), "{about}");
    let (status, video) = server.request("GET", "/demo.mp4", &[], b"");
    assert!(status == 200 && &video[4..8] == b"ftyp");
    let (_, models) = server.json("GET", "/v1/models", "");
    assert_eq!(models["data"][0]["id"], "workbench");
}

#[test]
fn every_path_is_described_and_every_description_is_a_path() {
    let server = RunningServer::start(&[]);
    let (_, description) = server.json("GET", "/openapi.json", "");
    let mut described = 0;
    for (path, methods) in description["paths"].as_object().unwrap() {
        for method in ["get", "post", "patch", "delete", "put"] {
            let path =
                path.replace("{id}", "sess_00000000000000000000000000000000").replace("{name}", "nobodys");
            let (status, text) = server.request(&method.to_uppercase(), &path, &[], b"");
            let said: Value = serde_json::from_slice(&text).unwrap_or_default();
            // A known path says what is missing.
            let is_there = said["error"]["code"] != "wrong_method" && said["error"]["code"] != "unknown_path";
            assert_eq!(status == 405, said["error"]["code"] == "wrong_method", "{method} {path}: {said}");
            assert_eq!(is_there, methods.get(method).is_some(), "{method} {path}: {status}");
            described += usize::from(is_there);
            assert!(status < 500 || path == "/ready", "{method} {path}: {status}");
        }
    }
    // The page's own files are not part of the API. Every other route of the server is described.
    let table = include_str!("../../../prospect-server/src/routes/mod.rs");
    let of_page = ["\"/\"", "page.js", "pictures.js", "page.css", "about.json", "demo.mp4"];
    let routes = table
        .lines()
        .filter(|line| line.contains(".route(") && of_page.iter().all(|own| !line.contains(own)));
    let methods = |line: &str| {
        ["get(", "post(", "patch(", "delete("].iter().filter(|method| line.contains(*method)).count()
    };
    assert_eq!(routes.map(methods).sum::<usize>(), described);
}

#[test]
fn a_camera_of_the_server_is_watched_by_its_name() {
    let video = crate::common::workbench().join(format!("videos/{VIDEO}.mp4"));
    let server = RunningServer::start(&["--camera", &format!("door={}", video.display())]);
    assert!(
        server.json("GET", "/about.json", "").1.get("cameras").is_none(),
        "cameras are for those with a key"
    );
    let mut asked: Value = serde_json::from_str(&order(VIDEO)).unwrap();
    asked["camera"] = "door".into();
    let session = server.open(&asked.to_string());
    let all = events(&server, &session, 0, "run_finished");
    let reply = |(_, event): &(u64, Value)| {
        let is_reply = event["event"] == "reply";
        is_reply.then(|| (event["time"].as_f64().unwrap(), event["text"].as_str().unwrap().to_owned()))
    };
    assert_eq!(all.iter().filter_map(reply).collect::<Vec<_>>(), of_a_run());
    let (status, refused) = server.push(&session, &frames(VIDEO)[0]);
    assert_eq!(status, 409, "{refused}");
    let (_, shown) = server.json("GET", &format!("{SESSIONS}/{session}"), "");
    assert_eq!(shown["state"], "over");
    for unknown in ["window", "file:///etc/passwd", &video.display().to_string()] {
        let (status, refused) = server.json("POST", SESSIONS, &json!({ "camera": unknown }).to_string());
        assert!(status == 400 && refused["error"]["message"].as_str().unwrap().contains("door"), "{refused}");
    }
}
