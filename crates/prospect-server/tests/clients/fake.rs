//! A server over a model that says words without end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use image::RgbImage;
use prospect_server::{
    About, AllowedSources, Backend, Chat, ChatAnswer, Keys, Limits, LiveStream, Load, NotifyOptions,
    OpenError, OpenRequest, Origins, ServeOptions, Server, StreamChange, StreamEnd, StreamWatcher,
};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// Limits of the tests: what the server does after a time, it does soon.
pub(crate) fn limits() -> Limits {
    Limits {
        silence: Duration::from_millis(100),
        keep_alive: Duration::from_millis(50),
        request: Duration::from_secs(30),
        ..Limits::default()
    }
}

/// What the model does.
#[derive(Default)]
pub(crate) struct Work {
    /// Conversations whose answer has begun, and those whose answer has ended.
    pub(crate) begun: AtomicUsize,
    pub(crate) ended: AtomicUsize,
}

struct Endless(Arc<Work>);

/// A stream without events.
struct Silent(Arc<dyn StreamWatcher>);

impl LiveStream for Silent {
    fn say(&self, _: &str) -> Result<(), OpenError> {
        Ok(())
    }

    fn change(&self, _: StreamChange) -> Result<String, OpenError> {
        Ok("fake".to_owned())
    }

    fn begin_to_suspend(&self) {}

    fn suspend(&self) -> Result<(), OpenError> {
        self.0.ended(StreamEnd::Suspended);
        Ok(())
    }
}

impl Backend for Endless {
    fn model(&self) -> &str {
        "endless"
    }

    fn about(&self) -> About {
        About::default()
    }

    fn open(&self, request: OpenRequest) -> Result<Box<dyn LiveStream>, OpenError> {
        Ok(Box::new(Silent(request.watcher)))
    }

    /// Says words until nobody wants more of them, or as many as were asked for.
    fn answer(&self, chat: &Chat, hear: &mut dyn FnMut(&str) -> bool) -> Result<ChatAnswer, OpenError> {
        self.0.begun.fetch_add(1, Ordering::SeqCst);
        let mut answer_tokens = 0;
        while chat.max_tokens != Some(answer_tokens) && hear("word ") {
            answer_tokens += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
        self.0.ended.fetch_add(1, Ordering::SeqCst);
        Ok(ChatAnswer { prompt_tokens: 1, answer_tokens, is_cut: true })
    }

    fn video_frame(&self, frame: &RgbImage) -> Result<RgbImage, OpenError> {
        Ok(frame.clone())
    }

    fn load(&self) -> Load {
        Load::default()
    }
}

/// A running server, which ends with this.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) work: Arc<Work>,
    end: Option<oneshot::Sender<()>>,
    serving: Option<std::thread::JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl Running {
    pub(crate) fn start(limits: Limits) -> Self {
        let (folder, work) = (tempfile::tempdir().unwrap(), Arc::new(Work::default()));
        let options = ServeOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            tls: None,
            keys: Keys::default(),
            origins: Origins::new([]),
            limits,
            folder: folder.path().to_owned(),
            cameras: Vec::new(),
            allowed: AllowedSources::default(),
            fetch: false,
            notify: NotifyOptions::default(),
        };
        let runtime = Runtime::new().unwrap();
        let backend = Arc::new(Endless(Arc::clone(&work)));
        let server = runtime.block_on(Server::bind(backend, options)).unwrap();
        let (address, (end, ended)) = (server.address().unwrap(), oneshot::channel());
        let serving = std::thread::spawn(move || {
            runtime.block_on(server.serve(async {
                let _ = ended.await;
            }));
        });
        Self { address, work, end: Some(end), serving: Some(serving), _folder: folder }
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> (u16, String) {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let config = config.timeout_global(Some(Duration::from_secs(60))).build();
        let agent = ureq::Agent::from(config);
        let mut answer = agent.post(format!("http://{}{path}", self.address)).send(body).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    }

    pub(crate) fn sessions(&self) -> usize {
        let answer = ureq::get(format!("http://{}/v1/streaming/sessions", self.address)).call().unwrap();
        let list = answer.into_body().read_to_string().unwrap();
        let list: serde_json::Value = serde_json::from_str(&list).unwrap();
        list["data"].as_array().unwrap().len()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(serving) = self.serving.take() {
            serving.join().unwrap();
        }
    }
}

/// Waits until something holds that another thread brings about.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what}: not within half a minute");
}
