//! Sessions: one stream each, with whose it is and what came of it.

mod id;
mod kept;
mod live;
mod log;
mod table;
mod viewers;

pub(crate) use live::{FrameResult, LiveSession, State};
pub(crate) use log::LoggedEvent;
pub(crate) use table::SessionTable;
