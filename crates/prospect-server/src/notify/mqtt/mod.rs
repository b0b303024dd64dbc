//! MQTT 5: publishes replies and states of sessions to a broker, with discovery messages for Home
//! Assistant.

mod board;
mod link;
mod options;
mod publisher;
mod topics;
mod wire;
mod worker;

pub(super) use board::Board;
pub use options::MqttOptions;
pub(super) use worker::work;
