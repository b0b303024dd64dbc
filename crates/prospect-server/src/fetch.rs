//! Fetches pictures and videos that a conversation names by address.
//!
//! An address is checked first ([`AllowedSources::decide`]). The request then goes to the IP addresses
//! that this check has found: the name is not resolved again, and no proxy is used. A redirect is
//! checked like the first address.

use std::io::Read;
use std::net::SocketAddr;
use std::time::Instant;

use ureq::http::header::LOCATION;
use ureq::http::{StatusCode, Uri};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Body, http::Response};

use crate::error::ApiError;
use crate::guard::{AllowedSources, Checked, Refusal, Resolve, SystemResolver};

/// Most redirects that are followed.
const MOST_REDIRECTS: usize = 3;

/// Fetches allowed addresses.
pub(crate) struct Fetcher {
    allowed: AllowedSources,
    resolver: Box<dyn Resolve>,
}

/// A resolver that returns the checked IP addresses for every name.
#[derive(Debug)]
struct Found(Vec<SocketAddr>);

impl Resolver for Found {
    fn resolve(
        &self,
        _: &Uri,
        _: &ureq::config::Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut found = self.empty();
        self.0.iter().take(MOST_ADDRESSES).for_each(|address| found.push(*address));
        match self.0.is_empty() {
            true => Err(ureq::Error::HostNotFound),
            false => Ok(found),
        }
    }
}

/// Most IP addresses of a host that are tried. ureq's list has room for twice as many.
const MOST_ADDRESSES: usize = 8;

impl Fetcher {
    /// Fetches from the internet, and from the addresses that the operator has allowed.
    pub(crate) fn new(allowed: &AllowedSources) -> Self {
        Self { allowed: allowed.clone().and_internet(), resolver: Box::new(SystemResolver) }
    }

    /// Fetches at most `most_bytes` bytes from an address. Blocks until `until` at most.
    ///
    /// # Errors
    /// The address is not allowed, or the answer is too large, too late or an error.
    pub(crate) fn fetch(
        &self,
        address: &str,
        most_bytes: usize,
        until: Instant,
    ) -> Result<Vec<u8>, ApiError> {
        let mut address = address.to_owned();
        for _ in 0..=MOST_REDIRECTS {
            let checked = self.decide(&address)?;
            let mut answer = ask(checked, until)
                .map_err(|error| ApiError::bad_request(format!("the address: {error}")))?;
            if !answer.status().is_redirection() {
                return contents(&mut answer, most_bytes);
            }
            address = next_address(&address, &answer)?;
        }
        Err(ApiError::bad_request(format!("the address leads elsewhere more than {MOST_REDIRECTS} times")))
    }

    fn decide(&self, address: &str) -> Result<Checked, ApiError> {
        let refused = |refusal: Refusal| ApiError::bad_request(format!("the address: {refusal}"));
        if !address.starts_with("http://") && !address.starts_with("https://") {
            return Err(refused(Refusal::Scheme { expected: "data:...;base64,..., http:// or https://" }));
        }
        let checked = self.allowed.decide(address, self.resolver.as_ref()).map_err(refused)?;
        match checked.has_person {
            true => Err(refused(Refusal::Person)),
            false => Ok(checked),
        }
    }
}

fn ask(checked: Checked, until: Instant) -> Result<Response<Body>, ureq::Error> {
    let left = until.saturating_duration_since(Instant::now());
    let config = Agent::config_builder()
        .proxy(None)
        .max_redirects(0)
        .http_status_as_error(false)
        .user_agent(concat!("prospect/", env!("CARGO_PKG_VERSION")))
        .timeout_global(Some(left))
        .build();
    let agent = Agent::with_parts(config, DefaultConnector::default(), Found(checked.sockets));
    agent.get(&checked.address).call()
}

fn contents(answer: &mut Response<Body>, most_bytes: usize) -> Result<Vec<u8>, ApiError> {
    if answer.status() != StatusCode::OK {
        return Err(ApiError::bad_request(format!(
            "the address: its host answers {}",
            answer.status().as_u16()
        )));
    }
    let too_large =
        || ApiError::too_large(format!("what is at the address: expected at most {most_bytes} bytes"));
    let mut bytes = Vec::new();
    let most = most_bytes as u64;
    let read =
        answer.body_mut().with_config().limit(most + 2).reader().take(most + 1).read_to_end(&mut bytes);
    read.map_err(|error| ApiError::bad_request(format!("what is at the address does not come: {error}")))?;
    match bytes.len() > most_bytes {
        true => Err(too_large()),
        false => Ok(bytes),
    }
}

