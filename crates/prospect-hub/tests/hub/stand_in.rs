//! A hub of one model on loopback, and what can go wrong with it.
#![allow(dead_code, reason = "two test programs share it, and neither needs all")]

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use prospect_hub::{Environment, Hub, HubId, Patience};
use serde_json::json;
use sha1::Sha1;
use sha2::{Digest, Sha256};

#[path = "xet_storage.rs"]
mod xet_storage;

/// The model that the stand-in has.
pub(crate) const ID: &str = "owner/Small-1.5";
/// The commit that `main` points at.
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// The part of a checkpoint that lies on other machines.
const LARGE: [&str; 2] = ["safetensors", "md"];

/// What happens to the next request for a file.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Another status, with more header lines.
    Status(u16, &'static str),
    /// The connection ends after that many bytes of the body.
    Cut(usize),
    /// The connection stays open after that many bytes, and nothing comes.
    Stall(usize),
    /// A byte more than there should be.
    Longer,
    /// As many bytes, others.
    Other,
    /// The whole file, whatever part was asked for.
    Whole,
    /// That many bytes, one after each pause, before the connection ends.
    Drip(usize, Duration),
    /// Everything, after a while.
    Slow(Duration),
}

/// A request that came in.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The file's name, or `listing`; what was redirected has `large ` before it. The Xet storage has `xet token`, and the name
    /// with `xet plan ` and `xet ` before it.
    pub(crate) what: String,
    pub(crate) range: Option<usize>,
    /// The last byte that was asked for, where one was named.
    pub(crate) last: Option<usize>,
    pub(crate) token: Option<String>,
    /// Bytes of the body that were sent.
    pub(crate) sent: usize,
}

struct State {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    commit: Mutex<String>,
    faults: Mutex<HashMap<String, VecDeque<Fault>>>,
    log: Mutex<Vec<Request>>,
    closed: AtomicBool,
    has_xet: AtomicBool,
    /// What the Xet storage has in the place of a file's contents.
    swapped: Mutex<HashMap<String, Vec<u8>>>,
    port: u16,
}

/// The hub.
pub(crate) struct StandIn {
    address: SocketAddr,
    state: Arc<State>,
    acceptor: Option<JoinHandle<()>>,
}

impl StandIn {
    /// Serves the files of a checkpoint of the repository, and some that nobody needs.
    pub(crate) fn serving(checkpoint: &str) -> Self {
        let folder = repository().join("fixtures/goldens/checkpoints").join(checkpoint);
        let read = |path: PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        };
        let files = std::fs::read_dir(folder).unwrap().map(|entry| read(entry.unwrap().path()));
        let useless = ["README.md", "onnx/model.onnx", "pytorch_model.bin"];
        let useless = useless.map(|name| (name.to_owned(), b"not needed".to_vec()));
        Self::of(files.chain(useless).collect())
    }

    fn of(files: BTreeMap<String, Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            files: Mutex::new(files),
            commit: Mutex::new(COMMIT.to_owned()),
            faults: Mutex::default(),
            log: Mutex::default(),
            closed: AtomicBool::new(false),
            has_xet: AtomicBool::new(false),
            swapped: Mutex::default(),
            port: address.port(),
        });
        let shared = Arc::clone(&state);
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.closed.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&shared);
                // A client that went away is none of the stand-in's worries.
                std::thread::spawn(move || shared.answer(&stream.unwrap()).ok());
            }
        });
        Self { address, state, acceptor: Some(acceptor) }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// This hub with a cache.
    pub(crate) fn hub(&self, cache: &Path) -> Hub {
        let patience = Patience {
            tries: 4,
            first_pause: Duration::from_millis(5),
            longest_pause: Duration::from_secs(2),
            silence: Duration::from_millis(500),
            least_bytes: 1,
        };
        Hub::new(self.environment(cache)).with_patience(patience)
    }

    pub(crate) fn environment(&self, cache: &Path) -> Environment {
        Environment {
            cache: cache.to_owned(),
            endpoint: self.endpoint(),
            token: Some("hf_secret".to_owned()),
            offline: false,
            disable_xet: false,
        }
    }

    /// The same hub, whose large files lie in the Xet storage too.
    pub(crate) fn with_xet(self) -> Self {
        self.state.has_xet.store(true, Ordering::Relaxed);
        self
    }

    /// The Xet storage has other contents of `file` than the hub says.
    pub(crate) fn swap_in_storage(&self, file: &str, contents: Vec<u8>) {
        self.state.swapped.lock().unwrap().insert(file.to_owned(), contents);
    }

    /// What happens to the next requests for `file`.
    pub(crate) fn fault(&self, file: &str, faults: &[Fault]) {
        self.state.faults.lock().unwrap().entry(file.to_owned()).or_default().extend(faults.iter().cloned());
    }

    /// Nothing happens to them any more.
    pub(crate) fn forgive(&self, file: &str) {
        self.state.faults.lock().unwrap().remove(file);
    }

    /// Changes the files, under a new commit.
    pub(crate) fn commit(&self, commit: &str, change: impl Fn(&mut BTreeMap<String, Vec<u8>>)) {
        change(&mut self.state.files.lock().unwrap());
        *self.state.commit.lock().unwrap() = commit.to_owned();
    }

    pub(crate) fn file(&self, name: &str) -> Vec<u8> {
        self.state.files.lock().unwrap()[name].clone()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.state.files.lock().unwrap().keys().cloned().collect()
    }

    /// The requests so far.
    pub(crate) fn log(&self) -> Vec<Request> {
        self.state.log.lock().unwrap().clone()
    }

    /// The requests for the contents of one file.
    pub(crate) fn requests(&self, what: &str) -> Vec<Request> {
        self.log().into_iter().filter(|request| request.what == what).collect()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.state.closed.store(true, Ordering::Relaxed);
        let woken = TcpStream::connect(self.address);
        if let (Ok(_), Some(acceptor)) = (woken, self.acceptor.take()) {
            acceptor.join().unwrap();
        }
    }
}

