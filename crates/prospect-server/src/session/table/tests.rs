//! The session table, with a backend whose streams produce no events.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use image::RgbImage;

use super::*;
use crate::backend::{About, Chat, ChatAnswer, LiveStream, Load, StreamEnd, StreamWatcher};
use crate::guard::{AllowedSources, Keys, SystemResolver};
use crate::notify::NotifyOptions;
use crate::sources::ServedCamera;

/// Opens streams without events, or refuses them while it is full.
#[derive(Default)]
struct Fake {
    open: Arc<AtomicUsize>,
    room: usize,
}

/// A stream that ends, and says so, as soon as it is asked to suspend.
struct FakeStream {
    open: Arc<AtomicUsize>,
    watcher: Arc<dyn StreamWatcher>,
}

impl Drop for FakeStream {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl LiveStream for FakeStream {
    fn say(&self, _: &str) -> Result<(), OpenError> {
        Ok(())
    }

    fn change(&self, _: StreamChange) -> Result<String, OpenError> {
        Ok("fake".to_owned())
    }

    fn begin_to_suspend(&self) {
        self.watcher.ended(StreamEnd::Suspended);
    }

    fn suspend(&self) -> Result<(), OpenError> {
        // A resumption that does not wait for the suspension comes in between.
        std::thread::sleep(Duration::from_millis(5));
        self.watcher.ended(StreamEnd::Suspended);
        Ok(())
    }
}

impl Backend for Fake {
    fn model(&self) -> &str {
        "fake"
    }

    fn about(&self) -> About {
        About::default()
    }

    fn open(&self, request: OpenRequest) -> Result<Box<dyn LiveStream>, OpenError> {
        if self.open.load(Ordering::Relaxed) >= self.room {
            return Err(OpenError::NoRoom("no room".to_owned()));
        }
        self.open.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(FakeStream { open: Arc::clone(&self.open), watcher: request.watcher }))
    }

    fn answer(&self, _: &Chat, _: &mut dyn FnMut(&str) -> bool) -> Result<ChatAnswer, OpenError> {
        Err(OpenError::Refused("no answers".to_owned()))
    }

    fn video_frame(&self, frame: &RgbImage) -> Result<RgbImage, OpenError> {
        Ok(frame.clone())
    }

    fn load(&self) -> Load {
        Load::default()
    }
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
    let cameras = vec![ServedCamera::new("door", "rtsp://door").unwrap()];
    let table = table_of(fake, limits, path, cameras);
    Fixture { table, open, folder }
}

fn table_of(fake: Fake, limits: Limits, path: PathBuf, cameras: Vec<ServedCamera>) -> SessionTable {
    let sources = Sources::new(cameras, AllowedSources::default(), Box::new(SystemResolver), &path).unwrap();
    let metrics = Arc::new(Metrics::new());
    let notifier = Arc::new(Notifier::start(NotifyOptions::default(), "fake", &metrics));
    SessionTable::new(Arc::new(fake), limits, path, metrics, Arc::new(sources), notifier)
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
    assert_eq!((table.of(Caller::ANYBODY).len(), std::fs::read_dir(folder.path()).unwrap().count()), (1, 1));
}

