//! Live sources, which do not wait for their reader: cameras and network streams.

mod reconnecting;
mod stamped;

use std::sync::Arc;

use super::{Clock, FrameSource, InputOptions, SourceError, SourceOptions, StopSignal};

pub(super) use stamped::Stamped;

/// Whether a source is live, judged by its name alone.
pub(super) fn is_stream(spec: &str) -> bool {
    !std::path::Path::new(spec).is_file() && (spec.contains("://") || spec.starts_with("/dev/video"))
}

/// Whether an address may lead to a file, which has a length. The addresses of cameras are not asked for one.
pub(super) fn may_be_file(spec: &str) -> bool {
    ["http://", "https://", "ftp://", "sftp://"].iter().any(|scheme| spec.starts_with(scheme))
}

/// # Errors
/// ffmpeg cannot be started.
pub(super) fn open(
    spec: &str,
    options: SourceOptions,
    input: &InputOptions,
    clock: &Arc<dyn Clock>,
    stop: &StopSignal,
) -> Result<Box<dyn FrameSource>, SourceError> {
    let frames = reconnecting::Reconnecting::open(spec, options.fps, input, clock, stop)?;
    Ok(Box::new(Stamped::new(Box::new(frames), options, input.behind, Arc::clone(clock))))
}
