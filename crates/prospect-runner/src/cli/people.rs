//! What people say to a stream while it goes on: lines from the keyboard, or from a file or FIFO.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, stdin};
use std::path::{Path, PathBuf};

use prospect_engine::{EngineError, SmolVlmStreams, StreamInput};

use super::say::complain;
use crate::error::RunError;
use crate::silent_forever::Listener;
use prospect_source::STDIN;

/// The longest line that is accepted, in bytes. A longer one does not come from a person.
const LONGEST_LINE: u64 = 64 * 1024;

/// Where lines come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Listening {
    /// Nowhere.
    Nowhere,
    /// A person at a terminal.
    Keyboard,
    /// A file that is read once, or a FIFO that is read for as long as the stream goes on.
    File(PathBuf),
}

impl Listening {
    /// Lines come from `file` if one is named, else from the keyboard, if there is one that is not the
    /// source.
    ///
    /// # Errors
    /// The file does not exist.
    pub(super) fn to(file: Option<&Path>, source: &str) -> Result<Self, RunError> {
        match file {
            Some(path) => match path.metadata() {
                Ok(_) => Ok(Self::File(path.to_owned())),
                Err(source) => Err(RunError::Read { path: path.to_owned(), source }),
            },
            None if source != STDIN && stdin().is_terminal() && is_in_foreground() => Ok(Self::Keyboard),
            None => Ok(Self::Nowhere),
        }
    }

    /// Whether anybody may be heard.
    pub(super) fn listener(&self) -> Listener {
        match self {
            Self::Nowhere => Listener::Nobody,
            Self::Keyboard | Self::File(_) => Listener::Somebody,
        }
    }

    /// Listens on a thread of its own, which ends with the stream or the process.
    pub(super) fn begin(self, input: StreamInput<SmolVlmStreams>) {
        let listen = move || {
            let heard = match &self {
                Self::Nowhere => Ok(()),
                Self::Keyboard => pass_on(stdin().lock(), &input),
                Self::File(path) => open(path).and_then(|file| pass_on(BufReader::new(file), &input)),
            };
            if let Err(error) = heard {
                complain("note", &format!("nobody is heard any more: {error}"));
            }
        };
        // Without a thread no lines are read; the stream continues.
        if let Err(error) = std::thread::Builder::new().name("people".to_owned()).spawn(listen) {
            complain("note", &format!("nobody is heard: {error}"));
        }
    }
}

/// Says every line that is not blank, up to the end of the lines or of the stream.
fn pass_on(mut lines: impl BufRead, input: &StreamInput<SmolVlmStreams>) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        match text.trim() {
            "" => {}
            text => match input.say(text) {
                Ok(()) => {}
                Err(EngineError::Stopped) => return Ok(()),
                Err(refused) => complain("note", &refused.to_string()),
            },
        }
    }
}

/// A FIFO is opened for writing too, so that it does not end when one of its writers leaves.
fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).write(is_fifo(path)).open(path)
}

#[cfg(unix)]
fn is_fifo(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    path.metadata().is_ok_and(|about| about.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_fifo(_: &Path) -> bool {
    false
}

/// Whether this process is in the foreground of its terminal; a background process that reads the terminal is
/// stopped by the system. `true` if the system does not say.
fn is_in_foreground() -> bool {
    // The program's name may contain anything. Behind it: state, parent, group, session, terminal, foreground
    // group.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    match fields[..] {
        [_, _, group, _, _, of_terminal, ..] => group == of_terminal,
        _ => true,
    }
}
