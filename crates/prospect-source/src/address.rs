//! The addresses of cameras and streams, and the secrets in them.

/// The name of standard input as a source.
pub const STDIN: &str = "-";
/// The name of standard input in messages.
pub(crate) const STANDARD_INPUT: &str = "standard input";

/// The beginning of a source's description: its name without secrets. Readers add how the source is read.
pub fn shown_name(spec: &str) -> String {
    match spec {
        STDIN => STANDARD_INPUT.to_owned(),
        _ => without_secrets(path_of_file_address(spec).as_deref().unwrap_or(spec)),
    }
}

/// The text that replaces a secret.
const HIDDEN: &str = "***";
/// The fewest first bytes of a secret that are hidden as well, if a text ends within the secret.
const LEAST_CUT: usize = 4;

/// An address without its secrets, for messages and files: the user before the host and the values behind the
/// question mark are hidden. A path has neither.
pub fn without_secrets(address: &str) -> String {
    let (pieces, query) = pieces(address);
    let mut shown = String::with_capacity(address.len());
    for piece in pieces {
        match piece {
            Piece::Plain(text) => shown.push_str(text),
            Piece::Person(_) => shown.push_str(HIDDEN),
        }
    }
    shown + &without_values(query)
}

/// A part of an address before its values.
enum Piece<'a> {
    Plain(&'a str),
    /// The user and the password.
    Person(&'a str),
}

/// The parts of an address, and the text behind its path. A path may contain another address, as the path of
/// a relay does.
fn pieces(address: &str) -> (Vec<Piece<'_>>, &str) {
    let (mut pieces, mut rest, mut query) = (Vec::new(), address, "");
    let (mut from, mut path) = (0, None);
    while let Some(at) = rest[from..].find("://") {
        let begin = from + at + "://".len();
        let end = begin + end_of_authority(&rest[begin..]);
        if path.is_none()
            && let Some(length) = rest[end..].find(['?', '#'])
        {
            (rest, query) = rest.split_at(end + length);
        }
        // A password may hold an @ of its own.
        match rest[begin..end].rfind('@') {
            Some(at) => {
                pieces.push(Piece::Plain(&rest[..begin]));
                pieces.push(Piece::Person(&rest[begin..begin + at]));
                (rest, from, path) = (&rest[begin + at..], 0, Some(end - begin - at));
            }
            None => (from, path) = (begin, Some(end)),
        }
    }
    if let Some(length) = path.and_then(|path| rest[path..].find(';').map(|length| path + length)) {
        query = &address[address.len() - query.len() - (rest.len() - length)..];
        rest = &rest[..length];
    }
    pieces.push(Piece::Plain(rest));
    (pieces, query)
}

/// The end of the user and the host in an address. If the text before a slash is not a host with a port, the
/// slash may be part of a password; then the last @ separates user and host.
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

/// A text in which [`without_secrets`] was applied to every address.
pub fn text_without_secrets(text: &str) -> String {
    let ends = |c: char| c.is_whitespace() || "\"<>".contains(c);
    let mut shown = String::with_capacity(text.len());
    for word in text.split_inclusive(ends) {
        // A password may hold brackets: only those at a word's end are the text's.
        let address = word.trim_end_matches(|c: char| ends(c) || "'()[]{},.:".contains(c));
        shown.push_str(&without_secrets(address));
        shown.push_str(&word[address.len()..]);
    }
    shown
}

/// Keys of addresses that tell the cameras of one recorder apart.
const CHANNEL_KEYS: [&str; 7] = ["camera", "ch", "chan", "channel", "profile", "stream", "subtype"];
/// Digits of the greatest channel.
const CHANNEL_DIGITS: usize = 3;

/// Whether a key and its value name a camera: a number that is no secret, and without which nobody could tell two cameras apart.
fn is_channel(key: &str, value: &str) -> bool {
    CHANNEL_KEYS.iter().any(|name| key.eq_ignore_ascii_case(name))
        && (1..=CHANNEL_DIGITS).contains(&value.len())
        && value.bytes().all(|byte| byte.is_ascii_digit())
}

/// `?a=b&c&channel=1` as `?a=***&***&channel=1`. A value that is itself an address is hidden together with everything
/// behind it, because its password may contain the characters that separate values.
fn without_values(query: &str) -> String {
    let mut shown = String::new();
    let query = query.find("://").map_or(query, |at| &query[..at]);
    for part in query.split_inclusive(['?', '&', '#', ';']) {
        let (part, end) = match part.strip_suffix(['?', '&', '#', ';']) {
            Some(text) => (text, &part[text.len()..]),
            None => (part, ""),
        };
        match part.split_once('=') {
            Some((key, value)) if is_channel(key, value) => shown.push_str(part),
            Some((key, _)) => shown.push_str(&format!("{key}={HIDDEN}")),
            None if part.is_empty() => {}
            None => shown.push_str(HIDDEN),
        }
        shown.push_str(end);
    }
    shown
}

/// A program's message about an address, with the secrets of this address hidden wherever they are, and those
/// of other addresses as well.
pub(crate) fn hide_secrets(said: &str, address: &str) -> String {
    let mut shown = said.replace(address, &without_secrets(address));
    let secrets = secrets(address);
    // A line may have been cut off in the middle of one. Looked for first: a shorter secret may be a part of it.
    let cut = secrets.iter().filter_map(|secret| {
        let lengths = (LEAST_CUT..=secret.len()).rev().filter(|length| secret.is_char_boundary(*length));
        lengths.map(|length| &secret[..length]).find(|part| shown.ends_with(part)).map(str::len)
    });
    let cut = cut.max();
    shown.truncate(shown.len() - cut.unwrap_or(0));
    for secret in &secrets {
        shown = shown.replace(secret, HIDDEN);
    }
    shown.push_str(if cut.is_some() { HIDDEN } else { "" });
    text_without_secrets(&shown)
}

/// All parts of an address that are hidden, the longest first, so that hiding one does not leave a part of
/// another.
fn secrets(address: &str) -> Vec<&str> {
    let (pieces, query) = pieces(address);
    let mut secrets = Vec::new();
    for piece in pieces {
        if let Piece::Person(person) = piece {
            secrets.push(person);
            secrets.extend(person.split_once(':').map(|(_, password)| password));
        }
    }
    let value = |part| match str::split_once(part, '=') {
        Some((key, value)) if is_channel(key, value) => None,
        Some((_, value)) => Some(value),
        None => Some(part),
    };
    secrets.extend(query.split(['?', '&', '#', ';']).filter_map(value));
    // One letter is in every word.
    secrets.retain(|secret| secret.len() > 1);
    secrets.sort_by_key(|secret| usize::MAX - secret.len());
    secrets
}

/// The arguments of ffmpeg whose values may be shown. The values of all others (headers, cookies, keys,
/// passwords) are hidden.
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

/// The arguments of ffmpeg without their secrets, for messages and files.
pub fn arguments_without_secrets(arguments: &[String]) -> Vec<String> {
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

/// The path of a `file:` address; `None` for any other address.
pub fn path_of_file_address(address: &str) -> Option<String> {
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
    use crate::mutations::cases;

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
            (
                "rtsp://u:p@nvr/live?channel=12&subtype=0&pw=1",
                "rtsp://***@nvr/live?channel=12&subtype=0&pw=***",
            ),
            ("rtsp://nvr/live?channel=1234&stream=a1", "rtsp://nvr/live?channel=***&stream=***"),
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

    #[test]
    fn an_address_within_an_address_has_secrets_of_its_own() {
        let (relay, two) = ("http://relay/rtsp://u:S@cam/1", "rtsp://u:S@a,rtsp://v:T@b/c?d=E");
        assert_eq!(without_secrets(relay), "http://relay/rtsp://***@cam/1");
        assert_eq!(without_secrets(two), "rtsp://***@a,rtsp://***@b/c?d=***");
        assert_eq!(hide_secrets("no v:T", two), "no ***");
    }

    #[test]
    fn a_secret_that_is_cut_off_is_hidden_though_another_is_a_part_of_it() {
        let address = "rtsp://BX@a?a=SECRETBXSECRET";
        assert_eq!(hide_secrets("no SECRETBXSEC", address), "no ***");
        assert_eq!(hide_secrets("no SECRETBXSECRET", address), "no ***");
    }

    #[test]
    fn an_address_among_the_values_shows_nothing() {
        assert_eq!(without_secrets("rtsp://h/x?a=1&b=rtsp://u:A;B=C@h&c=2"), "rtsp://h/x?a=***&b=***");
    }

    #[test]
    fn a_password_with_brackets_is_hidden_in_a_text() {
        assert_eq!(text_without_secrets("no ('rtsp://u:a(b'c@h/x'), why"), "no ('rtsp://***@h/x'), why");
    }

    /// Addresses as people write them, with all of their secrets: no host and no path has a capital letter.
    fn addresses() -> impl Strategy<Value = (String, Vec<String>)> {
        let person =
            prop::option::of(("[A-Z]{2,8}", prop::option::of("[A-Z][A-Z0-9:@!$'()*+,=~._%&;-]{3,20}")));
        let values = prop::collection::vec(("[a-z]{1,6}", "[A-Z0-9%+/._-]{6,40}"), 0..3);
        let places = ("[a-z]{1,8}", "(:[0-9]{1,5})?", "(/[a-z0-9._ -]{0,9}){0,3}");
        let schemes =
            prop::sample::select(&["rtsp", "http", "https", "srt", "tls+tcp", "async:cache:http"][..]);
        (schemes, person, places, values).prop_map(|(scheme, person, (host, port, path), values)| {
            let (mut address, mut secrets) = (format!("{scheme}://"), Vec::new());
            if let Some((user, password)) = person {
                let password = password.map(|password| format!(":{password}")).unwrap_or_default();
                address += &format!("{user}{password}@");
                // Who asks is hidden in an address; alone it is a secret where it is all that there is.
                secrets.push(password.get(1..).map_or(user, str::to_owned));
            }
            address += &format!("{host}{port}{path}");
            for (number, (key, value)) in values.into_iter().enumerate() {
                address += &format!("{}{key}={value}", if number == 0 { '?' } else { '&' });
                secrets.push(value);
            }
            (address, secrets)
        })
    }

    fn nothing_shows(shown: &str, secrets: &[String]) -> Result<(), TestCaseError> {
        match secrets.iter().find(|secret| shown.contains(secret.as_str())) {
            Some(secret) => Err(TestCaseError::fail(format!("{secret} is in {shown}"))),
            None => Ok(()),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases(256)) })]

        #[test]
        fn no_secret_of_an_address_shows((address, secrets) in addresses(), (other, others) in addresses()) {
            let (shown, nested) = (without_secrets(&address), format!("{address}/{other}"));
            nothing_shows(&shown, &secrets)?;
            // What is no secret is told: a person looks for the camera that failed.
            prop_assert!(shown.starts_with(address.split("://").next().unwrap()));
            prop_assert_eq!(without_secrets(&shown), shown);
            nothing_shows(&without_secrets(&nested), &[secrets, others].concat())?;
        }

        #[test]
        fn no_secret_shows_in_what_is_said((address, secrets) in addresses(), before in "[a-z :'(]{0,12}", behind in "[a-z :')]{0,12}", cut in 0.0f64..1.0) {
            let parts: String = secrets.iter().map(|secret| format!(" {secret},")).collect();
            for said in [format!("{before}{address}{behind}"), format!("{before}{parts} of {address}")] {
                nothing_shows(&hide_secrets(&said, &address), &secrets)?;
                // ffmpeg ends a line after 1,023 bytes, wherever that is.
                let cut = &said[..(cut * said.len() as f64) as usize];
                let begun: Vec<String> = secrets.iter().map(|secret| secret[..secret.len().min(LEAST_CUT + 1)].to_owned()).collect();
                nothing_shows(&hide_secrets(cut, &address), &begun)?;
            }
            if !address.contains(' ') {
                nothing_shows(&text_without_secrets(&format!("{before} {address} {behind}")), &secrets)?;
            }
        }

        #[test]
        fn no_address_panics(address in ".{0,40}", odd in "[a:/@?&#;=% é]{0,40}") {
            for address in [address, odd] {
                hide_secrets(&format!("no {address}"), &address);
                hide_secrets(&address, "a://b:c@d?e=f");
                path_of_file_address(&format!("file://{address}"));
                let settled = without_secrets(&address);
                prop_assert_eq!(without_secrets(&settled), settled);
            }
        }
    }
}
