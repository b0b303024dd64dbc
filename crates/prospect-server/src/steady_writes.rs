//! A connection that fails if its client does not read.
//!
//! Otherwise a client that requests much and reads nothing could occupy a connection and its buffers as
//! long as it likes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A connection that fails when nothing of the written data is taken for `patience`.
pub(crate) struct SteadyWrites<T> {
    inner: T,
    patience: Duration,
    /// Runs while a write waits.
    timer: Pin<Box<Sleep>>,
    is_waiting: bool,
}

impl<T> SteadyWrites<T> {
    pub(crate) fn new(inner: T, patience: Duration) -> Self {
        Self { inner, patience, timer: Box::pin(sleep(patience)), is_waiting: false }
    }

    /// Returns the result of a write, or an error if writes have waited too long.
    fn in_time<R>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.is_waiting = false;
            return written;
        }
        if !self.is_waiting {
            self.is_waiting = true;
            self.timer.as_mut().reset(Instant::now() + self.patience);
        }
        match self.timer.as_mut().poll(context) {
            Poll::Ready(()) => {
                let message = format!("nothing was read for {} s", self.patience.as_secs_f64());
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for SteadyWrites<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for SteadyWrites<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(context, bytes);
        this.in_time(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write_vectored(context, slices);
        this.in_time(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.inner).poll_flush(context);
        this.in_time(context, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let shut = Pin::new(&mut this.inner).poll_shutdown(context);
        this.in_time(context, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn run<R>(test: impl Future<Output = R>) -> R {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(test)
    }

    #[test]
    fn a_reader_that_never_reads_ends_the_connection() {
        let failed = run(async {
            let (here, _there) = duplex(64);
            SteadyWrites::new(here, Duration::from_millis(50)).write_all(&[0; 1000]).await
        });
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_reader_that_takes_a_little_now_and_then_does_not() {
        let all = run(async {
            let (here, mut there) = duplex(16);
            let writing = tokio::spawn(async move {
                let mut steady = SteadyWrites::new(here, Duration::from_secs(20));
                steady.write_all(&[7; 1000]).await
            });
            let (mut all, mut part) = (Vec::new(), [0; 8]);
            while all.len() < 1000 {
                let read = there.read(&mut part).await.unwrap();
                all.extend_from_slice(&part[..read]);
            }
            writing.await.unwrap().unwrap();
            all
        });
        assert_eq!(all, [7; 1000]);
    }
}
