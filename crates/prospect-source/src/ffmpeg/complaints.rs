//! The error lines of ffmpeg, shortened and sorted by their meaning.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};

use crate::address::hide_secrets;
use prospect_foreign::one_line;

/// The longest line that is read, in bytes. ffmpeg cuts its own lines after 1,023 bytes.
const LONGEST_LINE: u64 = 4 << 10;
/// The most characters that are kept of a line.
const LONGEST_KEPT: usize = 500;
/// The most kinds of errors that are kept.
const MOST_KINDS: usize = 8;
/// Texts that say that a source was cut off.
const CUT_OFF: [&str; 5] =
    ["ended prematurely", "ends prematurely", "partial file", "Truncat", "end of file"];

/// The error lines, with those of one kind counted together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Complaints {
    /// The first line of each kind, and the number of lines of that kind.
    kinds: Vec<(String, usize)>,
    /// The number of lines of other kinds.
    others: usize,
    /// Whether any line says that the source was cut off.
    cut_off: bool,
}

impl Complaints {
    /// Reads all lines, so that ffmpeg never waits for a reader. No secret of the source's `address` is kept.
    /// Secrets are hidden before a line is cut, because otherwise half of a secret could remain.
    pub(super) fn read(errors: impl Read, address: &str) -> Self {
        let mut reader = BufReader::new(errors);
        let (mut found, mut known, mut line) = (Self::default(), BTreeMap::new(), Vec::new());
        while reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let whole = line.len() < LONGEST_LINE as usize || line.ends_with(b"\n");
            found.add(&without_secrets(&line, address), &mut known);
            line.clear();
            if !whole && !skip_line(&mut reader) {
                break;
            }
        }
        found
    }

    fn add(&mut self, line: &str, known: &mut BTreeMap<String, usize>) {
        if line.is_empty() {
            return;
        }
        self.cut_off |= CUT_OFF.iter().any(|sign| line.contains(sign));
        let line = cut(line);
        // Lines of one kind differ in numbers and addresses.
        let kind: String = line.chars().filter(char::is_ascii_alphabetic).collect();
        match known.get(&kind) {
            Some(&place) => self.kinds[place].1 += 1,
            None if self.kinds.len() < MOST_KINDS => {
                known.insert(kind, self.kinds.len());
                self.kinds.push((line, 1));
            }
            None => self.others += 1,
        }
    }

    /// Whether there is no error line.
    pub(crate) fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Whether a line says that the source was cut off.
    pub(crate) fn cut_off(&self) -> bool {
        self.cut_off
    }

    /// The first line.
    pub(crate) fn first(&self) -> String {
        self.kinds.first().map(|(line, _)| line.clone()).unwrap_or_default()
    }

    /// All kinds, in one line.
    pub(crate) fn all(&self) -> String {
        let kind = |(line, times): &(String, usize)| match times {
            1 => line.clone(),
            times => format!("{line} ({times} times)"),
        };
        let mut all: Vec<String> = self.kinds.iter().map(kind).collect();
        if self.others > 0 {
            all.push(format!("{} more", self.others));
        }
        all.join("; ")
    }
}

/// A line without secrets and control characters.
pub(super) fn shown(line: &[u8], address: &str) -> String {
    cut(&without_secrets(line, address))
}

fn without_secrets(line: &[u8], address: &str) -> String {
    without_pointers(&hide_secrets(&one_line(String::from_utf8_lossy(line)), address))
}

/// ffmpeg names its parts with their places in its memory, `[tcp @ 0x55d0c0]`, which mean nothing to a reader.
fn without_pointers(line: &str) -> String {
    let mut parts = line.split(" @ 0x");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|digit: char| digit.is_ascii_hexdigit());
        if !rest.starts_with(']') {
            shown.push_str(" @ 0x");
            shown.push_str(part);
        } else {
            shown.push_str(rest);
        }
    }
    shown
}

fn cut(line: &str) -> String {
    line.chars().take(LONGEST_KEPT).collect()
}

