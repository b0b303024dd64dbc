//! `prospect-runner download`.

use super::arguments::DownloadArguments;
use super::print;
use crate::error::RunError;
use crate::hub::{Hub, HubId};
use crate::published;

pub(super) fn download(arguments: &DownloadArguments) -> Result<(), RunError> {
    let name = published::find(&arguments.model).map_or(arguments.model.as_str(), |size| size.hub_id);
    let id: HubId = name.parse()?;
    let snapshot = Hub::of_this_process()?.download(&id)?;
    print(&format!("{id} at {}: {}", snapshot.commit, snapshot.folder.display()));
    Ok(())
}
