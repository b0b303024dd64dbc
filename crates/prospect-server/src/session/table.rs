//! All sessions of a server.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::StatusCode;
use prospect_source::{Behind, StopSignal, pushed};

use super::id::{is_id, new_id};
use super::kept::Kept;
use super::live::{LiveSession, State};
use crate::backend::{Backend, OpenError, OpenRequest, PUSHED_FRAMES, StreamChange, StreamFrames};
use crate::error::ApiError;
use crate::guard::{Caller, Limits};
use crate::metrics::Metrics;
use crate::mutex::Mutex;
use crate::notify::{Notifier, SessionNotices};
use crate::order::SessionOrder;
use crate::private_file::private_folder;
use crate::sources::Sources;

/// Folder for ended sessions of the server itself. Only the operator can access it.
const ASIDE: &str = "aside";

type Sessions = BTreeMap<String, Arc<LiveSession>>;

/// All sessions by id. Only its owner learns that a session exists.
pub(crate) struct SessionTable {
    sessions: Mutex<Sessions>,
    /// Whether the server is shutting down. No session begins or continues then.
    is_ending: AtomicBool,
    backend: Arc<dyn Backend>,
    limits: Limits,
    /// Folder that contains a folder for each session.
    folder: PathBuf,
    metrics: Arc<Metrics>,
    sources: Arc<Sources>,
    notifier: Arc<Notifier>,
}

