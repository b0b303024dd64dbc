//! Finds the videos of a suite.

use std::path::{Component, Path, PathBuf};

use super::proassist;
use super::video::Video;
use crate::error::RunError;
use prospect_evaluation::annotations::{Annotations, Choice};

/// Extensions of videos in a folder. Folders of images count as videos too.
const VIDEO_EXTENSIONS: [&str; 14] =
    ["avi", "flv", "gif", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "ogv", "ts", "webm", "webp"];

/// All videos that `sources` name, in order. A source is one of the following:
///
/// - a video with annotations beside it, or a folder of such videos;
/// - a manifest (`.txt`): one video per line, relative to the manifest. After a tab may follow the
///   annotations, if they are not beside the video, and after another tab a name. `#` starts a comment.
/// - a folder in ProAssist's layout, one split of it, or one prepared file (`super::proassist`).
///
/// For a single video, `annotations` may name its annotations.
///
/// # Errors
/// A source has no annotated videos, a line of a manifest names no video, two videos have the same
/// name, or there are `annotations` for several videos.
pub fn videos(sources: &[PathBuf], annotations: Option<&Path>) -> Result<Vec<Video>, RunError> {
    if let Some(annotations) = annotations {
        return match sources {
            [source] if source.is_file() || Annotations::beside(source).is_some() => {
                Ok(vec![video(source, annotations.to_owned())])
            }
            _ => Err(RunError::Argument {
                argument: format!("--annotations {}", annotations.display()),
                problem: "is for one video".to_owned(),
                expected: "annotations beside each video, or a manifest (.txt) that names them".to_owned(),
            }),
        };
    }
    let mut videos = Vec::new();
    for source in sources {
        let found = match (Annotations::beside(source), proassist::samples(source)) {
            (Some(annotations), _) => vec![video(source, annotations)],
            (None, Some(samples)) => samples?,
            (None, None) if source.extension().is_some_and(|extension| extension == "txt") => {
                manifest(source)?
            }
            (None, None) => folder(source)?,
        };
        videos.extend(found);
    }
    tell_apart(&mut videos);
    check(sources, &videos)?;
    Ok(videos)
}

fn video(source: &Path, annotations: PathBuf) -> Video {
    let name = source.file_stem().unwrap_or(source.as_os_str()).to_string_lossy().into_owned();
    let (choice, states, part) = (Choice::default(), None, None);
    Video { name, source: source.to_owned(), annotations, choice, states, part }
}

fn folder(folder: &Path) -> Result<Vec<Video>, RunError> {
    let entries = std::fs::read_dir(folder).map_err(|error| RunError::Argument {
        argument: folder.display().to_string(),
        problem: error.to_string(),
        expected: "a video with annotations beside it, a folder of such videos, or a manifest (.txt)"
            .to_owned(),
    })?;
    let is_video = |path: &PathBuf| {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        path.is_dir() || VIDEO_EXTENSIONS.contains(&extension.as_str())
    };
    let inside = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_video);
    let mut videos: Vec<Video> =
        inside.filter_map(|path| Some(video(&path, Annotations::beside(&path)?))).collect();
    videos.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(videos)
}

fn manifest(path: &Path) -> Result<Vec<Video>, RunError> {
    let wrong = |line: Option<usize>, problem: String, expected: &str| RunError::Argument {
        argument: line.map_or(path.display().to_string(), |line| format!("{}: line {line}", path.display())),
        problem,
        expected: expected.to_owned(),
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| wrong(None, error.to_string(), "a text file with one video a line"))?;
    let beside = path.parent().unwrap_or(Path::new(""));
    let mut videos = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let (line, number) = (line.trim_end(), Some(number + 1));
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut columns = line.split('\t').map(str::trim);
        let source = beside.join(columns.next().unwrap_or_default());
        let annotations = columns.next().filter(|path| !path.is_empty());
        let name = columns.next().filter(|name| !name.is_empty());
        if !source.exists() {
            return Err(wrong(number, format!("{} is not there", source.display()), "a video"));
        }
        let annotations = match annotations {
            Some(annotations) => Some(beside.join(annotations)).filter(|path| path.is_file()),
            None => Annotations::beside(&source),
        };
        let missing = || {
            let problem = format!("{} has no annotations", source.display());
            wrong(number, problem, "a file VIDEO.json beside it, or the file's path after a tab")
        };
        let mut video = video(&source, annotations.ok_or_else(missing)?);
        if let Some(name) = name {
            let name = name.replace(['/', '\\'], "_");
            if !is_folder_name(&name) {
                let expected = "a name that can be a folder's on every system";
                return Err(wrong(number, format!("the name {name:?} would lead elsewhere"), expected));
            }
            video.name = name;
        }
        videos.push(video);
    }
    Ok(videos)
}

/// Whether a name is a valid folder name on every operating system, since results are written into a
/// folder of this name.
fn is_folder_name(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let device = ["CON", "PRN", "AUX", "NUL"].contains(&stem.as_str())
        || (stem.len() == 4 && (stem.starts_with("COM") || stem.starts_with("LPT")));
    let foreign = |c: char| c.is_control() || "<>:\"|?*/\\".contains(c);
    !device
        && name.len() <= 200
        && !name.starts_with('.')
        && !name.ends_with(['.', ' '])
        && !name.contains(foreign)
}