impl State {
    fn answer(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream).lines();
        let first = lines.next().unwrap_or(Ok(String::new()))?;
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let (mut range, mut last, mut token) = (None, None, None);
        for line in lines {
            let line = line?;
            match line.split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("range") => {
                    let ends = value.strip_prefix("bytes=").and_then(|range| range.split_once('-'));
                    range = ends.and_then(|ends| ends.0.parse().ok());
                    last = ends.and_then(|ends| ends.1.parse().ok());
                }
                Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                    token = Some(value.to_owned());
                }
                Some(_) => {}
                None => break,
            }
        }
        let request = Request { what: String::new(), range, last, token, sent: 0 };
        if path.contains("/xet-read-token/") || path.starts_with("/xet/") {
            self.answer_xet(stream, &path, request)
        } else if path.starts_with("/api/") {
            self.list(stream, &path, request)
        } else {
            self.serve(stream, &path, request)
        }
    }

    fn list(&self, stream: &TcpStream, path: &str, mut request: Request) -> std::io::Result<()> {
        request.what = "listing".to_owned();
        let commit = self.commit.lock().unwrap().clone();
        let revision = path.split("/revision/").nth(1).unwrap_or_default().trim_end_matches("?blobs=true");
        let is_there = path.starts_with(&format!("/api/models/{ID}/revision/"))
            && ["main", "refs%2Fpr%2F1", &commit].contains(&revision);
        if !is_there {
            self.note(request);
            return send(stream, 404, "X-Error-Code: RepoNotFound\r\n", b"{}");
        }
        let sibling = |(name, bytes): (&String, &Vec<u8>)| {
            let lfs = is_large(name).then(|| json!({ "sha256": digest(name, bytes), "size": bytes.len() }));
            json!({ "rfilename": name, "size": bytes.len(), "blobId": git_digest(bytes), "lfs": lfs })
        };
        let siblings: Vec<_> = self.files.lock().unwrap().iter().map(sibling).collect();
        let text = json!({ "id": ID, "sha": commit, "siblings": siblings }).to_string();
        self.send_with_faults(stream, request, "", text.as_bytes())
    }

    fn serve(&self, stream: &TcpStream, path: &str, mut request: Request) -> std::io::Result<()> {
        let commit = self.commit.lock().unwrap().clone();
        let (large, name) = match path.strip_prefix("/large/") {
            Some(name) => (true, name),
            None => (false, path.strip_prefix(&format!("/{ID}/resolve/{commit}/")).unwrap_or_default()),
        };
        let Some(bytes) = self.files.lock().unwrap().get(name).cloned() else {
            return send(stream, 404, "X-Error-Code: EntryNotFound\r\n", b"");
        };
        if is_large(name) && !large {
            request.what = name.to_owned();
            self.note(request);
            // Another host by its name: the token is not for it.
            let headers = format!(
                "Location: http://localhost:{}/large/{name}\r\nX-Linked-Etag: \"{}\"\r\nETag: \"{}\"\r\n{}",
                self.port,
                digest(name, &bytes),
                "f".repeat(40),
                self.xet_header(name),
            );
            return send(stream, 302, &headers, b"");
        }
        request.what = if large { format!("large {name}") } else { name.to_owned() };
        let tag = if large { String::new() } else { format!("ETag: \"{}\"\r\n", digest(name, &bytes)) };
        self.send_with_faults(stream, request, &tag, &bytes)
    }

    fn send_with_faults(
        &self,
        mut stream: &TcpStream,
        mut request: Request,
        headers: &str,
        bytes: &[u8],
    ) -> std::io::Result<()> {
        let fault = self.faults.lock().unwrap().get_mut(&request.what).and_then(VecDeque::pop_front);
        let start = request.range.filter(|_| !matches!(fault, Some(Fault::Whole)));
        let mut body = bytes[start.unwrap_or(0).min(bytes.len())..].to_vec();
        let mut promised = body.len();
        match &fault {
            Some(Fault::Status(status, more)) => {
                self.note(request);
                return send(stream, *status, more, b"");
            }
            Some(Fault::Cut(sent) | Fault::Stall(sent) | Fault::Drip(sent, _)) => body.truncate(*sent),
            Some(Fault::Longer) => {
                body.push(0);
                promised += 1;
            }
            Some(Fault::Other) => body.iter_mut().for_each(|byte| *byte ^= 1),
            Some(Fault::Slow(while_)) => std::thread::sleep(*while_),
            Some(Fault::Whole) | None => {}
        }
        request.sent = body.len();
        self.note(request);
        let (status, range) = match start {
            Some(start) => {
                let (last, all) = (bytes.len() - 1, bytes.len());
                (206, format!("Content-Range: bytes {start}-{last}/{all}\r\n"))
            }
            None => (200, String::new()),
        };
        write!(
            stream,
            "HTTP/1.1 {status} Is\r\nContent-Length: {promised}\r\nConnection: close\r\n{headers}{range}\r\n"
        )?;
        match fault {
            Some(Fault::Drip(_, pause)) => body.iter().try_for_each(|byte| {
                std::thread::sleep(pause);
                stream.write_all(&[*byte])
            })?,
            _ => stream.write_all(&body)?,
        }
        stream.flush()?;
        if matches!(fault, Some(Fault::Stall(_))) {
            while !self.closed.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        Ok(())
    }

    fn note(&self, request: Request) {
        self.log.lock().unwrap().push(request);
    }
}

fn send(mut stream: &TcpStream, status: u16, headers: &str, body: &[u8]) -> std::io::Result<()> {
    let length = body.len();
    write!(stream, "HTTP/1.1 {status} Is\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n")?;
    stream.write_all(body)
}

fn is_large(name: &str) -> bool {
    LARGE.iter().any(|extension| Path::new(name).extension().is_some_and(|found| found == *extension))
}

/// What the hub calls the contents.
pub(crate) fn digest(name: &str, bytes: &[u8]) -> String {
    if is_large(name) { hexadecimal(&Sha256::digest(bytes)) } else { git_digest(bytes) }
}

/// What git calls them.
pub(crate) fn git_digest(bytes: &[u8]) -> String {
    hexadecimal(&Sha1::new_with_prefix(format!("blob {}\0", bytes.len())).chain_update(bytes).finalize())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn id(text: &str) -> HubId {
    text.parse().unwrap()
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
