//! `prospect-runner run`.

use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};

use prospect_config::Settings;

use super::arguments::{KeepingArguments, RunArguments};
use super::people::Listening;
use super::say::{complain, print};
use crate::checkpoint::{Checkpoint, from_repository};
use crate::display::{Display, Lines, Silent, Terminal};
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::memory_span::MemorySpan;
use crate::outlet::Outlet;
use crate::run::{self, Keeping, RunInputs};
use crate::silent_forever;
use crate::strategies::Registry;
use crate::suspend::{Keeper, SuspendError, SuspendedRun, trace_in};
use prospect_journal::{Lock, TRACE_FILE, Tee, TraceSink};
use prospect_session::{Event, Reply};
use prospect_source::{STDIN, shown_name};

/// Longest first line of a trace that is looked at, in bytes.
const LONGEST_START: u64 = 1 << 20;

/// The video that is streamed where none is named.
const DEFAULT_VIDEO: &str = "fixtures/workbench/videos/video_000.mp4";

pub(super) fn run(
    arguments: &RunArguments,
    strategies: &Registry,
    interrupt: &Interrupt,
) -> Result<(), RunError> {
    let Some(settings) = arguments.common.resolve_or_print(strategies)? else { return Ok(()) };
    let source = match &arguments.source {
        Some(source) => source.clone(),
        None => from_repository(DEFAULT_VIDEO)?.display().to_string(),
    };
    let annotations = run::annotations_of(&settings, &source)?;
    let listening = Listening::to(arguments.ask_file.as_deref(), &source)?;
    silent_forever::check(&settings, annotations.as_ref(), listening.listener())?;
    let (checkpoint, settings) = Checkpoint::load_for_stream(&settings, interrupt)?;
    let shown = shown_name(&source);
    let name = if source == STDIN { "stdin" } else { &shown };
    let folder = output_folder(&settings, name, |folder| is_free(folder, &shown));
    let lock = Lock::of_folder(&folder)?;
    lock.missing().iter().for_each(|note| complain("note", note));
    let keeper = keeper(&arguments.keeping, &settings, &checkpoint, &source)?;
    let suspended =
        keeper.as_ref().filter(|_| arguments.keeping.resume).map(Keeper::suspended).transpose()?;
    let position = suspended.as_ref().map(SuspendedRun::trace);
    let mut trace = trace_in(&folder, suspended.as_ref())?;
    let inputs = RunInputs {
        settings: &settings,
        strategies,
        checkpoint: &checkpoint,
        source: &source,
        annotations: annotations.as_ref(),
        interrupt,
    };
    let stream = |trace: &mut dyn TraceSink, display: &mut dyn Display| {
        let on_open = Box::new(|input| listening.begin(input));
        let keeping =
            Keeping { keeper: keeper.as_ref(), suspended, on_open: Some(on_open), ..Keeping::default() };
        run::run(inputs, keeping, trace, display)
    };
    if settings.output.json {
        return stream(&mut Tee::new(&mut trace, Outlet), &mut Silent).map(drop);
    }
    let mut display: Box<dyn Display> = if std::io::stderr().is_terminal() {
        Box::new(Terminal::new())
    } else {
        Box::new(Lines::new(Outlet))
    };
    if let Some(position) = position {
        display.earlier(earlier_replies(trace.path(), position.bytes));
    }
    print(&format!("memory: {}", MemorySpan::of(&settings, strategies, &checkpoint)?));
    let outcome = stream(&mut trace, display.as_mut());
    if trace.has_begun() {
        print(&format!("trace: {}", trace.path().display()));
    }
    if let (Err(RunError::Interrupted), Some(keeper)) = (&outcome, &keeper) {
        print(&format!("checkpoint: {}, to go on with --resume", keeper.file().path().display()));
    }
    outcome.map(drop)
}

