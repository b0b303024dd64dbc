//! Files that a run makes besides its trace: subtitles, a page, and a video with the replies in it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;
use prospect_config::Settings;
use prospect_journal::{JournalError, TraceSink};
use prospect_session::Reply;
use prospect_source::shown_name;

use super::page::write_page;
use super::say::{complain, print};
use crate::burn::Burn;
use crate::display::{Display, Pictured};
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::report::{self, RunToShow, TakenPictures};
use crate::subtitles::{SubtitleFile, SubtitleFormat, Subtitled};

/// Name of the subtitle files beside a trace, without the ending.
const SUBTITLES: &str = "replies";

/// The files to make. These are not settings, because the trace is the same without them.
#[derive(Debug, Args)]
#[command(next_help_heading = "What a run leaves")]
pub(super) struct ResultArguments {
    /// Write the replies as SubRip subtitles while they come, beside the trace or into FILE.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    srt: Option<Option<PathBuf>>,
    /// Write the replies as WebVTT subtitles, which browsers show.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    vtt: Option<Option<PathBuf>>,
    /// At the end, write a page of the run beside its trace, as the command `report` does.
    #[arg(long)]
    report: bool,
    /// At the end, write the video with the replies in its picture, with ffmpeg.
    #[arg(long, value_name = "FILE")]
    burn: Option<PathBuf>,
}

/// The files that will be made.
pub(super) struct Results {
    /// The requested formats, each with its file if one was named.
    subtitles: Vec<(SubtitleFormat, Option<PathBuf>)>,
    report: bool,
    burn: Option<Burn>,
    /// The subtitle files of the run.
    files: Vec<SubtitleFile>,
    /// Pictures for the page.
    pictures: TakenPictures,
}

impl Results {
    /// Checks the arguments.
    ///
    /// # Errors
    /// A file has another ending, or it exists and `may_replace` is false; the errors of [`Burn::of`].
    pub(super) fn of(
        arguments: &ResultArguments,
        settings: &Settings,
        source: &str,
        may_replace: bool,
    ) -> Result<Self, RunError> {
        let formats = [(SubtitleFormat::Srt, &arguments.srt), (SubtitleFormat::Vtt, &arguments.vtt)];
        let mut subtitles = Vec::new();
        for (format, asked) in formats {
            let Some(file) = asked else { continue };
            file.as_deref().map_or(Ok(()), |file| check_file(file, format.ending(), may_replace))?;
            subtitles.push((format, file.clone()));
        }
        let video = shown_name(source);
        let burn = |to: &PathBuf| Burn::of(&settings.source.ffmpeg, video.as_ref(), to, may_replace);
        let burn = arguments.burn.as_ref().map(burn).transpose()?;
        let (report, files, pictures) = (arguments.report, Vec::new(), TakenPictures::default());
        Ok(Self { subtitles, report, burn, files, pictures })
    }

    /// Runs `stream`, whose trace is in `folder`, and makes the files that are written during a run.
    /// `earlier` has the replies of a stream that is resumed.
    pub(super) fn attend<T>(
        &mut self,
        folder: &Path,
        earlier: Option<Vec<Reply>>,
        (trace, display): (&mut dyn TraceSink, &mut dyn Display),
        stream: impl FnOnce(&mut dyn TraceSink, &mut dyn Display) -> T,
    ) -> T {
        self.name_files(folder);
        // The earlier replies of a resumed stream have no pictures here; the page takes all from the video
        // then.
        let takes_pictures = self.report && earlier.is_none();
        let mut subtitled = Subtitled::new(trace, &mut self.files, earlier.unwrap_or_default());
        match takes_pictures {
            true => stream(&mut subtitled, &mut Pictured { display, pictures: &mut self.pictures }),
            false => stream(&mut subtitled, display),
        }
    }

    /// Adds the subtitle files of a run that writes into `folder`. Replies are burnt in from one with a plain
    /// name.
    fn name_files(&mut self, folder: &Path) {
        let beside = |format: SubtitleFormat| folder.join(SUBTITLES).with_extension(format.ending());
        for (format, named) in &self.subtitles {
            let path = named.clone().unwrap_or_else(|| beside(*format));
            self.files.push(SubtitleFile::new(path, *format));
        }
        let burnt = beside(SubtitleFormat::Vtt);
        if self.burn.is_some() && self.files.iter().all(|file| file.path() != burnt) {
            self.files.push(SubtitleFile::new(burnt, SubtitleFormat::Vtt));
        }
    }