impl SessionTable {
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        limits: Limits,
        folder: PathBuf,
        metrics: Arc<Metrics>,
        sources: Arc<Sources>,
        notifier: Arc<Notifier>,
    ) -> Self {
        let (sessions, is_ending) = (Mutex::default(), AtomicBool::new(false));
        Self { sessions, is_ending, backend, limits, folder, metrics, sources, notifier }
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed)
    }

    /// Lets no session begin or continue from now on.
    pub(crate) fn begin_to_end(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
    }

    /// # Errors
    /// The server is shutting down, so a session would be interrupted.
    fn check_not_ending(&self) -> Result<(), ApiError> {
        match self.is_ending() {
            true => {
                Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "ending", "the server comes to its end"))
            }
            false => Ok(()),
        }
    }

    /// A session whose stream is not open yet.
    fn session(&self, id: String, owner: Caller, order: SessionOrder) -> LiveSession {
        let (folder, metrics) = (self.folder.join(&id), Arc::clone(&self.metrics));
        let notices = SessionNotices::new(Arc::clone(&self.notifier), id.clone(), order.camera.clone());
        LiveSession::new(id, owner, folder, order, self.limits.events, metrics, notices)
    }

    /// Opens a session.
    ///
    /// # Errors
    /// The request is invalid, there are too many sessions, or there is no room.
    pub(crate) fn open(&self, owner: Caller, order: &SessionOrder) -> Result<Arc<LiveSession>, ApiError> {
        if let Some(model) = order.model.as_deref().filter(|model| *model != self.backend.model()) {
            let served = self.backend.model();
            return Err(ApiError::bad_request(format!(
                "model: {model:?}: expected {served:?}, which is served"
            )));
        }
        // Invalid settings are refused here, before the session has an id and a folder.
        order.settings(&self.limits)?;
        let id = new_id()?;
        let session = Arc::new(self.session(id, owner, order.clone()));
        self.forget_ended(owner);
        {
            // Held from the moment at which others can see the session until its stream is open.
            let _first = session.change();
            self.admit(&session)?;
            let failed = |error: std::io::Error| {
                OpenError::Failed(format!("the session cannot be written down: {error}")).into()
            };
            let started =
                session.write_down(false).map_err(failed).and_then(|()| self.start(&session, false));
            if let Err(error) = started {
                tracing::info!("a session is not opened: {error}");
                self.sessions.lock().remove(&session.id);
                self.delete_files(&session);
                return Err(error);
            }
        }
        Ok(session)
    }

    /// Resumes a suspended session.
    ///
    /// # Errors
    /// As [`Self::get`]; the session runs or has ended, there are too many sessions, or there is no
    /// room.
    pub(crate) fn resume(&self, caller: Caller, id: &str) -> Result<Arc<LiveSession>, ApiError> {
        let session = self.get(caller, id)?;
        session.check_changeable()?;
        self.resume_session(&session)?;
        Ok(session)
    }

    fn resume_session(&self, session: &Arc<LiveSession>) -> Result<(), ApiError> {
        // Held from reading the state on, so that no suspension is still under way.
        let gone = session.change();
        if *gone {
            return Err(ApiError::no_session(&session.id));
        }
        {
            let sessions = self.sessions.lock();
            self.check_not_ending()?;
            if session.state() != State::Suspended {
                return Err(ApiError::over("the session is not suspended: expected one that is"));
            }
            self.check_room(&sessions, session.owner)?;
            session.set_state(State::Watching);
        }
        let started = self.start(session, true);
        match &started {
            Ok(()) => tracing::info!(session = session.id, "continues"),
            Err(error) => {
                tracing::warn!(session = session.id, "stays suspended: {error}");
                session.set_state(State::Suspended);
            }
        }
        started
    }

    /// Resumes the sessions of an earlier server. Returns how many run again and how many do not.
    pub(crate) fn resume_all(&self) -> (usize, usize) {
        let (mut going_on, mut left) = (0, 0);
        for kept in Kept::all(&self.folder) {
            if !self.goes_on_to_be(&kept) {
                self.set_aside(&kept.id);
                continue;
            }
            let Kept { id, owner, order, is_over } = kept;
            let session = self.session(id, owner, order);
            session.set_state(if is_over { State::Over } else { State::Suspended });
            let session = Arc::new(session);
            self.sessions.lock().insert(session.id.clone(), Arc::clone(&session));
            if is_over {
                session.log.end();
                continue;
            }
            match self.resume_session(&session) {
                Ok(()) => going_on += 1,
                // The session's stored settings no longer fit those of this server.
                Err(error) if session.is_servers() && error.status == StatusCode::BAD_REQUEST => {
                    tracing::warn!(session = session.id, "begins anew: {error}");
                    self.sessions.lock().remove(&session.id);
                    self.set_aside(&session.id);
                }
                Err(_) => left += 1,
            }
        }
        (going_on, left)
    }

    /// Whether a session of an earlier server continues in this one. A session that began with the
    /// server does if the server still watches the same camera in the same way and the session has not
    /// ended.
    fn goes_on_to_be(&self, kept: &Kept) -> bool {
        kept.owner != Caller::SERVER || (!kept.is_over && self.sources.watched().contains(&kept.order))
    }

    /// Moves the files of a server's own session that does not continue into another folder.
    fn set_aside(&self, id: &str) {
        let aside = self.folder.join(ASIDE);
        let moved = std::fs::create_dir_all(&aside)
            .and_then(|()| std::fs::rename(self.folder.join(id), aside.join(id)));
        match moved {
            Ok(()) => tracing::info!(
                session = id,
                "set aside: what it watched has ended, or is watched otherwise now"
            ),
            Err(error) => tracing::warn!(session = id, "not set aside: {error}"),
        }
    }

    /// Opens the server's own sessions that do not run already. Returns how many were opened.
    pub(crate) fn watch_all(&self) -> usize {
        let going_on: Vec<SessionOrder> =
            self.of(Caller::SERVER).iter().map(|session| session.order()).collect();
        let new = self.sources.watched().iter().filter(|order| !going_on.contains(order));
        let begun = new.map(|order| self.open(Caller::SERVER, order));
        let report = |opened: Result<Arc<LiveSession>, ApiError>| match opened {
            Ok(session) => {
                tracing::info!(session = session.id, camera = session.order().camera, "watches");
                true
            }
            Err(error) => {
                tracing::error!("a camera is not watched: {error}");
                false
            }
        };
        begun.map(report).filter(|is_open| *is_open).count()
    }

    /// Reserves a slot for a session before any work is done, since many requests can come at the same
    /// time.
    fn admit(&self, session: &Arc<LiveSession>) -> Result<(), ApiError> {
        let mut sessions = self.sessions.lock();
        self.check_not_ending()?;
        let most = self.limits.kept_sessions;
        if of_owner(&sessions, session.owner).count() >= most {
            return Err(ApiError::too_many(format!(
                "{most} sessions are kept: expected some to be deleted first"
            )));
        }
        self.check_room(&sessions, session.owner)?;
        check_name(&sessions, session)?;
        sessions.insert(session.id.clone(), Arc::clone(session));
        Ok(())
    }

    /// Makes room for one more session of this owner: of the sessions that have ended, the one that was
    /// used last the longest time ago is removed with its files.
    fn forget_ended(&self, owner: Caller) {
        let oldest = {
            let sessions = self.sessions.lock();
            if of_owner(&sessions, owner).count() < self.limits.kept_sessions {
                return;
            }
            let ended = of_owner(&sessions, owner).filter(|session| has_ended(session));
            ended.max_by_key(|session| session.idle()).cloned()
        };
        if let Some(session) = oldest {
            self.discard(&session);
        }
    }

    /// # Errors
    /// As many sessions run as may, of all callers or of this one.
    fn check_room(&self, sessions: &Sessions, owner: Caller) -> Result<(), ApiError> {
        let (most, most_of_key) = (self.limits.sessions, self.limits.sessions_of_key);
        let all = sessions.values().filter(|session| is_running(session)).count();
        if all >= most {
            let message = format!("{all} sessions are open: expected at most {most} at a time");
            return Err(ApiError::too_many(message));
        }
        let of_key = of_owner(sessions, owner).filter(|session| is_running(session)).count();
        // The operator's cameras are not one caller among others.
        if of_key >= most_of_key && owner != Caller::SERVER {
            let message = format!(
                "{of_key} sessions of this key are open: expected at most {most_of_key} of one key at a time"
            );
            return Err(ApiError::too_many(message));
        }
        Ok(())
    }

    /// Opens the session's stream. The caller holds [`LiveSession::change`].
    fn start(&self, session: &Arc<LiveSession>, resume: bool) -> Result<(), ApiError> {
        let order = session.order();
        let settings = order.settings(&self.limits)?;
        let most = self.limits.waiting_frames;
        let to = Arc::clone(session);
        let make = Box::new(move |behind: Behind, stop: &StopSignal| {
            let (pusher, source) = pushed(PUSHED_FRAMES, behind, most, stop);
            to.set_pusher(pusher);
            source
        });
        let frames = match self.sources.of_order(session.owner, &order)? {
            Some(source) => StreamFrames::Watched(source),
            None => StreamFrames::Pushed(make),
        };
        let request = OpenRequest {
            settings,
            system_prompt: order.system_prompt,
            task_knowledge: order.task_knowledge,
            frames,
            folder: session.folder.clone(),
            resume,
            watcher: Arc::clone(session) as _,
        };
        let unwritable = |error| OpenError::Failed(format!("the session's folder cannot be made: {error}"));
        // Also the folder of a session that an earlier server has written.
        private_folder(&session.folder).map_err(unwritable)?;
        let stream = self.backend.open(request)?;
        session.set_stream(stream);
        Ok(())
    }

    /// A session that this caller may see: their own, or one of the server.
    ///
    /// # Errors
    /// The session does not exist, or belongs to somebody else.
    pub(crate) fn get(&self, caller: Caller, id: &str) -> Result<Arc<LiveSession>, ApiError> {
        let session = self.sessions.lock().get(id).filter(|session| session.is_seen_by(caller)).cloned();
        let session = session.filter(|_| is_id(id)).ok_or_else(|| ApiError::no_session(id))?;
        session.touch();
        Ok(session)
    }

    /// All sessions that this caller may see, sorted by id.
    pub(crate) fn of(&self, caller: Caller) -> Vec<Arc<LiveSession>> {
        self.sessions.lock().values().filter(|session| session.is_seen_by(caller)).cloned().collect()
    }

    /// The caller's own session with this name, unless it has ended.
    pub(crate) fn named(&self, caller: Caller, name: &str) -> Option<Arc<LiveSession>> {
        let found = self.sessions.lock().values().find(|session| is_called(session, caller, name)).cloned();
        found.inspect(|session| session.touch())
    }

    /// Suspends the sessions that watch a removed camera of this caller.
    pub(crate) fn release_camera(&self, caller: Caller, camera: &str) {
        let watches = |session: &&Arc<LiveSession>| {
            session.owner == caller && session.order().camera.as_deref() == Some(camera)
        };
        let sessions: Vec<_> = self.sessions.lock().values().filter(watches).cloned().collect();
        for session in sessions {
            // A session that does not run does not use the camera.
            let _ = suspend(&session);
        }
    }

    /// Number of running sessions.
    pub(crate) fn count(&self) -> usize {
        self.sessions.lock().values().filter(|session| is_running(session)).count()
    }

    /// Suspends a session and frees its cache.
    ///
    /// # Errors
    /// As [`Self::get`]; the session does not run, or cannot be written.
    pub(crate) fn suspend(&self, caller: Caller, id: &str) -> Result<Arc<LiveSession>, ApiError> {
        let session = self.get(caller, id)?;
        session.check_changeable()?;
        suspend(&session)?;
        Ok(session)
    }

    /// Changes a running session.
    ///
    /// # Errors
    /// The change is invalid, or the session does not run.
    pub(crate) fn change(&self, session: &LiveSession, change: &SessionOrder) -> Result<(), ApiError> {
        // Serializes changes of the same session.
        let _first = session.change();
        let order = session.order().changed_by(change)?;
        let settings = order.settings(&self.limits)?;
        let SessionOrder { system_prompt, task_knowledge, .. } = change.clone();
        Ok(session.change_stream(order, StreamChange { settings, system_prompt, task_knowledge })?)
    }

    /// Stops a session and deletes it with its files.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn remove(&self, caller: Caller, id: &str) -> Result<(), ApiError> {
        let session = self.get(caller, id)?;
        session.check_changeable()?;
        self.discard(&session);
        Ok(())
    }

    fn discard(&self, session: &LiveSession) {
        // Waits until nobody is opening or suspending the session.
        let mut gone = session.change();
        *gone = true;
        self.sessions.lock().remove(&session.id);
        session.stop();
        self.delete_files(session);
        tracing::info!(session = session.id, "removed");
    }

    /// Deletes the files of a session that was removed.
    fn delete_files(&self, session: &LiveSession) {
        match std::fs::remove_dir_all(&session.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                // It does no harm but that the next server finds it: ids are never used again.
                tracing::warn!(session = session.id, "its files are not deleted: {error}");
            }
            _ => {}
        }
    }

    /// Suspends the sessions that nobody has used for [`Limits::idle`].
    pub(crate) fn suspend_idle(&self) {
        let is_idle = |session: &LiveSession| {
            // A session with a camera runs without requests.
            session.is_pushed() && session.state() == State::Watching && session.idle() > self.limits.idle
        };
        let sessions: Vec<_> =
            self.sessions.lock().values().filter(|session| is_idle(session)).cloned().collect();
        for session in sessions {
            let _first = session.change();
            // Somebody may have asked for it meanwhile. How a suspension went is in the log.
            let _ = is_idle(&session).then(|| session.suspend());
        }
    }

    /// Suspends every session. None begins or continues afterwards.
    pub(crate) fn suspend_all(&self) {
        self.begin_to_end();
        let sessions: Vec<_> = self.sessions.lock().values().cloned().collect();
        // All sessions are asked before one is waited for.
        let ask = |session: &Arc<LiveSession>| session.begin_to_suspend().is_ok();
        let mut asked = Vec::new();
        for session in &sessions {
            let first = session.change();
            if ask(session) {
                asked.push((session, first));
            }
        }
        for (session, _first) in asked {
            // How it went is in the log.
            let _ = session.end_suspending();
        }
    }
}

