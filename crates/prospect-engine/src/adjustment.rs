//! Settings of a stream that change while it goes on.

use prospect_config::NotTalkThreshold;
use prospect_session::OverflowRule;
use serde_json::{Map, Value};

/// What changes, from the next frame on.
#[derive(Default)]
pub struct Adjustment {
    /// When the not-talk token wins.
    pub threshold: Option<NotTalkThreshold>,
    /// What happens when the cache is full.
    pub rule: Option<OverflowRule>,
    /// The changed settings by their keys, as the trace tells them.
    pub settings: Map<String, Value>,
}
