//! Topics, and discovery messages for Home Assistant.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Home Assistant's default prefix for discovery.
const DISCOVERY: &str = "homeassistant";
/// Longest state in Home Assistant, in characters. The attributes contain the whole reply.
const LONGEST_STATE: usize = 255;

/// What replies and states belong to: a camera, or a session without a camera.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Channel {
    kind: &'static str,
    /// The name in characters that topics and Home Assistant's ids allow.
    word: String,
    /// The name for people.
    name: String,
}

impl Channel {
    pub(super) fn of(session: &str, camera: Option<&str>) -> Self {
        match camera {
            Some(camera) => Self { kind: "cameras", word: word(camera), name: camera.to_owned() },
            None => Self { kind: "sessions", word: word(session), name: session.to_owned() },
        }
    }
}

/// A name as a word of a topic. If characters have to be replaced, a part of the name's digest is
/// appended, so that different names stay different.
fn word(name: &str) -> String {
    let may_stay = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !name.is_empty() && name.chars().all(may_stay) {
        return name.to_owned();
    }
    let digest = Sha256::digest(name.as_bytes());
    let stays: String = name.chars().map(|c| if may_stay(c) { c } else { '_' }).take(64).collect();
    format!("{stays}_{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2])
}

/// Topics with a common prefix.
#[derive(Debug, Clone)]
pub(super) struct Topics {
    prefix: String,
    model: String,
}

impl Topics {
    pub(super) fn new(prefix: &str, model: &str) -> Self {
        Self { prefix: prefix.to_owned(), model: model.to_owned() }
    }

    /// The topic for `online` and `offline`; the latter is the server's will.
    pub(super) fn status(&self) -> String {
        format!("{}/status", self.prefix)
    }

    pub(super) fn reply(&self, channel: &Channel) -> String {
        format!("{}/{}/{}/reply", self.prefix, channel.kind, channel.word)
    }

    pub(super) fn state(&self, channel: &Channel) -> String {
        format!("{}/{}/{}/state", self.prefix, channel.kind, channel.word)
    }

    fn node(&self, channel: &Channel) -> String {
        format!("{}_{}_{}", self.prefix.replace('/', "_"), channel.kind, channel.word)
    }

    /// The topic on which Home Assistant expects [`Self::sensor`].
    pub(super) fn discovery(&self, channel: &Channel) -> String {
        format!("{DISCOVERY}/sensor/{}/reply/config", self.node(channel))
    }

    /// The discovery message of a Home Assistant sensor that shows the last reply of a channel.
    pub(super) fn sensor(&self, channel: &Channel) -> Value {
        let (node, reply) = (self.node(channel), self.reply(channel));
        json!({
            "name": "Reply",
            "unique_id": format!("{node}_reply"),
            "icon": "mdi:message-text-outline",
            "state_topic": reply,
            "value_template": format!("{{{{ value_json.reply[:{LONGEST_STATE}] }}}}"),
            "json_attributes_topic": reply,
            "availability_topic": self.status(),
            "device": {
                "identifiers": [node],
                "name": format!("Prospect {}", channel.name),
                "manufacturer": "Prospect",
                "model": self.model,
            },
            "origin": { "name": "Prospect", "sw_version": env!("CARGO_PKG_VERSION") },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_has_its_topics_and_its_sensor_refers_to_them() {
        let topics = Topics::new("home/prospect", "workbench");
        let door = Channel::of("sess_1", Some("door"));
        assert_eq!(topics.reply(&door), "home/prospect/cameras/door/reply");
        assert_eq!(topics.discovery(&door), "homeassistant/sensor/home_prospect_cameras_door/reply/config");
        let sensor = topics.sensor(&door);
        assert_eq!(sensor["state_topic"], "home/prospect/cameras/door/reply");
        assert_eq!(sensor["availability_topic"], "home/prospect/status");
        assert_eq!(sensor["value_template"], "{{ value_json.reply[:255] }}");
        assert_eq!(topics.state(&Channel::of("sess_1", None)), "home/prospect/sessions/sess_1/state");
    }

    #[test]
    fn no_name_of_a_camera_breaks_a_topic_and_two_names_are_two_words() {
        let words: Vec<String> =
            ["front door", "front_door", "front/door", "+", "#", "Tür", "", &"x ".repeat(500)]
                .iter()
                .map(|name| word(name))
                .collect();
        for (at, word) in words.iter().enumerate() {
            assert!(word.len() < 80 && !word.is_empty(), "{word}");
            assert!(word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'), "{word}");
            assert!(!words[..at].contains(word), "{word}");
        }
    }
}
