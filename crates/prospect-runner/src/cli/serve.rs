//! `prospect-runner serve`.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use prospect_config::CameraSettings;
use prospect_evaluation::annotations::Annotations;
use prospect_journal::Lock;
use prospect_server::{AllowedSources, Demo, Keys, Limits, Origins, ServeOptions, ServedCamera, Server};

use super::arguments::{ServeArguments, VerbosityArguments};
use super::say::{complain, print};
use crate::checkpoint::{Checkpoint, from_repository};
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::serve::ModelBackend;
use crate::strategies::Registry;
use crate::verbosity::{self, Level};

/// The video of the page's demo.
const DEMO_VIDEO: &str = "fixtures/workbench/videos/video_000.mp4";
/// Interval at which the server checks for an interrupt.
const PATIENCE: Duration = Duration::from_millis(50);
/// Threads that read from connections and write to them; the model has its own.
const CONNECTION_THREADS: usize = 2;

pub(super) fn serve(
    arguments: &ServeArguments,
    verbosity: &VerbosityArguments,
    strategies: &Arc<Registry>,
    interrupt: &Interrupt,
) -> Result<(), RunError> {
    let Some(settings) = arguments.common.resolve_or_print(strategies)? else { return Ok(()) };
    let layers = arguments.common.layers(strategies)?;
    let options = options(arguments, layers.cameras())?;
    let folder = options.folder.clone();
    std::fs::create_dir_all(&folder).map_err(|source| RunError::Write { path: folder.clone(), source })?;
    // A second server in the same folder would resume the same sessions.
    let lock = Lock::of_folder(&folder)?;
    lock.missing().iter().for_each(|note| complain("note", note));
    start_log(arguments.log_json, verbosity)?;
    let (checkpoint, _) = Checkpoint::load_for_stream(&settings, interrupt)?;
    let is_default = settings.model.path.is_none();
    let demo = if is_default { demo()? } else { None };
    let (memory, every) = (arguments.cache_memory, arguments.checkpoint_every);
    let backend = ModelBackend::new(checkpoint, layers, Arc::clone(strategies), memory, every, demo)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONNECTION_THREADS)
        .enable_all()
        .build()
        .map_err(|source| RunError::Serve { address: options.listen, source })?;
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    let served = runtime.block_on(async {
        let address = options.listen;
        let failed = |source| RunError::Serve { address, source };
        let server = Server::bind(Arc::new(backend), options).await.map_err(failed)?;
        let address = server.address().map_err(failed)?;
        print(&format!("{scheme}://{address}"));
        server
            .serve(async {
                while !interrupt.is_given() {
                    tokio::time::sleep(PATIENCE).await;
                }
            })
            .await;
        Ok(())
    });
    // Receivers of events that do not answer are not waited for.
    runtime.shutdown_background();
    served
}

/// The video of the repository, for its own model.
fn demo() -> Result<Option<Demo>, RunError> {
    // A binary that was moved out of its repository has no demo video.
    let Ok(video) = from_repository(DEMO_VIDEO) else { return Ok(None) };
    let annotations = Annotations::beside(&video).map(|file| Annotations::from_file(&file)).transpose()?;
    let system_prompt = annotations.and_then(|annotations| annotations.system_prompt);
    Ok(Some(Demo { video, system_prompt }))
}

/// # Errors
/// Other machines could use the server, and neither keys nor `--insecure` were given.
fn options(arguments: &ServeArguments, cameras: &[CameraSettings]) -> Result<ServeOptions, RunError> {
    let listen = arguments.listen;
    let keys = match &arguments.api_key_file {
        Some(file) => Keys::from_file(file)?,
        None if listen.ip().is_loopback() || arguments.insecure => Keys::default(),
        None => {
            return Err(RunError::Argument {
                argument: format!("--listen {listen}"),
                problem: "others than this machine could drive the server".to_owned(),
                expected: "--api-key-file FILE, or --insecure if anybody may".to_owned(),
            });
        }
    };
    if arguments.insecure && !listen.ip().is_loopback() {
        complain("note", &format!("--insecure: whoever reaches {listen} drives this server"));
    }
    let sessions = arguments.max_sessions;
    // One of several keys alone leaves places for the others.
    let of_key = if keys.count() > 1 { sessions.div_ceil(2) } else { sessions };
    let sessions_of_key = arguments.max_sessions_per_key.unwrap_or(of_key);
    let limits = Limits { sessions, sessions_of_key, ..Limits::default() };
    let origins = Origins::new(arguments.allow_origin.iter().cloned());
    let (allowed, fetch) = (AllowedSources::new(&arguments.allow_source)?, arguments.fetch);
    let (folder, cameras) = (arguments.state.clone(), served(&arguments.cameras, cameras)?);
    let (tls, notify) = (arguments.tls.server()?, arguments.notify.options()?);
    Ok(ServeOptions { listen, tls, keys, origins, limits, folder, cameras, allowed, fetch, notify })
}

/// The cameras of the command line and of the settings file.
fn served(named: &[(String, String)], settings: &[CameraSettings]) -> Result<Vec<ServedCamera>, RunError> {
    let mut cameras = Vec::new();
    for (name, source) in named {
        cameras.push(ServedCamera::new(name, source)?);
    }
    for CameraSettings { name, source, watch, order } in settings {
        let camera = ServedCamera::new(name, source)?;
        // Numbers, words and lists always become JSON.
        let order = serde_json::to_value(order).unwrap_or_default();
        // Checked for every camera, watched or not.
        let watched = camera.clone().watched(&order)?;
        cameras.push(if *watch { watched } else { camera });
    }
    ServedCamera::check_names(&cameras)?;
    Ok(cameras)
}

/// Starts the log on standard error, as text or as JSON. Its level comes from the flags, else from
/// `PROSPECT_LOG`, else from `RUST_LOG`.
fn start_log(json: bool, VerbosityArguments { verbose, quiet }: &VerbosityArguments) -> Result<(), RunError> {
    use tracing_subscriber::EnvFilter;
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.trim().is_empty());
    let filter = match (Level::chosen(*verbose, *quiet, None), variable(verbosity::VARIABLE)) {
        (Ok(level), _) if verbose + quiet > 0 => EnvFilter::new(level.name()),
        // A bare level holds for every module that no directive names.
        (_, Some(text)) if Level::chosen(0, 0, Some(&text)).is_ok() => EnvFilter::new(format!("info,{text}")),
        (_, Some(_)) => EnvFilter::new("info"),
        (_, None) => EnvFilter::new(variable("RUST_LOG").unwrap_or_else(|| "info".to_owned())),
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = if json { lines.json().try_init() } else { lines.try_init() };
    started.map_err(|error| RunError::Argument {
        argument: "the log".to_owned(),
        problem: error.to_string(),
        expected: "a process without one".to_owned(),
    })
}
