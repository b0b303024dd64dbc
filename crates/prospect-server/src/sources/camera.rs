//! A camera of the operator.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::name::{MOST_LETTERS, is_name};
use crate::order::SessionOrder;

/// Why a camera cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CameraError {
    /// The name cannot be part of a request's path.
    #[error("camera {name:?}: expected a name of 1 to {MOST_LETTERS} letters, digits, and - _ .")]
    Name {
        /// The name.
        name: String,
    },
    /// Two cameras have the same name.
    #[error("camera {name:?}: there are two of this name: expected one")]
    Twice {
        /// The name.
        name: String,
    },
    /// The session of the camera cannot be opened.
    #[error("camera {name:?}: its session: {problem}")]
    Order {
        /// Name of the camera.
        name: String,
        /// The reason in one line.
        problem: String,
    },
}

/// A camera that the operator offers, and the session that watches it from the start of the server.
#[derive(Debug, Clone, PartialEq)]
pub struct ServedCamera {
    pub(crate) name: String,
    pub(crate) source: String,
    pub(crate) order: Option<SessionOrder>,
}

impl ServedCamera {
    /// A camera with this name at the address `source`.
    ///
    /// # Errors
    /// [`CameraError::Name`].
    pub fn new(name: &str, source: &str) -> Result<Self, CameraError> {
        match is_name(name) {
            true => Ok(Self { name: name.to_owned(), source: source.to_owned(), order: None }),
            false => Err(CameraError::Name { name: name.to_owned() }),
        }
    }

    /// # Errors
    /// [`CameraError::Twice`].
    pub fn check_names(cameras: &[Self]) -> Result<(), CameraError> {
        let mut names = BTreeSet::new();
        match cameras.iter().find(|camera| !names.insert(&camera.name)) {
            Some(camera) => Err(CameraError::Twice { name: camera.name.clone() }),
            None => Ok(()),
        }
    }

    /// The same camera, watched by a session from the start of the server. `order` is the session's
    /// request: the body of `POST /v1/streaming/sessions` without `camera`.
    ///
    /// # Errors
    /// [`CameraError::Order`].
    pub fn watched(mut self, order: &Value) -> Result<Self, CameraError> {
        let failed = |problem: String| CameraError::Order { name: self.name.clone(), problem };
        let mut order =
            SessionOrder::parse(order.to_string().as_bytes()).map_err(|error| failed(error.message))?;
        if order.camera.is_some() || order.source.is_some() {
            return Err(failed("camera and source are the camera's own: expected neither".to_owned()));
        }
        order.camera = Some(self.name.clone());
        self.order = Some(order);
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_have_a_place_in_a_path() {
        for name in ["door", "cam-1.local", "A_9", &"x".repeat(64)] {
            assert!(ServedCamera::new(name, "/dev/video0").is_ok(), "{name}");
        }
        for name in ["", ".", "..", "a/b", "a b", "tür", "a\n", &"x".repeat(65)] {
            assert!(
                matches!(ServedCamera::new(name, "/dev/video0"), Err(CameraError::Name { .. })),
                "{name}"
            );
        }
    }

    #[test]
    fn a_session_that_cannot_be_ordered_is_refused_with_the_cameras_name() {
        let camera = || ServedCamera::new("door", "rtsp://u:secret@camera/1").unwrap();
        let watched = camera().watched(&json!({ "talk": "every" })).unwrap();
        assert_eq!(watched.order.unwrap().camera.as_deref(), Some("door"));
        for wrong in
            [json!({ "tlak": "every" }), json!({ "camera": "window" }), json!({ "source": "/x" }), json!([])]
        {
            let refused = camera().watched(&wrong).unwrap_err().to_string();
            assert!(
                refused.contains("door") && !refused.contains("secret") && refused.lines().count() == 1,
                "{refused}"
            );
        }
    }
}
