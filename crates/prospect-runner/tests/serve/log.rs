//! How much a server says.

use std::process::Stdio;

use crate::client::RunningServer;

/// What a server says that is asked for a session, with `RUST_LOG` at this level.
fn said(further: &[&str], level: &str) -> String {
    let state = tempfile::tempdir().unwrap();
    let log = state.path().join("log");
    let to = Stdio::from(std::fs::File::create(&log).unwrap());
    let server = RunningServer::start_logged(state.path(), further, (level, to));
    server.open("{}");
    drop(server);
    std::fs::read_to_string(log).unwrap()
}

#[test]
fn flags_are_stronger_than_the_environment() {
    assert_eq!(said(&[], "off"), "");
    assert!(said(&[], "info").contains(" INFO "));
    assert!(said(&["-v"], "off").contains(" INFO "));
    assert_eq!(said(&["-qq"], "debug"), "");
}
