//! Standard input, so that whoever waits for it can be told to stop.

use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use crate::source::StopSignal;

const BLOCK: usize = 1 << 16;
/// Blocks that are read ahead.
const AHEAD: usize = 4;
const POLL: Duration = Duration::from_millis(50);

/// A read that blocks cannot be ended from outside: it stays on a thread of its own, which the process takes with it.
pub(in crate::source) struct Stdin {
    blocks: Receiver<std::io::Result<Vec<u8>>>,
    stop: StopSignal,
    block: Vec<u8>,
    at: usize,
}

impl Stdin {
    pub(in crate::source) fn open(stop: &StopSignal) -> Self {
        Self::over(std::io::stdin(), stop)
    }

    fn over(mut bytes: impl Read + Send + 'static, stop: &StopSignal) -> Self {
        let (sender, blocks) = sync_channel(AHEAD);
        std::thread::spawn(move || {
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
        });
        Self { blocks, stop: stop.clone(), block: Vec::new(), at: 0 }
    }
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
        Stdin::over(given, &StopSignal::default()).read_to_end(&mut read).unwrap();
        assert_eq!(read, bytes);
        let stop = StopSignal::default();
        let mut silent = Stdin::over(Silent, &stop);
        stop.stop();
        assert_eq!(silent.read(&mut [0; 4]).unwrap(), 0);
    }
}
