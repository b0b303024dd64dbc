//! Decides which messages a broker needs next.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::link::Message;
use super::topics::{Channel, Topics};
use crate::notify::reply::Reply;

/// What was published on each channel.
pub(super) struct Publisher {
    topics: Topics,
    /// States that were published over the present connection.
    told: BTreeMap<Channel, Value>,
    /// Channels with retained messages, published over any connection.
    kept: BTreeSet<Channel>,
}

impl Publisher {
    pub(super) fn new(topics: Topics) -> Self {
        Self { topics, told: BTreeMap::new(), kept: BTreeSet::new() }
    }

    /// The topic of the will.
    pub(super) fn status(&self) -> String {
        self.topics.status()
    }

    /// The message that the server is online or offline.
    pub(super) fn presence(&self, is_online: bool) -> Message {
        let status = if is_online { "online" } else { "offline" };
        kept(self.status(), status.into())
    }

    /// Begins a new connection. The broker may have lost all retained messages.
    pub(super) fn begin(&mut self) {
        self.told.clear();
    }

    /// The messages that give the broker exactly the states `wanted`. They count as published from then
    /// on.
    pub(super) fn differences(&mut self, wanted: &BTreeMap<Channel, Value>) -> Vec<Message> {
        let mut messages = Vec::new();
        let gone: Vec<Channel> =
            self.kept.iter().filter(|channel| !wanted.contains_key(channel)).cloned().collect();
        for channel in gone {
            let topics = &self.topics;
            for topic in [topics.discovery(&channel), topics.state(&channel), topics.reply(&channel)] {
                messages.push(kept(topic, Vec::new()));
            }
            self.told.remove(&channel);
            self.kept.remove(&channel);
        }
        for (channel, state) in wanted {
            let before = self.told.insert(channel.clone(), state.clone());
            if before.is_none() {
                let sensor = self.topics.sensor(channel).to_string();
                messages.push(kept(self.topics.discovery(channel), sensor.into_bytes()));
                self.kept.insert(channel.clone());
            }
            if before.as_ref() != Some(state) {
                messages.push(kept(self.topics.state(channel), state.to_string().into_bytes()));
            }
        }
        messages
    }

    /// The message for a reply. It is retained while its channel exists, so that later subscribers get
    /// the last reply.
    pub(super) fn reply(&self, reply: &Reply) -> Message {
        let channel = Channel::of(&reply.session, reply.camera.as_deref());
        let is_kept = self.told.contains_key(&channel);
        // A reply always serializes.
        let payload = serde_json::to_vec(reply).unwrap_or_default();
        Message { topic: self.topics.reply(&channel), payload, is_kept }
    }
}

fn kept(topic: String, payload: Vec<u8>) -> Message {
    Message { topic, payload, is_kept: true }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn topics_of(messages: &[Message]) -> Vec<(String, bool)> {
        messages.iter().map(|message| (message.topic.clone(), message.payload.is_empty())).collect()
    }

    #[test]
    fn only_differences_are_told_and_what_is_gone_is_taken_back() {
        let mut publisher = Publisher::new(Topics::new("p", "model"));
        let door = Channel::of("sess_1", Some("door"));
        let mut wanted = BTreeMap::from([(door.clone(), json!({ "state": "watching" }))]);
        let discovery = "homeassistant/sensor/p_cameras_door/reply/config".to_owned();
        let state = "p/cameras/door/state".to_owned();
        let first = [(discovery.clone(), false), (state.clone(), false)];
        assert_eq!(topics_of(&publisher.differences(&wanted)), first);
        assert!(publisher.differences(&wanted).is_empty());
        wanted.insert(door, json!({ "state": "over" }));
        assert_eq!(topics_of(&publisher.differences(&wanted)), [(state.clone(), false)]);
        publisher.begin();
        assert_eq!(topics_of(&publisher.differences(&wanted)), first, "another connection");
        publisher.begin();
        let gone = publisher.differences(&BTreeMap::new());
        let reply = "p/cameras/door/reply".to_owned();
        assert_eq!(topics_of(&gone), [(discovery, true), (state, true), (reply, true)]);
        assert!(publisher.differences(&BTreeMap::new()).is_empty());
    }

    #[test]
    fn a_reply_without_a_channel_is_not_kept() {
        let mut publisher = Publisher::new(Topics::new("p", "model"));
        let reply = Reply {
            id: "sess_1.3.5".to_owned(),
            created: 5,
            session: "sess_1".to_owned(),
            camera: None,
            frame: 3,
            time: 1.5,
            text: "Take the blue cone.".to_owned(),
            not_talk_probability: Some(0.5),
            image: None,
        };
        let message = publisher.reply(&reply);
        assert_eq!((message.topic.as_str(), message.is_kept), ("p/sessions/sess_1/reply", false));
        let payload: Value = serde_json::from_slice(&message.payload).unwrap();
        assert_eq!(
            payload,
            json!({ "id": "sess_1.3.5", "created": 5, "session": "sess_1", "camera": null, "frame": 3,
                "time": 1.5, "reply": "Take the blue cone.", "not_talk_probability": 0.5 })
        );
        publisher.differences(&BTreeMap::from([(Channel::of("sess_1", None), json!({}))]));
        assert!(publisher.reply(&reply).is_kept);
    }
}
