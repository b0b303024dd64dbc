//! Address of the broker, user and topics.

use std::path::Path;

use axum::http::Uri;

use crate::notify::error::NotifyError;
use crate::tls::TlsClient;

const USER_FILE: &str = "--mqtt-user-file";
const CA_FILE: &str = "--mqtt-ca";
const PORT: u16 = 1883;
const TLS_PORT: u16 = 8883;

/// A broker to which replies and states are published.
#[derive(Clone)]
pub struct MqttOptions {
    pub(super) host: String,
    pub(super) port: u16,
    /// `None`: the connection is not encrypted.
    pub(super) tls: Option<TlsClient>,
    pub(super) user: Option<User>,
    /// Prefix of all topics.
    pub(super) prefix: String,
}

/// The user as whom the server logs in to the broker.
#[derive(Clone)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) password: Option<String>,
}

impl MqttOptions {
    /// A broker by address. `user_file` has the user on its first line and the password on the second.
    /// `ca_file` has the trusted root certificates; without it, those of browsers are trusted.
    ///
    /// # Errors
    /// [`NotifyError`]: the address, the prefix or a file is invalid.
    pub fn new(
        address: &str,
        prefix: &str,
        user_file: Option<&Path>,
        ca_file: Option<&Path>,
    ) -> Result<Self, NotifyError> {
        let address: Uri = address.parse().map_err(|_| NotifyError::MqttAddress)?;
        let authority = address.authority().ok_or(NotifyError::MqttAddress)?;
        if authority.as_str().contains('@') {
            return Err(NotifyError::MqttUserInAddress);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let (is_encrypted, usual_port) = match address.scheme_str() {
            Some("mqtt") => (false, PORT),
            Some("mqtts") => (true, TLS_PORT),
            _ => return Err(NotifyError::MqttAddress),
        };
        let is_bare = matches!(address.path(), "" | "/") && address.query().is_none();
        let has_port = authority.as_str().ends_with(authority.host()) || authority.port_u16().is_some();
        if host.is_empty() || !is_bare || !has_port {
            return Err(NotifyError::MqttAddress);
        }
        if !is_prefix(prefix) {
            return Err(NotifyError::MqttPrefix { prefix: prefix.to_owned() });
        }
        let port = authority.port_u16().unwrap_or(usual_port);
        let tls = is_encrypted.then(|| TlsClient::new(CA_FILE, ca_file)).transpose()?;
        let user = user_file.map(user_in).transpose()?;
        Ok(Self { host, port, tls, user, prefix: prefix.to_owned() })
    }
}

/// Whether this is a valid topic prefix: words without wildcards, none of them empty.
fn is_prefix(prefix: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    prefix.len() <= 128 && prefix.split('/').all(|word| !word.is_empty() && word.bytes().all(is_letter))
}

fn user_in(path: &Path) -> Result<User, NotifyError> {
    let unreadable = |source| NotifyError::Unreadable { argument: USER_FILE, path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let mut lines = text.lines();
    let name = lines.next().unwrap_or_default().trim().to_owned();
    let password = lines.next().filter(|password| !password.is_empty()).map(str::to_owned);
    let is_more = lines.any(|line| !line.trim().is_empty());
    // MQTT stores the length of each in 16 bits.
    let is_long = [&name, password.as_ref().unwrap_or(&name)].iter().any(|text| text.len() > 65_535);
    match name.is_empty() || is_more || is_long {
        true => Err(NotifyError::MqttUser { path: path.to_owned() }),
        false => Ok(User { name, password }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> Result<(String, u16, bool), String> {
        let options = MqttOptions::new(address, "prospect", None, None).map_err(|error| error.to_string())?;
        Ok((options.host, options.port, options.tls.is_some()))
    }

    #[test]
    fn an_address_has_a_scheme_a_host_and_perhaps_a_port() {
        assert_eq!(of("mqtt://broker.lan"), Ok(("broker.lan".to_owned(), 1883, false)));
        assert_eq!(of("mqtts://broker.lan/"), Ok(("broker.lan".to_owned(), 8883, true)));
        assert_eq!(of("mqtt://[::1]:77"), Ok(("::1".to_owned(), 77, false)));
        for wrong in ["", "broker", "http://h", "mqtt://", "mqtt://h:99999", "mqtt://h/topic", "mqtt://h?x"] {
            let refused = of(wrong).unwrap_err();
            assert!(refused.starts_with("--mqtt: not an address: expected mqtt://"), "{wrong}: {refused}");
        }
        let with_user = of("mqtt://user:SECRET@h").unwrap_err();
        assert!(with_user.contains("--mqtt-user-file") && !with_user.contains("SECRET"), "{with_user}");
    }

    #[test]
    fn a_prefix_is_words_between_slashes() {
        for prefix in ["prospect", "home/den-2/prospect_a"] {
            assert!(MqttOptions::new("mqtt://h", prefix, None, None).is_ok());
        }
        for wrong in ["", "/a", "a/", "a//b", "a/#", "+", "$SYS", "a b", "ü"] {
            let refused = MqttOptions::new("mqtt://h", wrong, None, None).err().unwrap();
            assert!(matches!(refused, NotifyError::MqttPrefix { .. }), "{wrong}: {refused}");
        }
    }

    #[test]
    fn a_user_file_has_two_lines() {
        let user = |text: &str| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            user_in(file.path()).map(|user| (user.name, user.password)).map_err(|error| error.to_string())
        };
        let two = Ok(("me".to_owned(), Some(" p:ss ".to_owned())));
        assert_eq!(user("me\n p:ss \n"), two);
        assert_eq!(user("me\r\n p:ss \r\n\n"), two);
        assert_eq!(user("me"), Ok(("me".to_owned(), None)));
        for wrong in ["", "\nSECRET", "me\nSECRET\nmore"] {
            let refused = user(wrong).unwrap_err();
            assert!(refused.contains("expected the user") && !refused.contains("SECRET"), "{refused}");
        }
        assert!(matches!(user_in(Path::new("/nowhere")), Err(NotifyError::Unreadable { .. })));
    }
}
