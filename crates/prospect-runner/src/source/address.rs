//! Addresses of cameras and streams, and what of them is a secret.

/// Stands for what nobody shall read.
const HIDDEN: &str = "***";

/// An address as it may be shown and written: the person in front of the host and the values behind the question mark are
/// hidden. A path has neither.
pub fn without_secrets(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let (authority, behind) = rest.split_at(end_of_authority(rest));
    // A password may hold an @ of its own.
    let host =
        authority.rsplit_once('@').map_or(authority.to_owned(), |(_, host)| format!("{HIDDEN}@{host}"));
    let (path, query) = behind.split_at(behind.find(['?', '#', ';']).unwrap_or(behind.len()));
    format!("{scheme}://{host}{path}{}", without_values(query))
}

/// Where the person and the host of an address end. A password with a slash in it is no host with a port: then the last @ divides.
fn end_of_authority(rest: &str) -> usize {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(end);
    let port = authority.split_once(':').map(|(_, port)| port);
    let is_person =
        !authority.contains('@') && port.is_some_and(|port| port.contains(|c: char| !c.is_ascii_digit()));
    match behind.rfind('@').filter(|_| is_person) {
        Some(at) => end + at + behind[at..].find(['/', '?', '#']).unwrap_or(behind.len() - at),
        None => end,
    }
}

/// A text with every address in it as [`without_secrets`] shows it.
pub(crate) fn text_without_secrets(text: &str) -> String {
    let ends = |c: char| c.is_whitespace() || "\"'<>()[]{}".contains(c);
    let mut shown = String::with_capacity(text.len());
    for word in text.split_inclusive(ends) {
        let (address, end) = match word.chars().next_back().filter(|c| ends(*c)) {
            Some(last) => word.split_at(word.len() - last.len_utf8()),
            None => (word, ""),
        };
        shown.push_str(&without_secrets(address));
        shown.push_str(end);
    }
    shown
}

/// `?a=b&c` as `?a=***&***`.
fn without_values(query: &str) -> String {
    let mut shown = String::new();
    for part in query.split_inclusive(['?', '&', '#', ';']) {
        let (part, end) = match part.strip_suffix(['?', '&', '#', ';']) {
            Some(text) => (text, &part[text.len()..]),
            None => (part, ""),
        };
        match part.split_once('=') {
            Some((key, _)) => shown.push_str(&format!("{key}={HIDDEN}")),
            None if part.is_empty() => {}
            None => shown.push_str(HIDDEN),
        }
        shown.push_str(end);
    }
    shown
}

/// What a program says of an address that it was given, with the secrets of this address hidden wherever they stand.
pub(crate) fn hide_secrets(said: &str, address: &str) -> String {
    let mut shown = said.replace(address, &without_secrets(address));
    for secret in secrets(address) {
        shown = shown.replace(secret, HIDDEN);
    }
    shown
}

/// Every part of an address that is hidden: the longest first, so that none shows what is left of another.
fn secrets(address: &str) -> Vec<&str> {
    let Some((_, rest)) = address.split_once("://") else { return Vec::new() };
    let (authority, behind) = rest.split_at(end_of_authority(rest));
    let mut secrets = Vec::new();
    if let Some((person, _)) = authority.rsplit_once('@') {
        secrets.push(person);
        secrets.extend(person.split_once(':').map(|(_, password)| password));
    }
    let query = behind.find(['?', '#', ';']).map_or("", |at| &behind[at..]);
    secrets.extend(
        query.split(['?', '&', '#', ';']).map(|part| part.split_once('=').map_or(part, |pair| pair.1)),
    );
    // One letter is in every word.
    secrets.retain(|secret| secret.len() > 1);
    secrets.sort_by_key(|secret| usize::MAX - secret.len());
    secrets
}

/// Arguments of ffmpeg whose values may be shown; those of the others (headers, cookies, keys, passwords) are hidden.
const HARMLESS: [&str; 24] = [
    "-analyzeduration",
    "-f",
    "-fflags",
    "-flags",
    "-framerate",
    "-hwaccel",
    "-input_format",
    "-loop",
    "-max_delay",
    "-pixel_format",
    "-probesize",
    "-r",
    "-reconnect",
    "-reconnect_streamed",
    "-rtsp_flags",
    "-rtsp_transport",
    "-rw_timeout",
    "-ss",
    "-stimeout",
    "-stream_loop",
    "-t",
    "-thread_queue_size",
    "-timeout",
    "-video_size",
];

