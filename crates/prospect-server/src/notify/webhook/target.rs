//! The address of a webhook, and one attempt to deliver a reply.

use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, Uri};
use prospect_foreign::short_line;
use prospect_source::text_without_secrets;
use serde::Serialize;
use ureq::Agent;

use super::secret::WebhookSecret;
use crate::notify::backoff::LONGEST;
use crate::notify::error::NotifyError;
use crate::notify::reply::{Jpeg, Reply, now};

/// Time limit of an attempt, from name resolution to the head of the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The address to which replies are sent. It may contain secrets, in its path as well, so only its host
/// is ever shown.
#[derive(Clone)]
pub struct Webhook {
    address: Uri,
    host: String,
    secret: WebhookSecret,
    agent: Agent,
}

/// Result of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tried {
    Taken,
    /// Delivery may succeed later. Contains the reason, and the wait that the receiver asks for.
    Later(String, Option<Duration>),
    /// Delivery can never succeed. Contains the reason.
    Refused(String),
}

/// The JSON body of the request. All of it is signed.
#[derive(Serialize)]
struct Body<'a> {
    object: &'static str,
    #[serde(flatten)]
    reply: &'a Reply,
    /// Number of the attempt, from 1.
    attempt: u32,
    /// Time of this attempt, in seconds since 1970.
    sent_at: u64,
    image: Option<&'a Jpeg>,
}

impl Webhook {
    /// A webhook by address. `number` is its number among all webhooks, from 1.
    ///
    /// # Errors
    /// The address is not a valid HTTP address.
    pub fn new(number: usize, address: &str, secret: WebhookSecret) -> Result<Self, NotifyError> {
        let wrong = || NotifyError::WebhookAddress { number };
        let address: Uri = address.parse().map_err(|_| wrong())?;
        let host = address.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
        let scheme = address.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"));
        let port = address.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
        let host = format!("{}://{host}{port}", scheme.ok_or_else(wrong)?);
        let config = Agent::config_builder()
            // Redirects are not followed: the operator decides where replies go.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(concat!("prospect/", env!("CARGO_PKG_VERSION")))
            .timeout_global(Some(PATIENCE));
        Ok(Self { address, host, secret, agent: config.build().into() })
    }

    /// The part of the address that may be shown.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Makes one attempt to send a reply. Blocks until the answer arrives or the time limit is over.
    pub(super) fn send(&self, reply: &Reply, attempt: u32) -> Tried {
        let image = reply.image.as_deref();
        let body = Body { object: "streaming.reply", reply, attempt, sent_at: now().as_secs(), image };
        // A reply always serializes.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let request = self
            .agent
            .post(&self.address)
            .header("content-type", "application/json")
            .header("x-prospect-signature", self.secret.sign(&body))
            .header("x-prospect-id", &reply.id)
            .header("x-prospect-attempt", attempt.to_string());
        match request.send(&body) {
            Ok(answer) => judged(answer.status(), answer.headers()),
            Err(error) => failed(&error),
        }
    }
}

/// Interprets an answer.
fn judged(status: StatusCode, headers: &HeaderMap) -> Tried {
    match status.as_u16() {
        200..=299 => Tried::Taken,
        429 | 500..=599 => Tried::Later(format!("it answered {status}"), asked_wait(headers)),
        300..=399 => Tried::Refused(format!("it answered {status}: redirects are not followed")),
        _ => Tried::Refused(format!("it answered {status}")),
    }
}

/// The wait that the receiver asks for in `Retry-After`, limited to the longest back-off.
fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST))
}

/// Interprets a missing answer.
fn failed(error: &ureq::Error) -> Tried {
    // The library's messages quote addresses.
    let why = short_line(text_without_secrets(&error.to_string()));
    match error {
        ureq::Error::BadUri(_) => Tried::Refused("its address cannot be called".to_owned()),
        ureq::Error::Http(_) => Tried::Refused(why),
        _ => Tried::Later(why, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> WebhookSecret {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a-secret-of-some-length").unwrap();
        WebhookSecret::from_file(file.path()).unwrap()
    }

    #[test]
    fn an_address_is_one_of_http_and_its_secrets_are_not_shown() {
        let host = |address: &str| Webhook::new(2, address, secret()).map(|webhook| webhook.host);
        assert_eq!(host("https://user:S@hooks.example:8443/S?key=S").unwrap(), "https://hooks.example:8443");
        assert_eq!(host("http://127.0.0.1:9000/").unwrap(), "http://127.0.0.1:9000");
        for wrong in ["", "hooks.example/x", "ftp://hooks.example/", "http:///x", "/x", "http://a b/", "S"] {
            let refused = host(wrong).unwrap_err().to_string();
            assert_eq!(
                refused,
                "--webhook, number 2: not an address: expected http://HOST/PATH or https://HOST/PATH"
            );
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let judge = |status: u16| judged(StatusCode::from_u16(status).unwrap(), &HeaderMap::new());
        for status in [200, 202, 204] {
            assert_eq!(judge(status), Tried::Taken);
        }
        for status in [429, 500, 502, 503, 504] {
            assert!(matches!(judge(status), Tried::Later(_, None)), "{status}");
        }
        for status in [301, 307, 308, 400, 401, 403, 404, 408, 410, 413, 422] {
            assert!(matches!(judge(status), Tried::Refused(_)), "{status}");
        }
        let after = |text: &str| {
            let headers = HeaderMap::from_iter([(axum::http::header::RETRY_AFTER, text.parse().unwrap())]);
            judged(StatusCode::SERVICE_UNAVAILABLE, &headers)
        };
        assert!(matches!(after("3"), Tried::Later(_, Some(wait)) if wait == Duration::from_secs(3)));
        assert!(matches!(after("86400"), Tried::Later(_, Some(LONGEST))));
        assert!(matches!(after("Wed, 21 Oct 2026 07:28:00 GMT"), Tried::Later(_, None)));
        for error in [ureq::Error::HostNotFound, ureq::Error::ConnectionFailed] {
            assert!(matches!(failed(&error), Tried::Later(_, None)));
        }
        let quoted = failed(&ureq::Error::BadUri("http://user:S@host/".to_owned()));
        assert!(matches!(quoted, Tried::Refused(why) if !why.contains('S')));
    }
}
