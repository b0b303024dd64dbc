//! What the hub says that a revision holds.

use serde::Deserialize;

use super::address::named;
use crate::error::HubError;
use crate::id::{is_commit, is_hex};
use prospect_foreign::one_line;

/// The files of a revision.
#[derive(Debug)]
pub(super) struct Listing {
    /// What the revision stands for.
    pub(super) commit: String,
    files: Vec<RemoteFile>,
}

/// A file on the hub.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RemoteFile {
    pub(super) name: String,
    pub(super) bytes: u64,
    /// SHA-256 of its contents, or git's digest of a small file.
    pub(super) digest: String,
}

#[derive(Deserialize)]
struct Answer {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<LargeFile>,
}

#[derive(Deserialize)]
struct LargeFile {
    sha256: String,
    size: u64,
}

impl Listing {
    /// Reads the answer of `url`.
    pub(super) fn parse(text: &str, url: &str) -> Result<Self, HubError> {
        let wrong = |problem: String| HubError::Answer {
            url: named(url),
            problem,
            expected: "a commit and its files with sizes and digests, as the hub lists them",
        };
        let answer: Answer = serde_json::from_str(text).map_err(|error| wrong(one_line(error)))?;
        if !is_commit(&answer.sha) {
            return Err(wrong(format!("the commit is {:?}", answer.sha)));
        }
        let file = |sibling: Sibling| {
            let name = sibling.rfilename;
            let (bytes, digest) = match sibling.lfs {
                Some(large) => (Some(large.size), Some(large.sha256)),
                None => (sibling.size, sibling.blob_id),
            };
            // A digest becomes a file's name.
            let digest = digest.filter(|digest| is_hex(digest, 40) || is_hex(digest, 64));
            match (bytes, digest) {
                (Some(bytes), Some(digest)) => Ok(RemoteFile { name, bytes, digest }),
                _ => Err(wrong(format!("{name} has no size or no digest"))),
            }
        };
        let files = answer.siblings.into_iter().map(file).collect::<Result<_, _>>()?;
        Ok(Self { commit: answer.sha, files })
    }

    pub(super) fn file(&self, name: &str) -> Option<&RemoteFile> {
        self.files.iter().find(|file| file.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn a_large_file_goes_by_the_digest_of_its_contents() {
        let text = format!(
            r#"{{"sha": "{COMMIT}", "private": false, "siblings": [
                {{"rfilename": "config.json", "size": 12, "blobId": "{COMMIT}"}},
                {{"rfilename": "model.safetensors", "size": 7, "blobId": "{COMMIT}",
                  "lfs": {{"sha256": "{0}", "size": 7, "pointerSize": 130}}}}]}}"#,
            "a".repeat(64)
        );
        let listing = Listing::parse(&text, "url").unwrap();
        assert_eq!(listing.commit, COMMIT);
        assert_eq!(listing.file("config.json").unwrap().digest, COMMIT);
        assert_eq!(listing.file("model.safetensors").unwrap().digest, "a".repeat(64));
        assert_eq!(listing.file("other"), None);
    }

    #[test]
    fn what_is_no_listing_is_said_to_be_none() {
        let sibling = |digest: &str| {
            let file = format!(r#"{{"rfilename": "a", "size": 1, "blobId": "{digest}"}}"#);
            format!(r#"{{"sha": "{COMMIT}", "siblings": [{file}]}}"#)
        };
        let wrong = [
            "<html>".to_owned(),
            r#"{"sha": "../..", "siblings": []}"#.to_owned(),
            format!(r#"{{"sha": "{COMMIT}", "siblings": [{{"rfilename": "a"}}]}}"#),
            sibling("../../../etc/passwd"),
        ];
        for text in &wrong {
            assert!(matches!(Listing::parse(text, "url"), Err(HubError::Answer { .. })), "{text}");
        }
        assert!(Listing::parse(&sibling(COMMIT), "url").is_ok());
    }
}
