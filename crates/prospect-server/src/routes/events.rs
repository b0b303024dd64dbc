//! The events of a session as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use futures_util::Stream;
use serde::Deserialize;
use tokio::sync::watch;

use super::extract::Asked;
use crate::error::ApiError;
use crate::guard::{Caller, Limits};
use crate::session::{LiveSession, LoggedEvent};
use crate::state::Shared;

/// Comments in a stream of events, which keep its connection open.
pub(super) fn keep_alive(limits: &Limits) -> KeepAlive {
    KeepAlive::new().interval(limits.keep_alive)
}

/// Query parameters: where a reader begins.
#[derive(Debug, Default, Deserialize)]
pub(super) struct From {
    /// Number of the last event that the reader knows. The header `Last-Event-ID` overrides it.
    after: Option<u64>,
}

pub(super) async fn stream(
    State(state): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Asked(from): Asked<From>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<SseEvent, Infallible>>>, ApiError> {
    let session = state.sessions.get(caller, &id)?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    let after = last.or(from.after).unwrap_or(0);
    let reader = EventReader::new(session, after, state.farewell.subscribe());
    let events = futures_util::stream::unfold(reader, |mut reader| async move {
        let next = reader.next().await?;
        Some((Ok(next.to_sse()), reader))
    });
    Ok(Sse::new(events).keep_alive(keep_alive(&state.limits)))
}

/// Reads a session's events in order, and waits for further ones.
pub(super) struct EventReader {
    session: Arc<LiveSession>,
    known: u64,
    found: VecDeque<NextEvent>,
    changes: watch::Receiver<u64>,
    farewell: watch::Receiver<bool>,
    is_over: bool,
}

/// What a reader gets next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NextEvent {
    /// An event.
    Event(LoggedEvent),
    /// This number of events was discarded before the reader got them.
    Missed(u64),
}

impl NextEvent {
    fn to_sse(&self) -> SseEvent {
        match self {
            Self::Event(LoggedEvent { number, name, data }) => {
                SseEvent::default().id(number.to_string()).event(name).data(data.as_ref())
            }
            Self::Missed(events) => SseEvent::default()
                .event("missed")
                .data(format!("{{\"event\":\"missed\",\"events\":{events}}}")),
        }
    }
}

impl EventReader {
    /// Reads the events after number `known`, until the session or the server ends.
    pub(super) fn new(session: Arc<LiveSession>, known: u64, farewell: watch::Receiver<bool>) -> Self {
        let changes = session.log.changes();
        Self { session, known, found: VecDeque::new(), changes, farewell, is_over: false }
    }

    /// The next event; `None` after the last one.
    pub(super) async fn next(&mut self) -> Option<NextEvent> {
        loop {
            if let Some(next) = self.found.pop_front() {
                return Some(next);
            }
            if self.is_over || *self.farewell.borrow() {
                return None;
            }
            // The change is marked as seen before the log is read, so that an event in between wakes
            // the reader at once.
            self.changes.borrow_and_update();
            let found = self.session.log.behind(self.known);
            if found.missed > 0 {
                self.found.push_back(NextEvent::Missed(found.missed));
            }
            if let Some(last) = found.events.last() {
                self.known = last.number;
            }
            self.found.extend(found.events.into_iter().map(NextEvent::Event));
            self.is_over = found.is_over;
            if self.found.is_empty() && !self.is_over {
                self.session.touch();
                tokio::select! {
                    changed = self.changes.changed() => changed.ok()?,
                    farewell = self.farewell.changed() => farewell.ok()?,
                }
            }
        }
    }
}
