//! HTTPS and WebSockets over TLS.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tungstenite::Message;
use tungstenite::client::IntoClientRequest;

use crate::client::{RunningServer, frames, order, png, refused};

/// A certificate for this machine's address, and its key. Only these tests use them.
fn file(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve/tls");
    folder.join(name).display().to_string()
}

fn serving() -> RunningServer {
    RunningServer::start(&["--tls-cert", &file("server-cert.pem"), "--tls-key", &file("server-key.pem")])
}

#[test]
fn the_page_and_sessions_are_there_and_who_never_shakes_hands_holds_up_nobody() {
    let server = serving();
    let silent: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(&server.address).unwrap()).collect();
    let (status, page) = server.request("GET", "/", &[], b"");
    assert!(status == 200 && String::from_utf8(page).unwrap().contains("<title>Prospect</title>"));
    let session = server.open(&order("video_000"));
    for frame in &frames("video_000")[..2] {
        assert_eq!(server.push(&session, frame).0, 200);
    }
    let own_page = format!("https://{}", server.address);
    assert_eq!(server.request("GET", "/v1/models", &[("origin", &own_page)], b"").0, 200);
    drop(silent);
}

#[test]
fn what_is_not_encrypted_is_not_answered() {
    let server = serving();
    let mut plain = TcpStream::connect(&server.address).unwrap();
    plain.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // The server may close the connection without an answer.
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    assert_eq!(server.request("GET", "/health", &[], b"").0, 200);
}

#[test]
fn a_websocket_goes_over_it() {
    let server = serving();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file("server-cert.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let tls = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = StreamOwned::new(tls, TcpStream::connect(&server.address).unwrap());
    let request = format!("wss://{}/v1/realtime", server.address).into_client_request().unwrap();
    let (mut line, _) = tungstenite::client(request, stream).unwrap();
    let asked: Value = serde_json::from_str(&order("video_000")).unwrap();
    let update = json!({ "type": "session.update", "session": asked });
    line.send(Message::text(update.to_string())).unwrap();
    line.send(Message::binary(png(&frames("video_000")[0].image))).unwrap();
    loop {
        if let Message::Text(text) = line.read().unwrap() {
            let event: Value = serde_json::from_str(&text).unwrap();
            assert_ne!(event["type"], "error", "{event}");
            if event["type"] == "prospect.frame" {
                return;
            }
        }
    }
}

#[test]
fn files_that_give_no_tls_are_one_line_before_anything_starts() {
    let (certificate, key, other) = (file("server-cert.pem"), file("server-key.pem"), file("other-key.pem"));
    for (arguments, complaint) in [
        (["--tls-cert", &certificate, "--tls-key", &other], "other-key.pem: is not the key of --tls-cert"),
        (
            ["--tls-cert", "/nowhere/cert.pem", "--tls-key", &key],
            "--tls-cert /nowhere/cert.pem: cannot be read",
        ),
        (["--tls-cert", &certificate, "--tls-key", "/nowhere/key.pem"], "--tls-key /nowhere/key.pem: cannot"),
        (["--tls-cert", &key, "--tls-key", &key], "no certificate: expected PEM with BEGIN CERTIFICATE"),
        (["--tls-cert", &certificate, "--tls-key", &certificate], "no private key: expected PEM"),
    ] {
        let (code, said) = refused(&arguments);
        assert_eq!((code, said.lines().count()), (Some(2), 1), "{said}");
        assert!(said.contains(complaint), "{said}");
    }
    let (code, said) = refused(&["--tls-cert", &certificate]);
    assert!(code == Some(2) && said.contains("--tls-key"), "{said}");
}
