//! The Xet storage, in which the hub keeps large files in chunks that files share.
//!
//! It gives bytes from an offset, like HTTP: resuming, sizes, digests, locks and the cache are those of every download. Where
//! it fails it is not asked again in this download, since the hub offers the same files over HTTP.

use std::cell::OnceCell;
use std::future::Future;
use std::io::{self, Read};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use rustls::crypto::ring::default_provider;
use tempfile::TempDir;
use tokio::runtime::{Builder, Handle, Runtime};
use xet::xet_session::{
    HeaderMap, HeaderValue, XetConfig, XetDownloadStream, XetDownloadStreamGroup, XetFileInfo, XetSession,
    XetSessionBuilder, header,
};

use super::listing::RemoteFile;
use super::patience::Patience;
use crate::environment::Environment;
use crate::error::HubError;
use crate::id::HubId;
use crate::interrupt::{Interrupt, POLL};

/// Threads that fetch and unpack chunks.
const THREADS: usize = 2;

/// The Xet storage of one download.
pub(super) struct Xet {
    endpoint: String,
    token: Option<String>,
    patience: Patience,
    interrupt: Interrupt,
    wanted: Arc<AtomicBool>,
    /// Made for the first file that lies there; the hub may have none.
    connection: OnceCell<Option<Connection>>,
}

/// What was signed in to. Fields are dropped in this order.
struct Connection {
    group: XetDownloadStreamGroup,
    runtime: Runtime,
    /// The library makes folders for uploads, which there are none of.
    _folder: TempDir,
}

impl Xet {
    pub(super) fn new(environment: &Environment, patience: Patience, interrupt: Interrupt) -> Self {
        Self {
            endpoint: environment.endpoint.clone(),
            token: environment.token.clone(),
            patience,
            interrupt,
            wanted: Arc::new(AtomicBool::new(!environment.disable_xet)),
            connection: OnceCell::new(),
        }
    }

    /// Whether files are fetched from here.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// A file's contents from byte `start`; `None` where the storage does not give them.
    ///
    /// # Errors
    /// [`HubError::Interrupted`].
    pub(super) fn contents(
        &self,
        id: &HubId,
        commit: &str,
        hash: &str,
        file: &RemoteFile,
        start: u64,
    ) -> Result<Option<Body>, HubError> {
        let connection = self.connection.get_or_init(|| self.connect(id, commit));
        self.interrupt.check()?;
        let stream = connection.as_ref().and_then(|connection| {
            let info = XetFileInfo::new(hash.to_owned(), file.bytes);
            let range = (start > 0).then_some(start..file.bytes);
            let stream = connection.group.download_stream(info, range);
            self.wait(connection.runtime.handle(), stream)
        });
        let Some((stream, connection)) = stream.zip(connection.as_ref()) else {
            self.wanted.store(false, Ordering::Relaxed);
            return self.interrupt.check().map(|()| None);
        };
        Ok(Some(Body {
            runtime: connection.runtime.handle().clone(),
            stream,
            piece: Bytes::new(),
            missing: file.bytes - start,
            silence: self.patience.silence,
            interrupt: self.interrupt.clone(),
            wanted: Arc::clone(&self.wanted),
        }))
    }

    /// Signs in. The token goes to the hub, which gives one for the storage.
    fn connect(&self, id: &HubId, commit: &str) -> Option<Connection> {
        let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build().ok()?;
        let folder = tempfile::tempdir().ok()?;
        let session = self.session(&folder, runtime.handle())?;
        let url = format!("{}/api/models/{}/xet-read-token/{commit}", self.endpoint, id.repository);
        let mut headers = HeaderMap::new();
        if let Some(token) = &self.token {
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).ok()?);
        }
        let group = session.new_download_stream_group().ok()?.with_token_refresh_url(url, headers).build();
        let group = self.wait(runtime.handle(), group)?;
        Some(Connection { group, runtime, _folder: folder })
    }

    fn session(&self, folder: &TempDir, runtime: &Handle) -> Option<XetSession> {
        // The library takes the process's TLS, and would stop where there is none. Another one that is there is as good.
        let _ = default_provider().install_default();
        let mut config = XetConfig::new();
        // It reports to the storage how fast a transfer was: nobody asked for that.
        config.telemetry.enabled = false;
        config.client.connect_timeout = self.patience.silence;
        config.client.read_timeout = self.patience.silence;
        config.client.retry_max_attempts = self.patience.tries.saturating_sub(1) as usize;
        config.client.retry_base_delay = self.patience.first_pause;
        XetSessionBuilder::new_with_config(config)
            .with_cache_dir(folder.path())
            .with_tokio_handle(runtime.clone())
            .build()
            .ok()
    }

    /// What comes of it, unless nothing does for as long as a connection may be silent.
    fn wait<T, E>(&self, runtime: &Handle, answer: impl Future<Output = Result<T, E>>) -> Option<T> {
        let answer = runtime.block_on(within(self.patience.silence, &self.interrupt, answer));
        answer.ok()?.ok()
    }
}

/// Waits, and looks whether anybody still does.
///
/// # Errors
/// [`io::ErrorKind::Interrupted`] and [`io::ErrorKind::TimedOut`].
async fn within<T>(
    silence: Duration,
    interrupt: &Interrupt,
    answer: impl Future<Output = T>,
) -> io::Result<T> {
    let (mut answer, begun) = (pin!(answer), Instant::now());
    loop {
        if interrupt.check().is_err() {
            return Err(io::Error::from(io::ErrorKind::Interrupted));
        }
        match tokio::time::timeout(POLL.min(silence), &mut answer).await {
            Ok(answer) => return Ok(answer),
            Err(_) if begun.elapsed() >= silence => return Err(io::Error::from(io::ErrorKind::TimedOut)),
            Err(_) => {}
        }
    }
}

/// Contents that come.
pub(super) struct Body {
    runtime: Handle,
    stream: XetDownloadStream,
    /// What has come of them and was not read yet.
    piece: Bytes,
    /// Bytes that have still to come.
    missing: u64,
    silence: Duration,
    interrupt: Interrupt,
    wanted: Arc<AtomicBool>,
}

impl Body {
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        let next = within(self.silence, &self.interrupt, self.stream.next());
        self.runtime.block_on(next)?.map_err(io::Error::other)
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.next() {
                Ok(Some(piece)) => {
                    self.missing = self.missing.saturating_sub(piece.len() as u64);
                    self.piece = piece;
                }
                Ok(None) if self.missing == 0 => return Ok(0),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
                ended => {
                    // What is missing comes over HTTP.
                    self.wanted.store(false, Ordering::Relaxed);
                    return ended.map(|_| 0);
                }
            }
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.stream.cancel();
    }
}
