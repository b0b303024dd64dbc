//! What ffmpeg complains of: kept short, and told apart by what it means.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};

/// Longest line that is kept, in bytes.
const LONGEST_LINE: u64 = 500;
/// Kinds of complaints that are kept.
const MOST_KINDS: usize = 8;
/// What says that a source ends before its end.
const CUT_OFF: [&str; 5] =
    ["ended prematurely", "ends prematurely", "partial file", "Truncat", "end of file"];

/// Complaints of one kind as one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Complaints {
    /// The first line of each kind, and how many there were.
    kinds: Vec<(String, usize)>,
    /// Of kinds beyond these.
    others: usize,
}

impl Complaints {
    /// Reads everything, so that ffmpeg never waits for a reader.
    pub(super) fn read(errors: impl Read) -> Self {
        let mut reader = BufReader::new(errors);
        let (mut found, mut known, mut line) = (Self::default(), BTreeMap::new(), Vec::new());
        while reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            found.add(String::from_utf8_lossy(&line).trim(), &mut known);
            line.clear();
        }
        found
    }

    fn add(&mut self, line: &str, known: &mut BTreeMap<String, usize>) {
        if line.is_empty() {
            return;
        }
        // Lines of one kind differ in numbers and addresses.
        let kind: String = line.chars().filter(char::is_ascii_alphabetic).collect();
        match known.get(&kind) {
            Some(&place) => self.kinds[place].1 += 1,
            None if self.kinds.len() < MOST_KINDS => {
                known.insert(kind, self.kinds.len());
                self.kinds.push((line.to_owned(), 1));
            }
            None => self.others += 1,
        }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Whether one says that the source was cut off.
    pub(crate) fn cut_off(&self) -> bool {
        self.kinds.iter().any(|(line, _)| CUT_OFF.iter().any(|sign| line.contains(sign)))
    }

    /// The first line.
    pub(crate) fn first(&self) -> String {
        self.kinds.first().map(|(line, _)| line.clone()).unwrap_or_default()
    }

    /// All of them, in a line.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_kind_is_said_once() {
        let text = "[h264 @ 0x5] error while decoding MB 4 5\n\n[h264 @ 0x7] error while decoding MB 14 6\n[mkv @ 0x1] Invalid length\n";
        let complaints = Complaints::read(text.as_bytes());
        assert_eq!(
            complaints.all(),
            "[h264 @ 0x5] error while decoding MB 4 5 (2 times); [mkv @ 0x1] Invalid length"
        );
        assert!(!complaints.cut_off() && !complaints.is_empty());
        assert!(Complaints::read(&b"[matroska] File ended prematurely at pos. 5\n"[..]).cut_off());
        assert!(Complaints::read(&b""[..]).is_empty());
    }

    #[test]
    fn a_flood_is_short() {
        let flood: String = (0..5_000_u32)
            .map(|line| format!("{}\n", char::from(b'a' + (line % 20) as u8).to_string().repeat(900)))
            .collect();
        let complaints = Complaints::read(flood.as_bytes());
        assert!(complaints.all().len() < 9 * 600 && complaints.all().ends_with("more"));
    }
}
