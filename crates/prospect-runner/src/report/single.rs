//! The page of one run, from its trace. References are no part of it, but where the video has some, they are shown.

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

/// A run, and what is known of it beside its trace.
#[derive(Debug, Clone, Copy)]
pub struct RunToShow<'a> {
    /// The file with its trace.
    pub trace: &'a Path,
    /// The video, if it does not lie where the trace says. Without a video there is no player.
    pub video: Option<&'a Path>,
    /// The annotations, if they do not lie where the trace says or beside the video. Without annotations there are no references.
    pub annotations: Option<&'a Path>,
    /// Pictures that were taken; without them they are taken from the video.
    pub pictures: Option<&'a TakenPictures>,
}

/// The page of a run, to lie beside its trace.
///
/// # Errors
/// A trace or annotations that cannot be read, [`RunError::Report`].
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

/// The settings of a run. Those of a trace that another program wrote may be none of this one's: then nothing is judged.
fn settings_of(events: &[Event], trace: &Path) -> Option<Settings> {
    let config = toml::Table::try_from(config_of(events.first()?)?).ok()?;
    Layers::new().file_text(trace, &config.to_string()).ok()?.resolve().ok()
}

/// What would have been right: by the file that is named, that of the settings if it is still there, or the one beside the video.
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

/// What was said, of which nobody says whether it was right.
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

/// The file that a trace's source was, where it still lies there: from the working folder, or from the one in which a run writes its
/// trace into `out/NAME`.
fn video_of(source: &str, folder: &Path) -> Option<PathBuf> {
    let names = [source, without_how(source)];
    let places = names.into_iter().flat_map(|name| [PathBuf::from(name), folder.join("../..").join(name)]);
    places.into_iter().find(|path| !path.as_os_str().is_empty() && path.exists())
}

/// Behind its name a trace says how the source was read: `kitchen.mp4 (mp4, H.264)`.
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
