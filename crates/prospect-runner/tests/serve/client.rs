//! A running server for a test, and a client for it.

use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use image::{ImageFormat, RgbImage};
use prospect_source::{Frame, SourceOptions};
use serde_json::Value;
use tempfile::TempDir;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::common::workbench;

pub(crate) const SESSIONS: &str = "/v1/streaming/sessions";

/// A server on a port of its own.
pub(crate) struct RunningServer {
    child: Child,
    pub(crate) address: String,
    /// `http` or `https`.
    scheme: String,
    pub(crate) state: Option<TempDir>,
    agent: Agent,
    key: Option<String>,
}

impl RunningServer {
    pub(crate) fn start(further: &[&str]) -> Self {
        let state = tempfile::tempdir().unwrap();
        let mut server = Self::start_in(state.path(), further);
        server.state = Some(state);
        server
    }

    /// A server that resumes the sessions in a folder.
    pub(crate) fn start_in(state: &Path, further: &[&str]) -> Self {
        Self::start_logged(state, further, ("warn", Stdio::inherit()))
    }

    /// The same, with its log at this level in another place.
    pub(crate) fn start_logged(state: &Path, further: &[&str], (level, log): (&str, Stdio)) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_prospect-runner"))
            .args(["serve", "--listen", "127.0.0.1:0", "--state", state.to_str().unwrap()])
            .args(further)
            .env("RUST_LOG", level)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (scheme, address) = line.trim().split_once("://").expect("the server says where it listens");
        let (scheme, address) = (scheme.to_owned(), address.to_owned());
        Self { child, address, scheme, state: None, agent: agent(further), key: None }
    }

    /// The same server, asked with a key.
    pub(crate) fn with_key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, Vec<u8>) {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}://{}{path}", self.scheme, self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(key) =
            self.key.as_ref().filter(|_| headers.iter().all(|(name, _)| *name != "authorization"))
        {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let mut answer = self.agent.run(request.body(body).unwrap()).unwrap();
        let mut text = Vec::new();
        answer.body_mut().as_reader().read_to_end(&mut text).unwrap();
        (answer.status().as_u16(), text)
    }

    /// A request whose answer is JSON.
    pub(crate) fn json(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let (status, text) =
            self.request(method, path, &[("content-type", "application/json")], body.as_bytes());
        (status, serde_json::from_slice(&text).unwrap_or_default())
    }

    /// A session that was opened.
    pub(crate) fn open(&self, order: &str) -> String {
        let (status, session) = self.json("POST", SESSIONS, order);
        assert_eq!(status, 201, "{session}");
        session["id"].as_str().unwrap().to_owned()
    }

    /// Pushes a frame and waits for what comes of it.
    pub(crate) fn push(&self, session: &str, frame: &Frame) -> (u16, Value) {
        let path = format!("{SESSIONS}/{session}/frames?time={}", frame.time);
        let (status, text) =
            self.request("POST", &path, &[("content-type", "image/png")], &png(&frame.image));
        (status, serde_json::from_slice(&text).unwrap_or_default())
    }

    /// A figure of `/metrics`.
    pub(crate) fn figure(&self, name: &str) -> u64 {
        let (_, text) = self.request("GET", "/metrics", &[], b"");
        let text = String::from_utf8(text).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} in {text}")).parse().unwrap()
    }

    /// Most memory that the server has had, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    pub(crate) fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Waits for the server's end.
    pub(crate) fn end(mut self) -> (Option<i32>, Option<TempDir>) {
        let code = self.child.wait().unwrap().code();
        (code, self.state.take())
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that trusts the certificate which the server was given.
fn agent(arguments: &[&str]) -> Agent {
    let given = arguments.iter().position(|argument| *argument == "--tls-cert");
    let roots = given.map(|at| Certificate::from_pem(&std::fs::read(arguments[at + 1]).unwrap()).unwrap());
    let tls = TlsConfig::builder()
        .root_certs(roots.map_or(RootCerts::WebPki, |root| RootCerts::Specific(Arc::new(vec![root]))));
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(120)))
        .tls_config(tls.build());
    config.build().into()
}

pub(crate) fn png(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// The events of a session from its beginning on, up to the first for which `is_last` holds.
pub(crate) fn events_until(
    server: &RunningServer,
    session: &str,
    mut is_last: impl FnMut(&Value) -> bool,
) -> Vec<Value> {
    let request = ureq::get(format!("http://{}{SESSIONS}/{session}/events", server.address));
    let mut answer = request.call().unwrap();
    let mut found = Vec::new();
    for line in BufReader::new(answer.body_mut().as_reader()).lines() {
        if let Some(data) = line.unwrap().strip_prefix("data: ") {
            let event: Value = serde_json::from_str(data).unwrap();
            let ends = is_last(&event);
            found.push(event);
            if ends {
                break;
            }
        }
    }
    found
}

/// The frames of a video of the workbench, two a second.
pub(crate) fn frames(video: &str) -> Vec<Frame> {
    let path = workbench().join(format!("videos/{video}.mp4"));
    let mut source = prospect_source::open(path.to_str().unwrap(), SourceOptions::at(2.0)).unwrap();
    std::iter::from_fn(|| source.next_frame()).map(Result::unwrap).collect()
}

/// A request for a session whose settings equal those of a run over that video.
pub(crate) fn order(video: &str) -> String {
    let annotations = std::fs::read(workbench().join(format!("videos/{video}.json"))).unwrap();
    let annotations: Value = serde_json::from_slice(&annotations).unwrap();
    serde_json::json!({ "system_prompt": annotations["system_prompt"], "settings": { "source.policy": "block" } })
        .to_string()
}

/// The exit code and the message of a server that does not start.
pub(crate) fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let state = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_prospect-runner"))
        .args(["serve", "--listen", "127.0.0.1:0", "--state", state.path().to_str().unwrap()])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.stdout.is_empty(), "it says where it listens");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}
