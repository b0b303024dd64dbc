//! The folder that a run or a suite writes into. Earlier results are replaced only if the user says so.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use prospect_config::Settings;
use prospect_journal::{Lock, TRACE_FILE, TracePosition, TraceWriter};
use prospect_source::{STDIN, shown_name};

use crate::error::RunError;

/// The most bytes of a trace that are read from its beginning.
const LONGEST_START: u64 = 1 << 20;
/// The longest name of a folder in characters. File systems leave room for a number behind it.
const LONGEST_NAME: usize = 100;

/// What a run does with an existing trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Earlier {
    /// The trace stays as it is.
    Stays,
    /// The run replaces the trace.
    IsLost,
    /// The run continues the trace that ends at this position.
    GoesOn(TracePosition),
}

impl Earlier {
    /// For a run that continues from `position`, or that may overwrite an earlier run.
    pub(super) fn of(position: Option<TracePosition>, overwrite: bool) -> Self {
        match position {
            Some(position) => Self::GoesOn(position),
            None if overwrite => Self::IsLost,
            None => Self::Stays,
        }
    }
}

/// Takes and locks the folder of a run: the one that the settings name, or one in `out/` named after the
/// source. If the named folder holds a run, it is refused. Without a name, the next free folder is taken: the
/// second run of `kitchen.mp4` writes into `out/kitchen-2`.
///
/// # Errors
/// The folder of the settings holds a run that may not be replaced or continued, or another process has locked it.
pub(super) fn take_run_folder(
    settings: &Settings,
    source: &str,
    earlier: Earlier,
) -> Result<(PathBuf, Lock), RunError> {
    let folder = run_folder(settings, source, earlier);
    // Locked first: a run that another process is writing must not be suggested for overwriting.
    let lock = Lock::of_folder(&folder)?;
    if earlier == Earlier::Stays && holds_run(&folder) {
        let expected = "a folder that holds no run, or --overwrite: the run that is there is lost then";
        return Err(settings.unsupported_error("output.dir", expected).into());
    }
    Ok((folder, lock))
}

fn run_folder(settings: &Settings, source: &str, earlier: Earlier) -> PathBuf {
    if let Some(folder) = &settings.output.dir {
        return folder.clone();
    }
    let shown = shown_name(source);
    let name = if source == STDIN { "stdin".to_owned() } else { folder_name(&shown) };
    let is_free = |folder: &Path| !holds_run(folder);
    let runs = || numbered(&name).take_while(|folder| folder.exists()).filter(|folder| is_of(folder, &shown));
    let found = match earlier {
        Earlier::Stays => None,
        Earlier::IsLost => runs().next(),
        Earlier::GoesOn(position) => {
            let goes_on = |folder: &PathBuf| TraceWriter::continued(folder, position).is_ok();
            // If no folder fits, the error names the last one.
            runs().find(goes_on).or_else(|| runs().last())
        }
    };
    found.unwrap_or_else(|| first(&name, is_free))
}

/// Results of another suite in a folder, which a suite would replace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OtherSuite {
    /// A suite of other videos.
    Videos,
    /// A result of the same video and strategy with other settings, another model or another program, in
    /// this folder.
    Result(PathBuf),
}

/// The folder of a suite: the one that the settings name, or the first in `out/` of this name that holds no
/// results of another suite.
///
/// # Errors
/// The named folder holds results of another suite, and they may not be lost.
pub(super) fn suite_folder(
    settings: &Settings,
    name: &str,
    may_lose: bool,
    other: impl Fn(&Path) -> Option<OtherSuite>,
) -> Result<PathBuf, RunError> {
    let Some(folder) = &settings.output.dir else {
        let name = folder_name(name);
        return Ok(match may_lose {
            true => Path::new("out").join(name),
            false => first(&name, |folder| other(folder).is_none()),
        });
    };
    let holds = match other(folder).filter(|_| !may_lose) {
        None => return Ok(folder.clone()),
        Some(OtherSuite::Videos) => "the folder holds runs of other videos".to_owned(),
        Some(OtherSuite::Result(run)) => {
            format!("{} was made with other settings, another model or another program", run.display())
        }
    };
    let expected = format!("another folder, or --overwrite: {holds}, and would be lost");
    Err(settings.unsupported_error("output.dir", expected).into())
}

/// The first folder of a name that is free.
fn first(name: &str, is_free: impl Fn(&Path) -> bool) -> PathBuf {
    // The numbers go on for ever.
    numbered(name).find(|folder| is_free(folder)).unwrap_or_else(|| Path::new("out").join(name))
}

