//! Writes a video with the replies burnt into its picture, with ffmpeg.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use prospect_foreign::short_line;
use prospect_journal::UNFINISHED;

use crate::error::RunError;
use crate::interrupt::Interrupt;

/// Most bytes of ffmpeg's messages that are kept.
const MOST_COMPLAINTS: u64 = 16 << 10;
/// Interval at which waiting for ffmpeg checks for an interrupt.
const PATIENCE: Duration = Duration::from_millis(50);
/// A filter for the most compatible output: even width and height, and 4:2:0 colours.
const SIDES: &str = "scale=trunc(iw/2)*2:trunc(ih/2)*2,format=yuv420p";

/// Endings of the videos that are written. ffmpeg chooses the format by the ending, and would refuse another
/// one only after the run.
const ENDINGS: [&str; 6] = ["mp4", "mkv", "webm", "mov", "m4v", "avi"];

/// The video to read, the video to write, and ffmpeg's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Burn {
    ffmpeg: PathBuf,
    video: PathBuf,
    to: PathBuf,
}

impl Burn {
    /// Checks that the video can be made, so that a long run does not end with an error.
    ///
    /// # Errors
    /// The source is not a file; the file `to` exists and `may_replace` is false; ffmpeg is missing or
    /// cannot draw subtitles.
    pub fn of(ffmpeg: &Path, video: &Path, to: &Path, may_replace: bool) -> Result<Self, RunError> {
        let refused = |problem: &str, expected: &str| RunError::Argument {
            argument: format!("--burn {}", to.display()),
            problem: problem.to_owned(),
            expected: expected.to_owned(),
        };
        if !video.is_file() {
            let problem = format!("{} is no video file", video.display());
            return Err(refused(&problem, "a file as SOURCE: what is live cannot be read again"));
        }
        let ending = to.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        if !ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())) {
            let expected = format!("a name that ends in one of .{}", ENDINGS.join(", ."));
            return Err(refused("is no name of a video", &expected));
        }
        if std::fs::canonicalize(to)
            .is_ok_and(|to| std::fs::canonicalize(video).is_ok_and(|video| to == video))
        {
            return Err(refused("is the source itself", "another name"));
        }
        if to.exists() && !may_replace {
            return Err(refused("is there already", "another name, or --overwrite"));
        }
        let filters = Command::new(ffmpeg).args(["-hide_banner", "-filters"]).stderr(Stdio::null()).output();
        let program = ffmpeg.display();
        match filters {
            Err(error) => {
                let problem = format!("{program} cannot be started ({error})");
                Err(refused(&problem, "an installed ffmpeg, or its path in source.ffmpeg"))
            }
            Ok(output) if !String::from_utf8_lossy(&output.stdout).contains(" subtitles ") => {
                let problem = format!("{program} cannot draw subtitles");
                Err(refused(&problem, "an ffmpeg that was built with libass"))
            }
            Ok(_) => Ok(Self { ffmpeg: ffmpeg.to_owned(), video: video.to_owned(), to: to.to_owned() }),
        }
    }

    /// Path of the new video.
    pub fn to(&self) -> &Path {
        &self.to
    }

    /// Makes the video, completely or not at all. The name of the subtitle file must not contain
    /// characters with a meaning in ffmpeg's filters.
    ///
    /// # Errors
    /// [`RunError::Burn`], [`RunError::Interrupted`].
    pub fn make(&self, subtitles: &Path, interrupt: &Interrupt) -> Result<(), RunError> {
        let unfinished = self.unfinished();
        let made = self.run(subtitles, &unfinished, interrupt).and_then(|()| {
            std::fs::rename(&unfinished, &self.to).map_err(|error| self.failed(error.to_string()))
        });
        if made.is_err() {
            // The unfinished file may not exist yet.
            let _ = std::fs::remove_file(&unfinished);
        }
        made
    }

    /// A temporary name beside the video. It keeps the extension, by which ffmpeg chooses the format.
    fn unfinished(&self) -> PathBuf {
        let name = self.to.file_name().unwrap_or_default().to_string_lossy();
        self.to.with_file_name(format!("{UNFINISHED}{}-{name}", std::process::id()))
    }

    fn run(&self, subtitles: &Path, unfinished: &Path, interrupt: &Interrupt) -> Result<(), RunError> {
        let failed = |error: std::io::Error| self.failed(error.to_string());
        let absolute = |path: &Path| std::path::absolute(path).map_err(failed);
        let (video, unfinished) = (absolute(&self.video)?, absolute(unfinished)?);
        let folder = absolute(subtitles)?.parent().map(Path::to_owned).unwrap_or_default();
        let name = subtitles.file_name().unwrap_or_default().to_string_lossy();
        if let Some(folder) = unfinished.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut command = Command::new(self.program().map_err(failed)?);
        // ffmpeg runs in the folder of the subtitles, so that the filter gets a plain file name.
        command.current_dir(folder).args([
            "-v",
            "error",
            "-nostdin",
            "-y",
            "-protocol_whitelist",
            "file",
            "-i",
        ]);
        command.arg(format!("file:{}", video.display()));
        command.args(["-map", "0:v:0", "-map", "0:a?", "-vf", &format!("subtitles={name},{SIDES}")]);
        command.arg(format!("file:{}", unfinished.display()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let complaints = read_aside(&mut child);
        let status = loop {
            if let Some(status) = child.try_wait().map_err(failed)? {
                break status;
            }
            if interrupt.is_given() {
                // It may have ended already.
                let _ = child.kill().and_then(|()| child.wait().map(drop));
                return Err(RunError::Interrupted);
            }
            std::thread::sleep(PATIENCE);
        };
        let said = complaints.join().unwrap_or_default();
        match status.success() {
            true => Ok(()),
            // A Ctrl-C at the keyboard reaches ffmpeg as well.
            false if interrupt.is_given() => Err(RunError::Interrupted),
            false => Err(self.failed(format!("{}: {}", self.ffmpeg.display(), short_line(said)))),
        }
    }

    /// ffmpeg's path, valid from another folder. A name without a folder is searched in PATH; other
    /// paths become absolute.
    fn program(&self) -> std::io::Result<PathBuf> {
        match self.ffmpeg.components().count() {
            0 | 1 => Ok(self.ffmpeg.clone()),
            _ => std::path::absolute(&self.ffmpeg),
        }
    }

    fn failed(&self, problem: String) -> RunError {
        RunError::Burn { path: self.to.clone(), problem }
    }
}

/// Reads everything that a program writes to standard error, so that the program never blocks, and
/// keeps the beginning.
fn read_aside(child: &mut Child) -> std::thread::JoinHandle<String> {
    let errors = child.stderr.take();
    std::thread::spawn(move || {
        let Some(mut errors) = errors else { return String::new() };
        let mut said = Vec::new();
        // Read errors are ignored: the message is then shorter.
        let _ = errors.by_ref().take(MOST_COMPLAINTS).read_to_end(&mut said);
        let _ = std::io::copy(&mut errors, &mut std::io::sink());
        String::from_utf8_lossy(&said).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_made_is_refused_before_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("v.mkv"), "").unwrap();
        std::fs::write(at("there.mp4"), "").unwrap();
        let says = |video: &str, to: &str, words: &str| {
            let error = Burn::of(&at("no-ffmpeg"), &at(video), &at(to), false).unwrap_err();
            let message = error.to_string();
            assert!(message.starts_with("--burn ") && message.contains(words), "{message}");
            assert_eq!((error.exit_code(), message.lines().count()), (2, 1));
        };
        says("gone.mkv", "out.mp4", "gone.mkv is no video file: expected a file as SOURCE");
        says("v.mkv", "v.mkv", "is the source itself");
        says("v.mkv", "there.mp4", "is there already: expected another name, or --overwrite");
        says("v.mkv", "out", "a name that ends in one of .mp4, .mkv");
        says("v.mkv", "out.mp3", "a name that ends in one of .mp4, .mkv");
        says("v.mkv", "out.mp4", "no-ffmpeg cannot be started");
    }
}