#[test]
fn a_name_is_that_of_one_session_of_a_caller() {
    let Fixture { table, .. } = table(8, Limits::default());
    let named = || table.open(Caller::ANYBODY, &order(r#"{"name": "kitchen"}"#));
    let session = named().unwrap();
    assert_eq!(table.named(Caller::ANYBODY, "kitchen").unwrap().id, session.id);
    assert!(
        table.named(Caller::SERVER, "kitchen").is_none() && table.named(Caller::ANYBODY, "bench").is_none()
    );
    assert_eq!(named().map(drop).unwrap_err().status.as_u16(), 409);
    session.ended(StreamEnd::Over);
    assert!(table.named(Caller::ANYBODY, "kitchen").is_none());
    assert_ne!(named().unwrap().id, session.id);
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
    let next = table_of(fake, limits, path, Vec::new());
    assert_eq!(next.resume_all(), (1, 0));
    let session = next.get(Caller::ANYBODY, &kept.id).unwrap();
    assert_eq!((session.state(), session.order()), (State::Watching, kept.order()));
}

/// A server on this folder that watches its camera with these settings.
fn watching(folder: &std::path::Path, watched: serde_json::Value) -> (SessionTable, Arc<AtomicUsize>) {
    let fake = Fake { room: 8, ..Fake::default() };
    let open = Arc::clone(&fake.open);
    let camera = ServedCamera::new("door", "rtsp://door").unwrap().watched(&watched).unwrap();
    let table = table_of(fake, Limits::default(), folder.to_owned(), vec![camera]);
    table.resume_all();
    table.watch_all();
    (table, open)
}

#[test]
fn a_session_that_began_with_the_server_goes_on_with_the_next_one_and_begins_once() {
    let folder = tempfile::tempdir().unwrap();
    let every = || serde_json::json!({ "talk": "every" });
    let (first, open) = watching(folder.path(), every());
    let ids = |table: &SessionTable| {
        table.of(Caller::ANYBODY).iter().map(|session| session.id.clone()).collect::<Vec<_>>()
    };
    let watched = ids(&first);
    assert_eq!((watched.len(), open.load(Ordering::Relaxed)), (1, 1));
    first.suspend_all();
    let (next, open) = watching(folder.path(), every());
    assert_eq!((ids(&next), open.load(Ordering::Relaxed)), (watched.clone(), 1), "the same one");
    // Other settings make another session; the trace of the first one is kept.
    next.suspend_all();
    let (other, open) = watching(folder.path(), serde_json::json!({ "talk": "never" }));
    assert_eq!(open.load(Ordering::Relaxed), 1);
    assert!(ids(&other).len() == 1 && ids(&other) != watched);
    assert!(folder.path().join(ASIDE).join(&watched[0]).is_dir());
    // A session that has ended begins again.
    let ended = ids(&other);
    other.get(Caller::ANYBODY, &ended[0]).unwrap().ended(StreamEnd::Over);
    let (last, _) = watching(folder.path(), serde_json::json!({ "talk": "never" }));
    assert!(ids(&last).len() == 1 && ids(&last) != ended);
}

#[test]
fn everybody_sees_a_session_of_the_server_and_nobody_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let (table, _) = watching(folder.path(), serde_json::json!({}));
    let id = table.of(Caller::ANYBODY)[0].id.clone();
    assert!(table.get(Caller::ANYBODY, &id).is_ok());
    let refused = |result: Result<(), ApiError>| result.unwrap_err().status.as_u16();
    assert_eq!(refused(table.suspend(Caller::ANYBODY, &id).map(drop)), 403);
    assert_eq!(refused(table.resume(Caller::ANYBODY, &id).map(drop)), 403);
    assert_eq!(refused(table.remove(Caller::ANYBODY, &id)), 403);
    assert_eq!(table.count(), 1);
}

/// What a session's file says about its end.
fn is_over(folder: &std::path::Path, id: &str) -> bool {
    Kept::all(folder).into_iter().find(|kept| kept.id == id).unwrap().is_over
}

#[test]
fn a_stream_that_ends_before_it_is_waited_for_is_suspended_all_the_same() {
    let Fixture { table, folder, .. } = table(8, Limits::default());
    let sessions: Vec<_> = (0..4).map(|_| table.open(Caller::ANYBODY, &order("{}")).unwrap()).collect();
    table.suspend_all();
    for session in &sessions {
        assert_eq!(session.state(), State::Suspended);
        assert!(!is_over(folder.path(), &session.id));
    }
    let refused = |result: Result<Arc<LiveSession>, ApiError>| result.map(drop).unwrap_err().status.as_u16();
    assert_eq!(refused(table.resume(Caller::ANYBODY, &sessions[0].id)), 503, "the server ends");
    assert_eq!(refused(table.open(Caller::ANYBODY, &order("{}"))), 503);
}

#[test]
fn a_resumption_waits_for_the_suspension_before_it() {
    let Fixture { table, open, .. } = table(8, Limits::default());
    let session = table.open(Caller::ANYBODY, &order("{}")).unwrap();
    for round in 0..20 {
        std::thread::scope(|scope| {
            scope.spawn(|| table.suspend(Caller::ANYBODY, &session.id));
            scope.spawn(|| while table.resume(Caller::ANYBODY, &session.id).is_err() {});
        });
        assert_eq!((session.state(), open.load(Ordering::Relaxed)), (State::Watching, 1), "round {round}");
    }
}

#[test]
fn a_stream_that_fails_while_it_is_suspended_is_tried_again_by_the_next_server() {
    let Fixture { table, folder, .. } = table(8, Limits::default());
    let session = table.open(Caller::ANYBODY, &order("{}")).unwrap();
    session.begin_to_suspend().unwrap();
    session.ended(StreamEnd::Failed("the disk is full".to_owned()));
    assert_eq!(session.state(), State::Failed("the disk is full".to_owned()));
    assert!(!is_over(folder.path(), &session.id));
    let session = table.open(Caller::ANYBODY, &order("{}")).unwrap();
    session.ended(StreamEnd::Failed("not a number".to_owned()));
    assert!(is_over(folder.path(), &session.id));
}

#[test]
fn ended_sessions_make_room_and_nobody_is_shut_out_by_another() {
    let Fixture { table, folder, .. } = table(8, Limits { kept_sessions: 2, ..Limits::default() });
    let open = |owner: Caller| table.open(owner, &order("{}"));
    let (first, second) = (open(Caller::ANYBODY).unwrap(), open(Caller::ANYBODY).unwrap());
    assert_eq!(open(Caller::ANYBODY).map(drop).unwrap_err().status.as_u16(), 429);
    assert!(open(Caller::SERVER).is_ok(), "another owner");
    second.ended(StreamEnd::Over);
    first.ended(StreamEnd::Failed("not a number".to_owned()));
    std::thread::sleep(Duration::from_millis(2));
    table.get(Caller::ANYBODY, &second.id).unwrap();
    let third = open(Caller::ANYBODY).unwrap();
    let mut left: Vec<String> = Kept::all(folder.path()).into_iter().map(|kept| kept.id).collect();
    left.retain(|id| [&first, &second, &third].iter().any(|session| session.id == *id));
    let mut expected = [second.id.clone(), third.id.clone()];
    expected.sort();
    assert_eq!(left, expected, "the one that was asked for last stays");
}

#[test]
fn one_key_cannot_take_all_places() {
    let limits = Limits { sessions: 4, sessions_of_key: 2, ..Limits::default() };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("keys"), "one-one-one-one-one\nother-other-other\n").unwrap();
    let keys = Keys::from_file(&folder.path().join("keys")).unwrap();
    let caller = |key: &str| keys.caller(Some(key)).unwrap();
    let (one, other) = (caller("one-one-one-one-one"), caller("other-other-other"));
    let Fixture { table, .. } = table(8, limits);
    let refused = |result: Result<Arc<LiveSession>, ApiError>| result.map(drop).unwrap_err();
    let first = table.open(one, &order("{}")).unwrap();
    table.open(one, &order("{}")).unwrap();
    let error = refused(table.open(one, &order("{}")));
    assert!(error.status.as_u16() == 429 && error.message.contains("of one key"), "{error}");
    // A suspended session gives its place to others of the key, and is refused with them.
    table.suspend(one, &first.id).unwrap();
    table.open(one, &order("{}")).unwrap();
    assert_eq!(refused(table.resume(one, &first.id)).status.as_u16(), 429);
    assert_eq!(first.state(), State::Suspended);
    table.open(other, &order("{}")).unwrap();
    assert!(table.open(Caller::SERVER, &order("{}")).is_ok());
    assert!(refused(table.open(other, &order("{}"))).message.contains("4 at a time"), "of all keys");
}

