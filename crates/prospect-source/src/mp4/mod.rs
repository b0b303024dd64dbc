//! mp4 with H.264, demuxed and decoded in the process.

mod boxes;
mod declared;
mod edits;
mod entry;
mod index;
mod open;
mod orientation;
mod sps;
#[cfg(test)]
mod tests;
mod video;

pub(crate) use open::Opened;
pub(crate) use video::Mp4Video;
