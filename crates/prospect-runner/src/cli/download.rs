//! `prospect-runner download`.

use super::arguments::DownloadArguments;
use super::say::print;
use crate::checkpoint::hub;
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::published;
use prospect_hub::HubId;

pub(super) fn download(arguments: &DownloadArguments, interrupt: &Interrupt) -> Result<(), RunError> {
    let name = published::find(&arguments.model).map_or(arguments.model.as_str(), |size| size.hub_id);
    let id: HubId = name.parse()?;
    let snapshot = hub(interrupt)?.download(&id)?;
    print(&format!("{id} at {}: {}", snapshot.commit, snapshot.folder.display()));
    Ok(())
}
