//! A player for the video, which the browser finds by a relative path, so that page and video can be
//! moved together.

use std::path::{Component, Path, PathBuf};

use serde::Serialize;

/// Extensions of files that browsers may be able to play. The page hides a player whose file the
/// browser cannot play.
const PLAYED: [&str; 8] = ["mp4", "m4v", "webm", "mov", "mkv", "ogv", "avi", "mpg"];

/// A video player.
#[derive(Debug, Serialize)]
pub(super) struct Player {
    /// Address of the video, relative to the page.
    source: String,
}

/// The player of a video on a page in `folder`; `None` if the file does not exist or no browser plays
/// its type.
pub(super) fn player(video: &Path, folder: &Path) -> Option<Player> {
    let ending = video.extension()?.to_str()?.to_lowercase();
    if !PLAYED.contains(&ending.as_str()) || !video.is_file() {
        return None;
    }
    let (video, folder) = (normal(video)?, normal(folder)?);
    Some(Player { source: address(&relative(&video, &folder)?) })
}

/// The absolute path without `.` and `..`, as a browser interprets an address. Links are not resolved.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for component in std::path::absolute(path).ok()?.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    Some(normal)
}

/// The relative path from a folder to a file; `None` if they are on different drives.
fn relative(file: &Path, folder: &Path) -> Option<PathBuf> {
    let shared = file.components().zip(folder.components()).take_while(|(one, other)| one == other).count();
    if shared == 0 {
        return None;
    }
    let up = folder.components().skip(shared).map(|_| Component::ParentDir);
    Some(up.chain(file.components().skip(shared)).collect())
}

/// A path as an address: bytes with a special meaning are percent-encoded.
fn address(path: &Path) -> String {
    let parts = path.components().map(|part| {
        let bytes = part.as_os_str().as_encoded_bytes().iter();
        bytes.fold(String::new(), |text, &byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text + &char::from(byte).to_string()
            }
            byte => text + &format!("%{byte:02X}"),
        })
    });
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_video_is_found_from_the_page() {
        let folder = tempfile::tempdir().unwrap();
        let video = folder.path().join("my \"videos\"").join("a#b.mp4");
        std::fs::create_dir(video.parent().unwrap()).unwrap();
        std::fs::write(&video, "").unwrap();
        let source = |page: &str| player(&video, &folder.path().join(page)).unwrap().source;
        assert_eq!(source("out/kitchen"), "../../my%20%22videos%22/a%23b.mp4");
        assert_eq!(source("out/../my \"videos\"/."), "a%23b.mp4");
    }

    #[test]
    fn what_is_no_video_of_a_browser_has_no_player() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("frame.png"), "").unwrap();
        for name in ["frame.png", "gone.mp4", "stream"] {
            assert!(player(&folder.path().join(name), folder.path()).is_none(), "{name}");
        }
    }
}
