//! The TCP or TLS connection to a broker, in the form that the MQTT library needs.

use std::io;
use std::time::Duration;

use embedded_io_async::{ErrorType, Read, Write};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

use super::options::MqttOptions;

/// Time limit for connecting, including the TLS handshake.
const PATIENCE: Duration = Duration::from_secs(10);

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The connection. It is buffered, because the library reads and writes a few bytes at a time.
pub(super) struct Wire(BufStream<Box<dyn Stream>>);

impl Wire {
    pub(super) async fn open(options: &MqttOptions) -> io::Result<Self> {
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "it did not answer in time");
        tokio::time::timeout(PATIENCE, Self::reach(options)).await.map_err(late)?
    }

    async fn reach(options: &MqttOptions) -> io::Result<Self> {
        let stream = TcpStream::connect((options.host.as_str(), options.port)).await?;
        let _ = stream.set_nodelay(true);
        let stream: Box<dyn Stream> = match &options.tls {
            Some(tls) => Box::new(tls.connect(&options.host, stream).await?),
            None => Box::new(stream),
        };
        Ok(Self(BufStream::new(stream)))
    }
}

impl ErrorType for Wire {
    type Error = io::Error;
}

impl Read for Wire {
    async fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into).await
    }
}

impl Write for Wire {
    async fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.0.write(from).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.0.flush().await
    }
}
