//! What people say to a stream while it goes on: lines from the keyboard, or from a file or FIFO.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, stdin};
use std::path::{Path, PathBuf};

use prospect_engine::EngineError;

use super::complain;
use crate::error::RunError;
use crate::run::StreamSpeaker;
use crate::source::STDIN;

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
    /// To `file` if one is named; else to the keyboard, where there is one and it is not the source.
    ///
    /// # Errors
    /// A file that is not there.
    pub(super) fn to(file: Option<&Path>, source: &str) -> Result<Self, RunError> {
        match file {
            Some(path) => match path.metadata() {
                Ok(_) => Ok(Self::File(path.to_owned())),
                Err(source) => Err(RunError::Read { path: path.to_owned(), source }),
            },
            None if source != STDIN && stdin().is_terminal() => Ok(Self::Keyboard),
            None => Ok(Self::Nowhere),
        }
    }

    /// Listens on a thread of its own, which ends with the stream or the process.
    pub(super) fn begin(self, speaker: StreamSpeaker) {
        let listen = move || match self {
            Self::Nowhere => {}
            Self::Keyboard => drop(pass_on(stdin().lock(), &speaker)),
            Self::File(path) => loop {
                let heard = File::open(&path).map(|file| pass_on(BufReader::new(file), &speaker));
                // Who wrote into a FIFO may have gone, and the next one comes.
                match heard {
                    Ok(Ok(())) if is_fifo(&path) => {}
                    Ok(_) => break,
                    Err(error) => {
                        complain("note", &format!("{}: cannot be read: {error}", path.display()));
                        break;
                    }
                }
            },
        };
        // Without a thread nobody is heard; the stream goes on.
        if let Err(error) = std::thread::Builder::new().name("people".to_owned()).spawn(listen) {
            complain("note", &format!("nobody is heard: {error}"));
        }
    }
}

/// Says every line that is not blank, up to the end of the lines or of the stream.
fn pass_on(lines: impl BufRead, speaker: &StreamSpeaker) -> Result<(), EngineError> {
    for line in lines.lines() {
        let Ok(line) = line else { break };
        if line.trim().is_empty() {
            continue;
        }
        match speaker.say(line.trim()) {
            Ok(()) => {}
            Err(EngineError::Stopped) => return Err(EngineError::Stopped),
            Err(refused) => complain("note", &refused.to_string()),
        }
    }
    Ok(())
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
