//! The folder of a suite.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::inputs::Inputs;
use super::shard::Shard;
use super::video::Video;
use crate::error::RunError;
use prospect_evaluation::{Cost, Judgement};
use prospect_foreign::one_line;
use prospect_journal::{JournalError, Lock, TRACE_FILE, UNFINISHED, write_whole};

/// Name of the file that says what belongs to a suite.
const SUITE_FILE: &str = "suite.json";
/// Name of a run's result.
const RESULT_FILE: &str = "result.json";
/// Name of the file that a video's stream is written down in.
pub(super) const CHECKPOINT_FILE: &str = "stream.checkpoint";

/// What belongs to a suite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SuiteDescription {
    /// Strategies, in the order of the tables.
    pub strategies: Vec<StrategyEntry>,
    /// Videos, in order.
    pub videos: Vec<VideoEntry>,
    /// What the others are compared with.
    pub baseline: Option<String>,
    /// How texts are compared.
    pub similarity: String,
}

/// A strategy of a suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrategyEntry {
    /// Its name.
    pub name: String,
    /// Its folder in the suite's.
    pub folder: String,
}

/// A video of a suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoEntry {
    /// Its name, and the name of its folder.
    pub name: String,
    /// Where it lies.
    pub source: PathBuf,
}

impl VideoEntry {
    /// Of a video of a dataset. The report is read elsewhere than here: its path is a whole one.
    pub(super) fn of(video: &Video) -> Self {
        let source = std::path::absolute(&video.source).unwrap_or_else(|_| video.source.clone());
        Self { name: video.name.clone(), source }
    }
}

/// The result of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// What it was made from.
    pub inputs: Inputs,
    /// Why the run failed, if it did.
    pub error: Option<String>,
    /// What became of its replies.
    pub judgement: Judgement,
    /// What it took.
    pub cost: Cost,
    /// Laws that its trace breaks.
    pub broken_laws: Vec<String>,
}

