//! All sessions of a server.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
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
use crate::sources::Sources;

/// Folder for ended sessions of the server itself. Only the operator can access it.
const ASIDE: &str = "aside";

type Sessions = BTreeMap<String, Arc<LiveSession>>;

/// All sessions by id. Only its owner learns that a session exists.
pub(crate) struct SessionTable {
    sessions: Mutex<Sessions>,
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
        Self { sessions: Mutex::default(), backend, limits, folder, metrics, sources, notifier }
    }

    /// A session whose stream is not open yet.
    fn session(&self, id: String, owner: Caller, order: SessionOrder) -> LiveSession {
        let (folder, metrics) = (self.folder.join(&id), Arc::clone(&self.metrics));
        let notices = SessionNotices::new(Arc::clone(&self.notifier), id.clone(), order.camera.clone());
        LiveSession::new(id, owner, folder, order, self.limits.events, metrics, notices)
    }

    /// A poisoned lock is harmless: no code under it can panic halfway.
    fn lock(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
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
            self.lock().insert(session.id.clone(), Arc::clone(&session));
            if is_over {
                session.log.end();
                continue;
            }
            match self.resume_session(&session) {
                Ok(()) => going_on += 1,
                // The session's stored settings no longer fit those of this server.
                Err(error) if session.is_servers() && error.status == StatusCode::BAD_REQUEST => {
                    tracing::warn!(session = session.id, "begins anew: {error}");
                    self.lock().remove(&session.id);
                    self.set_aside(&session.id);
                }
                Err(error) => {
                    tracing::warn!(session = session.id, "stays suspended: {error}");
                    left += 1;
                }
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
        let mut sessions = self.lock();
        if sessions.len() >= self.limits.kept_sessions {
            let most = self.limits.kept_sessions;
            return Err(ApiError::too_many(format!(
                "{most} sessions are kept: expected some to be deleted first"
            )));
        }
        self.check_room(&sessions)?;
        check_name(&sessions, session)?;
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
        let order = session.order();
        let settings = order.settings(&self.limits)?;
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
        let stream = self.backend.open(request)?;
        session.set_stream(stream);
        Ok(())
    }

    /// A session that this caller may see: their own, or one of the server.
    ///
    /// # Errors
    /// The session does not exist, or belongs to somebody else.
    pub(crate) fn get(&self, caller: Caller, id: &str) -> Result<Arc<LiveSession>, ApiError> {
        let session = self.lock().get(id).filter(|session| session.is_seen_by(caller)).cloned();
        let session = session.filter(|_| is_id(id)).ok_or_else(|| ApiError::no_session(id))?;
        session.touch();
        Ok(session)
    }

    /// All sessions that this caller may see, sorted by id.
    pub(crate) fn of(&self, caller: Caller) -> Vec<Arc<LiveSession>> {
        self.lock().values().filter(|session| session.is_seen_by(caller)).cloned().collect()
    }

    /// The caller's own session with this name, unless it has ended.
    pub(crate) fn named(&self, caller: Caller, name: &str) -> Option<Arc<LiveSession>> {
        let found = self.lock().values().find(|session| is_called(session, caller, name)).cloned();
        found.inspect(|session| session.touch())
    }

    /// Suspends the sessions that watch a removed camera of this caller.
    pub(crate) fn release_camera(&self, caller: Caller, camera: &str) {
        let watches = |session: &&Arc<LiveSession>| {
            session.owner == caller && session.order().camera.as_deref() == Some(camera)
        };
        let sessions: Vec<_> = self.lock().values().filter(watches).cloned().collect();
        for session in sessions {
            // A session that does not run does not use the camera.
            let _ = suspend(&session);
        }
    }

    /// Number of running sessions.
    pub(crate) fn count(&self) -> usize {
        going_on(&self.lock())
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
    pub(crate) fn change_settings(
        &self,
        session: &LiveSession,
        change: &SessionOrder,
    ) -> Result<(), ApiError> {
        // Serializes changes of the same session.
        let _first = session.change();
        let order = session.order().changed_by(change)?;
        let settings = order.settings(&self.limits)?;
        Ok(session.change_settings(order, &settings)?)
    }

    /// Stops a session and deletes it with its files.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn remove(&self, caller: Caller, id: &str) -> Result<(), ApiError> {
        let session = self.get(caller, id)?;
        session.check_changeable()?;
        // Waits until nobody is opening or suspending the session.
        let mut gone = session.change();
        *gone = true;
        self.lock().remove(id);
        session.stop();
        // A folder that cannot be deleted does no harm, because ids are never used again.
        let _ = std::fs::remove_dir_all(&session.folder);
        Ok(())
    }

    /// Suspends the sessions that nobody has used for [`Limits::idle`].
    pub(crate) fn suspend_idle(&self) {
        let is_idle = |session: &&Arc<LiveSession>| {
            // A session with a camera runs without requests.
            session.is_pushed() && session.state() == State::Watching && session.idle() > self.limits.idle
        };
        let sessions: Vec<_> = self.lock().values().filter(is_idle).cloned().collect();
        for session in sessions {
            match suspend(&session) {
                Ok(()) => tracing::info!(session = session.id, "suspended: nobody asked for it"),
                Err(error) => tracing::warn!(session = session.id, "not suspended: {error}"),
            }
        }
    }

    /// Suspends every session.
    pub(crate) fn suspend_all(&self) {
        let sessions: Vec<_> = self.lock().values().cloned().collect();
        // All sessions are asked before one is waited for.
        sessions.iter().for_each(|session| session.begin_to_suspend());
        for session in sessions.iter().filter(|session| session.state() == State::Watching) {
            if let Err(error) = suspend(session) {
                tracing::error!(session = session.id, "not suspended: {error}");
            }
        }
    }
}

/// Whether the caller's conversations use this name for the session, and it has not ended.
fn is_called(session: &LiveSession, caller: Caller, name: &str) -> bool {
    let goes_on = || matches!(session.state(), State::Watching | State::Suspended);
    session.owner == caller && session.order().name.as_deref() == Some(name) && goes_on()
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

fn going_on(sessions: &Sessions) -> usize {
    sessions.values().filter(|session| session.state() == State::Watching).count()
}

fn suspend(session: &LiveSession) -> Result<(), OpenError> {
    let _first = session.change();
    session.suspend()
}

#[cfg(test)]
mod tests;
