//! A file of subtitles to which every reply adds a cue.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use prospect_foreign::one_line;
use prospect_session::Reply;

use super::cue::Cue;
use super::format::SubtitleFormat;

/// A subtitle file that is valid after every reply. The end of the last cue is known only when the next
/// reply comes. The last cue is then written again together with the new one.
#[derive(Debug)]
pub struct SubtitleFile {
    path: PathBuf,
    format: SubtitleFormat,
    file: Option<File>,
    cues: Cues,
}

/// The last cue, and its place in the file.
#[derive(Debug, Default)]
struct Cues {
    last: Option<Cue>,
    /// Number of the last cue, from 1.
    number: usize,
    /// Byte offset of the last cue.
    offset: u64,
}

impl SubtitleFile {
    /// Subtitles in the file `path`. The file is created at the first event of the run.
    pub fn new(path: PathBuf, format: SubtitleFormat) -> Self {
        Self { path, format, file: None, cues: Cues::default() }
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the file, with the cues of earlier replies.
    pub(super) fn begin(&mut self, earlier: &[Reply]) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        // Always a new file: if a link lies here, the file that it leads to belongs to somebody else.
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = File::create_new(&self.path)?;
        let head = self.format.head();
        self.cues = Cues { offset: head.len() as u64, ..Cues::default() };
        let mut text = head.to_owned();
        for reply in earlier.iter().filter(|reply| is_shown(reply)) {
            text.truncate(self.cues.offset as usize);
            text.push_str(&self.cues.with(reply, self.format));
        }
        file.write_all(text.as_bytes())?;
        self.file = Some(file);
        Ok(())
    }

    /// Adds the cue of a reply.
    pub(super) fn add(&mut self, reply: &Reply) -> io::Result<()> {
        let Some(file) = self.file.as_mut().filter(|_| is_shown(reply)) else { return Ok(()) };
        file.seek(SeekFrom::Start(self.cues.offset))?;
        let text = self.cues.with(reply, self.format);
        // The new text is never shorter than the text that it replaces.
        file.write_all(text.as_bytes())
    }
}

/// Whether a reply has any text. A cue without text would end at its own empty line.
fn is_shown(reply: &Reply) -> bool {
    !one_line(&reply.text).is_empty()
}

impl Cues {
    /// Adds a reply. Returns the contents of the file from the previous [`Self::offset`] on.
    fn with(&mut self, reply: &Reply, format: SubtitleFormat) -> String {
        let next = Cue::new(reply.time, &reply.text);
        let (mut text, next) = match self.last.take() {
            None => (String::new(), Some(next)),
            Some(mut last) => {
                let next = last.followed_by(next);
                let text = format.cue(self.number, &last);
                self.last = Some(last);
                (text, next)
            }
        };
        if let Some(next) = next {
            self.offset += text.len() as u64;
            self.number += 1;
            text.push_str(&format.cue(self.number, &next));
            self.last = Some(next);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reply(time: f64, text: &str) -> Reply {
        Reply { frame: 0, time, text: text.to_owned(), repeats: false }
    }

    /// The file after each of these replies, the first `earlier` of which were said before the run was resumed.
    fn written(format: SubtitleFormat, replies: &[Reply], earlier: usize) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("replies");
        let mut file = SubtitleFile::new(path.clone(), format);
        file.begin(&replies[..earlier]).unwrap();
        let read = || std::fs::read_to_string(&path).unwrap();
        let mut texts = vec![read()];
        for reply in &replies[earlier..] {
            file.add(reply).unwrap();
            texts.push(read());
        }
        texts
    }

    fn last(format: SubtitleFormat, replies: &[Reply]) -> String {
        written(format, replies, 0).pop().unwrap()
    }

    /// `(start, end)` of every cue in milliseconds, as a player reads them. Fails where a cue is none.
    fn cues(text: &str) -> Vec<(u64, u64)> {
        let body = text.strip_prefix("WEBVTT\n\n").unwrap_or(text);
        let ms = |time: &str| {
            let parts: Vec<u64> = time.split([':', '.', ',']).map(|part| part.parse().unwrap()).collect();
            ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * 1000 + parts[3]
        };
        let cue = |(index, block): (usize, &str)| {
            let lines: Vec<&str> = block.lines().collect();
            assert_eq!((lines.len(), lines[0]), (3, (index + 1).to_string().as_str()), "{block}");
            assert!(!lines[2].contains("-->") && !lines[2].contains(['<', '>']), "{block}");
            let (start, end) = lines[1].split_once(" --> ").unwrap();
            (ms(start), ms(end))
        };
        body.split_terminator("\n\n").enumerate().map(cue).collect()
    }

    #[test]
    fn both_formats() {
        let replies = [
            reply(0.0, "Take the blue cone."),
            reply(1.5, "Not the blue cube, put it back. Take the <b>blue</b> cone & go on."),
            reply(62.0, "1 --> 2"),
            reply(62.0, "Good."),
            reply(3723.5, "All parts are in."),
        ];
        insta::assert_snapshot!("srt", last(SubtitleFormat::Srt, &replies));
        insta::assert_snapshot!("vtt", last(SubtitleFormat::Vtt, &replies));
    }

    fn replies() -> impl Strategy<Value = Vec<Reply>> {
        let time = prop_oneof![8 => 0.0..90.0, 1 => Just(0.0), 1 => -5.0..1e18];
        let text = prop_oneof![
            "[a-z .]{1,40}[a-z]",
            "\\PC{1,30}[a-z]",
            Just("1\n00:00:00,000 --> 00:00:01,000\n\nx".to_owned()),
            Just(" \n".to_owned()),
        ];
        prop::collection::vec((time, text), 0..12).prop_map(|mut said: Vec<(f64, String)>| {
            said.sort_by(|one, other| one.0.total_cmp(&other.0));
            said.iter().map(|(time, text)| reply(*time, text)).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

        #[test]
        fn cues_are_in_order_and_never_overlap_after_every_reply(
            replies in replies(),
            format in prop::sample::select(&[SubtitleFormat::Srt, SubtitleFormat::Vtt][..]),
        ) {
            for text in written(format, &replies, 0) {
                let cues = cues(&text);
                prop_assert!(cues.iter().all(|(start, end)| start < end));
                prop_assert!(cues.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{:?}", cues);
            }
        }

        #[test]
        fn a_run_that_goes_on_writes_the_same_file(replies in replies(), part in 0.0..=1.0) {
            let earlier = (replies.len() as f64 * part) as usize;
            for format in [SubtitleFormat::Srt, SubtitleFormat::Vtt] {
                prop_assert_eq!(written(format, &replies, earlier).pop(), Some(last(format, &replies)));
            }
        }
    }
}