/// Target of a redirect: an absolute address, or a path on the same host.
fn next_address(address: &str, answer: &Response<Body>) -> Result<String, ApiError> {
    let location =
        answer.headers().get(LOCATION).and_then(|location| location.to_str().ok()).unwrap_or_default();
    if !location.starts_with('/') || location.starts_with("//") {
        // An invalid address is refused by the check.
        return Ok(location.to_owned());
    }
    let host = address.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    Ok(host + location)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::{IpAddr, TcpListener};
    use std::time::Duration;

    use super::*;

    /// Every name is this machine's, or what a stranger's name server says.
    struct Names(Vec<IpAddr>);

    impl Resolve for Names {
        fn resolve(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
            Ok(self.0.clone())
        }
    }

    fn fetcher(allowed: &[&str], names: &[&str]) -> Fetcher {
        let names = names.iter().map(|address| address.parse().unwrap()).collect();
        let allowed = AllowedSources::new(allowed).unwrap().and_internet();
        Fetcher { allowed, resolver: Box::new(Names(names)) }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    /// Gives these answers, one a connection, and the paths that were asked for.
    fn serve(answers: Vec<String>) -> (u16, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = std::thread::spawn(move || {
            let answer = |answer: String| {
                let (mut stream, _) = listener.accept().unwrap();
                let lines: Vec<String> = BufReader::new(stream.try_clone().unwrap())
                    .lines()
                    .map(Result::unwrap)
                    .take_while(|line| !line.is_empty())
                    .collect();
                // Who has what it wants may be gone.
                let _ = stream.write_all(answer.as_bytes());
                lines[0].clone()
            };
            answers.into_iter().map(answer).collect()
        });
        (port, serving)
    }

    fn ok(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
    }

    fn moved(to: &str) -> String {
        format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    }

    #[test]
    fn what_is_allowed_comes_whole_and_not_larger_than_it_may() {
        let (port, serving) = serve(vec![moved("/there?x=1"), ok("picture"), ok("pictures")]);
        let fetcher = fetcher(&[&format!("http://camera.example:{port}")], &["127.0.0.1"]);
        let address = format!("http://camera.example:{port}/here");
        assert_eq!(fetcher.fetch(&address, 7, soon()).unwrap(), b"picture");
        assert_eq!(fetcher.fetch(&address, 7, soon()).unwrap_err().status.as_u16(), 413);
        assert_eq!(
            serving.join().unwrap(),
            ["GET /here HTTP/1.1", "GET /there?x=1 HTTP/1.1", "GET /here HTTP/1.1"]
        );
    }

    #[test]
    fn where_an_answer_leads_is_decided_on_as_well() {
        for location in [
            "http://127.0.0.1:1/",
            "http://169.254.169.254/latest",
            "file:///etc/passwd",
            "//127.0.0.1/",
            "rtsp://camera.example/",
            "",
        ] {
            let (port, serving) = serve(vec![moved(location)]);
            let fetcher = fetcher(&[&format!("http://camera.example:{port}")], &["127.0.0.1"]);
            let refused = fetcher.fetch(&format!("http://camera.example:{port}/"), 9, soon()).unwrap_err();
            assert_eq!(refused.status.as_u16(), 400, "{location}: {refused}");
            serving.join().unwrap();
        }
        let (port, serving) = serve(vec![moved("/"); 4]);
        let fetcher = fetcher(&[&format!("http://camera.example:{port}")], &["127.0.0.1"]);
        let refused = fetcher.fetch(&format!("http://camera.example:{port}/"), 9, soon()).unwrap_err();
        assert!(refused.message.contains("more than 3 times"), "{refused}");
        serving.join().unwrap();
    }

    #[test]
    fn nothing_is_sent_to_an_address_that_may_not_be_opened() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        for names in [
            &["127.0.0.1"][..],
            &["93.184.216.34", "127.0.0.1"],
            &["::ffff:127.0.0.1"],
            &["10.0.0.1"],
            &["169.254.169.254"],
        ] {
            let fetcher = fetcher(&[&format!("http://*:{port}")], names);
            for host in [
                "evil.example",
                "127.0.0.1",
                "[::1]",
                "[::ffff:127.0.0.1]",
                "localhost",
                "public.example@127.0.0.1",
            ] {
                let refused = fetcher.fetch(&format!("http://{host}:{port}/x.png"), 9, soon()).unwrap_err();
                assert_eq!(refused.status.as_u16(), 400, "{host}: {refused}");
            }
        }
        let user = fetcher(&[&format!("http://127.0.0.1:{port}")], &[]);
        assert_eq!(
            user.fetch(&format!("http://a:b@127.0.0.1:{port}/"), 9, soon()).unwrap_err().status.as_u16(),
            400
        );
        assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "nobody came");
    }

    #[test]
    fn a_host_that_does_not_answer_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let fetcher = fetcher(&[&format!("http://127.0.0.1:{port}")], &[]);
        let until = Instant::now() + Duration::from_millis(200);
        assert_eq!(
            fetcher.fetch(&format!("http://127.0.0.1:{port}/"), 9, until).unwrap_err().status.as_u16(),
            400
        );
        drop(listener);
    }
}
