//! Replies and states for an MQTT broker.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::client::{RunningServer, SESSIONS, frames, order};
use crate::common::workbench;
use crate::mqtt_broker::{Heard, broker};
use crate::sessions::of_a_run;

const VIDEO: &str = "video_000";
/// Longer than any wait here takes, so that a failing test ends.
const PATIENCE: Duration = Duration::from_secs(60);

fn serving(address: &str, further: &[&str]) -> RunningServer {
    let user = NamedTempFile::new().unwrap();
    std::fs::write(user.path(), "prospect\np:ss\n").unwrap();
    let own =
        ["--mqtt", address, "--mqtt-user-file", user.path().to_str().unwrap(), "--mqtt-prefix", "home/p"];
    RunningServer::start(&[&own, further].concat())
}

/// What a broker receives, up to the expected message.
fn heard_until(heard: &Receiver<Heard>, is_last: impl Fn(&Heard) -> bool) -> Vec<Heard> {
    let mut all = Vec::new();
    loop {
        let next = heard.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("waiting behind {all:#?}"));
        all.push(next);
        if all.last().is_some_and(&is_last) {
            return all;
        }
    }
}

fn published(heard: &[Heard], wanted: &str) -> Vec<(String, bool)> {
    let of_topic = |heard: &Heard| match heard {
        Heard::Published { topic, text, is_kept } if topic == wanted => Some((text.clone(), *is_kept)),
        _ => None,
    };
    heard.iter().filter_map(of_topic).collect()
}

fn is_kept(topic: &str, text: &str) -> Heard {
    Heard::Published { topic: topic.to_owned(), text: text.to_owned(), is_kept: true }
}

#[test]
fn every_reply_of_a_camera_reaches_the_broker_though_it_was_away() {
    let (address, heard) = broker(5);
    let camera = format!("bench={}", workbench().join(format!("videos/{VIDEO}.mp4")).display());
    let server = serving(&address, &["--camera", &camera]);
    let greeted = Heard::Connected {
        user: "prospect".to_owned(),
        password: "p:ss".to_owned(),
        will: ("home/p/status".to_owned(), "offline".to_owned()),
    };
    let online = is_kept("home/p/status", "online");
    assert_eq!(heard_until(&heard, |heard| *heard == online), [greeted.clone(), online.clone()]);
    let mut wanted: Value = serde_json::from_str(&order(VIDEO)).unwrap();
    wanted["camera"] = "bench".into();
    let session = server.open(&wanted.to_string());
    let expected = of_a_run();
    let last = expected.last().unwrap().1.clone();
    let is_reply = |heard: &Heard, text: &str| {
        matches!(heard, Heard::Published { topic, text: told, .. }
            if topic.ends_with("/reply") && told.contains(text))
    };
    let mut all = heard_until(&heard, |heard| is_reply(heard, &last));
    let over = |heard: &Heard| matches!(heard, Heard::Published { topic, text, .. } if topic.ends_with("state") && text.contains("over"));
    if !all.iter().any(over) {
        all.extend(heard_until(&heard, over));
    }
    assert!(all.contains(&greeted), "the first connection was cut off");
    let replies = published(&all, "home/p/cameras/bench/reply");
    let told: Vec<(f64, String)> = replies
        .iter()
        .map(|(text, _)| {
            let reply: Value = serde_json::from_str(text).unwrap();
            assert_eq!((&reply["session"], &reply["camera"]), (&json!(session), &json!("bench")));
            (reply["time"].as_f64().unwrap(), reply["reply"].as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(told, expected);
    let discovery = "homeassistant/sensor/home_p_cameras_bench/reply/config";
    for (sensor, is_kept) in published(&all, discovery) {
        let sensor: Value = serde_json::from_str(&sensor).unwrap();
        assert_eq!(sensor["state_topic"], "home/p/cameras/bench/reply");
        assert_eq!((&sensor["availability_topic"], is_kept), (&json!("home/p/status"), true));
    }
    server.signal("-TERM");
    let end = heard_until(&heard, |heard| *heard == Heard::Left);
    assert!(end.contains(&is_kept("home/p/status", "offline")), "{end:?}");
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn a_session_that_is_removed_leaves_nothing_with_the_broker() {
    let (address, heard) = broker(usize::MAX);
    let server = serving(&address, &[]);
    let session = server.open(&order(VIDEO));
    let topic = format!("home/p/sessions/{session}/state");
    let state = |state: &str| is_kept(&topic, &json!({ "state": state, "session": session }).to_string());
    heard_until(&heard, |heard| *heard == state("watching"));
    server.push(&session, &frames(VIDEO)[0]);
    server.json("POST", &format!("{SESSIONS}/{session}/suspend"), "");
    heard_until(&heard, |heard| *heard == state("suspended"));
    server.request("DELETE", &format!("{SESSIONS}/{session}"), &[], b"");
    let reply = is_kept(&format!("home/p/sessions/{session}/reply"), "");
    let end = heard_until(&heard, |heard| *heard == reply);
    let sensor = format!("homeassistant/sensor/home_p_sessions_{session}/reply/config");
    assert_eq!(end, [is_kept(&sensor, ""), is_kept(&topic, ""), reply]);
}

#[test]
fn a_broker_that_is_away_holds_up_neither_a_session_nor_the_servers_end() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = serving(&format!("mqtt://{gone}"), &[]);
    let session = server.open(&order(VIDEO));
    for frame in &frames(VIDEO)[..3] {
        assert_eq!(server.push(&session, frame).0, 200);
    }
    server.signal("-TERM");
    assert_eq!(server.end().0, Some(0));
}
