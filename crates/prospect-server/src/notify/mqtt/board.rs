//! The present states of all sessions.
//!
//! States are not queued. Nothing accumulates while the broker is unreachable; after reconnecting, the
//! present states are published.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::sync::Notify;

use super::topics::Channel;

use crate::mutex::Mutex;

/// The state of each session. One task publishes changes.
#[derive(Debug, Default)]
pub(in crate::notify) struct Board {
    sessions: Mutex<BTreeMap<String, (Channel, Value)>>,
    changed: Notify,
}

impl Board {
    /// Sets the state of a session: an object with the key `state`, to which the session's name is
    /// added.
    pub(in crate::notify) fn set(&self, session: &str, camera: Option<&str>, mut state: Value) {
        state["session"] = session.into();
        self.sessions.lock().insert(session.to_owned(), (Channel::of(session, camera), state));
        self.changed.notify_one();
    }

    /// Removes a session.
    pub(in crate::notify) fn remove(&self, session: &str) {
        self.sessions.lock().remove(session);
        self.changed.notify_one();
    }

    /// The state of every channel. If several sessions watch one camera, a running one takes
    /// precedence.
    pub(super) fn channels(&self) -> BTreeMap<Channel, Value> {
        let mut channels: BTreeMap<Channel, Value> = BTreeMap::new();
        for (channel, state) in self.sessions.lock().values() {
            let shown = channels.entry(channel.clone()).or_insert_with(|| state.clone());
            if state["state"] == "watching" {
                shown.clone_from(state);
            }
        }
        channels
    }

    /// Waits for a change; may return without one.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_camera_is_shown_by_the_session_that_goes_on_and_goes_with_its_last_one() {
        let board = Board::default();
        let state = |name: &str| json!({ "state": name });
        board.set("sess_1", Some("door"), state("watching"));
        board.set("sess_2", Some("door"), state("over"));
        board.set("sess_3", None, state("suspended"));
        let shown = |board: &Board| -> Vec<Value> { board.channels().into_values().collect() };
        let suspended = json!({ "state": "suspended", "session": "sess_3" });
        assert_eq!(shown(&board), [json!({ "state": "watching", "session": "sess_1" }), suspended.clone()]);
        board.remove("sess_1");
        assert_eq!(shown(&board), [json!({ "state": "over", "session": "sess_2" }), suspended.clone()]);
        board.remove("sess_2");
        assert_eq!(shown(&board), [suspended]);
    }
}
