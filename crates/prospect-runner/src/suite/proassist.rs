//! A folder in ProAssist's layout: `frames/<video>.arrow`, `generated_dialogs/<split>.json`, and PROSPECT's `dst/<video>.tsv`.
//!
//! A sample is a video with one of its conversations. The folder itself stands for the split that ProAssist tests on; another
//! one is named by its file.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::dataset::Video;
use crate::annotations::Choice;
use crate::error::RunError;

const FRAMES: &str = "frames";
const DIALOGS: &str = "generated_dialogs";
const STATES: &str = "dst";
/// The first of these that is there.
const SPLITS: [&str; 5] = ["test_filtered", "val_filtered", "test", "val", "train"];

#[derive(Deserialize)]
struct Entry {
    video_uid: String,
    #[serde(default)]
    conversations: Vec<Conversation>,
}

#[derive(Deserialize)]
struct Conversation {
    user_type: Option<String>,
}

/// The samples of a folder or a split's file in this layout; `None` if it is none.
pub(super) fn samples(source: &Path) -> Option<Result<Vec<Video>, RunError>> {
    if source.join(FRAMES).is_dir() {
        let dialogs = source.join(DIALOGS);
        let split = SPLITS.iter().map(|split| dialogs.join(split).with_extension("json"));
        return Some(match { split }.find(|file| file.is_file()) {
            Some(split) => of_split(source, &split),
            None => of_states(source),
        });
    }
    let dialogs = source.parent().filter(|folder| folder.ends_with(DIALOGS))?;
    let root = dialogs.parent().filter(|root| root.join(FRAMES).is_dir())?;
    Some(of_split(root, source))
}

fn of_split(root: &Path, split: &Path) -> Result<Vec<Video>, RunError> {
    let text =
        std::fs::read_to_string(split).map_err(|source| RunError::Read { path: split.to_owned(), source })?;
    let entries: Vec<Entry> = serde_json::from_str(&text).map_err(|error| RunError::Argument {
        argument: split.display().to_string(),
        problem: error.to_string(),
        expected: "a list of videos with video_uid and conversations".to_owned(),
    })?;
    let frames = files(&root.join(FRAMES), "arrow")?;
    let states = files(&root.join(STATES), "tsv").unwrap_or_default();
    let mut samples = Vec::new();
    for Entry { video_uid, conversations } in entries {
        let source = named(&frames, &video_uid).ok_or_else(|| RunError::Argument {
            argument: root.join(FRAMES).display().to_string(),
            problem: format!("no frames of {video_uid}, which {} has", split.display()),
            expected: format!("{video_uid}.arrow"),
        })?;
        let mut user_types: Vec<Option<String>> = Vec::new();
        for Conversation { user_type } in conversations {
            if !user_types.contains(&user_type) {
                user_types.push(user_type);
            }
        }
        for user_type in user_types {
            let kind = user_type.as_ref().map(|kind| format!("_{kind}")).unwrap_or_default();
            samples.push(Video {
                name: format!("{video_uid}{kind}").replace(['/', '\\'], "_"),
                source: source.clone(),
                annotations: split.to_owned(),
                choice: Choice { video_uid: Some(video_uid.clone()), user_type },
                states: named(&states, &video_uid),
            });
        }
    }
    Ok(samples)
}

/// Without dialogues, the videos that have dialogue states.
fn of_states(root: &Path) -> Result<Vec<Video>, RunError> {
    let states = files(&root.join(STATES), "tsv").unwrap_or_default();
    let frames = files(&root.join(FRAMES), "arrow")?;
    let videos = frames.into_iter().filter_map(|source| {
        let name = stem(&source);
        let annotations = named(&states, &name)?;
        Some(Video { name, source, annotations, choice: Choice::default(), states: None })
    });
    Ok(videos.collect())
}

fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, RunError> {
    let entries =
        std::fs::read_dir(folder).map_err(|source| RunError::Read { path: folder.to_owned(), source })?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|file| file.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    Ok(files)
}

/// The file of a video: of its name, or the only one whose name has that of the video in it.
fn named(files: &[PathBuf], video: &str) -> Option<PathBuf> {
    let exact = files.iter().find(|file| stem(file) == video);
    let mut holding = files.iter().filter(|file| stem(file).contains(video));
    exact.or_else(|| holding.next().filter(|_| holding.next().is_none())).cloned()
}

fn stem(file: &Path) -> String {
    file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}