/// `out/cam`, `out/cam-2`, `out/cam-3` and so on.
fn numbered(name: &str) -> impl Iterator<Item = PathBuf> {
    let numbers = (2_usize..).map({
        let name = name.to_owned();
        move |number| format!("{name}-{number}")
    });
    std::iter::once(name.to_owned()).chain(numbers).map(|name| Path::new("out").join(name))
}

/// The name of the folder for a source. For a file it is the file's name without its ending. For an address
/// it is host, path and channel numbers, so that two cameras have two names. It contains no secrets.
fn folder_name(source: &str) -> String {
    let name = match source.split_once("://") {
        Some((_, address)) => {
            // The user before the host and the hidden values behind the question mark are left out.
            let (address, values) = address.split_at(address.find(['?', '#']).unwrap_or(address.len()));
            let host = address.find('/').unwrap_or(address.len());
            let address = &address[address[..host].rfind('@').map_or(0, |at| at + 1)..];
            let parts = address.split('/').filter(|part| !part.is_empty()).map(str::to_owned);
            let channels = values.split(['?', '#', '&', ';']).filter_map(|value| value.split_once('='));
            let channels = channels.filter(|(_, value)| value.parse::<u32>().is_ok());
            parts.chain(channels.map(|(key, value)| format!("{key}{value}"))).collect::<Vec<_>>().join("_")
        }
        None => {
            let stem = Path::new(source).file_stem().map(|stem| stem.to_string_lossy().into_owned());
            stem.unwrap_or_default()
        }
    };
    let name: String = name.chars().take(LONGEST_NAME).collect();
    let name = name.replace(|c: char| c.is_control() || "*?[<>:\"|\\".contains(c), "_");
    if name.trim_matches('.').is_empty() { "stream".to_owned() } else { name }
}

/// Whether a folder has the trace of a run with at least one frame. A run without a frame holds nothing to
/// lose.
fn holds_run(folder: &Path) -> bool {
    lines(folder).any(|line| line.starts_with("{\"event\":\"frame\""))
}

/// Whether a folder has the trace of a run of this source.
fn is_of(folder: &Path, source: &str) -> bool {
    let Some(line) = lines(folder).next() else { return false };
    let start: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
    // In a trace, the name is followed by the way in which the source was read.
    let of = start["source"].as_str().unwrap_or_default();
    of.strip_prefix(source).is_some_and(|how| how.is_empty() || how.starts_with(" ("))
}

/// The first lines of the trace in a folder; none if the trace cannot be read.
fn lines(folder: &Path) -> impl Iterator<Item = String> {
    let file = File::open(folder.join(TRACE_FILE)).ok();
    file.into_iter().flat_map(|file| BufReader::new(file.take(LONGEST_START)).lines().map_while(Result::ok))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_known_by_its_frames_and_its_source() {
        let folder = tempfile::tempdir().unwrap();
        let write = |text: &str| std::fs::write(folder.path().join(TRACE_FILE), text).unwrap();
        assert!(!holds_run(folder.path()) && !is_of(folder.path(), "a/cam.mp4"));
        let start = "{\"event\":\"run_started\",\"source\":\"a/cam.mp4 (mp4, H.264)\"}\n";
        write(start);
        assert!(!holds_run(folder.path()) && is_of(folder.path(), "a/cam.mp4"));
        assert!(!is_of(folder.path(), "b/cam.mp4") && !is_of(folder.path(), "a/cam"));
        write(&format!("{start}{{\"event\":\"frame\",\"index\":0"));
        assert!(holds_run(folder.path()));
        // The name in the trace differs from the name on the command line.
        for (source, description) in
            [("-", "standard input"), ("file:///a%20b/cam.mp4", "/a b/cam.mp4 (mp4, H.264)")]
        {
            write(&serde_json::json!({ "source": description }).to_string());
            assert!(is_of(folder.path(), &shown_name(source)), "{source}");
        }
    }

    #[test]
    fn two_cameras_have_two_names() {
        let names = [
            ("b/cam.mp4", "cam"),
            ("frames/*.png", "_"),
            ("a:b.mkv", "a_b"),
            ("/dev/video0", "video0"),
            ("rtsp://a/stream", "a_stream"),
            ("rtsp://b/stream", "b_stream"),
            ("rtsp://***@b:554/live/1?t=***", "b_554_live_1"),
            ("rtsp://***@nvr/live?channel=1&subtype=0&pw=***", "nvr_live_channel1_subtype0"),
            ("rtsp://***@nvr/live?channel=2&subtype=0&pw=***", "nvr_live_channel2_subtype0"),
            ("http://host/..", "host_.."),
            ("rtsp://", "stream"),
            ("..", "stream"),
        ];
        for (source, name) in names {
            assert_eq!(folder_name(source), name, "{source}");
        }
        assert_eq!(folder_name(&"ä".repeat(400)).chars().count(), LONGEST_NAME);
    }
}
