//! MQTT 5: replies and states of sessions for a broker, and what Home Assistant wants to know to show them.

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