    /// Makes the files that are written at the end of a run, and prints their paths. A failed run gets its
    /// page too; its failure is the outcome then.
    ///
    /// # Errors
    /// The error of `outcome`, or the page or the video cannot be made.
    pub(super) fn finish(&self, ended: &Ended<'_>, outcome: Result<(), RunError>) -> Result<(), RunError> {
        let made = self.make(ended, outcome.is_ok());
        if let (Err(_), Err(error)) = (&outcome, &made) {
            complain("note", &error.to_string());
        }
        outcome.and(made)
    }

    /// Deletes the subtitles and the page that an earlier run left beside its trace, if this run does not
    /// write them: they would show another run than the trace.
    ///
    /// # Errors
    /// [`JournalError::Write`].
    fn forget_stale(&self, trace: &Path) -> Result<(), RunError> {
        let subtitles = trace.with_file_name(SUBTITLES);
        let beside = [SubtitleFormat::Srt, SubtitleFormat::Vtt]
            .map(|format| subtitles.with_extension(format.ending()));
        let is_written = |file: &PathBuf| self.files.iter().any(|written| written.path() == file);
        let page = (!self.report).then(|| trace.with_file_name(report::FILE_NAME));
        for path in beside.into_iter().filter(|file| !is_written(file)).chain(page) {
            match std::fs::remove_file(&path) {
                Err(source) if source.kind() != ErrorKind::NotFound => {
                    return Err(JournalError::Write { path, source }.into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn make(&self, ended: &Ended<'_>, is_whole: bool) -> Result<(), RunError> {
        let Ended { trace, source, says, replaces, interrupt } = *ended;
        let say = |what: &str, path: &Path| {
            if says {
                print(&format!("{what}: {}", path.display()));
            }
        };
        if replaces {
            self.forget_stale(trace)?;
        }
        self.files.iter().for_each(|file| say("subtitles", file.path()));
        if self.report {
            let video = PathBuf::from(shown_name(source));
            let video = Some(video.as_path()).filter(|video| video.exists());
            let run = RunToShow { trace, video, annotations: None, pictures: Some(&self.pictures) };
            say("report", &write_page(run)?);
        }
        if let Some(burn) = self.burn.as_ref().filter(|_| is_whole) {
            let subtitles = trace.with_file_name(SUBTITLES).with_extension(SubtitleFormat::Vtt.ending());
            // A Ctrl-C that ended a live stream must not also end ffmpeg.
            let answered = Interrupt::default();
            burn.make(&subtitles, if interrupt.is_given() { &answered } else { interrupt })?;
            say("video", burn.to());
        }
        Ok(())
    }
}

/// A run that has ended.
#[derive(Clone, Copy)]
pub(super) struct Ended<'a> {
    /// Its trace.
    pub(super) trace: &'a Path,
    /// Its source.
    pub(super) source: &'a str,
    /// Whether people read standard output.
    pub(super) says: bool,
    /// Whether it took the place of an earlier run in the same folder.
    pub(super) replaces: bool,
    /// Ends long work.
    pub(super) interrupt: &'a Interrupt,
}

/// Refuses a file that is probably a mistake: one with another ending, or one that exists.
fn check_file(file: &Path, ending: &str, may_replace: bool) -> Result<(), RunError> {
    let refused = |problem: &str, expected: String| {
        Err(RunError::Argument {
            argument: format!("--{ending}={}", file.display()),
            problem: problem.to_owned(),
            expected,
        })
    };
    match file.extension() {
        Some(found) if found.eq_ignore_ascii_case(ending) => {}
        _ => return refused("is no name of such a file", format!("a name that ends in .{ending}")),
    }
    match file.exists() && !may_replace {
        true => refused("is there already", "another name, or --overwrite".to_owned()),
        false => Ok(()),
    }
}
