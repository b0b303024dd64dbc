//! Finds the source of a session from its request.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use axum::http::StatusCode;
use prospect_source::without_secrets;
use serde_json::{Value, json};

use super::camera::{CameraError, ServedCamera};
use super::cameras::{Cameras, Failure, Found};
use crate::backend::{OpenError, WatchedSource};
use crate::error::ApiError;
use crate::guard::{AllowedSources, Caller, Resolve};
use crate::name::is_name;
use crate::order::SessionOrder;

/// The cameras of a server, and the addresses that requests may name.
pub(crate) struct Sources {
    cameras: Cameras,
    allowed: AllowedSources,
    resolver: Box<dyn Resolve>,
    /// Requests of the sessions that begin with the server.
    watched: Vec<SessionOrder>,
}

impl Sources {
    /// # Errors
    /// Two cameras have the same name, or the file of added cameras cannot be read.
    pub(crate) fn new(
        cameras: Vec<ServedCamera>,
        allowed: AllowedSources,
        resolver: Box<dyn Resolve>,
        folder: &Path,
    ) -> io::Result<Self> {
        ServedCamera::check_names(&cameras).map_err(io::Error::other)?;
        let (mut operators, mut watched) = (BTreeMap::new(), Vec::new());
        for ServedCamera { name, source, order } in cameras {
            watched.extend(order);
            operators.insert(name, source);
        }
        Ok(Self { cameras: Cameras::new(operators, folder)?, allowed, resolver, watched })
    }

    /// Requests of the sessions that begin with the server.
    pub(crate) fn watched(&self) -> &[SessionOrder] {
        &self.watched
    }

    /// The cameras that a caller may watch, as JSON. Passwords are removed.
    pub(crate) fn shown(&self, caller: Caller) -> Vec<Value> {
        let shown = |(name, Found { source, is_operators }): (String, Found)| {
            let owner = if is_operators { "server" } else { "you" };
            json!({ "object": "streaming.camera", "name": name, "source": without_secrets(&source), "owner": owner })
        };
        self.cameras.of(caller).into_iter().map(shown).collect()
    }

    /// Adds a camera of a caller, and returns it as JSON. Resolves names, and therefore blocks.
    ///
    /// # Errors
    /// The name or the address is not allowed, or the name exists already.
    pub(crate) fn add(&self, caller: Caller, name: &str, source: &str) -> Result<Value, ApiError> {
        if !is_name(name) {
            return Err(ApiError::bad_request(CameraError::Name { name: name.to_owned() }));
        }
        let address = self.checked(source)?;
        self.cameras.add(caller, name, &address).map_err(|failure| self.refused(failure, name))?;
        let shown = self.shown(caller).into_iter().find(|camera| camera["name"] == name);
        Ok(shown.unwrap_or_default())
    }

    /// Removes a camera of a caller.
    ///
    /// # Errors
    /// The camera does not exist, or belongs to the operator.
    pub(crate) fn remove(&self, caller: Caller, name: &str) -> Result<(), ApiError> {
        self.cameras.remove(caller, name).map_err(|failure| self.refused(failure, name))
    }

    fn refused(&self, failure: Failure, name: &str) -> ApiError {
        match failure {
            Failure::There => {
                let message =
                    format!("camera {name:?}: there is one of this name: expected it to be removed first");
                ApiError::new(StatusCode::CONFLICT, "camera_exists", message)
            }
            Failure::Operators => ApiError::forbidden(format!(
                "camera {name:?}: it is the operator's: expected one that was added"
            )),
            Failure::Many => {
                ApiError::too_many("there are too many cameras: expected some to be removed first")
            }
            Failure::Unknown => ApiError::new(
                StatusCode::NOT_FOUND,
                "camera_not_found",
                format!("there is no camera {name:?}"),
            ),
            Failure::Unwritten(error) => {
                OpenError::Failed(format!("the camera cannot be written down: {error}")).into()
            }
        }
    }

    /// The source of a session; `None` if its frames are pushed. Addresses that do not come from the
    /// operator are checked every time, which blocks.
    ///
    /// # Errors
    /// The camera does not exist, or the address is not allowed.
    pub(crate) fn of_order(
        &self,
        owner: Caller,
        order: &SessionOrder,
    ) -> Result<Option<WatchedSource>, ApiError> {
        let address = match (&order.camera, &order.source) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                return Err(ApiError::bad_request("camera and source: expected one of the two"));
            }
            (None, Some(source)) => self.checked(source)?,
            (Some(name), None) => {
                let mut cameras = self.cameras.of(owner);
                match cameras.remove(name) {
                    Some(Found { source, is_operators: true }) => source,
                    // The allowed addresses may have changed since the camera was added.
                    Some(Found { source, is_operators: false }) => self.checked(&source)?,
                    None => {
                        let known: Vec<String> = cameras.into_keys().collect();
                        let known = if known.is_empty() {
                            "none: there are no cameras".to_owned()
                        } else {
                            known.join(", ")
                        };
                        return Err(ApiError::bad_request(format!("camera: {name:?}: expected {known}")));
                    }
                }
            }
        };
        Ok(Some(WatchedSource { address, is_awaited: owner == Caller::SERVER }))
    }

    /// Checks an address of a request, and returns the address to open.
    fn checked(&self, source: &str) -> Result<String, ApiError> {
        let checked = self.allowed.decide(source, self.resolver.as_ref());
        checked
            .map(|checked| checked.address)
            .map_err(|refusal| ApiError::bad_request(format!("source: {refusal}")))
    }
}
