//! The server: socket, connections and shutdown.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::backend::Backend;
use crate::fetch::Fetcher;
use crate::guard::{AllowedSources, Keys, Limits, Origins, SystemResolver};
use crate::metrics::Metrics;
use crate::notify::{Notifier, NotifyOptions};
use crate::place::Place;
use crate::routes;
use crate::session::SessionTable;
use crate::sources::{ServedCamera, Sources};
use crate::state::{ServerState, Shared};
use crate::steady_writes::SteadyWrites;
use crate::tls::TlsServer;

/// Time limit for the head of a request, and its largest size.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
const HEAD_BYTES: usize = 64 << 10;
/// Interval at which idle sessions are looked for.
const IDLE_CHECK: Duration = Duration::from_secs(5);
/// Time for open connections when the server shuts down.
const FAREWELL: Duration = Duration::from_secs(5);
/// Pause after the operating system failed to accept a connection.
const BREATH: Duration = Duration::from_millis(50);

/// Configuration of a server.
#[derive(Clone)]
pub struct ServeOptions {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// TLS certificate and key; `None` for unencrypted connections.
    pub tls: Option<TlsServer>,
    /// Accepted bearer keys. Without keys, everybody who reaches the server is accepted.
    pub keys: Keys,
    /// Web pages that may use the server.
    pub origins: Origins,
    /// Limits of requests, sessions and connections.
    pub limits: Limits,
    /// Folder for the sessions' files.
    pub folder: PathBuf,
    /// Cameras of the operator.
    pub cameras: Vec<ServedCamera>,
    /// Addresses that requests may name.
    pub allowed: AllowedSources,
    /// Whether pictures and videos of conversations may be fetched from the internet.
    pub fetch: bool,
    /// Receivers of events.
    pub notify: NotifyOptions,
}

/// A server that listens on its socket.
pub struct Server {
    listener: TcpListener,
    tls: Option<TlsServer>,
    state: Shared,
}

impl Server {
    /// Opens the socket, and resumes the sessions of an earlier server.
    ///
    /// # Errors
    /// The folder or the address cannot be used.
    pub async fn bind(backend: Arc<dyn Backend>, options: ServeOptions) -> io::Result<Self> {
        let ServeOptions { listen, tls, keys, origins, limits, folder, cameras, allowed, fetch, notify } =
            options;
        std::fs::create_dir_all(&folder)?;
        let listener = TcpListener::bind(listen).await?;
        let metrics = Arc::new(Metrics::new());
        let fetcher = fetch.then(|| Arc::new(Fetcher::new(&allowed)));
        let sources = Arc::new(Sources::new(cameras, allowed, Box::new(SystemResolver), &folder)?);
        let notifier = Arc::new(Notifier::start(notify, backend.model(), &metrics));
        let sessions = SessionTable::new(
            Arc::clone(&backend),
            limits,
            folder,
            Arc::clone(&metrics),
            Arc::clone(&sources),
            Arc::clone(&notifier),
        );
        let farewell = watch::Sender::new(false);
        let decoders = Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from));
        let state = Arc::new(ServerState {
            backend,
            sessions,
            sources,
            fetcher,
            naming: tokio::sync::Mutex::default(),
            keys,
            origins,
            limits,
            metrics,
            notifier,
            decoders,
            bodies: Arc::new(Semaphore::new(limits.bodies_bytes)),
            chats: Arc::new(Semaphore::new(1)),
            farewell,
        });
        let shared = Arc::clone(&state);
        let begun = move || (shared.sessions.resume_all(), shared.sessions.watch_all());
        if let Ok(((going_on, left), begun)) = tokio::task::spawn_blocking(begun).await
            && going_on + left + begun > 0
        {
            tracing::info!("{going_on} sessions go on, {left} stay suspended, {begun} begin with the server");
        }
        Ok(Self { listener, tls, state })
    }

    /// Address and port on which the server listens.
    ///
    /// # Errors
    /// The error of the operating system.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `end` completes. Then every session is suspended.
    pub async fn serve(self, end: impl Future<Output = ()>) {
        let Self { listener, tls, state } = self;
        let router = routes::router(Arc::clone(&state));
        let places = Arc::new(Semaphore::new(state.limits.connections));
        let mut idle = tokio::time::interval(IDLE_CHECK);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => break,
                _ = idle.tick() => {
                    let shared = Arc::clone(&state);
                    tokio::task::spawn_blocking(move || shared.sessions.suspend_idle());
                }
                accepted = listener.accept() => match accepted {
                    // At the limit of connections a new one is closed, and the client has to try again.
                    Ok((stream, _)) => if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                        let (farewell, patience) = (state.farewell.subscribe(), state.limits.write);
                        let of_connection = (router.clone(), tls.clone(), patience);
                        tokio::spawn(connection(stream, of_connection, farewell, place));
                    },
                    Err(error) => {
                        tracing::warn!("no connection: {error}");
                        tokio::time::sleep(BREATH).await;
                    }
                },
            }
        }
        drop(listener);
        state.sessions.begin_to_end();
        let shared = Arc::clone(&state);
        // Failures to suspend a session are logged there.
        let _ = tokio::task::spawn_blocking(move || shared.sessions.suspend_all()).await;
        state.notifier.finish().await;
        // By now all readers have been given the last events.
        state.say_farewell();
        let all = u32::try_from(state.limits.connections).unwrap_or(u32::MAX);
        if tokio::time::timeout(FAREWELL, places.acquire_many(all)).await.is_err() {
            tracing::warn!("connections were cut off that did not end");
        }
    }
}

/// Handles a connection on a task of its own, so that an unfinished TLS handshake delays nobody.
async fn connection(
    stream: TcpStream,
    (router, tls, patience): (Router, Option<TlsServer>, Duration),
    mut farewell: watch::Receiver<bool>,
    permit: OwnedSemaphorePermit,
) {
    // Small events must be sent at once.
    let _ = stream.set_nodelay(true);
    // Closes the connection if the client reads nothing for this time.
    let stream = SteadyWrites::new(stream, patience);
    let Some(tls) = tls else { return converse(stream, router, farewell, permit).await };
    let shaken = tokio::select! {
        shaken = tls.accept(stream) => shaken,
        () = heard(&mut farewell) => return,
    };
    match shaken {
        Ok(stream) => converse(stream, router, farewell, permit).await,
        Err(error) => tracing::debug!("no TLS: {error}"),
    }
}

/// Answers the requests of a connection.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    router: Router,
    mut farewell: watch::Receiver<bool>,
    permit: OwnedSemaphorePermit,
) {
    let place = Place::new(permit);
    let service = TowerToHyperService::new(router.layer(Extension(place)));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = heard(&mut farewell) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended: {error}");
    }
}

/// Waits until the server shuts down.
async fn heard(farewell: &mut watch::Receiver<bool>) {
    let _ = farewell.wait_for(|said| *said).await;
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Body;
    use axum::routing::get;
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[test]
    fn who_takes_nothing_of_an_answer_is_cut_off() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let endless = || async {
                let pieces = futures_util::stream::repeat_with(|| Ok::<_, Infallible>(vec![0; 1 << 16]));
                Body::from_stream(pieces)
            };
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let place = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
            let (_farewell, heard) = watch::channel(false);
            let router = Router::new().route("/", get(endless));
            let served = connection(stream, (router, None, Duration::from_millis(100)), heard, place);
            tokio::time::timeout(Duration::from_secs(60), served).await.expect("it ends");
        });
    }
}
