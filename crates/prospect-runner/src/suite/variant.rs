//! One strategy of a suite.

use prospect_config::Settings;

use crate::strategies::SANITY;

/// A strategy with its settings.
#[derive(Debug, Clone)]
pub struct Variant {
    /// `NAME` or `NAME:POSITIONS` as given; also the name in tables.
    pub name: String,
    /// The settings of its runs.
    pub settings: Settings,
}

impl Variant {
    /// Whether it replays the references instead of running the model.
    pub fn is_sanity(&self) -> bool {
        self.name == SANITY
    }

    /// Name of its folder.
    pub fn folder(&self) -> String {
        self.name.replace(':', "_")
    }
}
