//! All sessions of a server.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prospect_source::{Behind, StopSignal, pushed};

use super::id::{is_id, new_id};
use super::kept::Kept;
use super::live::{LiveSession, State};
use crate::backend::{Backend, OpenError, OpenRequest, PUSHED_FRAMES, StreamFrames};
use crate::error::ApiError;
use crate::guard::{Caller, Limits};
use crate::metrics::Metrics;
use crate::notify::{Notifier, SessionNotices};
use crate::order::SessionOrder;

type Sessions = BTreeMap<String, Arc<LiveSession>>;

/// Sessions by their names. Nobody but its owner learns that a session is there.
pub(crate) struct SessionTable {
    sessions: Mutex<Sessions>,
    backend: Arc<dyn Backend>,
    limits: Limits,
    /// Each session has a folder in it.
    folder: PathBuf,
    metrics: Arc<Metrics>,
    notifier: Arc<Notifier>,
}

impl SessionTable {
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        limits: Limits,
        folder: PathBuf,
        metrics: Arc<Metrics>,
        notifier: Arc<Notifier>,
    ) -> Self {
        Self { sessions: Mutex::default(), backend, limits, folder, metrics, notifier }
    }

    /// A session whose stream is to come.
    fn session(&self, id: String, owner: Caller, order: SessionOrder) -> LiveSession {
        let (folder, metrics) = (self.folder.join(&id), Arc::clone(&self.metrics));
        let notices = SessionNotices::new(Arc::clone(&self.notifier), id.clone(), order.camera.clone());
        LiveSession::new(id, owner, folder, order, self.limits.events, metrics, notices)
    }

    /// No code under the lock panics half-way.
    fn lock(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a session.
    ///
    /// # Errors
    /// An order that does not hold, too many sessions, no room.
    pub(crate) fn open(&self, owner: Caller, order: &SessionOrder) -> Result<Arc<LiveSession>, ApiError> {
        if let Some(model) = order.model.as_deref().filter(|model| *model != self.backend.model()) {
            let served = self.backend.model();
            return Err(ApiError::bad_request(format!(
                "model: {model:?}: expected {served:?}, which is served"
            )));
        }
        let cameras = self.backend.about().cameras;
        if let Some(camera) = order.camera.as_ref().filter(|camera| !cameras.contains(camera)) {
            let known = match cameras.is_empty() {
                true => "none: this server has no cameras".to_owned(),
                false => cameras.join(", "),
            };
            return Err(ApiError::bad_request(format!("camera: {camera:?}: expected {known}")));
        }
        // Settings that do not hold are refused here, before the session has a name and a folder.
        order.settings(&self.limits)?;
        let id = new_id().map_err(|error| ApiError::from(crate::OpenError::Failed(error.to_string())))?;
        let session = Arc::new(self.session(id, owner, order.clone()));
        self.admit(&session)?;
        let failed = |error: std::io::Error| {
            OpenError::Failed(format!("the session cannot be written down: {error}")).into()
        };
        let started = session.write_down(false).map_err(failed).and_then(|()| self.start(&session, false));
        if started.is_err() {
            self.lock().remove(&session.id);
            let _ = std::fs::remove_dir_all(&session.folder);
        }
        started.map(|()| session)
    }

    /// Goes on with a session that was suspended.
    ///
    /// # Errors
    /// As [`Self::get`]; a session that goes on or is over, too many sessions, no room.
    pub(crate) fn resume(&self, caller: Caller, id: &str) -> Result<Arc<LiveSession>, ApiError> {
        let session = self.get(caller, id)?;
        self.resume_session(&session)?;
        Ok(session)
    }

    fn resume_session(&self, session: &Arc<LiveSession>) -> Result<(), ApiError> {
        {
            let sessions = self.lock();
            if session.state() != State::Suspended {
                return Err(ApiError::over("the session is not suspended: expected one that is"));
            }
            self.check_room(&sessions)?;
            session.set_state(State::Watching);
        }
        let started = self.start(session, true);
        if started.is_err() {
            session.set_state(State::Suspended);
        }
        started
    }

    /// Takes up the sessions that an earlier server has left in the folder, and says how many of them go on and how many do not.
    pub(crate) fn resume_all(&self) -> (usize, usize) {
        let (mut going_on, mut left) = (0, 0);
        for kept in Kept::all(&self.folder) {
            let Kept { id, owner, order, is_over } = kept;
            let session = self.session(id, owner, order);
            session.set_state(if is_over { State::Over } else { State::Suspended });
            let session = Arc::new(session);
            self.lock().insert(session.id.clone(), Arc::clone(&session));
            if is_over {
                session.log.end();
                continue;
            }
            match self.resume_session(&session) {
                Ok(()) => going_on += 1,
                Err(error) => {
                    tracing::warn!(session = session.id, "stays suspended: {error}");
                    left += 1;
                }
            }
        }
        (going_on, left)
    }

    /// Takes a place for a session before anything is done for it: many may ask at one time.
    fn admit(&self, session: &Arc<LiveSession>) -> Result<(), ApiError> {
        let mut sessions = self.lock();
        if sessions.len() >= self.limits.kept_sessions {
            let most = self.limits.kept_sessions;
            return Err(ApiError::too_many(format!(
                "{most} sessions are kept: expected some to be deleted first"
            )));
        }
        self.check_room(&sessions)?;
        sessions.insert(session.id.clone(), Arc::clone(session));
        Ok(())
    }

    fn check_room(&self, sessions: &Sessions) -> Result<(), ApiError> {
        let going_on = going_on(sessions);
        match going_on >= self.limits.sessions {
            true => Err(ApiError::too_many(format!(
                "{going_on} sessions are open: expected at most {} at a time",
                self.limits.sessions
            ))),
            false => Ok(()),
        }
    }

    fn start(&self, session: &Arc<LiveSession>, resume: bool) -> Result<(), ApiError> {
        let settings = session.order.settings(&self.limits)?;
        let gone = session.change();
        if *gone {
            return Err(ApiError::no_session(&session.id));
        }
        let most = self.limits.waiting_frames;
        let to = Arc::clone(session);
        let make = Box::new(move |behind: Behind, stop: &StopSignal| {
            let (pusher, source) = pushed(PUSHED_FRAMES, behind, most, stop);
            to.set_pusher(pusher);
            source
        });
        let frames = match &session.order.camera {
            Some(camera) => StreamFrames::Camera(camera.clone()),
            None => StreamFrames::Pushed(make),
        };
        let request = OpenRequest {
            settings,
            system_prompt: session.order.system_prompt.clone(),
            task_knowledge: session.order.task_knowledge.clone(),
            frames,
            folder: session.folder.clone(),
            resume,
            watcher: Arc::clone(session) as _,
        };
        let stream = self.backend.open(request)?;
        session.set_stream(stream);
        Ok(())
    }

    /// A session of this caller.
    ///
    /// # Errors
    /// There is none of that name, or it is somebody else's.
    pub(crate) fn get(&self, caller: Caller, id: &str) -> Result<Arc<LiveSession>, ApiError> {
        let session = self.lock().get(id).filter(|session| session.owner == caller).cloned();
        let session = session.filter(|_| is_id(id)).ok_or_else(|| ApiError::no_session(id))?;
        session.touch();
        Ok(session)
    }

    /// Every session of this caller, by name.
    pub(crate) fn of(&self, caller: Caller) -> Vec<Arc<LiveSession>> {
        self.lock().values().filter(|session| session.owner == caller).cloned().collect()
    }

    /// Sessions that go on.
    pub(crate) fn count(&self) -> usize {
        going_on(&self.lock())
    }

    /// Has a session written down and frees its cache.
    ///
    /// # Errors
    /// As [`Self::get`]; one that does not go on, or that cannot be written down.
    pub(crate) fn suspend(&self, caller: Caller, id: &str) -> Result<Arc<LiveSession>, ApiError> {
        let session = self.get(caller, id)?;
        suspend(&session)?;
        Ok(session)
    }

    /// Stops a session and forgets it, with what was written down of it.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn remove(&self, caller: Caller, id: &str) -> Result<(), ApiError> {
        let session = self.get(caller, id)?;
        // Whoever opens or suspends it comes first.
        let mut gone = session.change();
        *gone = true;
        self.lock().remove(id);
        session.stop();
        // What cannot be taken away is in nobody's way: the name is never used again.
        let _ = std::fs::remove_dir_all(&session.folder);
        Ok(())
    }

    /// Suspends the sessions for which nobody has asked for long.
    pub(crate) fn suspend_idle(&self) {
        let is_idle = |session: &&Arc<LiveSession>| {
            // A camera goes on by itself.
            let is_pushed = session.order.camera.is_none();
            is_pushed && session.state() == State::Watching && session.idle() > self.limits.idle
        };
        let sessions: Vec<_> = self.lock().values().filter(is_idle).cloned().collect();
        for session in sessions {
            match suspend(&session) {
                Ok(()) => tracing::info!(session = session.id, "suspended: nobody asked for it"),
                Err(error) => tracing::warn!(session = session.id, "not suspended: {error}"),
            }
        }
    }

    /// Has every session written down.
    pub(crate) fn suspend_all(&self) {
        let sessions: Vec<_> = self.lock().values().cloned().collect();
        // All are asked before one is waited for.
        sessions.iter().for_each(|session| session.begin_to_suspend());
        for session in sessions.iter().filter(|session| session.state() == State::Watching) {
            if let Err(error) = suspend(session) {
                tracing::error!(session = session.id, "not suspended: {error}");
            }
        }
    }
}

