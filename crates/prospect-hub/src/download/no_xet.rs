//! A build without Xet: every file comes over HTTP, which the hub offers for all of them.

use std::io::Empty;

use super::listing::RemoteFile;
use super::patience::Patience;
use crate::environment::Environment;
use crate::error::HubError;
use crate::id::HubId;
use crate::interrupt::Interrupt;

/// Nothing.
pub(super) struct Xet;

impl Xet {
    pub(super) fn new(_: &Environment, _: Patience, _: Interrupt) -> Self {
        Self
    }

    pub(super) fn is_wanted(&self) -> bool {
        false
    }

    pub(super) fn contents(
        &self,
        _id: &HubId,
        _commit: &str,
        _hash: &str,
        _file: &RemoteFile,
        _start: u64,
    ) -> Result<Option<Empty>, HubError> {
        Ok(None)
    }
}
