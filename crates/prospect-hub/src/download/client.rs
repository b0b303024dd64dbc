//! Requests to the hub: who asks, where it leads, what the answer means.

use std::io::Read;

use ureq::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, LOCATION, RANGE, RETRY_AFTER};
use ureq::http::{HeaderMap, StatusCode};
use ureq::{Agent, Body, http::Response};

use super::address::named;
use super::listing::RemoteFile;
use super::patience::{Failures, Patience};
use super::steady::Steady;
use super::xet::Xet;
use crate::environment::Environment;
use crate::error::HubError;
use crate::id::{HubId, is_hex};
use crate::interrupt::Interrupt;

/// Redirections that are followed.
const MAX_REDIRECTS: usize = 5;
/// The longest list of files that is read, in bytes.
const MAX_LISTING: u64 = 16 << 20;
/// How much of it is received at once.
const LISTING_CHUNK: usize = 1 << 14;

/// Whoever asks the hub.
pub(super) struct Client {
    agent: Agent,
    endpoint: String,
    token: Option<String>,
    patience: Patience,
    interrupt: Interrupt,
    xet: Xet,
}

/// The beginning of a file's contents.
pub(super) struct Contents {
    /// The digest that the hub names for them.
    pub(super) digest: Option<String>,
    /// Where in the file they begin.
    pub(super) start: u64,
    /// How many bytes are to come, where the answer says so.
    pub(super) length: Option<u64>,
    pub(super) body: Steady<Box<dyn Read>>,
}

/// An answer at the end of its redirections, and what the hub's own answers said of the file.
struct Answer {
    response: Response<Body>,
    digest: Option<String>,
    /// The file's name in the Xet storage: it is fetched from there, and the redirection was not followed.
    xet: Option<String>,
}

