//! Standard input, in a form in which a wait for it can be stopped.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use crate::{SourceError, StopSignal};

const BLOCK: usize = 1 << 16;
/// The number of blocks that are read ahead.
const AHEAD: usize = 4;
const POLL: Duration = Duration::from_millis(50);

/// A reader on a separate thread. A read that blocks cannot be ended from outside, so the thread may stay
/// until the process ends.
pub(crate) struct Stdin {
    blocks: Receiver<std::io::Result<Vec<u8>>>,
    stop: StopSignal,
    block: Vec<u8>,
    at: usize,
}

impl Stdin {
    pub(crate) fn open(stop: &StopSignal) -> Result<Self, SourceError> {
        Self::over(|| Ok(std::io::stdin()), stop).map_err(|source| no_thread("standard input", source))
    }

    /// Opens a named pipe. Opening it waits until another process opens it for writing.
    pub(crate) fn of_fifo(path: &Path, stop: &StopSignal) -> Result<Self, SourceError> {
        let owned = path.to_owned();
        Self::over(move || File::open(owned), stop)
            .map_err(|source| no_thread(&path.display().to_string(), source))
    }

    fn over<R: Read>(
        open: impl FnOnce() -> std::io::Result<R> + Send + 'static,
        stop: &StopSignal,
    ) -> std::io::Result<Self> {
        let (sender, blocks) = sync_channel(AHEAD);
        std::thread::Builder::new().name("input".to_owned()).spawn(move || {
            let mut bytes = match open() {
                Ok(bytes) => bytes,
                Err(error) => return drop(sender.send(Err(error))),
            };
            loop {
                let mut block = vec![0; BLOCK];
                let read = match bytes.read(&mut block) {
                    Ok(0) => return,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    read => read,
                };
                let over = read.is_err();
                let block = read.map(|length| {
                    block.truncate(length);
                    block
                });
                if sender.send(block).is_err() || over {
                    return;
                }
            }
        })?;
        Ok(Self { blocks, stop: stop.clone(), block: Vec::new(), at: 0 })
    }
}

fn no_thread(name: &str, source: std::io::Error) -> SourceError {
    SourceError::Unreadable { path: name.into(), source }
}

impl Read for Stdin {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        while self.at == self.block.len() {
            match self.blocks.recv_timeout(POLL) {
                Ok(block) => (self.block, self.at) = (block?, 0),
                Err(RecvTimeoutError::Timeout) if !self.stop.is_stopped() => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(0),
            }
        }
        let read = (&self.block[self.at..]).read(out)?;
        self.at += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Never gives anything.
    struct Silent;
    impl Read for Silent {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            loop {
                std::thread::park();
            }
        }
    }

    #[test]
    fn bytes_come_through_and_a_wait_can_be_stopped() {
        let bytes: Vec<u8> = (0..200_000u32).map(|value| value as u8).collect();
        let mut read = Vec::new();
        let given = std::io::Cursor::new(bytes.clone());
        Stdin::over(move || Ok(given), &StopSignal::default()).unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read, bytes);
        let stop = StopSignal::default();
        let mut silent = Stdin::over(|| Ok(Silent), &stop).unwrap();
        stop.stop();
        assert_eq!(silent.read(&mut [0; 4]).unwrap(), 0);
    }
}