/// Reads up to the end of a line. Returns whether there is more behind it.
fn skip_line(reader: &mut impl BufRead) -> bool {
    loop {
        let Ok(buffer) = reader.fill_buf() else { return false };
        if buffer.is_empty() {
            return false;
        }
        let end = buffer.iter().position(|&byte| byte == b'\n');
        let length = end.map_or(buffer.len(), |end| end + 1);
        reader.consume(length);
        if end.is_some() {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mutations::cases;

    const ADDRESS: &str = "https://USER:PASSWORD@host/a.m3u8?key=SECRETSECRET&x=TOKENTOKEN";

    #[test]
    fn one_kind_is_said_once() {
        let text = "[h264 @ 0x5] error while decoding MB 4 5\n\n[h264 @ 0x7] error while decoding MB 14 6\n[mkv @ 0x1] Invalid length\n";
        let complaints = Complaints::read(text.as_bytes(), ADDRESS);
        assert_eq!(complaints.all(), "[h264] error while decoding MB 4 5 (2 times); [mkv] Invalid length");
        assert!(!complaints.cut_off() && !complaints.is_empty());
        assert!(Complaints::read(&b"[matroska] File ended prematurely at pos. 5\n"[..], ADDRESS).cut_off());
        assert!(Complaints::read(&b""[..], ADDRESS).is_empty());
    }

    #[test]
    fn a_flood_is_short() {
        let flood: String = (0..5_000_u32)
            .map(|line| format!("{}\n", char::from(b'a' + (line % 20) as u8).to_string().repeat(900)))
            .collect();
        let complaints = Complaints::read(flood.as_bytes(), ADDRESS);
        assert!(complaints.all().len() < 9 * 600 && complaints.all().ends_with("more"));
    }
    #[test]
    fn a_source_that_is_cut_off_is_so_behind_many_other_complaints() {
        let many: String = ('a'..='z').map(|letter| format!("{letter}\n")).collect();
        assert!(Complaints::read(format!("{many}partial file\n").as_bytes(), ADDRESS).cut_off());
    }

    #[test]
    fn an_address_at_a_long_lines_end_is_hidden_before_the_line_is_cut() {
        for length in 400..520 {
            let line = format!("{}{ADDRESS}: failed\n", "x".repeat(length));
            assert!(!Complaints::read(line.as_bytes(), ADDRESS).all().contains("SECR"), "{length}");
        }
    }

    /// A line of ffmpeg's, which may hold the address, a part of it, or bytes of the file.
    fn line() -> impl Strategy<Value = Vec<u8>> {
        let secrets = [
            "USER:PASSWORD",
            "PASSWORD",
            "SECRETSECRET",
            ADDRESS,
            "https://v:SECRET2@host",
            "partial file",
            "",
        ];
        let said = (0usize..1100, prop::sample::select(secrets.to_vec()), "[a-z0-9 :@.]{0,20}");
        let said = said.prop_map(|(length, secret, end)| {
            let mut line = format!("[hls @ 0x{length}] {} {secret} {end}", "x".repeat(length)).into_bytes();
            line.truncate(1023);
            line
        });
        prop_oneof![3 => said, 1 => prop::collection::vec(any::<u8>(), 0..40)]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases(64)) })]

        #[test]
        fn complaints_are_one_short_line_without_secrets(lines in prop::collection::vec((line(), 1usize..9), 0..24)) {
            let text: Vec<u8> = lines.iter().flat_map(|(line, times)| [line, &b"\n"[..]].concat().repeat(*times)).collect();
            let complaints = Complaints::read(&text[..], ADDRESS);
            for said in [complaints.all(), complaints.first()] {
                prop_assert_eq!(&one_line(&said), said.trim(), "one line, and nothing that steers a terminal");
                prop_assert!(said.chars().count() < (MOST_KINDS + 1) * (LONGEST_KEPT + 20));
                for secret in ["USER", "PASSW", "SECRE", "TOKEN"] {
                    prop_assert!(!said.contains(secret), "{}", said);
                }
            }
            let told = complaints.kinds.iter().map(|(_, times)| times).sum::<usize>() + complaints.others;
            let lines = text.split(|&byte| byte == b'\n').map(|line| one_line(String::from_utf8_lossy(line)));
            let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
            prop_assert_eq!(told, lines.len());
            prop_assert_eq!(complaints.is_empty(), lines.is_empty());
            prop_assert_eq!(complaints.cut_off(), lines.iter().any(|line| line.contains("partial file")));
        }
    }
}