/// Arguments of ffmpeg as they may be written down.
pub(crate) fn arguments_without_secrets(arguments: &[String]) -> Vec<String> {
    let mut shown = Vec::with_capacity(arguments.len());
    let mut before = "";
    for argument in arguments {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_:-".contains(c);
        let name = argument.strip_prefix('-').unwrap_or_default();
        let value = !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(is_name);
        shown.push(match value && !HARMLESS.contains(&before) {
            true => HIDDEN.to_owned(),
            false => argument.clone(),
        });
        before = argument;
    }
    shown
}

/// The path that a `file:` address leads to; `None` for any other address.
pub(super) fn path_of_file_address(address: &str) -> Option<String> {
    let rest = address.strip_prefix("file://")?;
    let path = rest.strip_prefix("localhost").filter(|path| path.starts_with('/')).unwrap_or(rest);
    let bytes = path.as_bytes();
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let digits = path.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_are_hidden_and_the_rest_is_not() {
        for (address, shown) in [
            ("rtsp://user:pass@host:554/a/b", "rtsp://***@host:554/a/b"),
            ("rtsp://user:p@ss@host", "rtsp://***@host"),
            ("https://host/a.m3u8?token=abc&x=1#t=5", "https://host/a.m3u8?token=***&x=***#t=***"),
            ("http://host?abc", "http://host?***"),
            ("rtsp://user:pa/ss@host/a", "rtsp://***@host/a"),
            ("http://host:80/a@b", "http://host:80/a@b"),
            ("http://host/a;jsessionid=S", "http://host/a;jsessionid=***"),
            ("http://host/a", "http://host/a"),
            ("videos/a@b?c=d.mp4", "videos/a@b?c=d.mp4"),
        ] {
            assert_eq!(without_secrets(address), shown);
        }
        let address = "rtsp://user:pass@host/x?token=abc";
        let said = "method DESCRIBE failed: rtsp://user:pass@host/x?token=abc, user:pass, token abc";
        assert_eq!(
            hide_secrets(said, address),
            "method DESCRIBE failed: rtsp://***@host/x?token=***, ***, token ***"
        );
    }

    #[test]
    fn addresses_in_a_text_are_shown_without_their_secrets() {
        let text = "HF_ENDPOINT=\"http://u:S@h\": no (rtsp://u:S@c/1?t=S), expected a://b";
        let shown = "HF_ENDPOINT=\"http://***@h\": no (rtsp://***@c/1?t=***), expected a://b";
        assert_eq!(text_without_secrets(text), shown);
    }

    #[test]
    fn values_of_arguments_are_hidden_but_for_harmless_ones() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let shown = arguments_without_secrets(&words(
            "-rtsp_transport tcp -headers Authorization:x -re -cookies a=b c",
        ));
        assert_eq!(shown, words("-rtsp_transport tcp -headers *** -re -cookies *** ***"));
    }

    #[test]
    fn a_file_address_is_a_path() {
        assert_eq!(path_of_file_address("file:///a%20b/c.mp4").as_deref(), Some("/a b/c.mp4"));
        assert_eq!(path_of_file_address("file://localhost/a").as_deref(), Some("/a"));
        assert_eq!(path_of_file_address("file:///100%.mp4").as_deref(), Some("/100%.mp4"));
        assert_eq!(path_of_file_address("http://a"), None);
    }

    proptest! {
        #[test]
        fn no_secret_shows(user in "[A-Z]{4,8}", password in "[0-9:@]{4,12}", token in "[A-Z0-9]{6,9}", host in "[a-z]{1,8}") {
            let address = format!("rtsp://{user}:{password}@{host}/x?y={token}");
            for shown in [without_secrets(&address), hide_secrets(&format!("{address}: {token} of {user}:{password} failed"), &address)] {
                for secret in [&password, &token] {
                    prop_assert!(!shown.contains(secret.as_str()), "{}", shown);
                }
            }
        }

        #[test]
        fn no_address_panics(address in ".{0,40}") {
            hide_secrets(&address, &address);
            path_of_file_address(&format!("file://{address}"));
        }
    }
}
