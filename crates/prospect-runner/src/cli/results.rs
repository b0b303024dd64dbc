//! What a run leaves beside its trace: subtitles, a page, a video with the replies in it.

use std::path::{Path, PathBuf};

use clap::Args;
use prospect_config::Settings;
use prospect_journal::TraceSink;
use prospect_session::Reply;
use prospect_source::shown_name;

use super::page::write_page;
use super::say::{complain, print};
use crate::burn::Burn;
use crate::display::{Display, Pictured};
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::report::{RunToShow, TakenPictures};
use crate::subtitles::{SubtitleFile, SubtitleFormat, Subtitled};

/// Name of the files of subtitles beside a trace, without their ending.
const SUBTITLES: &str = "replies";

/// What is to be made of a run. No settings: they say nothing of the stream, and its trace is the same without them.
#[derive(Debug, Args)]
#[command(next_help_heading = "What a run leaves")]
pub(super) struct ResultArguments {
    /// Write what is said as subtitles (SubRip) while it is said, beside the trace or into FILE.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    srt: Option<Option<PathBuf>>,
    /// The same as WebVTT, which browsers show.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    vtt: Option<Option<PathBuf>>,
    /// At the end, write a page of the run beside its trace; the command `report` makes it as well.
    #[arg(long)]
    report: bool,
    /// At the end, write the video with what was said in its picture, through ffmpeg.
    #[arg(long, value_name = "FILE")]
    burn: Option<PathBuf>,
}

/// What will be made.
pub(super) struct Results {
    /// Per format that is asked for, the file that was named.
    subtitles: Vec<(SubtitleFormat, Option<PathBuf>)>,
    report: bool,
    burn: Option<Burn>,
    /// Files that are made.
    files: Vec<SubtitleFile>,
    /// For the page.
    pictures: TakenPictures,
}

impl Results {
    /// Checks what is asked for.
    ///
    /// # Errors
    /// A file that has another ending, or that is there already unless it `may_replace` it; what [`Burn::of`] refuses.
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

    /// Runs `stream`, whose trace lies in `folder`, so that everything is made that comes while it goes on. `earlier` is what it said
    /// before, if it has begun before.
    pub(super) fn attend<T>(
        &mut self,
        folder: &Path,
        earlier: Option<Vec<Reply>>,
        (trace, display): (&mut dyn TraceSink, &mut dyn Display),
        stream: impl FnOnce(&mut dyn TraceSink, &mut dyn Display) -> T,
    ) -> T {
        self.name_files(folder);
        // Of what was said before there are no pictures: they are taken from the video then.
        let takes_pictures = self.report && earlier.is_none();
        let mut subtitled = Subtitled::new(trace, &mut self.files, earlier.unwrap_or_default());
        match takes_pictures {
            true => stream(&mut subtitled, &mut Pictured { display, pictures: &mut self.pictures }),
            false => stream(&mut subtitled, display),
        }
    }

    /// The files of subtitles of a run that writes into `folder`. What is burnt in comes from one of them, under a plain name.
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

    /// Makes what is made at the end of a run, and says where everything lies. A run that did not come to its end has its page all the
    /// same; then its failure is what counts.
    ///
    /// # Errors
    /// `outcome`, or the page or the video.
    pub(super) fn finish(&self, ended: &Ended<'_>, outcome: Result<(), RunError>) -> Result<(), RunError> {
        let made = self.make(ended, outcome.is_ok());
        if let (Err(_), Err(error)) = (&outcome, &made) {
            complain("note", &error.to_string());
        }
        outcome.and(made)
    }

    fn make(&self, ended: &Ended<'_>, is_whole: bool) -> Result<(), RunError> {
        let Ended { trace, source, says, interrupt } = *ended;
        let say = |what: &str, path: &Path| {
            if says {
                print(&format!("{what}: {}", path.display()));
            }
        };
        self.files.iter().for_each(|file| say("subtitles", file.path()));
        if self.report {
            let video = PathBuf::from(shown_name(source));
            let video = Some(video.as_path()).filter(|video| video.exists());
            let run = RunToShow { trace, video, annotations: None, pictures: Some(&self.pictures) };
            say("report", &write_page(run)?);
        }
        if let Some(burn) = self.burn.as_ref().filter(|_| is_whole) {
            let subtitles = trace.with_file_name(SUBTITLES).with_extension(SubtitleFormat::Vtt.ending());
            // Ctrl-C that ended a live stream is answered: the video has an interrupt of its own.
            let answered = Interrupt::default();
            burn.make(&subtitles, if interrupt.is_given() { &answered } else { interrupt })?;
            say("video", burn.to());
        }
        Ok(())
    }
}

/// A run that is over.
#[derive(Clone, Copy)]
pub(super) struct Ended<'a> {
    /// Its trace.
    pub(super) trace: &'a Path,
    /// What it streamed.
    pub(super) source: &'a str,
    /// Whether people read standard output.
    pub(super) says: bool,
    /// Ends what takes long.
    pub(super) interrupt: &'a Interrupt,
}

/// Refuses a file that is hardly meant: a video in the place of its subtitles, or subtitles that somebody else made.
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
