//! The stand-in's Xet storage: a token of its own, a plan of a file's chunks, and the chunks, one file to a xorb.

use std::net::TcpStream;
use std::sync::atomic::Ordering;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::{ID, Request, State, hexadecimal, is_large, send};

/// Bytes of a chunk; the last may be shorter.
const CHUNK: usize = 1 << 14;
/// What stands before a chunk: a version, its packed length in three bytes, how it is packed, its length in three bytes.
const HEADER: usize = 8;
/// What the storage itself wants to be shown.
pub(crate) const TOKEN: &str = "cas_secret";

impl State {
    /// What the hub says of a file that lies in the Xet storage.
    pub(super) fn xet_header(&self, name: &str) -> String {
        match self.has_xet.load(Ordering::Relaxed) {
            true => format!("X-Xet-Hash: {}\r\n", xet_hash(name)),
            false => String::new(),
        }
    }

    /// The hub's token for the storage, and the storage.
    pub(super) fn answer_xet(
        &self,
        stream: &TcpStream,
        path: &str,
        mut request: Request,
    ) -> std::io::Result<()> {
        // Another host by its name: the hub's token is not for it.
        let storage = format!("http://localhost:{}/xet", self.port);
        let commit = self.commit.lock().unwrap().clone();
        if path == format!("/api/models/{ID}/xet-read-token/{commit}") {
            request.what = "xet token".to_owned();
            let token = json!({ "accessToken": TOKEN, "exp": 4_000_000_000_u64, "casUrl": storage });
            return self.send_with_faults(stream, request, "", token.to_string().as_bytes());
        }
        let hash = path.rsplit('/').next().unwrap_or_default();
        let files = self.files.lock().unwrap().clone();
        let Some((name, bytes)) = files.iter().find(|(name, _)| is_large(name) && xet_hash(name) == hash)
        else {
            return send(stream, 404, "", b"");
        };
        let swapped = self.swapped.lock().unwrap().get(name).cloned();
        let bytes = swapped.as_ref().unwrap_or(bytes);
        let (start, last) = (request.range.unwrap_or(0), request.last.unwrap_or(usize::MAX));
        (request.range, request.last) = (None, None);
        if path.starts_with("/xet/v2/reconstructions/") {
            request.what = format!("xet plan {name}");
            if start >= bytes.len() {
                return send(stream, 416, "", b"");
            }
            let plan = plan(hash, &storage, bytes, start, last.min(bytes.len() - 1));
            request.range = (start > 0).then_some(start);
            self.note(request);
            return send(stream, 200, "Content-Type: application/json\r\n", plan.as_bytes());
        }
        request.what = format!("xet {name}");
        let xorb = xorb(bytes);
        let part = &xorb[start..=last.min(xorb.len() - 1)];
        self.send_with_faults(stream, request, "", part)
    }
}

/// Where the bytes from `start` to `last` lie.
fn plan(hash: &str, storage: &str, bytes: &[u8], start: usize, last: usize) -> String {
    let (first, end) = (start / CHUNK, last / CHUNK + 1);
    let until = |chunk: usize| (chunk * CHUNK).min(bytes.len());
    let packed = |chunk: usize| until(chunk) + chunk * HEADER;
    let chunks = json!({ "start": first, "end": end });
    json!({
        "offset_into_first_range": start - first * CHUNK,
        "terms": [{ "hash": hash, "unpacked_length": until(end) - until(first), "range": chunks }],
        "xorbs": { hash: [{
            "url": format!("{storage}/xorb/{hash}"),
            "ranges": [{ "chunks": chunks, "bytes": { "start": packed(first), "end": packed(end) - 1 } }],
        }] },
    })
    .to_string()
}

/// The chunks of a file, none of them packed.
fn xorb(bytes: &[u8]) -> Vec<u8> {
    let chunk = |chunk: &[u8]| {
        let length = u32::try_from(chunk.len()).unwrap().to_le_bytes();
        let header = [0, length[0], length[1], length[2], 0, length[0], length[1], length[2]];
        [&header, chunk].concat()
    };
    bytes.chunks(CHUNK).flat_map(chunk).collect()
}

/// What the storage calls a file.
fn xet_hash(name: &str) -> String {
    hexadecimal(&Sha256::digest(format!("xet {name}")))
}