/// What writes the stream down, if that is asked for; a stream that is there is not lost without a word.
fn keeper(
    keeping: &KeepingArguments,
    settings: &Settings,
    checkpoint: &Checkpoint,
    source: &str,
) -> Result<Option<Keeper>, RunError> {
    let Some(path) = keeping.checkpoint.as_deref() else { return Ok(None) };
    let keeper = Keeper::new(path, keeping.checkpoint_every, settings, &checkpoint.files, source)?;
    keeper.file().unlocked().iter().for_each(|note| complain("note", note));
    if keeper.file().holds_stream() && !keeping.resume && !keeping.overwrite {
        return Err(SuspendError::Kept { path: keeper.file().path().to_owned() }.into());
    }
    Ok(Some(keeper))
}

/// What a stream has said that goes on, by the part of its trace that the checkpoint knows. What cannot be read was not said.
fn earlier_replies(trace: &Path, bytes: u64) -> Vec<Reply> {
    let Ok(file) = std::fs::File::open(trace) else { return Vec::new() };
    let lines = BufReader::new(file.take(bytes)).lines().map_while(Result::ok);
    let reply = |line: String| match serde_json::from_str(&line).ok()? {
        Event::Reply { frame, time, text, repeats, .. } => Some(Reply { frame, time, text, repeats }),
        _ => None,
    };
    lines.filter_map(reply).collect()
}

/// Where the output goes: what the settings say, or a folder in `out/` named after the source. Of two sources of one name, `a/cam.mp4`
/// and `b/cam.mp4`, the second has `cam-2`: what is there is replaced by what comes of the same source alone.
pub(super) fn output_folder(settings: &Settings, source: &str, is_free: impl Fn(&Path) -> bool) -> PathBuf {
    if let Some(folder) = &settings.output.dir {
        return folder.clone();
    }
    let name = folder_name(source);
    let numbered = (2_usize..).map(|number| format!("{name}-{number}"));
    let mut folders = std::iter::once(name.clone()).chain(numbered).map(|name| Path::new("out").join(name));
    // The numbers go on for ever.
    folders.find(|folder| is_free(folder)).unwrap_or_else(|| Path::new("out").join(&name))
}

fn folder_name(source: &str) -> String {
    // What stands behind an address's question mark is no name.
    let source =
        if source.contains("://") { source.split(['?', '#']).next().unwrap_or(source) } else { source };
    let stem = Path::new(source).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let stem = stem.unwrap_or_else(|| "stream".to_owned());
    stem.replace(|c: char| c.is_control() || "*?[<>:\"|\\".contains(c), "_")
}

/// Whether a folder has no trace yet, or one of this source.
fn is_free(folder: &Path, source: &str) -> bool {
    let Ok(file) = std::fs::File::open(folder.join(TRACE_FILE)) else { return true };
    let mut line = Vec::new();
    if BufReader::new(file.take(LONGEST_START)).read_until(b'\n', &mut line).is_err() {
        return true;
    }
    let start: serde_json::Value = serde_json::from_slice(&line).unwrap_or_default();
    // Behind its name a trace says how the source was read.
    let of = start["source"].as_str().unwrap_or_default();
    of.strip_prefix(source).is_some_and(|how| how.is_empty() || how.starts_with(" ("))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_replaced_by_one_of_its_own_source_alone() {
        let folder = tempfile::tempdir().unwrap();
        assert!(is_free(folder.path(), "a/cam.mp4"));
        std::fs::write(folder.path().join(TRACE_FILE), "{\"source\":\"a/cam.mp4 (mp4, H.264)\"}\n{}\n")
            .unwrap();
        assert!(is_free(folder.path(), "a/cam.mp4"));
        assert!(!is_free(folder.path(), "b/cam.mp4") && !is_free(folder.path(), "a/cam"));
        // What these call themselves is not what they are called on the command line.
        for (source, description) in
            [("-", "standard input"), ("file:///a%20b/cam.mp4", "/a b/cam.mp4 (mp4, H.264)")]
        {
            let start = serde_json::json!({ "source": description }).to_string();
            std::fs::write(folder.path().join(TRACE_FILE), start).unwrap();
            assert!(is_free(folder.path(), &shown_name(source)), "{source}");
        }
        assert_eq!(
            ["b/cam.mp4", "frames/*.png", "a:b.mkv", "rtsp://h/cam?t=***"].map(folder_name),
            ["cam", "_", "a_b", "cam"]
        );
    }
}