/// Whether the caller's conversations use this name for the session, and it has not ended.
fn is_called(session: &LiveSession, caller: Caller, name: &str) -> bool {
    session.owner == caller && session.order().name.as_deref() == Some(name) && !has_ended(session)
}

/// # Errors
/// Another session of the caller has the name.
fn check_name(sessions: &Sessions, new: &LiveSession) -> Result<(), ApiError> {
    let Some(name) = &new.order().name else { return Ok(()) };
    match sessions.values().any(|session| is_called(session, new.owner, name)) {
        true => {
            let message = format!("name: {name:?}: another session has it: expected a new one");
            Err(ApiError::new(StatusCode::CONFLICT, "session_exists", message))
        }
        false => Ok(()),
    }
}

fn of_owner(sessions: &Sessions, owner: Caller) -> impl Iterator<Item = &Arc<LiveSession>> {
    sessions.values().filter(move |session| session.owner == owner)
}

fn has_ended(session: &LiveSession) -> bool {
    matches!(session.state(), State::Over | State::Failed(_))
}

fn is_running(session: &LiveSession) -> bool {
    session.state() == State::Watching
}

fn suspend(session: &LiveSession) -> Result<(), OpenError> {
    let _first = session.change();
    session.suspend()
}

#[cfg(test)]
mod tests;
