//! Frames from a stream of bytes that cannot be read twice: standard input, a named pipe, a y4m file.

mod bytes;
mod error;
mod images;
mod stdin;
#[cfg(test)]
mod tests;
mod y4m;

use std::io::{BufReader, Read};

use crate::sample::Sampled;
use crate::{Frame, FrameSource, SourceError, SourceOptions};

use bytes::{damaged, shown};

pub(crate) use bytes::Y4M;
pub use error::PipeError;
pub(crate) use stdin::Stdin;

type Bytes = Box<dyn Read + Send>;

/// A byte stream of frames. The kind of the stream is found out from its first bytes, which are awaited when
/// the first frame is asked for.
pub(crate) struct Pipe {
    name: String,
    options: SourceOptions,
    state: State,
}

enum State {
    Unread(Bytes),
    Open(Box<dyn FrameSource>),
    Over,
}

impl Pipe {
    pub(crate) fn new(name: &str, bytes: Bytes, options: SourceOptions) -> Self {
        Self { name: name.to_owned(), options, state: State::Unread(bytes) }
    }

    fn open(&self, bytes: Bytes) -> Result<Box<dyn FrameSource>, PipeError> {
        let mut bytes = bytes;
        let mut head = Vec::new();
        bytes.by_ref().take(Y4M.len() as u64).read_to_end(&mut head)?;
        let whole = BufReader::new(std::io::Cursor::new(head.clone()).chain(bytes));
        if head == Y4M {
            let video = y4m::Y4mVideo::open(whole, &self.name)?;
            return Ok(Box::new(Sampled::new(video, self.options, None, self.name.clone())));
        }
        if !images::begins(&head) && !head.is_empty() {
            return Err(PipeError::Unknown { found: shown(&head) });
        }
        Ok(Box::new(images::ImageStream::new(whole, &self.name, self.options)))
    }
}

impl FrameSource for Pipe {
    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        self.state = match std::mem::replace(&mut self.state, State::Over) {
            State::Unread(bytes) => match self.open(bytes) {
                Ok(source) => State::Open(source),
                Err(error) => return Some(Err(damaged(&self.name, error))),
            },
            state => state,
        };
        match &mut self.state {
            State::Open(source) => source.next_frame(),
            State::Unread(_) | State::Over => None,
        }
    }

    fn length(&self) -> Option<usize> {
        None
    }

    fn description(&self) -> &str {
        &self.name
    }
}