#[test]
fn a_record_that_cannot_be_read_harms_no_other() {
    let Fixture { table: first, folder, .. } = table(8, Limits::default());
    let ids: Vec<_> = (0..2).map(|_| first.open(Caller::ANYBODY, &order("{}")).unwrap().id.clone()).collect();
    first.suspend_all();
    std::fs::write(folder.path().join(&ids[0]).join("session.json"), "{").unwrap();
    let fake = Fake { room: 8, ..Fake::default() };
    let next = table_of(fake, Limits::default(), folder.path().to_owned(), Vec::new());
    assert_eq!(next.resume_all(), (1, 0));
    assert!(next.get(Caller::ANYBODY, &ids[1]).is_ok());
}

#[cfg(unix)]
#[test]
fn the_files_of_a_session_are_the_servers_own() {
    use std::os::unix::fs::PermissionsExt;
    let Fixture { table, folder, .. } = table(8, Limits::default());
    let session = table.open(Caller::ANYBODY, &order("{}")).unwrap();
    let mode = || std::fs::metadata(&session.folder).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(), session.folder.parent()), (0o700, Some(folder.path())));
    // An earlier server left it open.
    table.suspend(Caller::ANYBODY, &session.id).unwrap();
    std::fs::set_permissions(&session.folder, PermissionsExt::from_mode(0o755)).unwrap();
    table.resume(Caller::ANYBODY, &session.id).unwrap();
    assert_eq!(mode(), 0o700);
}
