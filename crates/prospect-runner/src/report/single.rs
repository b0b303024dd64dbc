//! The page of one run, from its trace. References are not in a trace; they are shown if the video has
//! annotations.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use prospect_config::{Layers, Settings};

use super::command::command_line;
use super::facts::{all_changed, config_of, facts};
use super::page::{Page, VideoView};
use super::player::player;
use super::run_view::run_view;
use super::stream::frame_of_reply;
use super::thumbnails::{TakenPictures, Thumbnails, thumbnails};
use crate::error::RunError;
use crate::similarity::{judge, similarity};
use prospect_evaluation::annotations::Annotations;
use prospect_evaluation::{Cost, JudgedReply, Judgement, Verdict, VideoRun, read_trace};
use prospect_session::Event;

/// A run, with what is known about it besides its trace.
#[derive(Debug, Clone, Copy)]
pub struct RunToShow<'a> {
    /// Path of the trace.
    pub trace: &'a Path,
    /// Path of the video, if it is not at the place in the trace. Without a video the page has no
    /// player.
    pub video: Option<&'a Path>,
    /// Path of the annotations, if they are neither at the place in the trace nor beside the video.
    /// Without annotations there are no references.
    pub annotations: Option<&'a Path>,
    /// Pictures taken during the run. Without them, pictures are taken from the video.
    pub pictures: Option<&'a TakenPictures>,
}

/// The page of a run, to be stored beside its trace.
///
/// # Errors
/// The trace or the annotations cannot be read; [`RunError::Report`].
pub fn trace_page(run: RunToShow<'_>) -> Result<String, RunError> {
    let RunToShow { trace, video, annotations, pictures } = run;
    let events = read_trace(trace)?;
    let folder = trace.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (source, strategy) = match events.first() {
        Some(Event::RunStarted { source, strategy, .. }) => (source.clone(), strategy.as_str()),
        _ => (String::new(), ""),
    };
    let video = video.map(Path::to_owned).or_else(|| video_of(&source, folder));
    let settings = settings_of(&events, trace);
    let references = references(settings.as_ref(), video.as_deref(), annotations)?;
    let (judgement, judged) = match (&settings, references) {
        (Some(settings), Some(annotations)) => {
            let similarity = similarity(settings)?;
            (judge(settings, similarity.as_ref()).judge(&events, &annotations)?, true)
        }
        _ => (unjudged(&events), false),
    };
    let name = name_of(&source, video.as_deref());
    let run = VideoRun {
        video: name.clone(),
        judgement,
        cost: Cost::of(&events),
        error: error_of(&events),
        broken_laws: Vec::new(),
    };
    let spoken: BTreeSet<usize> = events.iter().filter_map(frame_of_reply).collect();
    let thumbnails = match (pictures.filter(|pictures| !pictures.is_empty()), &video) {
        (Some(pictures), _) => pictures.thumbnails(),
        (None, Some(video)) => thumbnails(video, events.first(), &spoken, 0),
        (None, None) => Thumbnails::default(),
    };
    let view = run_view("v0s0".to_owned(), strategy, (&run, judged), &events, &thumbnails)?;
    let starts: Vec<&Event> = events.first().into_iter().collect();
    let called =
        video.as_ref().map_or_else(|| without_how(&source).to_owned(), |video| video.display().to_string());
    let command = command_line(&["run", &called], &all_changed(starts.iter().copied()));
    let player = video.as_deref().and_then(|video| player(video, folder));
    let page = Page {
        title: format!("Prospect: {name}"),
        heading: name.clone(),
        facts: facts(&starts, Some(command)),
        comparison: None,
        open_run: Some(view.id().to_owned()),
        videos: vec![VideoView { name, source, player, thumbnails, runs: vec![view] }],
    };
    page.render()
}

/// The settings of a run. If another program wrote the trace, they may be invalid here; replies are
/// then not judged.
fn settings_of(events: &[Event], trace: &Path) -> Option<Settings> {
    let config = toml::Table::try_from(config_of(events.first()?)?).ok()?;
    Layers::new().file_text(trace, &config.to_string()).ok()?.resolve().ok()
}

/// The references, from the named file, from the file of the settings if it still exists, or from the
/// file beside the video.
fn references(
    settings: Option<&Settings>,
    video: Option<&Path>,
    named: Option<&Path>,
) -> Result<Option<Annotations>, RunError> {
    let of_settings = settings.and_then(|settings| settings.evaluation.annotations.clone());
    let file = named
        .map(Path::to_owned)
        .or_else(|| of_settings.filter(|file| file.is_file()))
        .or_else(|| video.and_then(Annotations::beside));
    let annotations = file.map(|file| Annotations::from_file(&file)).transpose()?;
    Ok(annotations.filter(|annotations| annotations.references().next().is_some()))
}

/// The replies of a run without references.
fn unjudged(events: &[Event]) -> Judgement {
    let reply = |event: &Event| match event {
        Event::Reply { time, text, .. } => Some(JudgedReply {
            time: *time,
            text: text.clone(),
            verdict: Verdict::Redundant,
            reference: None,
            similarity: 0.0,
        }),
        _ => None,
    };
    Judgement { replies: events.iter().filter_map(reply).collect(), ..Judgement::default() }
}

/// Why a run failed, if it did.
fn error_of(events: &[Event]) -> Option<String> {
    events.iter().rev().find_map(|event| match event {
        Event::Error { message } => Some(message.clone()),
        _ => None,
    })
}

/// The source of a trace if it is a file that still exists, relative to the working folder or to the
/// folder in which the run wrote `out/NAME`.
fn video_of(source: &str, folder: &Path) -> Option<PathBuf> {
    let names = [source, without_how(source)];
    let places = names.into_iter().flat_map(|name| [PathBuf::from(name), folder.join("../..").join(name)]);
    places.into_iter().find(|path| !path.as_os_str().is_empty() && path.exists())
}

/// Removes the description of how the source was read, as in `kitchen.mp4 (mp4, H.264)`.
fn without_how(source: &str) -> &str {
    match source.rsplit_once(" (") {
        Some((name, how)) if how.ends_with(')') => name,
        _ => source,
    }
}

fn name_of(source: &str, video: Option<&Path>) -> String {
    let stem = video.and_then(Path::file_stem).map(|stem| stem.to_string_lossy().into_owned());
    stem.unwrap_or_else(|| without_how(source).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_source_was_read_is_not_its_name() {
        assert_eq!(without_how("a (b)/kitchen.mp4 (mp4, H.264)"), "a (b)/kitchen.mp4");
        assert_eq!(without_how("rtsp://camera/1"), "rtsp://camera/1");
        assert_eq!(name_of("standard input", None), "standard input");
        assert_eq!(video_of("", Path::new("/nowhere/out/x")), None);
    }
}