impl Client {
    pub(super) fn new(environment: &Environment, patience: Patience, interrupt: Interrupt) -> Self {
        let config = Agent::config_builder()
            // Followed here: the token goes to the hub and to nobody else, and the digest stands in the first answer.
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent(concat!("prospect/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(patience.silence))
            .timeout_connect(Some(patience.silence))
            .timeout_recv_response(Some(patience.silence))
            .timeout_per_read(Some(patience.silence));
        Self {
            agent: config.build().into(),
            endpoint: environment.endpoint.clone(),
            token: environment.token.clone(),
            xet: Xet::new(environment, patience, interrupt.clone()),
            patience,
            interrupt,
        }
    }

    /// Fewest bytes of a connection that is no failure.
    pub(super) fn least_bytes(&self) -> u64 {
        self.patience.least_bytes
    }

    pub(super) fn failures(&self) -> Failures {
        Failures::new(self.patience, self.interrupt.clone())
    }

    /// Whether anybody still waits for what is asked.
    pub(super) fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Asks until there is an answer, or a failure that stays.
    pub(super) fn persistently<T>(&self, ask: impl Fn() -> Result<T, HubError>) -> Result<T, HubError> {
        let mut failures = self.failures();
        loop {
            match ask() {
                Ok(answer) => return Ok(answer),
                Err(failure) => failures.wait(failure)?,
            }
        }
    }

    /// Address of a revision's list of files.
    pub(super) fn listing_url(&self, id: &HubId) -> String {
        format!("{}/api/models/{}/revision/{}?blobs=true", self.endpoint, id.repository, id.revision_in_url())
    }

    /// Address of a file at a commit.
    pub(super) fn file_url(&self, id: &HubId, commit: &str, file: &str) -> String {
        format!("{}/{}/resolve/{commit}/{file}", self.endpoint, id.repository)
    }

    /// The text of a short answer.
    pub(super) fn text(&self, url: &str, id: &HubId) -> Result<String, HubError> {
        let response = self.ask(url, 0)?.response;
        self.check(url, id, &response)?;
        let broken = |message: String| HubError::Unreachable { url: named(url), message };
        let mut body = self.body(response.into_body().into_reader());
        let (mut text, mut chunk) = (Vec::new(), vec![0; LISTING_CHUNK]);
        loop {
            self.interrupt.check()?;
            match body.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => text.extend_from_slice(&chunk[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(body.too_slow(url).unwrap_or_else(|| broken(error.to_string()))),
            }
            if text.len() as u64 > MAX_LISTING {
                return Err(HubError::Answer {
                    url: named(url),
                    problem: format!("more than {MAX_LISTING} bytes"),
                    expected: "a list of files",
                });
            }
        }
        String::from_utf8(text).map_err(|error| broken(error.to_string()))
    }

    /// A file's contents from byte `start`, or from the first one where the other side cannot begin anywhere else.
    pub(super) fn contents(
        &self,
        id: &HubId,
        commit: &str,
        file: &RemoteFile,
        start: u64,
    ) -> Result<Contents, HubError> {
        let url = &self.file_url(id, commit, &file.name);
        let Answer { response, digest, xet } = self.ask(url, start)?;
        if let Some(hash) = xet {
            return match self.xet.contents(id, commit, &hash, file, start)? {
                Some(body) => {
                    Ok(Contents { digest, start, length: Some(file.bytes - start), body: self.body(body) })
                }
                // Xet is not wanted any more: the redirection is followed.
                None => self.contents(id, commit, file, start),
            };
        }
        self.check(url, id, &response)?;
        let headers = response.headers();
        let (range, length) = (text_of(headers, CONTENT_RANGE), text_of(headers, CONTENT_LENGTH));
        let start = match response.status() {
            StatusCode::PARTIAL_CONTENT if range_start(range.as_deref()) != Some(start) => {
                return Err(HubError::Answer {
                    url: named(url),
                    problem: format!("part of a file with Content-Range {}", range.unwrap_or_default()),
                    expected: "the part that was asked for",
                });
            }
            StatusCode::PARTIAL_CONTENT => start,
            _ => 0,
        };
        let length = length.and_then(|length| length.parse().ok());
        Ok(Contents { digest, start, length, body: self.body(response.into_body().into_reader()) })
    }

    fn body(&self, body: impl Read + 'static) -> Steady<Box<dyn Read>> {
        Steady::new(Box::new(body), self.patience)
    }

    /// Follows redirections to an answer, or to the Xet storage.
    fn ask(&self, url: &str, start: u64) -> Result<Answer, HubError> {
        let (mut at, mut digest) = (url.to_owned(), None);
        for _ in 0..=MAX_REDIRECTS {
            let response = self.request(&at, start)?;
            let (headers, is_hub) = (response.headers(), self.is_hub(&at));
            digest = digest.or_else(|| is_hub.then(|| digest_of(headers)).flatten());
            let location = text_of(headers, LOCATION).filter(|_| response.status().is_redirection());
            let xet = text_of(headers, "x-xet-hash")
                .filter(|hash| location.is_some() && is_hub && is_hex(hash, 64) && self.xet.is_wanted());
            match location {
                Some(location) if xet.is_none() => at = absolute(&at, &location),
                _ => return Ok(Answer { response, digest, xet }),
            }
        }
        Err(HubError::Answer {
            url: named(url),
            problem: format!("more than {MAX_REDIRECTS} redirections"),
            expected: "a file",
        })
    }

    fn request(&self, url: &str, start: u64) -> Result<Response<Body>, HubError> {
        let mut request = self.agent.get(url);
        if let Some(token) = self.token.as_ref().filter(|_| self.is_hub(url)) {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if start > 0 {
            request = request.header(RANGE, format!("bytes={start}-"));
        }
        request.call().map_err(|error| unreachable(url, &error))
    }

    /// Whether an address is the hub's own.
    fn is_hub(&self, url: &str) -> bool {
        url.strip_prefix(&self.endpoint).is_some_and(|rest| rest.starts_with('/'))
    }

    /// What an answer means that is none.
    fn check(&self, url: &str, id: &HubId, response: &Response<Body>) -> Result<(), HubError> {
        let (status, headers, url) = (response.status().as_u16(), response.headers(), named(url));
        let code = || text_of(headers, "x-error-code").map(|code| format!(" ({code})")).unwrap_or_default();
        match status {
            200 | 206 => Ok(()),
            401 | 403 => {
                let page = format!("{}/{}", self.endpoint, id.repository);
                Err(HubError::Unauthorised { id: id.to_string(), status, code: code(), url: page })
            }
            404 => Err(HubError::NotFound { url, code: code() }),
            429 => {
                let seconds = text_of(headers, RETRY_AFTER).and_then(|text| text.trim().parse().ok());
                Err(HubError::RateLimited { url, seconds })
            }
            408 | 500.. => Err(HubError::Server { url, status }),
            _ => Err(HubError::Answer { url, problem: format!("status {status}"), expected: "200" }),
        }
    }
}

/// A connection that did not come about. What cannot be helped by asking again is said at once.
fn unreachable(url: &str, error: &ureq::Error) -> HubError {
    match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::InvalidProxyUrl => HubError::Answer {
            url: named(url),
            problem: error.to_string(),
            expected: "an address (HF_ENDPOINT, or a redirection)",
        },
        _ => HubError::Unreachable { url: named(url), message: error.to_string() },
    }
}

fn text_of(headers: &HeaderMap, name: impl ureq::http::header::AsHeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// The digest of a file's contents. For large files, which lie elsewhere, `ETag` would be that of the redirection.
fn digest_of(headers: &HeaderMap) -> Option<String> {
    let tag = text_of(headers, "x-linked-etag").or_else(|| text_of(headers, ETAG))?;
    let digest = tag.trim_start_matches("W/").trim_matches('"');
    (is_hex(digest, 40) || is_hex(digest, 64)).then(|| digest.to_owned())
}

/// `bytes 100-199/200` begins at 100.
fn range_start(range: Option<&str>) -> Option<u64> {
    range?.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

/// Where a redirection leads, which may leave out the host.
fn absolute(from: &str, location: &str) -> String {
    if !location.starts_with('/') {
        return location.to_owned();
    }
    let host_end = from.find("://").and_then(|scheme| Some(scheme + 3 + from[scheme + 3..].find('/')?));
    format!("{}{location}", &from[..host_end.unwrap_or(from.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirection_may_leave_out_the_host() {
        let from = "https://hub.example/a/b/resolve/main/f";
        assert_eq!(absolute(from, "/c/d"), "https://hub.example/c/d");
        assert_eq!(absolute("https://hub.example", "/c"), "https://hub.example/c");
        assert_eq!(absolute(from, "https://other/x"), "https://other/x");
    }

    #[test]
    fn the_token_goes_to_the_hub_alone() {
        let environment = Environment {
            cache: "/none".into(),
            endpoint: "https://hub.example".to_owned(),
            token: None,
            offline: false,
            disable_xet: false,
        };
        let client = Client::new(&environment, Patience::default(), Interrupt::default());
        assert!(client.is_hub("https://hub.example/a/b"));
        for other in ["https://hub.example.evil/a", "https://other/a", "http://hub.example/a"] {
            assert!(!client.is_hub(other), "{other}");
        }
    }

    #[test]
    fn ranges_are_read() {
        assert_eq!(range_start(Some("bytes 100-199/200")), Some(100));
        assert_eq!(range_start(Some("bytes */200")), None);
        assert_eq!(range_start(None), None);
    }
}
