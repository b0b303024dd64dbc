//! Bounds what the bodies of all requests take in memory together, and the time in which a body comes. The
//! messages of WebSockets take of the same memory while they are worked on (`realtime.rs`).

use std::error::Error;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::{Stream, StreamExt};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::body_room::{BodyRoom, NoRoom};
use crate::error::ApiError;
use crate::mutex::Mutex;
use crate::state::Shared;

/// Why a body is not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    /// It did not come in time.
    #[error("the body did not come in time")]
    TooSlow,
    /// The bodies of all requests take as much as they may.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
}

impl BodyError {
    /// The error of this kind among the causes of an extractor's error.
    pub(super) fn among(error: &(dyn Error + 'static)) -> Option<Self> {
        std::iter::successors(Some(error), |error| (*error).source())
            .find_map(|cause| cause.downcast_ref::<Self>().copied())
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooSlow => Self::new(StatusCode::REQUEST_TIMEOUT, "too_slow", error),
            BodyError::NoRoom(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "no_room", error),
        }
    }
}

/// Counts the body of a request until the response begins. A client takes of the budget only what it has
/// sent, so that one that sends nothing more keeps nobody else out.
pub(super) async fn bound(State(state): State<Shared>, request: Request, next: Next) -> Response {
    let taken = Taken::default();
    let until = Instant::now() + state.limits.request;
    let (head, body) = request.into_parts();
    let body = counted(body.into_data_stream(), Arc::clone(&state.bodies), Arc::clone(&taken), until);
    let response = next.run(Request::from_parts(head, Body::from_stream(body))).await;
    drop(taken);
    response
}

/// What a request has taken of the budget.
type Taken = Arc<Mutex<BodyRoom>>;

/// The pieces of a body, each of them once it is counted.
fn counted<E: Into<axum::BoxError>>(
    pieces: impl Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
    budget: Arc<Semaphore>,
    taken: Taken,
    until: Instant,
) -> impl Stream<Item = Result<Bytes, axum::BoxError>> + Send + 'static {
    futures_util::stream::unfold(Some(pieces), move |pieces| {
        let (budget, taken) = (Arc::clone(&budget), Arc::clone(&taken));
        async move {
            let mut pieces = pieces?;
            match timeout_at(until, pieces.next()).await {
                Err(_) => Some((Err(BodyError::TooSlow.into()), None)),
                Ok(None) => None,
                Ok(Some(Err(error))) => Some((Err(error.into()), None)),
                Ok(Some(Ok(piece))) => match taken.lock().take(&budget, piece.len()) {
                    Ok(()) => Some((Ok(piece), Some(pieces))),
                    Err(error) => Some((Err(BodyError::from(error).into()), None)),
                },
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use futures_util::stream;

    use super::*;

    fn run<R>(test: impl Future<Output = R>) -> R {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(test)
    }

    /// Reads a body as the extractors do.
    async fn read(
        pieces: impl Stream<Item = Result<Bytes, Infallible>> + Send + Unpin + 'static,
        (budget, taken): (&Arc<Semaphore>, &Taken),
        patience: Duration,
    ) -> Result<usize, Option<BodyError>> {
        let until = Instant::now() + patience;
        let body = Body::from_stream(counted(pieces, Arc::clone(budget), Arc::clone(taken), until));
        let whole = axum::body::to_bytes(body, usize::MAX).await;
        whole.map(|bytes| bytes.len()).map_err(|error| BodyError::among(&error))
    }

    #[test]
    fn a_body_that_does_not_end_is_cut_off_in_time() {
        let first = stream::iter([Ok(Bytes::from_static(b"half a "))]);
        let (budget, taken) = (Arc::new(Semaphore::new(100)), Taken::default());
        let read = run(async {
            read(first.chain(stream::pending()), (&budget, &taken), Duration::from_millis(50)).await
        });
        assert_eq!(read, Err(Some(BodyError::TooSlow)));
    }

    #[test]
    fn all_bodies_together_have_one_budget_which_they_give_back() {
        run(async {
            let budget = Arc::new(Semaphore::new(100));
            let piece = || stream::iter([Ok(Bytes::from(vec![0; 30])), Ok(Bytes::from(vec![0; 30]))]);
            let (one, other, patience) = (Taken::default(), Taken::default(), Duration::from_secs(60));
            assert_eq!(read(piece(), (&budget, &one), patience).await, Ok(60));
            assert_eq!(
                read(piece(), (&budget, &other), patience).await,
                Err(Some(BodyError::NoRoom(NoRoom)))
            );
            drop((one, other));
            assert_eq!(budget.available_permits(), 100);
        });
    }
}
