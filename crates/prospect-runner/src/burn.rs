//! A video with the replies in its picture, through ffmpeg.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use prospect_foreign::short_line;
use prospect_journal::UNFINISHED;

use crate::error::RunError;
use crate::interrupt::Interrupt;

/// Bytes of ffmpeg's complaints that are kept.
const MOST_COMPLAINTS: u64 = 16 << 10;
/// How often a run that waits for ffmpeg looks whether it should end.
const PATIENCE: Duration = Duration::from_millis(50);
/// Text in the picture; what is played everywhere has even sides and this kind of colours.
const SIDES: &str = "scale=trunc(iw/2)*2:trunc(ih/2)*2,format=yuv420p";

/// What is to be made, of what, by which program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Burn {
    ffmpeg: PathBuf,
    video: PathBuf,
    to: PathBuf,
}

impl Burn {
    /// Checks that it can be made, so that nobody learns after an hour's video that it cannot.
    ///
    /// # Errors
    /// A source that is no file, a file that is there already unless it `may_replace` it, an ffmpeg that is not there or cannot draw
    /// subtitles.
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
        if to.file_name().is_none() || to.extension().is_none() {
            return Err(refused("is no name of a video", "a name that ends in .mp4, .mkv or .webm"));
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

    /// Where the video goes.
    pub fn to(&self) -> &Path {
        &self.to
    }

    /// Makes the video, whole or not at all, with the subtitles of a file whose name has nothing that ffmpeg's filters take for
    /// their own.
    ///
    /// # Errors
    /// [`RunError::Burn`], [`RunError::Interrupted`].
    pub fn make(&self, subtitles: &Path, interrupt: &Interrupt) -> Result<(), RunError> {
        let unfinished = self.unfinished();
        let made = self.run(subtitles, &unfinished, interrupt).and_then(|()| {
            std::fs::rename(&unfinished, &self.to).map_err(|error| self.failed(error.to_string()))
        });
        if made.is_err() {
            // There may be none yet.
            let _ = std::fs::remove_file(&unfinished);
        }
        made
    }

    /// A name beside the video's, with its ending, by which ffmpeg knows the format.
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
        // In the subtitles' folder, so that the filter gets a plain name.
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
                // It may have ended of itself.
                let _ = child.kill().and_then(|()| child.wait().map(drop));
                return Err(RunError::Interrupted);
            }
            std::thread::sleep(PATIENCE);
        };
        let said = complaints.join().unwrap_or_default();
        match status.success() {
            true => Ok(()),
            // Of Ctrl-C at a keyboard ffmpeg hears itself.
            false if interrupt.is_given() => Err(RunError::Interrupted),
            false => Err(self.failed(format!("{}: {}", self.ffmpeg.display(), short_line(said)))),
        }
    }

    /// The program, from another folder: a name without a folder is looked for in the path, anything else lies where it lies.
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

/// Reads everything that a program complains of, so that it never waits for a reader, and keeps the beginning.
fn read_aside(child: &mut Child) -> std::thread::JoinHandle<String> {
    let errors = child.stderr.take();
    std::thread::spawn(move || {
        let Some(mut errors) = errors else { return String::new() };
        let mut said = Vec::new();
        // What cannot be read was not said.
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
        says("v.mkv", "out", "a name that ends in .mp4");
        says("v.mkv", "out.mp4", "no-ffmpeg cannot be started");
    }
}
