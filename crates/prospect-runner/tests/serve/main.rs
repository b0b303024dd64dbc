//! The server as clients see it: the binary on a port of this machine.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;

mod attacks;
mod cameras;
mod changes;
mod chat;
mod chat_media;
mod chat_sessions;
mod client;
mod connections;
mod documented;
mod keeping;
mod log;
mod mqtt;
mod mqtt_broker;
mod realtime;
mod sessions;
mod tls;
mod webhooks;