/// Reads and writes a suite's folder.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// The suite in `folder`, which need not be there yet.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The folder of one run.
    pub fn run_folder(&self, strategy_folder: &str, video: &str) -> PathBuf {
        self.folder.join(strategy_folder).join(video)
    }

    /// The result of one run; `None` if there is none, or none that this program wrote.
    pub fn result(&self, strategy_folder: &str, video: &str) -> Option<RunResult> {
        let file = self.run_folder(strategy_folder, video).join(RESULT_FILE);
        serde_json::from_slice(&fs::read(file).ok()?).ok()
    }

    /// Takes what only one process may have: the part of a suite that `shard` names.
    ///
    /// # Errors
    /// [`JournalError::Locked`], [`JournalError::Write`].
    pub(super) fn lock_shard(&self, shard: Shard) -> Result<Lock, RunError> {
        let name = format!(".shard-{}.lock", shard.to_string().replace('/', "-of-"));
        Ok(Lock::take(&self.folder.join(name), &self.folder)?)
    }

    /// Takes the folder of one run.
    ///
    /// # Errors
    /// [`JournalError::Locked`], [`JournalError::Write`].
    pub(super) fn lock_run(&self, strategy_folder: &str, video: &str) -> Result<Lock, RunError> {
        Ok(Lock::of_folder(&self.run_folder(strategy_folder, video))?)
    }

    /// Writes the result of one run.
    ///
    /// # Errors
    /// [`JournalError::Write`].
    pub fn put_result(&self, strategy_folder: &str, video: &str, result: &RunResult) -> Result<(), RunError> {
        write_json(&self.run_folder(strategy_folder, video).join(RESULT_FILE), result)
    }

    /// Forgets a run that is about to be made again: its result, its trace, and what a process left that was killed while it
    /// wrote them.
    ///
    /// # Errors
    /// [`JournalError::Write`].
    pub fn forget_run(&self, strategy_folder: &str, video: &str) -> Result<(), RunError> {
        let folder = self.run_folder(strategy_folder, video);
        let failed = |source| JournalError::Write { path: folder.clone(), source };
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if [RESULT_FILE, TRACE_FILE, CHECKPOINT_FILE].contains(&&*name) || name.starts_with(UNFINISHED) {
                fs::remove_file(&path)
                    .map_err(|source| JournalError::Write { path: path.clone(), source })?;
            }
        }
        Ok(())
    }

    /// What belongs to the suite.
    ///
    /// # Errors
    /// [`RunError::Argument`] if the folder holds none.
    pub fn description(&self) -> Result<SuiteDescription, RunError> {
        let path = self.folder.join(SUITE_FILE);
        let wrong = |problem: String| RunError::Argument {
            argument: path.display().to_string(),
            problem,
            expected: "a folder that compare or eval wrote".to_owned(),
        };
        read_json(&path).map_err(wrong)
    }

    /// Whether a suite of these videos may be written here: there is none yet, or one of the same dataset, which may have grown or
    /// shrunk since. Of another one the results would be lost.
    pub fn is_for<'a>(&self, videos: impl Iterator<Item = &'a Video>) -> bool {
        let Ok(there) = self.description() else { return true };
        let mut shared = 0;
        for entry in videos.map(VideoEntry::of) {
            match there.videos.iter().find(|video| video.name == entry.name) {
                Some(video) if video.source != entry.source => return false,
                found => shared += usize::from(found.is_some()),
            }
        }
        shared > 0
    }

    /// Writes what belongs to the suite.
    ///
    /// # Errors
    /// [`JournalError::Write`].
    pub fn put_description(&self, description: &SuiteDescription) -> Result<(), RunError> {
        write_json(&self.folder.join(SUITE_FILE), description)
    }

    /// Writes a file beside them.
    ///
    /// # Errors
    /// [`JournalError::Write`].
    pub fn put_text(&self, name: &str, text: &str) -> Result<PathBuf, RunError> {
        let path = self.folder.join(name);
        write_whole(&path, |to| to.write_all(text.as_bytes()))?;
        Ok(path)
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(one_line)
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), RunError> {
    write_whole(path, |to| Ok(serde_json::to_writer_pretty(to, value)?))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_result_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        assert_eq!(store.result("drop_all", "v"), None);
        fs::create_dir_all(store.run_folder("drop_all", "v")).unwrap();
        fs::write(store.run_folder("drop_all", "v").join(RESULT_FILE), "{\"error\":").unwrap();
        assert_eq!(store.result("drop_all", "v"), None);
        fs::write(store.run_folder("drop_all", "v").join(".unfinished-aB3"), "{").unwrap();
        fs::write(store.run_folder("drop_all", "v").join(TRACE_FILE), "").unwrap();
        store.forget_run("drop_all", "v").unwrap();
        assert_eq!(fs::read_dir(store.run_folder("drop_all", "v")).unwrap().count(), 0);
        store.forget_run("drop_all", "v").unwrap();
        store.forget_run("drop_all", "never").unwrap();
        let video = |source: &str| Video {
            name: "v".to_owned(),
            source: source.into(),
            annotations: "v.json".into(),
            choice: prospect_evaluation::annotations::Choice::default(),
            states: None,
            part: None,
        };
        let (mine, others) = (video("a/v.mp4"), Video { name: "w".to_owned(), ..video("b/w.mp4") });
        assert!(store.is_for([&mine].into_iter()));
        let description = SuiteDescription {
            strategies: Vec::new(),
            videos: vec![VideoEntry::of(&mine)],
            baseline: None,
            similarity: String::new(),
        };
        store.put_description(&description).unwrap();
        assert!(store.is_for([&mine, &others].into_iter()));
        // Another video of that name, and another dataset.
        assert!(!store.is_for([&video("b/v.mp4")].into_iter()) && !store.is_for([&others].into_iter()));
        fs::remove_file(folder.path().join(SUITE_FILE)).unwrap();
        let complaint = store.description().unwrap_err().to_string();
        assert!(
            complaint.contains("suite.json") && complaint.ends_with("compare or eval wrote"),
            "{complaint}"
        );
    }
}
