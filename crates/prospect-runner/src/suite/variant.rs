//! One strategy of a suite.

use prospect_config::Settings;

use crate::strategies::SANITY;

/// A strategy with its settings.
#[derive(Debug, Clone)]
pub struct Variant {
    /// `NAME` or `NAME:POSITIONS`, as written; the column's name in tables.
    pub name: String,
    /// The settings of its runs.
    pub settings: Settings,
}

impl Variant {
    /// Whether it replays the references instead of running the model.
    pub fn is_sanity(&self) -> bool {
        self.name == SANITY
    }

    /// Its folder's name.
    pub fn folder(&self) -> String {
        self.name.replace(':', "_")
    }
}
