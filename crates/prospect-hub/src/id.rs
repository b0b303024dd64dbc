//! Names of models on the hub.

use std::fmt;
use std::str::FromStr;

use super::error::HubError;

/// The branch that is taken where none is named.
const DEFAULT_REVISION: &str = "main";

/// A model on the hub: `owner/name`, or `owner/name@revision` with a branch, a tag or a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubId {
    /// `owner/name`.
    pub repository: String,
    /// Branch, tag or commit.
    pub revision: String,
}

impl HubId {
    /// The repository's folder in the cache.
    pub(super) fn folder_name(&self) -> String {
        format!("models--{}", self.repository.replace('/', "--"))
    }

    /// The revision as one part of an address.
    #[cfg(feature = "download")]
    pub(super) fn revision_in_url(&self) -> String {
        self.revision.replace('/', "%2F")
    }
}

impl FromStr for HubId {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, HubError> {
        let (repository, revision) = text.split_once('@').unwrap_or((text, DEFAULT_REVISION));
        let parts: Vec<&str> = repository.split('/').collect();
        let revision_is_plain = revision.split('/').all(is_plain);
        if parts.len() != 2 || !parts.iter().all(|part| is_plain(part)) || !revision_is_plain {
            return Err(HubError::Id { text: text.to_owned() });
        }
        Ok(Self { repository: repository.to_owned(), revision: revision.to_owned() })
    }
}

impl fmt::Display for HubId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.revision.as_str() {
            DEFAULT_REVISION => formatter.write_str(&self.repository),
            revision => write!(formatter, "{}@{revision}", self.repository),
        }
    }
}

/// Whether a name may stand in a path as it is.
pub(super) fn is_plain(name: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && name.chars().all(known) && !name.starts_with('.')
}

/// Whether this is a commit in full.
#[cfg(feature = "download")]
pub(super) fn is_commit(text: &str) -> bool {
    is_hex(text, 40)
}

/// Whether this is a digest in hexadecimal digits.
#[cfg(feature = "download")]
pub(super) fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_may_name_a_revision() {
        let id: HubId = "owner/Model-1.5".parse().unwrap();
        assert_eq!((id.revision.as_str(), id.folder_name().as_str()), ("main", "models--owner--Model-1.5"));
        assert_eq!(id.to_string(), "owner/Model-1.5");
        let id: HubId = "owner/model@refs/pr/3".parse().unwrap();
        assert_eq!((id.repository.as_str(), id.revision.as_str()), ("owner/model", "refs/pr/3"));
        assert_eq!(id.to_string(), "owner/model@refs/pr/3");
    }

    #[test]
    fn what_could_leave_its_folder_is_no_id() {
        for text in
            ["model", "a/b/c", "../b", "a/..", "/", "", "a/b@", "a/b@../c", "a/b@c//d", "a b/c", "~/x", "./x"]
        {
            assert!(matches!(text.parse::<HubId>(), Err(HubError::Id { .. })), "{text}");
        }
    }
}