/// Whether a name, made from a file's name, is a plain name that stays inside its folder.
fn stays_inside(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    let is_name = |part| matches!(part, Component::Normal(part) if part == name);
    parts.next().is_some_and(is_name) && parts.next().is_none()
}

/// Adds the folder's name to videos that have the same name in different folders.
fn tell_apart(videos: &mut [Video]) {
    let names: Vec<String> = videos.iter().map(|video| video.name.clone()).collect();
    for video in videos {
        let folder = video.source.parent().and_then(Path::file_name);
        if let (2.., Some(folder)) = (names.iter().filter(|name| **name == video.name).count(), folder) {
            video.name = format!("{}_{}", folder.to_string_lossy(), video.name);
        }
    }
}

fn check(sources: &[PathBuf], videos: &[Video]) -> Result<(), RunError> {
    let all = || sources.iter().map(|source| source.display().to_string()).collect::<Vec<_>>().join(" ");
    if videos.is_empty() {
        return Err(RunError::Argument {
            argument: all(),
            problem: "no video with annotations beside it (VIDEO.json or VIDEO.tsv)".to_owned(),
            expected: "at least one".to_owned(),
        });
    }
    if let Some(video) = videos.iter().find(|video| !stays_inside(&video.name)) {
        return Err(RunError::Argument {
            argument: video.source.display().to_string(),
            problem: format!("results of a video called {:?} would lead elsewhere", video.name),
            expected: "a name that can be a folder's".to_owned(),
        });
    }
    let mut names: Vec<&str> = videos.iter().map(|video| video.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(RunError::Argument {
            argument: all(),
            problem: format!("two videos are called {}", pair[0]),
            expected: "a name of its own for each".to_owned(),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(sources: &[PathBuf]) -> Result<Vec<String>, String> {
        let videos = videos(sources, None).map_err(|error| error.to_string())?;
        Ok(videos.into_iter().map(|video| video.name).collect())
    }

    #[test]
    fn videos_folders_and_manifests() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for file in ["b.mp4", "b.json", "b.srt", "a.gif", "a.json", "alone.mp4", "elsewhere.json", "list.txt"]
        {
            std::fs::write(at(file), "").unwrap();
        }
        std::fs::create_dir(at("empty")).unwrap();
        assert_eq!(names(&[root.path().to_owned()]).unwrap(), ["a", "b"]);
        assert_eq!(names(&[at("b.mp4")]).unwrap(), ["b"]);
        assert!(names(&[at("b.mp4"), at("b.mp4")]).unwrap_err().contains("two videos are called"));
        assert!(names(&[at("empty")]).unwrap_err().contains("expected at least one"));
        assert!(names(&[at("gone")]).unwrap_err().contains("expected a video"));

        let elsewhere = at("elsewhere.json");
        let one = videos(&[at("alone.mp4")], Some(&elsewhere)).unwrap();
        assert_eq!(one[0].annotations, elsewhere);
        let many = videos(&[root.path().to_owned()], Some(&elsewhere)).unwrap_err().to_string();
        assert!(many.contains("is for one video"), "{many}");

        let manifest = |text: &str| {
            std::fs::write(at("list.txt"), text).unwrap();
            names(&[at("list.txt")])
        };
        assert_eq!(manifest("# two\nb.mp4\r\n\nalone.mp4\telsewhere.json\n").unwrap(), ["b", "alone"]);
        assert!(manifest("b.mp4\nalone.mp4\n").unwrap_err().contains("list.txt: line 2: "));
        assert!(manifest("gone.mp4").unwrap_err().contains("line 1: "));
        assert!(manifest("b.mp4\tgone.json").unwrap_err().contains("has no annotations"));
        assert_eq!(manifest("b.mp4\t\tfirst/take\nb.mp4\n").unwrap(), ["first_take", "b"]);
        for name in ["..", ".", "CON", "nul.txt", "a:b", "end.", &"x".repeat(201), "\u{1b}[2J"] {
            let refused = manifest(&format!("b.mp4\t\t{name}")).unwrap_err();
            assert!(refused.contains("would lead elsewhere"), "{name:?}: {refused}");
        }
        // Results go into a folder of the video's name, which is the file's.
        for source in ["..", "s1/..", &at("empty/..").display().to_string()] {
            std::fs::create_dir_all(at("s1")).unwrap();
            let refused = manifest(&format!("{source}\telsewhere.json")).unwrap_err();
            assert!(refused.contains("would lead elsewhere"), "{source}: {refused}");
        }
        for folder in ["s1", "s2"] {
            std::fs::create_dir_all(at(folder)).unwrap();
            std::fs::write(at(folder).join("cam.mp4"), "").unwrap();
            std::fs::write(at(folder).join("cam.json"), "").unwrap();
        }
        assert_eq!(manifest("s1/cam.mp4\ns2/cam.mp4").unwrap(), ["s1_cam", "s2_cam"]);
        assert!(manifest("# nothing").unwrap_err().contains("expected at least one"));
    }
}
