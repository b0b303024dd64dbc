//! Changes to the settings of a stream while it goes on.

use prospect_config::NotTalkThreshold;
use prospect_session::{OpeningTexts, OverflowRule};
use serde_json::{Map, Value};

/// The changes. They hold from the next frame on, all of them or none.
#[derive(Default)]
pub struct Adjustment {
    /// The new threshold of the not-talk token.
    pub threshold: Option<NotTalkThreshold>,
    /// The new rule for a full cache.
    pub rule: Option<OverflowRule>,
    /// The changed settings by their keys, as the trace shows them.
    pub settings: Map<String, Value>,
    /// The new prompts.
    pub opening: Option<OpeningTexts>,
}
