//! Frames from image folders, animations, video files, standard input, cameras and network streams: one way to pixels.
//!
//! [`open()`] makes a [`FrameSource`] from a name. Every source streams: it keeps at most a decoder's own
//! reference pictures and two more frames in memory. [`delivery`] adds the frames that wait for their
//! consumer.
//!
//! The pixels of a frame do not depend on its container, its decoder or the way by which it came. Pictures
//! are upright, on white, with 8 bits per channel. Untrusted bytes cost bounded memory and time, and their
//! errors are one [`SourceError`]. No message contains a secret of an address.

mod address;
mod animation;
#[cfg(feature = "arrow")]
mod arrow;
mod clock;
mod colour;
pub mod delivery;
mod error;
mod ffmpeg;
mod frame;
mod images;
mod input;
mod left_out;
mod listing;
mod live;
mod mp4;
#[cfg(test)]
#[path = "../../prospect-model/tests/common/mutations.rs"]
mod mutations;
mod open;
mod pipe;
mod pushed;
mod sample;
mod size;
mod stamps;
mod still;
mod stop;
mod walk;
mod yuv;

pub use address::{
    STDIN, arguments_without_secrets, path_of_file_address, shown_name, text_without_secrets, without_secrets,
};
pub use clock::{Clock, SystemClock};
pub use error::{Aftermath, SourceError};
pub use frame::{Frame, FrameSource, SourceOptions};
pub use input::{Behind, InputOptions, Reconnect};
pub use left_out::LeftOut;
pub use open::{open, open_with};
pub use pipe::PipeError;
pub use pushed::{FramePusher, PushError, pushed};
pub use size::{MOST_PIXELS, TooLarge};
pub use still::{StillError, decode as decode_picture};
pub use stop::StopSignal;
