//! The location of the workspace.

use std::path::Path;

/// The folder of the workspace's Cargo.toml.
pub(crate) fn workspace_root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}