fn going_on(sessions: &Sessions) -> usize {
    sessions.values().filter(|session| session.state() == State::Watching).count()
}

fn suspend(session: &LiveSession) -> Result<(), OpenError> {
    let _first = session.change();
    session.suspend()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use prospect_session::OpeningTexts;

    use super::*;
    use crate::backend::{About, Chat, ChatAnswer, LiveStream, Load};
    use crate::notify::NotifyOptions;

    /// Opens streams to which nothing happens, or none while it is full.
    #[derive(Default)]
    struct Fake {
        open: Arc<AtomicUsize>,
        room: usize,
    }

    struct FakeStream(Arc<AtomicUsize>);

    impl Drop for FakeStream {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    impl LiveStream for FakeStream {
        fn say(&self, _: &str) -> Result<(), OpenError> {
            Ok(())
        }

        fn set_opening(&self, _: OpeningTexts) -> Result<(), OpenError> {
            Ok(())
        }

        fn begin_to_suspend(&self) {}

        fn suspend(&self) -> Result<(), OpenError> {
            Ok(())
        }
    }

    impl Backend for Fake {
        fn model(&self) -> &str {
            "fake"
        }

        fn about(&self) -> About {
            About { cameras: vec!["door".to_owned()], ..About::default() }
        }

        fn open(&self, _: OpenRequest) -> Result<Box<dyn LiveStream>, OpenError> {
            if self.open.load(Ordering::Relaxed) >= self.room {
                return Err(OpenError::NoRoom("no room".to_owned()));
            }
            self.open.fetch_add(1, Ordering::Relaxed);
            Ok(Box::new(FakeStream(Arc::clone(&self.open))))
        }

        fn answer(&self, _: &Chat, _: &mut dyn FnMut(&str) -> bool) -> Result<ChatAnswer, OpenError> {
            Err(OpenError::Refused("no answers".to_owned()))
        }

        fn load(&self) -> Load {
            Load::default()
        }
    }

    fn of(fake: Fake, limits: Limits, folder: PathBuf) -> SessionTable {
        let metrics = Arc::new(Metrics::new());
        let notifier = Arc::new(Notifier::start(NotifyOptions::default(), "fake", &metrics));
        SessionTable::new(Arc::new(fake), limits, folder, metrics, notifier)
    }

    struct Fixture {
        table: SessionTable,
        open: Arc<AtomicUsize>,
        folder: tempfile::TempDir,
    }

    fn table(room: usize, limits: Limits) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let fake = Fake { room, ..Fake::default() };
        let open = Arc::clone(&fake.open);
        let path = folder.path().to_owned();
        let table = of(fake, limits, path);
        Fixture { table, open, folder }
    }

    fn order(body: &str) -> SessionOrder {
        SessionOrder::parse(body.as_bytes()).unwrap()
    }

    #[test]
    fn who_is_away_for_long_finds_the_session_suspended_and_a_camera_goes_on() {
        let limits = Limits { idle: Duration::ZERO, ..Limits::default() };
        let Fixture { table, open, .. } = table(8, limits);
        let pushed = table.open(Caller::ANYBODY, &order("{}")).unwrap();
        let camera = table.open(Caller::ANYBODY, &order(r#"{"camera": "door"}"#)).unwrap();
        std::thread::sleep(Duration::from_millis(2));
        table.suspend_idle();
        assert_eq!((pushed.state(), camera.state()), (State::Suspended, State::Watching));
        assert_eq!(open.load(Ordering::Relaxed), 1);
        table.resume(Caller::ANYBODY, &pushed.id).unwrap();
        assert_eq!((pushed.state(), table.count()), (State::Watching, 2));
    }

    #[test]
    fn what_is_refused_leaves_no_name_and_no_folder() {
        let Fixture { table, folder, .. } = table(1, Limits { kept_sessions: 2, ..Limits::default() });
        let refused = |body: &str| table.open(Caller::ANYBODY, &order(body)).map(drop).unwrap_err();
        assert_eq!(refused(r#"{"model": "other"}"#).status.as_u16(), 400);
        assert_eq!(refused(r#"{"camera": "window"}"#).status.as_u16(), 400);
        assert_eq!(refused(r#"{"settings": {"model.path": "x"}}"#).status.as_u16(), 400);
        table.open(Caller::ANYBODY, &order("{}")).unwrap();
        assert_eq!(refused("{}").status.as_u16(), 503);
        assert_eq!(
            (table.of(Caller::ANYBODY).len(), std::fs::read_dir(folder.path()).unwrap().count()),
            (1, 1)
        );
    }

    #[test]
    fn suspended_sessions_are_kept_in_bounds_and_taken_up_by_the_next_server() {
        let limits = Limits { kept_sessions: 2, ..Limits::default() };
        let Fixture { table: first, folder, .. } = table(8, limits);
        let kept = first.open(Caller::ANYBODY, &order(r#"{"budget": 512}"#)).unwrap();
        first.suspend(Caller::ANYBODY, &kept.id).unwrap();
        let gone = first.open(Caller::ANYBODY, &order("{}")).unwrap();
        assert_eq!(first.open(Caller::ANYBODY, &order("{}")).map(drop).unwrap_err().status.as_u16(), 429);
        first.remove(Caller::ANYBODY, &gone.id).unwrap();
        assert_eq!(gone.log.behind(0).events.len(), 0);
        assert!(gone.log.behind(0).is_over, "its readers are told");
        first.suspend_all();
        let fake = Fake { room: 8, ..Fake::default() };
        let path = folder.path().to_owned();
        let next = of(fake, limits, path);
        assert_eq!(next.resume_all(), (1, 0));
        let session = next.get(Caller::ANYBODY, &kept.id).unwrap();
        assert_eq!((session.state(), &session.order), (State::Watching, &kept.order));
    }
}
