//! A folder in ProAssist's layout: `frames/<video>.arrow`, `generated_dialogs/<split>.json`,
//! `prepared/<name>.jsonl`, and PROSPECT's `dst/<video>.tsv`.
//!
//! A sample is a video with one of its conversations, or a line of a prepared file: a conversation
//! about a part of a video. The folder itself stands for the split on which ProAssist is tested. Other
//! splits and prepared files are named explicitly.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::video::Video;
use crate::error::RunError;
use prospect_evaluation::annotations::Choice;
use prospect_foreign::one_line;

const FRAMES: &str = "frames";
const DIALOGS: &str = "generated_dialogs";
const PREPARED: &str = "prepared";
const STATES: &str = "dst";
/// Names of splits. The first one that exists is used.
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

/// The part of a prepared file's line that is used here. Frame numbers refer to the whole video.
#[derive(Deserialize)]
struct Prepared {
    video_uid: String,
    /// Relative to the folder.
    frames_file: Option<PathBuf>,
    start_frame_idx: Option<u64>,
    end_frame_idx: Option<u64>,
    fps: Option<f64>,
}

/// The samples of a folder, a split's file or a prepared file in this layout; `None` if `source` is
/// none of these.
pub(super) fn samples(source: &Path) -> Option<Result<Vec<Video>, RunError>> {
    if source.join(FRAMES).is_dir() {
        let dialogs = source.join(DIALOGS);
        let split = SPLITS.iter().map(|split| dialogs.join(split).with_extension("json"));
        return Some(match { split }.find(|file| file.is_file()) {
            Some(split) => of_split(source, &split),
            None => of_states(source),
        });
    }
    let folder = source.parent()?;
    let root = folder.parent().filter(|root| root.join(FRAMES).is_dir())?;
    match folder.file_name()?.to_str()? {
        DIALOGS => Some(of_split(root, source)),
        PREPARED => Some(of_prepared(root, source)),
        _ => None,
    }
}

fn read(path: &Path) -> Result<String, RunError> {
    std::fs::read_to_string(path).map_err(|source| RunError::Read { path: path.to_owned(), source })
}

fn no_frames(root: &Path, video: &str, of: &Path) -> RunError {
    RunError::Argument {
        argument: root.join(FRAMES).display().to_string(),
        problem: format!("no frames of {video}, which {} has", of.display()),
        expected: format!("{video}.arrow"),
    }
}

/// The samples of a prepared file, named after video and line.
fn of_prepared(root: &Path, file: &Path) -> Result<Vec<Video>, RunError> {
    let frames = files(&root.join(FRAMES), "arrow")?;
    let states = files(&root.join(STATES), "tsv").unwrap_or_default();
    let text = read(file)?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let sample = |(line, text): (usize, &str)| {
        let wrong = |problem: String, expected: &str| RunError::Argument {
            argument: format!("{}: line {line}", file.display()),
            problem,
            expected: expected.to_owned(),
        };
        let Prepared { video_uid, frames_file, start_frame_idx, end_frame_idx, fps } =
            serde_json::from_str(text)
                .map_err(|error| wrong(one_line(error), "a sample with video_uid and conversation"))?;
        let named_file = frames_file.map(|path| root.join(path)).filter(|path| path.is_file());
        let source = named_file.or_else(|| named(&frames, &video_uid));
        let source = source.ok_or_else(|| no_frames(root, &video_uid, file))?;
        let part = match (start_frame_idx.unwrap_or(0), end_frame_idx, fps) {
            (0, None, _) => None,
            (start, end, Some(fps)) if fps.is_finite() && fps > 0.0 && end.is_none_or(|end| end > start) => {
                Some(start as f64 / fps..end.map_or(f64::MAX, |end| end as f64 / fps))
            }
            (start, end, fps) => {
                let end = end.map_or("the end".to_owned(), |end| end.to_string());
                let fps = fps.map_or("no rate".to_owned(), |fps| format!("{fps} a second"));
                let problem = format!("frames {start} to {end}, {fps}");
                return Err(wrong(problem, "at least one frame, and fps"));
            }
        };
        Ok(Video {
            name: format!("{video_uid}_line{line}").replace(['/', '\\'], "_"),
            source,
            annotations: file.to_owned(),
            choice: Choice { line: Some(line), ..Choice::default() },
            states: named(&states, &video_uid),
            part,
        })
    };
    lines.map(sample).collect()
}

fn of_split(root: &Path, split: &Path) -> Result<Vec<Video>, RunError> {
    let text = read(split)?;
    let entries: Vec<Entry> = serde_json::from_str(&text).map_err(|error| RunError::Argument {
        argument: split.display().to_string(),
        problem: one_line(error),
        expected: "a list of videos with video_uid and conversations".to_owned(),
    })?;
    let frames = files(&root.join(FRAMES), "arrow")?;
    let states = files(&root.join(STATES), "tsv").unwrap_or_default();
    let mut samples = Vec::new();
    for Entry { video_uid, conversations } in entries {
        let source = named(&frames, &video_uid).ok_or_else(|| no_frames(root, &video_uid, split))?;
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
                choice: Choice { video_uid: Some(video_uid.clone()), user_type, line: None },
                states: named(&states, &video_uid),
                part: None,
            });
        }
    }
    Ok(samples)
}

/// Without dialogues: the videos that have dialogue states.
fn of_states(root: &Path) -> Result<Vec<Video>, RunError> {
    let states = files(&root.join(STATES), "tsv").unwrap_or_default();
    let frames = files(&root.join(FRAMES), "arrow")?;
    let videos = frames.into_iter().filter_map(|source| {
        let name = stem(&source);
        let annotations = named(&states, &name)?;
        Some(Video { name, source, annotations, choice: Choice::default(), states: None, part: None })
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

/// The file of a video: the one with its name, or else the only one whose name contains the video's
/// name.
fn named(files: &[PathBuf], video: &str) -> Option<PathBuf> {
    let exact = files.iter().find(|file| stem(file) == video);
    let mut holding = files.iter().filter(|file| stem(file).contains(video));
    exact.or_else(|| holding.next().filter(|_| holding.next().is_none())).cloned()
}

fn stem(file: &Path) -> String {
    file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}
